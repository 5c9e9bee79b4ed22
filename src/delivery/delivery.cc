#include "delivery/delivery.h"

#include <absl/container/inlined_vector.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/host_call.h"
#include "base/planted.h"
#include "delivery/backoff.h"
#include "delivery/pump.h"
#include "event/any_value.h"
#include "event/status_marks.h"
#include "function/config_check.h"

namespace runlet {
namespace {

constexpr std::size_t kBatch = 32;
constexpr std::int64_t kPostponedNs = 1'000'000'000;

std::string_view View(absl::string_view text) { return {text.data(), text.size()}; }

// The event of `ask`, moved into a node; bytes for a typed function are decoded.
absl::StatusOr<EventRef> MakeEvent(const FunctionEntry& entry, const Code& code, const Ask& ask,
                                   std::size_t bytes_max) {
  const Type* const bytes = TypeOf<std::string>();
  const HandlerOps& ops = code.handler.ops();
  if (!SameType(ask.in, bytes)) {
    if (!SameType(ask.in, ops.in)) return Invoker::WrongType(entry, code, ask.in, ask.out);
    EventRef event = Event::Make(ask.in, ask.event);
    event->payload_bytes = ask.in->size;
    return event;
  }
  const std::string_view text = *static_cast<const std::string_view*>(ask.event);
  if (text.size() > bytes_max) {
    return absl::OutOfRangeError(
        fmt::format("function \"{}\": {} byte payload is too large for the Event invocation type (limit {} bytes)",
                    entry.name, text.size(), bytes_max));
  }
  if (SameType(ops.in, bytes)) {
    std::string copy(text);
    EventRef event = Event::Make(bytes, &copy);
    event->payload_bytes = text.size();
    return event;
  }
  if (!SameType(ask.out, bytes)) return Invoker::WrongType(entry, code, ask.in, ask.out);
  AnyValue value(ops.in);
  if (absl::Status decoded = Invoker::Decode(entry, code, text, value.get()); !decoded.ok()) return decoded;
  value.set_holds(true);
  EventRef event = Event::Make(ops.in, value.get());
  event->payload_bytes = std::max(text.size(), ops.in->size);
  return event;
}

// While it lives, a drain waits: what is accepted in it is accounted for.
class Accepting {
 public:
  Accepting(const Invoker& invoker, Slot& slot) : invoker_(invoker), slot_(slot) { slot_.BeginAccepting(); }
  ~Accepting() {
    slot_.EndAccepting();
    if (invoker_.life() != Life::kOpen) [[unlikely]]
      invoker_.wiring().admission.Changed();
  }
  Accepting(const Accepting&) = delete;
  Accepting& operator=(const Accepting&) = delete;

 private:
  const Invoker& invoker_;
  Slot& slot_;
};

DeadLetter ParkedEvent(const EventRef& event, const Clock& clock, Instant now) {
  DeadLetter letter;
  letter.request_id = event->id;
  letter.function = event->function->name;
  letter.condition = Condition::kParked;
  letter.attempts = event->attempts;
  letter.errors = event->ErrorList();
  letter.died_at = clock.Calendar();
  letter.accepted_at = letter.died_at - absl::Nanoseconds(now.Since(event->accepted));
  letter.event = event;
  return letter;
}

absl::Status CheckPostOptions(const FunctionEntry& entry, const EventInvokeConfig& config, const PostOptions& options,
                              std::size_t events) {
  if (options.delay < absl::ZeroDuration() ||
      (options.delay > absl::ZeroDuration() && options.delay >= config.maximum_event_age)) {
    return absl::InvalidArgumentError(
        fmt::format("function \"{}\": a delay of {} is outside its range of 0 to below the maximum_event_age of {}",
                    entry.name, absl::FormatDuration(options.delay), absl::FormatDuration(config.maximum_event_age)));
  }
  if (options.dedup_key.empty()) return absl::OkStatus();
  if (events != 1) {
    return absl::InvalidArgumentError(
        fmt::format("function \"{}\": a dedup_key is of one event, but {} are posted", entry.name, events));
  }
  if (options.dedup_key.size() > kDedupKeyMax) {
    return absl::InvalidArgumentError(fmt::format("function \"{}\": dedup_key has {} bytes: the limit is {}",
                                                  entry.name, options.dedup_key.size(), kDedupKeyMax));
  }
  if (options.dedup_window < absl::Milliseconds(1) || options.dedup_window > absl::Hours(24)) {
    return absl::InvalidArgumentError(
        fmt::format("function \"{}\": dedup_window is {}, outside its range of 1ms to 24h", entry.name,
                    absl::FormatDuration(options.dedup_window)));
  }
  return absl::OkStatus();
}

}  // namespace

Delivery::Delivery(Invoker& invoker, EventQueue& queue, const Registry& registry, Limits limits)
    : invoker_(invoker),
      wiring_(invoker.wiring()),
      queue_(queue),
      registry_(registry),
      limits_(std::move(limits)),
      feed_(invoker, queue, [this](std::string_view function, const InvocationRecord& record) {
        return PostRecord(function, record);
      }) {
  if (limits_.retries.has_value()) retry_tokens_.emplace(*limits_.retries);
}

Delivery::~Delivery() = default;

void Delivery::AddLane(FunctionEntry& entry) {
  MutexLock lock(&mu_);
  lanes_.push_back(std::make_unique<Lane>(entry));
  entry.lane = lanes_.back().get();
}

// ---- acceptance ----

absl::Status Delivery::Post(FunctionEntry& entry, std::span<const Ask> asks, std::span<RequestId> ids,
                            const PostOptions& options) {
  const Execution* const caller = invoker_.Caller();
  if (caller == nullptr) return Accept(entry, asks, ids, options, {}, Life::kOpen);
  // What handlers post is part of what a drain lets end.
  return Accept(entry, asks, ids, options, invoker_.LineageOf(caller), Life::kDraining);
}

absl::Status Delivery::PostRecord(std::string_view function, const InvocationRecord& record) {
  FunctionEntry* const entry = registry_.Find(function);
  if (entry == nullptr) return Invoker::NotFound(function);
  const absl::StatusOr<std::string> json = record.Json(limits_.account);
  if (!json.ok()) return json.status();
  std::string_view text = *json;
  const Type* const bytes = TypeOf<std::string>();
  const Ask ask{bytes, &text, true, bytes, nullptr};
  Lineage lineage = record.event->lineage;
  lineage.Add(static_cast<const FunctionEntry&>(*record.event->function).function);
  RequestId id;
  // Part of the events that a drain lets end.
  return Accept(*entry, {&ask, 1}, {&id, 1}, {}, lineage, Life::kDraining);
}

absl::Status Delivery::Accept(FunctionEntry& entry, std::span<const Ask> asks, std::span<RequestId> ids,
                              const PostOptions& options, const Lineage& lineage, Life until) {
  const CodeHold hold(wiring_.slots, entry);
  const Code* const code = hold.code();
  Slot& slot = hold.slot();
  const Accepting accepting(invoker_, slot);
  bool accepted = true;
  Instant now;
  absl::Status status = [&]() -> absl::Status {
    if (invoker_.life() > until) return invoker_.Closed(entry.name);
    if (code == nullptr) return Invoker::NotFound(entry.name);
    const HandlerOps& ops = code->handler.ops();
    const EventInvokeConfig& config = code->config.event_invoke;
    if (ops.needs_last_use && (config.maximum_retry_attempts != 0 || code->sinks != nullptr)) {
      return absl::FailedPreconditionError(fmt::format(
          "function \"{}\" takes {} by value, which cannot be copied for a retry, a dead letter or a destination: take "
          "it by const reference, or set maximum_retry_attempts to 0, no dead_letter_queue and no destination",
          entry.name, ops.in->name));
    }
    if ((config.on_success.is_set() || config.on_failure.is_set()) && feed_.records() >= limits_.records) {
      return Refused(absl::StatusCode::kResourceExhausted, reason::kDestinationBacklogFull,
                     fmt::format("function \"{}\": {} invocation records wait for destinations that do not take them, "
                                 "the limit is {}",
                                 entry.name, feed_.records(), limits_.records));
    }
    if (absl::Status check = CheckPostOptions(entry, config, options, asks.size()); !check.ok()) return check;
    now = wiring_.clock.Now();
    absl::InlinedVector<EventRef, 1> events;
    events.reserve(asks.size());
    for (std::size_t i = 0; i < asks.size(); ++i) {
      absl::StatusOr<EventRef> event = MakeEvent(entry, *code, asks[i], wiring_.limits.event);
      if (!event.ok()) return event.status();
      Event& e = **event;
      e.id = ids[i] = slot.NewId();
      e.function = &entry;
      e.codec = ops.in_codec;
      e.accepted = now;
      e.expires = now.After(Nanos(config.maximum_event_age));
      if (!lineage.empty()) e.lineage = lineage;
      if (options.delay > absl::ZeroDuration() && !RUNLET_PLANTED("delay-ignored"))
        e.not_before = now.After(Nanos(options.delay));
      if (!options.dedup_key.empty()) {
        e.NeedDetails().dedup_key = options.dedup_key;
        e.details->dedup_until = now.After(Nanos(options.dedup_window));
      }
      events.push_back(*std::move(event));
    }
    if (absl::Status put = queue_.Put({events.data(), events.size()}, now); !put.ok()) return put;
    if (const EventRef& known = events.front(); known) {
      ids.front() = known->id;
      accepted = false;
    }
    return absl::OkStatus();
  }();
  if (status.ok() && !accepted) return status;
  if (!status.ok()) return invoker_.Refuse(entry, std::move(status));
  slot.meter(entry).received.Add(asks.size());
  if (invoker_.observed()) {
    for (const RequestId& id : ids) {
      invoker_.Observe({.kind = Activity::Kind::kAccepted,
                        .type = InvocationType::kEvent,
                        .at = now,
                        .due = now.After(Nanos(options.delay)),
                        .request_id = id,
                        .function = entry.name});
    }
  }
  return status;
}

absl::Status Delivery::Redrive(const RequestId& id, absl::Duration delay, bool dry_run, RequestId* new_id) {
  std::optional<DeadLetter> letter = queue_.GetDead(id);
  if (!letter.has_value())
    return absl::NotFoundError(fmt::format("no dead letter has the request id {}", id.ToString()));
  const Event& dead = *letter->event;
  auto& entry = const_cast<FunctionEntry&>(static_cast<const FunctionEntry&>(*dead.function));
  const CodeHold hold(wiring_.slots, entry);
  const Accepting accepting(invoker_, hold.slot());
  if (invoker_.life() != Life::kOpen) return invoker_.Closed(entry.name);
  if (dead.type->copy == nullptr) {
    return absl::FailedPreconditionError(fmt::format(
        "dead letter {}: an event of type {} cannot be copied, so not redriven", id.ToString(), dead.type->name));
  }
  if (hold.code() == nullptr) return Invoker::NotFound(entry.name);
  if (dry_run && !RUNLET_PLANTED("dry-run-redrives")) return absl::OkStatus();
  AnyValue copy(dead.type);
  dead.type->copy(dead.payload(), copy.get());
  copy.set_holds(true);
  const Instant now = wiring_.clock.Now();
  EventRef fresh = Event::Make(dead.type, copy.get());
  fresh->id = hold.slot().NewId();
  fresh->function = &entry;
  fresh->codec = dead.codec;
  fresh->payload_bytes = dead.payload_bytes;
  fresh->accepted = now;
  fresh->not_before = now.After(Nanos(delay));
  fresh->expires = fresh->not_before.After(Nanos(hold.code()->config.event_invoke.maximum_event_age));
  *new_id = fresh->id;
  Activity redriven = About(*fresh, Activity::Kind::kRedriven, now);
  redriven.due = fresh->not_before;
  if (absl::Status accepted = queue_.Redrive(id, std::move(fresh), now); !accepted.ok()) return accepted;
  hold.slot().meter(entry).received.Add(1);
  invoker_.Observe(redriven);
  return absl::OkStatus();
}

// ---- waking ----

void Delivery::OnReady(const FunctionIdentity& function) { Wake(*static_cast<const FunctionEntry&>(function).lane); }

void Delivery::OnDue(Instant due) { wiring_.executor.WakeAt(due); }

void Delivery::Wake(Lane& lane) {
  if (lane.pending.load(std::memory_order_seq_cst) || lane.pending.exchange(true, std::memory_order_seq_cst)) return;
  PostPump(lane);
}

void Delivery::PostPump(Lane& lane) {
  auto* pump = new Pump(*this, lane, lane.pending);
  pump->reserved = wiring_.admission.HasSetAside(lane.entry);
  wiring_.executor.Post(*pump);
}

void Delivery::SpillOver(Lane& lane) {
  if (lane.spill_pending.exchange(true, std::memory_order_seq_cst)) return;
  wiring_.executor.Post(*new Pump(*this, lane, lane.spill_pending));
}

void Delivery::WakeAnew(Lane& lane) {
  RecallClaimed(lane);
  lane.pending.store(true, std::memory_order_seq_cst);
  PostPump(lane);
}

Instant Delivery::Advance(Instant now) {
  const Instant next = queue_.Advance(now);
  EndExpired(now);
  return std::min(next, feed_.Advance(now));
}

// ---- capacity ----

bool Delivery::Enter(Lane& lane, Admission::Permit* permit, Gate** gate) {
  // Before the permit is taken: whoever is turned away meanwhile has to see that an event of ours has it.
  *gate = &GateOf(lane);
  (*gate)->active.fetch_add(1, std::memory_order_seq_cst);
  *permit = wiring_.admission.TryAdmit(lane.entry, false);
  if (!permit->admitted) {
    (*gate)->active.fetch_sub(1, std::memory_order_seq_cst);
    return false;
  }
  if (permit->permits == &lane.entry.provisioned.permits) return true;
  // The function's reservation has changed in between.
  Gate& entered = wiring_.admission.IsUnreserved(*permit) ? shared_gate_ : lane.entry.function.lane->own_gate;
  if (&entered != *gate) [[unlikely]] {
    entered.active.fetch_add(1, std::memory_order_seq_cst);
    LeaveGate(*std::exchange(*gate, &entered));
  }
  return true;
}

void Delivery::TurnedAway(Lane& lane) {
  Gate& gate = GateOf(lane);
  bool waits = false;
  {
    MutexLock lock(&gate.mu);
    // One of our own events holds a permit: whoever gives one back next wakes this lane.
    if (gate.active.load(std::memory_order_seq_cst) > 0) {
      if (std::find(gate.starved.begin(), gate.starved.end(), &lane) == gate.starved.end()) {
        gate.starved.push_back(&lane);
        if (&gate != &shared_gate_) starved_alone_.fetch_add(1, std::memory_order_seq_cst);
        wiring_.admission.StartListening();
      }
      waits = true;
    }
  }
  if (waits) {
    if (wiring_.admission.HasRoom(lane.entry)) WakeStarved(gate);
    return;
  }
  // Nobody is in the gate who would wake the lanes that wait there.
  WakeStarved(gate);
  // Calls from outside hold all permits: the events back off, as on Lambda.
  SlotHold slot(wiring_.slots);
  std::array<EventRef, kBatch> events;
  const std::size_t want = static_cast<std::size_t>(std::min<int>(wiring_.executor.batch(), kBatch));
  const Instant now = wiring_.clock.Now();
  const std::size_t claimed = queue_.Claim(lane.entry, std::span(events).first(want), now, Instant::Never());
  const bool zero =
      lane.entry.function.reserved.load(std::memory_order_relaxed) == 0 && !RUNLET_PLANTED("zero-is-a-throttle");
  std::array<Settlement, kBatch> settlements;
  for (std::size_t i = 0; i < claimed; ++i) {
    Event& event = *events[i];
    Settlement& settlement = settlements[i];
    if (zero) {
      --event.attempts;
      settlement = End(std::move(events[i]), event.fence, Condition::kZeroReservedConcurrency);
      continue;
    }
    slot->meter(lane.entry).throttles.Add(1);
    event.EndWait(now, event.attempts);
    const Instant due = now.After(BackoffNs(event.throttles));
    if (due >= event.expires) {
      --event.attempts;
      settlement = End(std::move(events[i]), event.fence, Condition::kEventAgeExceeded);
      continue;
    }
    if (invoker_.observed()) {
      const absl::Status refusal = wiring_.admission.Refusal(lane.entry);
      Activity throttled = About(event, Activity::Kind::kThrottled, now);
      throttled.due = due;
      throttled.error_type = Reason(refusal);
      throttled.error_message = View(refusal.message());
      invoker_.Observe(throttled);
    }
    settlement.fence = event.fence;
    settlement.kind = Settlement::Kind::kThrottled;
    settlement.due = due;
    settlement.event = std::move(events[i]);
  }
  Settle(std::span(settlements).first(claimed), now, SinksOf(lane.entry).get(), *slot);
  if (claimed == want) Wake(lane);
}

void Delivery::OnCapacity() {
  // What came free may be provisioned for one that is not the first in line.
  WakeStarved(shared_gate_, true);
  if (starved_alone_.load(std::memory_order_seq_cst) == 0) return;
  std::vector<Lane*> lanes;
  {
    MutexLock lock(&mu_);
    for (const auto& lane : lanes_) lanes.push_back(lane.get());
  }
  for (Lane* lane : lanes) WakeStarved(lane->own_gate, true);
}

void Delivery::LeaveGate(Gate& gate) {
  gate.active.fetch_sub(1, std::memory_order_seq_cst);
  WakeStarved(gate);
}

void Delivery::WakeStarved(Gate& gate, bool by_room) {
  Lane* next = nullptr;
  {
    MutexLock lock(&gate.mu);
    if (!gate.starved.empty()) {
      auto first = gate.starved.begin();
      if (by_room) {
        first = std::find_if(first, gate.starved.end(),
                             [this](const Lane* lane) { return wiring_.admission.HasRoom(lane->entry); });
        if (first == gate.starved.end()) first = gate.starved.begin();
      }
      next = *first;
      gate.starved.erase(first);
      if (&gate != &shared_gate_) starved_alone_.fetch_sub(1, std::memory_order_seq_cst);
      wiring_.admission.StopListening();
    }
  }
  if (next != nullptr) Wake(*next);
}

// ---- ends ----

bool Delivery::RetryMayBegin(const Event& event, Instant now) {
  if (!retry_tokens_.has_value() || RUNLET_PLANTED("budget-ignored")) return true;
  if (event.attempts > 1) return retry_tokens_->TryTake(now) || now.After(kPostponedNs) >= event.expires;
  retry_tokens_->Earn();
  return true;
}

Settlement Delivery::Postpone(EventRef event, std::uint64_t fence, Instant now) {
  event->EndWait(now, event->attempts);
  Settlement settlement;
  settlement.fence = fence;
  settlement.kind = Settlement::Kind::kThrottled;
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
  Settlement settlement;
  settlement.event = std::move(event);
  settlement.fence = fence;
  const bool leaves_nothing = condition == Condition::kSuccess || condition == Condition::kCancelled;
  settlement.kind = leaves_nothing ? Settlement::Kind::kDone : Settlement::Kind::kDead;
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
  event->EndAttempt(attempt.started, attempt.asked_to_stop, now);
  event->details->errors.Add(
      {event->attempts, wiring_.clock.Calendar(), error.value_or(FunctionError{}), std::string(code.version)});
  if (attempt.cancelled && !RUNLET_PLANTED("cancelled-retried"))
    return End(std::move(event), fence, Condition::kCancelled);
  if (IsPermanent(status)) return End(std::move(event), fence, Condition::kNotRetryable);
  if (event->attempts > config.maximum_retry_attempts + (RUNLET_PLANTED("one-attempt-more") ? 1 : 0))
    return End(std::move(event), fence, Condition::kRetriesExhausted);
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

Delivery::Ending Delivery::EndingOf(const Settlement& settlement, Instant now, const EventInvokeConfig* sinks) {
  Event& event = *settlement.event;
  if (settlement.kind == Settlement::Kind::kDead) event.EndWait(now, event.attempts + 1);
  Ending ending{&settlement, static_cast<const FunctionEntry*>(event.function),
                About(event, Activity::Kind::kEnded, now), nullptr};
  ending.activity.condition = settlement.condition;
  if (sinks == nullptr || settlement.kind == Settlement::Kind::kParked) return ending;
  if (settlement.condition == Condition::kCancelled) return ending;
  const bool success = settlement.condition == Condition::kSuccess;
  const Destination& destination = success ? sinks->on_success : sinks->on_failure;
  if (!destination.is_set()) return ending;
  // The end of a loop: a function that is told of it would take it up again.
  if (settlement.condition == Condition::kRecursionLimit && destination.function() != nullptr) return ending;
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
  std::array<EventRef, kBatch> events;
  for (;;) {
    const std::size_t claimed = queue_.ClaimExpired(events, now, false);
    if (claimed == 0) return;
    SlotHold slot(wiring_.slots);
    for (std::size_t i = 0; i < claimed; ++i) {
      auto& entry = const_cast<FunctionEntry&>(static_cast<const FunctionEntry&>(*events[i]->function));
      const std::uint64_t fence = events[i]->fence;
      Settlement settlement = End(std::move(events[i]), fence, Condition::kEventAgeExceeded);
      Settle({&settlement, 1}, now, SinksOf(entry).get(), *slot);
    }
  }
}

void Delivery::EndWaiting(FunctionEntry& entry, const EventInvokeConfig* sinks) {
  std::array<EventRef, kBatch> events;
  for (;;) {
    const std::size_t claimed = queue_.ClaimWaiting(entry, events);
    if (claimed == 0) return;
    SlotHold slot(wiring_.slots);
    for (std::size_t i = 0; i < claimed; ++i) {
      const std::uint64_t fence = events[i]->fence;
      Settlement settlement = End(std::move(events[i]), fence, Condition::kFunctionRemoved);
      Settle({&settlement, 1}, wiring_.clock.Now(), sinks, *slot);
    }
  }
}

void Delivery::RecallClaimed() {
  std::vector<Lane*> lanes;
  {
    MutexLock lock(&mu_);
    for (const auto& lane : lanes_) lanes.push_back(lane.get());
  }
  for (Lane* lane : lanes) {
    if (RecallClaimed(*lane)) Wake(*lane);
  }
}

bool Delivery::RecallClaimed(Lane& lane) {
  std::vector<Settlement> released;
  {
    MutexLock lock(&lane.mu);
    for (Pump* pump : lane.pumps) {
      while (EventRef event = pump->batch_.Take()) {
        Settlement& settlement = released.emplace_back();
        settlement.fence = event->fence;
        settlement.kind = Settlement::Kind::kRelease;
        settlement.event = std::move(event);
      }
    }
  }
  queue_.Settle(released, wiring_.clock.Now());
  return !released.empty();
}

std::optional<WaitingEvent> Delivery::FindWaiting(const RequestId& id, Instant now) {
  RecallClaimed();
  return queue_.FindWaiting(id, now);
}

bool Delivery::CancelWaiting(const RequestId& id) {
  RecallClaimed();
  EventRef event = queue_.ClaimOne(id);
  if (!event) return false;
  const std::uint64_t fence = event->fence;
  SlotHold slot(wiring_.slots);
  Settlement settlement = End(std::move(event), fence, Condition::kCancelled);
  Settle({&settlement, 1}, wiring_.clock.Now(), nullptr, *slot);
  return !settlement.stale;
}

std::size_t Delivery::ParkAll(const std::function<void(const DeadLetter&)>& parked) {
  std::size_t count = 0;
  std::array<EventRef, kBatch> events;
  const Instant now = wiring_.clock.Now();
  for (const bool waiting : {true, false}) {
    while (const std::size_t claimed = waiting
                                           ? queue_.ClaimExpired(events, now, !RUNLET_PLANTED("drain-forgets-waiting"))
                                           : queue_.ClaimLost(events, Instant::Never())) {
      SlotHold slot(wiring_.slots);
      for (std::size_t i = 0; i < claimed; ++i) {
        Settlement settlement;
        settlement.fence = events[i]->fence;
        settlement.kind = Settlement::Kind::kParked;
        settlement.condition = Condition::kParked;
        settlement.event = std::move(events[i]);
        Settle({&settlement, 1}, now, nullptr, *slot);
        if (settlement.stale) continue;
        ++count;
        if (!parked) continue;
        const DeadLetter letter = ParkedEvent(settlement.event, wiring_.clock, now);
        // Whatever it throws, nobody is left to be told, and the next event has its turn.
        CallHost([&] { parked(letter); }, [] {});
      }
    }
  }
  return count;
}

bool Delivery::idle() const {
  const QueueStats stats = queue_.stats();
  return stats.ready + stats.delayed + stats.running == 0 && feed_.idle();
}

std::shared_ptr<const EventInvokeConfig> Delivery::SinksOf(const FunctionEntry& entry) {
  const CodeHold hold(wiring_.slots, entry);
  return hold.code() == nullptr ? nullptr : hold.code()->sinks;
}

Activity Delivery::About(const Event& event, Activity::Kind kind, Instant at) {
  return {.kind = kind,
          .type = InvocationType::kEvent,
          .attempt = event.attempts,
          .at = at,
          .request_id = event.id,
          .function = event.function->name};
}

}  // namespace runlet
