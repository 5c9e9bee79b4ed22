// Sleeping on a word: what Executor::Block and Unblock come down to where threads sleep.
#ifndef RUNLET_SRC_BASE_FUTEX_H_
#define RUNLET_SRC_BASE_FUTEX_H_

#include <atomic>
#include <cstdint>

namespace runlet {

// Sleeps while *word == value, for `max_ns` of the monotonic clock at most; kForeverNs sets no limit, 0 or less returns
// at once. Returns when woken, and sometimes without cause: test and call again. Not a cancellation point.
void FutexWait(const std::atomic<std::uint32_t>* word, std::uint32_t value, std::int64_t max_ns);

// Wake threads of this process that sleep on `word`; call them after changing the word. Only the address is used: the
// word may be gone by now, so that a waiter who sees the change may destroy it at once.
void FutexWakeOne(const std::atomic<std::uint32_t>* word);
void FutexWakeAll(const std::atomic<std::uint32_t>* word);

}  // namespace runlet

#endif  // RUNLET_SRC_BASE_FUTEX_H_
