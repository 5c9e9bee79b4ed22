// How many a second.
#ifndef RUNLET_SRC_BASE_RATE_LIMIT_H_
#define RUNLET_SRC_BASE_RATE_LIMIT_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "runlet/base/time.h"

namespace runlet {

// A full second's worth may come at once; after that each comes an interval later (the generic cell rate algorithm, in
// one word). Thread-safe.
class RateLimit {
 public:
  // False: too many have come lately. `per_second` is at least 1, and may differ from call to call.
  [[nodiscard]] bool TryPass(Instant now, std::int64_t per_second) {
    constexpr std::int64_t kSecond = 1'000'000'000;
    const std::int64_t interval = kSecond / per_second;
    std::int64_t next = next_ns_.load(std::memory_order_relaxed);
    std::int64_t after;
    do {
      after = std::max(next, now.ns - kSecond) + interval;
      if (after > now.ns) return false;
    } while (!next_ns_.compare_exchange_weak(next, after, std::memory_order_relaxed));
    return true;
  }

 private:
  std::atomic<std::int64_t> next_ns_{INT64_MIN / 2};
};

}  // namespace runlet

#endif  // RUNLET_SRC_BASE_RATE_LIMIT_H_
