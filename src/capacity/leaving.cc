#include "capacity/leaving.h"

#include <absl/time/time.h>

#include <algorithm>

namespace runlet {

Instant LeaveBy(Instant until, const Clock& clock) {
  if (until.never()) return until;
  const std::int64_t left = until.Since(clock.Now());
  return SystemClock().Now().After(left > 0 ? left : std::max<std::int64_t>(0, left + kLeavingNs));
}

bool JoinBy(pthread_t thread, Instant by) {
  if (by.never()) return pthread_join(thread, nullptr) == 0;
  const std::int64_t left = std::max<std::int64_t>(0, by.Since(SystemClock().Now()));
  const timespec end = absl::ToTimespec(SystemClock().Calendar() + absl::Nanoseconds(left));
  return pthread_timedjoin_np(thread, nullptr, &end) == 0;
}

}  // namespace runlet
