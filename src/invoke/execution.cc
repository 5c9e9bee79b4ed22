#include "invoke/execution.h"

#include <algorithm>

#include "invoke/invoker.h"

namespace runlet {

thread_local constinit Execution* Execution::current_ = nullptr;

void Execution::AskToStop(Instant now) {
  cancelled_at.store(now.ns, std::memory_order_relaxed);
  cancelled.store(true, std::memory_order_relaxed);
  slot->stop().store(static_cast<std::uint32_t>(StopReason::kCaller), std::memory_order_seq_cst);
  OnStopAsked();
}

TimeSplit Execution::SpentUntil(Instant now) const {
  const Instant stopping = std::clamp(StopAskedAt(), started, std::max(started, now));
  TimeSplit spent = SpentBefore();
  spent.running += absl::Nanoseconds(stopping.Since(started));
  spent.stopping += absl::Nanoseconds(now.Since(stopping));
  return spent;
}

Instant Execution::StopAskedAt() const {
  return std::min(
      {invocation.deadline, Instant{cancelled_at.load(std::memory_order_relaxed)}, invoker->stopping_since()});
}

}  // namespace runlet
