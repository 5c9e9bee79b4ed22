// The back-off of what is not an attempt: throttles, system errors, dead letters that could not be sent.
#ifndef RUNLET_SRC_DELIVERY_BACKOFF_H_
#define RUNLET_SRC_DELIVERY_BACKOFF_H_

#include <algorithm>
#include <cstdint>

namespace runlet {

inline constexpr std::int64_t kLongestBackoffNs = 300'000'000'000;

// Lambda's: 1 s after the first failure, doubling to 300 s.
inline std::int64_t BackoffNs(int failures_before) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  return std::min(kSecond << std::min(failures_before, 9), kLongestBackoffNs);
}

}  // namespace runlet

#endif  // RUNLET_SRC_DELIVERY_BACKOFF_H_
