#include "capacity/admission.h"

#include <fmt/format.h>

#include <algorithm>

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
        fmt::format("function \"{}\": {} of its executions overran and have not returned, and the engine has replaced "
                    "{} of {} such threads",
                    entry.name, entry.abandoned.load(std::memory_order_relaxed), abandoned(), limits_.max_abandoned));
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

bool Admission::WithinRate(FunctionEntry& entry, const Permits& permits) {
  if (RUNLET_PLANTED("rate-ignored")) return true;
  const std::int64_t per_second = std::int64_t{limits_.requests_per_permit} * std::max(permits.cap(), 1);
  RateLimit& rate = &permits == &unreserved_ ? unreserved_rate_ : entry.reserved_rate;
  return rate.TryPass(clock_.Now(), per_second);
}

absl::Status Admission::RateRefusal(const FunctionEntry& entry, Permit permit) const {
  const bool unreserved = permit.permits == &unreserved_;
  return Refused(
      absl::StatusCode::kResourceExhausted,
      unreserved ? reason::kFunctionInvocationRateLimitExceeded : reason::kReservedFunctionInvocationRateLimitExceeded,
      fmt::format("function \"{}\": more than {} requests a second ({} for each of {} {} executions)", entry.name,
                  limits_.requests_per_permit * permit.permits->cap(), limits_.requests_per_permit,
                  permit.permits->cap(), unreserved ? "unreserved" : "reserved"));
}

absl::Status Admission::Reserve(FunctionEntry& entry, std::optional<int> reserved) {
  MutexLock lock(&mu_);
  const int before = entry.reserved.load(std::memory_order_relaxed);
  const int others = reserved_sum_ - (before == kUnreserved ? 0 : before);
  if (reserved.value_or(0) > limits_.concurrency - limits_.unreserved_minimum - others) {
    return absl::InvalidArgumentError(fmt::format(
        "function \"{}\": reserved_concurrency is {}, but of the engine's concurrency of {} only {} are not "
        "reserved by other functions{}",
        entry.name, *reserved, limits_.concurrency, limits_.concurrency - limits_.unreserved_minimum - others,
        limits_.unreserved_minimum == 0
            ? ""
            : fmt::format(" or kept by unreserved_minimum, which is {}", limits_.unreserved_minimum)));
  }
  reserved_sum_ = others + reserved.value_or(0);
  entry.reserved.store(reserved.value_or(kUnreserved), std::memory_order_relaxed);
  if (std::find(reserving_.begin(), reserving_.end(), &entry) == reserving_.end()) reserving_.push_back(&entry);
  if (HandOver()) {
    // From now on whoever gives a permit back tells, and it is handed over. Some may have come back meanwhile.
    if (!handing_over_.exchange(true)) StartListening();
    EndHandingOver();
  }
  return absl::OkStatus();
}

bool Admission::HandOver() {
  const auto share = [](const FunctionEntry& entry) {
    return std::max(entry.reserved.load(std::memory_order_relaxed), 0);
  };
  // First those that shrink; what they hold beyond their share is not free yet.
  const int unreserved = limits_.concurrency - reserved_sum_;
  int used = unreserved_.set_cap(std::min(unreserved_.cap(), unreserved));
  for (FunctionEntry* entry : reserving_) {
    used += entry->reserved_permits.set_cap(std::min(entry->reserved_permits.cap(), share(*entry)));
  }
  int free = std::max(0, limits_.concurrency - used);
  const auto grow = [&free](Permits& permits, int to) {
    const int more = std::min(to - permits.cap(), free);
    permits.set_cap(permits.cap() + more);
    free -= more;
    return permits.cap() < to;
  };
  bool waits = false;
  for (FunctionEntry* entry : reserving_) waits = grow(entry->reserved_permits, share(*entry)) || waits;
  waits = grow(unreserved_, unreserved) || waits;
  if (RUNLET_PLANTED("cap-off-by-one")) {
    for (FunctionEntry* entry : reserving_) entry->reserved_permits.set_cap(share(*entry) + 1);
  }
  std::erase_if(reserving_, [](const FunctionEntry* entry) {
    return entry->reserved.load(std::memory_order_relaxed) == kUnreserved && entry->reserved_permits.taken() == 0;
  });
  return waits;
}

void Admission::EndHandingOver() {
  if (!HandOver() && handing_over_.exchange(false)) StopListening();
}

bool Admission::Abandon(FunctionEntry& entry) {
  entry.abandoned.fetch_add(1, std::memory_order_relaxed);
  int before = abandoned_.load(std::memory_order_relaxed);
  do {
    if (before >= limits_.max_abandoned) return false;
  } while (!abandoned_.compare_exchange_weak(before, before + 1, std::memory_order_relaxed));
  return true;
}

void Admission::ComeBack(FunctionEntry& entry, bool written_off) {
  entry.abandoned.fetch_sub(1, std::memory_order_relaxed);
  if (written_off) abandoned_.fetch_sub(1, std::memory_order_relaxed);
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
  if (handing_over_.load(std::memory_order_seq_cst)) [[unlikely]] {
    MutexLock lock(&mu_);
    EndHandingOver();
  }
  WakeBlocked();
  if (listener_ != nullptr) listener_->OnCapacity();
}

}  // namespace runlet
