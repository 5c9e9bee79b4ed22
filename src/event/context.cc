#include "runlet/event/context.h"

#include <algorithm>

namespace runlet {

bool Context::Sleep(absl::Duration duration) {
  const Instant until = clock_.Now().After(std::max<std::int64_t>(Nanos(duration), 0));
  port_.SleepUntil(std::min(until, invocation_.deadline), stop_);
  return !stop_requested() && clock_.Now() >= until;
}

ResponseStream& Context::Stream(std::string_view content_type) {
  if (stream_ == nullptr) stream_ = port_.OpenStream(invocation_, content_type);
  return *stream_;
}

}  // namespace runlet
