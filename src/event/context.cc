#include "runlet/event/context.h"

#include <algorithm>

namespace runlet {

bool Context::Sleep(absl::Duration duration) {
  const Instant until = clock_.Now().After(std::max<std::int64_t>(Nanos(duration), 0));
  port_.SleepUntil(std::min(until, invocation_.deadline), stop_);
  return !stop_requested() && clock_.Now() >= until;
}

}  // namespace runlet
