#include "capacity/admission.h"

#include <fmt/format.h>

#include "base/planted.h"
#include "event/status_marks.h"

namespace runlet {

Admission::Permit Admission::AdmitBefore(const FunctionEntry& entry, bool nested, Instant until) {
  Permit permit;
  WaitUntil(until, [&] {
    permit = TryAdmit(entry, nested);
    return permit.admitted;
  });
  return permit;
}

absl::Status Admission::Refusal(const FunctionEntry& entry) const {
  if (entry.abandoned.load(std::memory_order_relaxed) != 0 && AtAbandonedLimit()) {
    return Refused(
        absl::StatusCode::kResourceExhausted, reason::kAbandonedExecutionLimitExceeded,
        fmt::format("function \"{}\": {} of its executions overran and have not returned, and the engine is at its "
                    "limit of {} such threads",
                    entry.name, entry.abandoned.load(std::memory_order_relaxed), max_abandoned_));
  }
  if (IsUnreserved(entry)) {
    return Refused(absl::StatusCode::kResourceExhausted, reason::kConcurrentInvocationLimitExceeded,
                   fmt::format("function \"{}\": {} of {} unreserved executions in use", entry.name, unreserved_.cap(),
                               unreserved_.cap()));
  }
  const int cap = entry.reserved_permits.cap();
  return Refused(absl::StatusCode::kResourceExhausted, reason::kReservedFunctionConcurrentInvocationLimitExceeded,
                 fmt::format("function \"{}\": {} of {} reserved executions in use", entry.name, cap, cap));
}

absl::Status Admission::Reserve(FunctionEntry& entry, std::optional<int> reserved) {
  MutexLock lock(&mu_);
  const int before = entry.reserved.load(std::memory_order_relaxed);
  const int others = reserved_sum_ - (before == kUnreserved ? 0 : before);
  if (reserved.value_or(0) > concurrency_ - others) {
    return absl::InvalidArgumentError(fmt::format(
        "function \"{}\": reserved_concurrency is {}, but of the engine's concurrency of {} only {} are not "
        "reserved by other functions",
        entry.name, *reserved, concurrency_, concurrency_ - others));
  }
  reserved_sum_ = others + reserved.value_or(0);
  entry.reserved_permits.set_cap(reserved.value_or(0) + (RUNLET_PLANTED("cap-off-by-one") ? 1 : 0));
  entry.reserved.store(reserved.value_or(kUnreserved), std::memory_order_relaxed);
  unreserved_.set_cap(concurrency_ - reserved_sum_);
  return absl::OkStatus();
}

bool Admission::Abandon(FunctionEntry& entry) {
  entry.abandoned.fetch_add(1, std::memory_order_relaxed);
  return abandoned_.fetch_add(1, std::memory_order_relaxed) < max_abandoned_;
}

void Admission::ComeBack(FunctionEntry& entry) {
  entry.abandoned.fetch_sub(1, std::memory_order_relaxed);
  abandoned_.fetch_sub(1, std::memory_order_relaxed);
  Changed();
}

// Whoever waits for quiet is told by the last one to leave. Nothing is missed: who sees a permit taken here has done
// what he tells of before, and the holder of that permit looks at the waiters after giving it back.
void Admission::TellWaiters() {
  if (waiters_.load(std::memory_order_seq_cst) < kForAnything && unreserved_.taken() != 0) return;
  Changed();
}

void Admission::WakeForQuiet() {
  if (unreserved_.taken() == 0) WakeBlocked();
}

void Admission::WakeBlocked() {
  changes_.fetch_add(1, std::memory_order_seq_cst);
  executor_.Unblock(&changes_);
}

void Admission::Changed() {
  WakeBlocked();
  if (listener_ != nullptr) listener_->OnCapacity();
}

}  // namespace runlet
