// How long the threads of an executor that have no work any more may take to end.
#ifndef RUNLET_SRC_CAPACITY_LEAVING_H_
#define RUNLET_SRC_CAPACITY_LEAVING_H_

#include <pthread.h>

#include <cstdint>

#include "runlet/base/time.h"

namespace runlet {

inline constexpr std::int64_t kLeavingNs = 100'000'000;  // 100 ms

// By when they must have ended, where their work had to end by `until` of `clock`: then, or 100 ms later where that has
// come already. On the system's own clock, as every real wait.
Instant LeaveBy(Instant until, const Clock& clock);

// Joins `thread`. False: it has not ended by then, of the system's clock. A thread that has left ends soon, as a rule:
// but its thread-local objects are the host's, and may take any time.
bool JoinBy(pthread_t thread, Instant by);

}  // namespace runlet

#endif  // RUNLET_SRC_CAPACITY_LEAVING_H_
