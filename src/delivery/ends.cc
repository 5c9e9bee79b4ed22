// How events go on after an attempt, and how they end.
#include <absl/container/inlined_vector.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/host_call.h"
#include "base/planted.h"
#include "delivery/batch.h"
#include "delivery/delivery.h"
#include "delivery/pump.h"
#include "event/status_marks.h"
#include "function/config_check.h"

namespace runlet {
namespace {

constexpr std::int64_t kPostponedNs = 1'000'000'000;

// As the host wants it, which need not be told.
bool EndedByHost(Condition condition) {
  return condition == Condition::kCancelled || (condition == Condition::kPurged && !RUNLET_PLANTED("purged-buried"));
}

// `running`: where its time went, if it runs.
DeadLetter ParkedEvent(const EventRef& event, const std::optional<TimeSplit>& running, const Clock& clock,
                       Instant now) {
  DeadLetter letter;
  letter.request_id = event->id;
  letter.function = event->function->name;
  letter.condition = Condition::kParked;
  letter.attempts = event->attempts;
  letter.errors = event->ErrorList();
  letter.died_at = clock.Calendar();
  letter.accepted_at = letter.died_at - absl::Nanoseconds(now.Since(event->accepted));
  letter.spent = running.has_value() ? *running : event->SpentWaiting(now, event->attempts + 1);
  letter.event = event;
  return letter;
}

}  // namespace

// ---- ends ----

bool Delivery::RetryMayBegin(const Event& event, Instant now) {
  if (!retry_tokens_.has_value() || RUNLET_PLANTED("budget-ignored")) return true;
  if (event.attempts > 1) return retry_tokens_->TryTake(now) || now.After(kPostponedNs) >= event.expires;
  retry_tokens_->Earn();
  return true;
}

Settlement Delivery::Postpone(EventRef event, std::uint64_t fence, Instant now) {
  // It goes on waiting for the retry that was claimed: no throttle, which would count for the back-off of throttles.
  LaneOf(*event).Note([&] {
    event->EndWait(now, event->attempts--);
    event->throttles = 0;
  });
  Settlement settlement;
  settlement.fence = fence;
  settlement.kind = RUNLET_PLANTED("postponement-throttles") ? Settlement::Kind::kThrottled : Settlement::Kind::kRetry;
  settlement.due = now.After(kPostponedNs);
  if (invoker_.observed()) {
    Activity postponed = About(*event, Activity::Kind::kThrottled, now);
    postponed.due = settlement.due;
    postponed.error_type = "RetryBudgetExceeded";
    invoker_.Observe(postponed);
  }
  settlement.event = std::move(event);
  return settlement;
}

Settlement Delivery::End(EventRef event, std::uint64_t fence, Condition condition) {
  if (event->cancelled && condition != Condition::kSuccess) condition = Condition::kCancelled;
  Settlement settlement;
  settlement.event = std::move(event);
  settlement.fence = fence;
  const bool leaves_nothing = condition == Condition::kSuccess || EndedByHost(condition);
  settlement.kind = leaves_nothing                    ? Settlement::Kind::kDone
                    : condition == Condition::kParked ? Settlement::Kind::kParked
                                                      : Settlement::Kind::kDead;
  settlement.condition = condition;
  return settlement;
}

Settlement Delivery::Decide(EventRef event, std::uint64_t fence, const Code& code, const absl::Status& status,
                            const Attempt& attempt, Random& random) {
  if (status.ok()) {
    Settlement success = End(std::move(event), fence, Condition::kSuccess);
    success.executed_version = code.version;
    return success;
  }
  const EventInvokeConfig& config = code.config.event_invoke;
  const std::optional<FunctionError> error = FunctionErrorOf(status);
  const Instant now = attempt.ended;
  AttemptError failed{event->attempts, wiring_.clock.Calendar(), error.value_or(FunctionError{}),
                      std::string(code.version)};
  LaneOf(*event).Note([&] {
    event->EndAttempt(attempt.started, attempt.asked_to_stop, now);
    event->details->errors.Add(std::move(failed));
  });
  if (attempt.cancelled && !RUNLET_PLANTED("cancelled-retried"))
    return End(std::move(event), fence, Condition::kCancelled);
  if (IsPermanent(status)) return End(std::move(event), fence, Condition::kNotRetryable);
  if (event->attempts > config.maximum_retry_attempts + (RUNLET_PLANTED("one-attempt-more") ? 1 : 0))
    return End(std::move(event), fence, Condition::kRetriesExhausted);
  // As those that waited when it was removed, and told to the same.
  if (static_cast<const FunctionEntry&>(*event->function).code.load(std::memory_order_relaxed) == nullptr)
    return End(std::move(event), fence, Condition::kFunctionRemoved);
  const Instant due = now.After(RetryWaitNs(config.retry_policy, event->attempts, random));
  // Lambda looks ahead: an event that would be too old at its next attempt is given up now.
  if (due >= event->expires) return End(std::move(event), fence, Condition::kEventAgeExceeded);
  if (invoker_.observed()) {
    Activity scheduled = About(*event, Activity::Kind::kRetryScheduled, now);
    scheduled.due = due;
    scheduled.error_type = error->type;
    scheduled.error_message = error->message;
    invoker_.Observe(scheduled);
  }
  Settlement settlement;
  settlement.event = std::move(event);
  settlement.fence = fence;
  settlement.kind = Settlement::Kind::kRetry;
  settlement.due = RUNLET_PLANTED("retry-early") ? due.After(-1'000'000'000) : due;
  return settlement;
}

void Delivery::Settle(std::span<Settlement> settlements, Instant now, const EventInvokeConfig* sinks, Slot& slot) {
  if (settlements.empty()) return;
  // The queue takes the events: what is to be told of their ends is noted before.
  absl::InlinedVector<Ending, 1> endings;
  bool ends = false;
  for (Settlement& settlement : settlements) {
    const bool done = settlement.kind == Settlement::Kind::kDone;
    if (!done && settlement.kind != Settlement::Kind::kDead && settlement.kind != Settlement::Kind::kParked) continue;
    ends = true;
    if (settlement.condition != Condition::kSuccess || sinks != nullptr || invoker_.observed())
      endings.push_back(EndingOf(settlement, now, sinks));
  }
  queue_.Settle(settlements, now);
  for (Ending& ending : endings) {
    if (!ending.settlement->stale) Tell(ending, sinks, slot);
  }
  if (ends) wiring_.admission.TellOfQuiet();
}

bool Delivery::TakesUpLoop(const Event& event, const Destination& destination) const {
  if (destination.function() == nullptr) return false;
  const FunctionEntry* const told = registry_.Find(destination.function()->name);
  return told != nullptr && event.lineage.CountOf(told->function) >= kRecursionMax;
}

Delivery::Ending Delivery::EndingOf(const Settlement& settlement, Instant now, const EventInvokeConfig* sinks) {
  Event& event = *settlement.event;
  if (settlement.kind == Settlement::Kind::kDead) LaneOf(event).Note([&] { event.EndWait(now, event.attempts + 1); });
  Ending ending{&settlement, static_cast<const FunctionEntry*>(event.function),
                About(event, Activity::Kind::kEnded, now), nullptr};
  ending.activity.condition = settlement.condition;
  if (sinks == nullptr || settlement.kind == Settlement::Kind::kParked) return ending;
  if (EndedByHost(settlement.condition)) return ending;
  const bool success = settlement.condition == Condition::kSuccess;
  const Destination& destination = success ? sinks->on_success : sinks->on_failure;
  if (!destination.is_set()) return ending;
  if (settlement.condition == Condition::kRecursionLimit && TakesUpLoop(event, destination)) return ending;
  ending.record = std::make_unique<InvocationRecord>();
  InvocationRecord& record = *ending.record;
  record.timestamp = wiring_.clock.Calendar();
  record.request_id = event.id;
  record.function = event.function->name;
  record.condition = settlement.condition;
  record.approximate_invoke_count = event.attempts;
  record.event = settlement.event;
  if (success) {
    record.executed_version = settlement.executed_version;
    if (settlement.response != nullptr) record.response = *settlement.response;
  } else if (const std::vector<AttemptError> errors = event.ErrorList(); !errors.empty()) {
    record.executed_version = errors.back().version;
    record.error = errors.back().error;
  }
  return ending;
}

void Delivery::Tell(Ending& ending, const EventInvokeConfig* sinks, Slot& slot) {
  const Settlement& settlement = *ending.settlement;
  if (settlement.condition != Condition::kSuccess) slot.meter(*ending.entry).dropped.Add(1);
  invoker_.Observe(ending.activity);
  if (sinks == nullptr) return;
  if (settlement.kind == Settlement::Kind::kDead && sinks->dead_letter_queue != nullptr) {
    feed_.Add(*ending.entry,
              {ending.activity.request_id, settlement.condition, ending.activity.attempt, sinks->dead_letter_queue});
  }
  if (ending.record != nullptr && !RUNLET_PLANTED("destination-untold")) {
    const bool success = settlement.condition == Condition::kSuccess;
    feed_.Add(*ending.entry, std::move(*ending.record), success ? sinks->on_success : sinks->on_failure);
  }
}

void Delivery::EndExpired(Instant now) {
  std::array<EventRef, Batch::kMax> events;
  for (;;) {
    const std::size_t claimed = queue_.ClaimExpired(events, now, false);
    if (claimed == 0) return;
    SlotHold slot(wiring_.slots);
    for (std::size_t i = 0; i < claimed; ++i) {
      auto& entry = const_cast<FunctionEntry&>(static_cast<const FunctionEntry&>(*events[i]->function));
      const std::uint64_t fence = events[i]->fence;
      const Condition condition = events[i]->crashed ? Condition::kHostCrashed : Condition::kEventAgeExceeded;
      Settlement settlement = End(std::move(events[i]), fence, condition);
      Settle({&settlement, 1}, now, SinksOf(entry).get(), *slot);
    }
  }
}

std::vector<EventRef> Delivery::TakeWaiting(const FunctionEntry& entry) {
  std::vector<EventRef> taken;
  Lane& lane = *entry.lane;
  {
    MutexLock lock(&lane.mu);
    for (Pump* pump : lane.pumps) {
      if (RUNLET_PLANTED("claimed-survive-removal")) break;
      while (EventRef event = pump->batch_.Take()) {
        if (!lane.closed) --event->attempts;  // counted by the claim
        taken.push_back(std::move(event));
      }
    }
  }
  std::array<EventRef, Batch::kMax> events;
  while (const std::size_t claimed = queue_.ClaimWaiting(entry, events)) {
    for (std::size_t i = 0; i < claimed; ++i) taken.push_back(std::move(events[i]));
  }
  return taken;
}

std::size_t Delivery::EndWaiting(std::vector<EventRef> events, Condition condition, const EventInvokeConfig* sinks) {
  constexpr std::size_t kAtOnce = 1024;  // so that nobody waits long for the queue
  std::size_t ended = 0;
  SlotHold slot(wiring_.slots);
  std::vector<Settlement> settlements;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const std::uint64_t fence = events[i]->fence;
    settlements.push_back(End(std::move(events[i]), fence, condition));
    if (settlements.size() < kAtOnce && i + 1 < events.size()) continue;
    Settle(settlements, wiring_.clock.Now(), sinks, *slot);
    ended += static_cast<std::size_t>(std::count_if(settlements.begin(), settlements.end(),
                                                    [](const Settlement& settlement) { return !settlement.stale; }));
    settlements.clear();
  }
  return ended;
}

std::size_t Delivery::Purge(const FunctionEntry& entry) {
  return EndWaiting(TakeWaiting(entry), Condition::kPurged, nullptr);
}

std::size_t Delivery::PurgeDead(const DeadLetterFilter& filter) {
  const std::vector<RequestId> purged = queue_.PurgeDead(filter);
  feed_.Forget(purged);
  const Instant now = wiring_.clock.Now();
  for (const RequestId& id : purged)
    invoker_.Observe(
        {.kind = Activity::Kind::kDeadLetterPurged, .type = InvocationType::kEvent, .at = now, .request_id = id});
  return purged.size();
}

void Delivery::OfferOldLetters(const FunctionEntry& entry, const std::shared_ptr<DeadLetterQueue>& sink) {
  if (sink == nullptr || queue_.durability() == Durability::kMemory) return;
  constexpr std::size_t kPage = 1000;
  std::optional<RequestId> after;
  for (;;) {
    const std::vector<DeadLetter> page = queue_.ListDead({.function = entry.name}, kPage, after);
    for (const DeadLetter& letter : page) {
      if (letter.function == entry.name) feed_.Add(entry, {letter.request_id, letter.condition, letter.attempts, sink});
    }
    if (page.size() < kPage) return;
    after = page.back().request_id;
  }
}

std::optional<TimeSplit> Delivery::SpentRunning(const RequestId& id, Instant now) const {
  std::optional<TimeSplit> spent;
  wiring_.slots.Look([&](const Slot& slot, Watched& run) {
    const auto& x = static_cast<const Execution&>(run);
    if (x.invocation.request_id == id && !slot.taken_away()) spent = x.SpentUntil(now);
  });
  return spent;
}

std::size_t Delivery::ParkAll(const std::function<void(const DeadLetter&)>& parked) {
  std::size_t count = 0;
  std::array<EventRef, Batch::kMax> events;
  const Instant now = wiring_.clock.Now();
  RecallClaimed();
  // Runs that go on have lost their events, and leave them as they are from here on.
  for (Lane* lane : AllLanes()) lane->Close();
  for (const bool waiting : {true, false}) {
    while (const std::size_t claimed = waiting
                                           ? queue_.ClaimExpired(events, now, !RUNLET_PLANTED("drain-forgets-waiting"))
                                           : queue_.ClaimLost(events, Instant::Never())) {
      SlotHold slot(wiring_.slots);
      for (std::size_t i = 0; i < claimed; ++i) {
        const std::uint64_t fence = events[i]->fence;
        Settlement settlement = End(std::move(events[i]), fence, Condition::kParked);
        Settle({&settlement, 1}, now, nullptr, *slot);
        if (settlement.stale || settlement.condition != Condition::kParked) continue;
        ++count;
        if (!parked) continue;
        const EventRef& event = settlement.event;
        const std::optional<TimeSplit> running = waiting ? std::nullopt : SpentRunning(event->id, now);
        const DeadLetter letter = ParkedEvent(event, running, wiring_.clock, now);
        // Whatever it throws, nobody is left to be told, and the next event has its turn.
        CallHost([&] { parked(letter); }, [] {});
      }
    }
  }
  return count;
}

}  // namespace runlet
