#include "invoke/execution.h"

#include <algorithm>

#include "invoke/invoker.h"

namespace runlet {

thread_local constinit Execution* Execution::current_ = nullptr;

Instant Execution::StopAskedAt() const {
  return std::min(
      {invocation.deadline, Instant{cancelled_at.load(std::memory_order_relaxed)}, invoker->stopping_since()});
}

}  // namespace runlet
