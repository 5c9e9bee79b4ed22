#include "capacity/admission.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/planted.h"
#include "event/status_marks.h"

namespace runlet {
namespace {

std::string ProvisionedInUse(const FunctionEntry& entry) {
  const int cap = entry.provisioned.permits.cap();
  return cap == 0 ? "" : fmt::format(", and {} of {} provisioned ones", cap, cap);
}

}  // namespace

Admission::Permit Admission::AdmitBefore(const FunctionEntry& entry, bool nested, Instant until) {
  Permit permit;
  WaitUntil(until, [&] {
    permit = TryAdmit(entry, nested);
    return permit.admitted;
  });
  return permit;
}

absl::Status Admission::Refusal(const FunctionEntry& entry) const {
  if (entry.function.abandoned.load(std::memory_order_relaxed) != 0 && AtAbandonedLimit()) {
    return Refused(
        absl::StatusCode::kResourceExhausted, reason::kAbandonedExecutionLimitExceeded,
        fmt::format("function \"{}\": {} of its executions overran and have not returned, and the engine has replaced "
                    "{} of {} such threads",
                    entry.name, entry.function.abandoned.load(std::memory_order_relaxed), abandoned(),
                    limits_.max_abandoned));
  }
  if (IsUnreserved(entry) != RUNLET_PLANTED("reasons-swapped")) {
    const int cap = unreserved_.permits.cap();
    return Refused(absl::StatusCode::kResourceExhausted, reason::kConcurrentInvocationLimitExceeded,
                   fmt::format("function \"{}\": {} of {} unreserved executions in use{}", entry.name, cap, cap,
                               ProvisionedInUse(entry)));
  }
  const int cap = entry.function.reserved_part.permits.cap();
  return Refused(absl::StatusCode::kResourceExhausted, reason::kReservedFunctionConcurrentInvocationLimitExceeded,
                 fmt::format("function \"{}\": {} of {} reserved executions in use{}", entry.name, cap, cap,
                             ProvisionedInUse(entry)));
}

Admission::Permit Admission::SpillOver(const FunctionEntry& entry, const Permits& full, bool nested) {
  if (&full != &entry.provisioned.permits || RUNLET_PLANTED("provisioned-is-all")) return {};
  Permits& on_demand = OnDemand(entry).permits;
  if (nested && &on_demand == &unreserved_.permits) return {true, nullptr};
  if (!on_demand.TryEnter()) return {};
  return {true, &on_demand};
}

bool Admission::TryOnDemandInstead(FunctionEntry& entry, bool nested, Permit* permit) {
  if (permit->permits != &entry.provisioned.permits) return false;
  const Permit instead = SpillOver(entry, *permit->permits, nested);
  if (!instead.admitted) return false;
  if (!KeepsRate(entry, instead)) {
    Leave(instead);
    return false;
  }
  Leave(std::exchange(*permit, instead));
  return true;
}

bool Admission::WithinRate(FunctionEntry& entry, Permit permit) {
  if (RUNLET_PLANTED("rate-ignored")) return true;
  Allotment& taken = permit.permits == &entry.provisioned.permits ? entry.provisioned
                     : IsUnreserved(permit)                       ? unreserved_
                                                                  : entry.function.reserved_part;
  const std::int64_t per_second = std::int64_t{limits_.requests_per_permit} * std::max(taken.permits.cap(), 1);
  return taken.rate.TryPass(clock_.Now(), per_second);
}

absl::Status Admission::RateRefusal(const FunctionEntry& entry, Permit permit) const {
  const bool unreserved = IsUnreserved(permit);
  const bool provisioned = permit.permits == &entry.provisioned.permits;
  return Refused(absl::StatusCode::kResourceExhausted,
                 IsUnreserved(entry) != RUNLET_PLANTED("reasons-swapped")
                     ? reason::kFunctionInvocationRateLimitExceeded
                     : reason::kReservedFunctionInvocationRateLimitExceeded,
                 fmt::format("function \"{}\": more than {} requests a second ({} for each of {} {} executions)",
                             entry.name, limits_.requests_per_permit * permit.permits->cap(),
                             limits_.requests_per_permit, permit.permits->cap(),
                             provisioned  ? "provisioned"
                             : unreserved ? "unreserved"
                                          : "reserved"));
}

// ---- what is set aside ----

void Admission::Add(FunctionEntry& entry) {
  MutexLock lock(&mu_);
  Direct(entry);
}

absl::Status Admission::CheckFree(const FunctionEntry& entry, std::string_view setting, int wanted, int others) const {
  const int floor = RUNLET_PLANTED("floor-ignored") ? 0 : limits_.unreserved_minimum;
  const int free = limits_.concurrency - floor - others;
  if (wanted <= free) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("function \"{}\": {} is {}, but of the engine's concurrency of {} only {} are not set aside for "
                  "others{}",
                  entry.name, setting, wanted, limits_.concurrency, free,
                  limits_.unreserved_minimum == 0
                      ? ""
                      : fmt::format(" or kept by unreserved_minimum, which is {}", limits_.unreserved_minimum)));
}

absl::Status Admission::Reserve(FunctionEntry& function, std::optional<int> reserved) {
  MutexLock lock(&mu_);
  const int before = function.reserved.load(std::memory_order_relaxed);
  const int provisioned = function.provisioned_sum.load(std::memory_order_relaxed);
  const int others = set_aside_sum_ - (before == kUnreserved ? provisioned : before);
  const int wanted = reserved.value_or(provisioned);
  if (wanted < provisioned) {
    return absl::InvalidArgumentError(fmt::format(
        "function \"{}\": reserved_concurrency is {}, less than the {} that are provisioned for its versions "
        "and aliases",
        function.name, wanted, provisioned));
  }
  if (absl::Status free = CheckFree(function, "reserved_concurrency", wanted, others); !free.ok()) return free;
  set_aside_sum_ = others + wanted;
  function.reserved.store(reserved.value_or(kUnreserved), std::memory_order_relaxed);
  SetAside(function.reserved_part, wanted - provisioned);
  Direct(function);
  for (FunctionEntry* entry : function.qualified) Direct(*entry);
  BeginHandingOver();
  return absl::OkStatus();
}

absl::Status Admission::Provision(FunctionEntry& entry, int provisioned) {
  MutexLock lock(&mu_);
  FunctionEntry& function = entry.function;
  const int before = entry.provisioned.share();
  const int reserved = function.reserved.load(std::memory_order_relaxed);
  const int sum = function.provisioned_sum.load(std::memory_order_relaxed) - before + provisioned;
  if (reserved != kUnreserved) {
    if (sum > reserved) {
      return absl::InvalidArgumentError(
          fmt::format("function \"{}\": {} provisioned executions, and {} of other versions and aliases, exceed its "
                      "reserved_concurrency of {}",
                      entry.name, provisioned, sum - provisioned, reserved));
    }
    SetAside(function.reserved_part, reserved - sum);
  } else {
    const int others = set_aside_sum_ - before;
    if (absl::Status free = CheckFree(entry, "provisioned concurrency", provisioned, others); !free.ok()) return free;
    set_aside_sum_ = others + provisioned;
  }
  function.provisioned_sum.store(sum, std::memory_order_relaxed);
  SetAside(entry.provisioned, provisioned);
  Direct(entry);
  BeginHandingOver();
  return absl::OkStatus();
}

void Admission::SetAside(Allotment& allotment, int share) {
  allotment.set_share(share);
  if (std::find(set_aside_.begin(), set_aside_.end(), &allotment) == set_aside_.end()) set_aside_.push_back(&allotment);
}

void Admission::Direct(FunctionEntry& entry) const {
  Allotment& first = entry.provisioned.share() > 0 ? entry.provisioned : OnDemand(entry);
  entry.permits.store(&first.permits, std::memory_order_relaxed);
}

void Admission::BeginHandingOver() {
  if (!HandOver()) return;
  // From now on whoever gives a permit back tells, and it is handed over. Some may have come back meanwhile.
  if (!handing_over_.exchange(true)) StartListening();
  EndHandingOver();
}

bool Admission::HandOver() {
  // First those that shrink; what they hold beyond their share is not free yet.
  unreserved_.set_share(limits_.concurrency - set_aside_sum_);
  const auto shrink = [](Allotment& allotment) {
    return allotment.permits.set_cap(std::min(allotment.permits.cap(), allotment.share()));
  };
  int used = shrink(unreserved_);
  for (Allotment* allotment : set_aside_) used += shrink(*allotment);
  int free = std::max(0, limits_.concurrency - used);
  const auto grow = [&free](Allotment& allotment) {
    const int more = std::min(allotment.share() - allotment.permits.cap(), free);
    allotment.permits.set_cap(allotment.permits.cap() + more);
    free -= more;
    return allotment.permits.cap() < allotment.share();
  };
  bool waits = false;
  for (Allotment* allotment : set_aside_) waits = grow(*allotment) || waits;
  waits = grow(unreserved_) || waits;
  if (RUNLET_PLANTED("cap-off-by-one")) {
    for (Allotment* allotment : set_aside_) allotment->permits.set_cap(allotment->share() + 1);
  }
  std::erase_if(set_aside_,
                [](const Allotment* allotment) { return allotment->share() == 0 && allotment->permits.taken() == 0; });
  return waits;
}

void Admission::EndHandingOver() {
  if (!HandOver() && handing_over_.exchange(false)) StopListening();
}

bool Admission::Abandon(FunctionEntry& entry) {
  entry.function.abandoned.fetch_add(1, std::memory_order_relaxed);
  int before = abandoned_.load(std::memory_order_relaxed);
  do {
    if (before >= limits_.max_abandoned) return false;
  } while (!abandoned_.compare_exchange_weak(before, before + 1, std::memory_order_relaxed));
  return true;
}

void Admission::ComeBack(FunctionEntry& entry, bool written_off) {
  entry.function.abandoned.fetch_sub(1, std::memory_order_relaxed);
  if (written_off) abandoned_.fetch_sub(1, std::memory_order_relaxed);
  Changed();
}

// Whoever waits for quiet is told by the last one to leave. Nothing is missed: who sees a permit taken here has done
// what he tells of before, and the holder of that permit looks at the waiters after giving it back.
void Admission::TellWaiters() {
  if (waiters_.load(std::memory_order_seq_cst) < kForAnything && unreserved_.permits.taken() != 0) return;
  Changed();
}

void Admission::WakeForQuiet() {
  if (unreserved_.permits.taken() == 0) WakeBlocked();
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
