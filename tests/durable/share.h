// How much of a long test is run: all of it, or a tenth where a sanitizer slows it down as much.
#ifndef RUNLET_TESTS_DURABLE_SHARE_H_
#define RUNLET_TESTS_DURABLE_SHARE_H_

namespace runlet::durable_test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kShare = 10;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
constexpr int kShare = 10;
#else
constexpr int kShare = 1;
#endif
#else
constexpr int kShare = 1;
#endif

}  // namespace runlet::durable_test

#endif  // RUNLET_TESTS_DURABLE_SHARE_H_
