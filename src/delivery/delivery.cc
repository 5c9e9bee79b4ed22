#include "delivery/delivery.h"

#include <absl/container/inlined_vector.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/planted.h"
#include "delivery/backoff.h"
#include "delivery/batch.h"
#include "delivery/pump.h"
#include "event/status_marks.h"

namespace runlet {
namespace {

// Longer than what is settled together takes, and not seen by those who wait for the outcome.
constexpr std::int64_t kFinishedHeldNs = 5'000'000;

std::string_view View(absl::string_view text) { return {text.data(), text.size()}; }

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

// ---- waking ----

void Delivery::OnReady(const FunctionIdentity& function) { Wake(*static_cast<const FunctionEntry&>(function).lane); }

void Delivery::OnDue(Instant due) { wiring_.executor.WakeAt(due); }

void Delivery::OnEnded() { wiring_.admission.TellOfQuiet(); }

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
  {
    MutexLock lock(&mu_);
    if (!std::exchange(lane.spilled, true)) {
      spilled_.fetch_add(1, std::memory_order_seq_cst);
      wiring_.admission.StartListening();
    }
  }
  // One may have come back before anybody listened.
  WakeSpilled();
  if (lane.spill_pending.exchange(true, std::memory_order_seq_cst)) return;
  wiring_.executor.Post(*new Pump(*this, lane, lane.spill_pending));
}

void Delivery::ForgetSpilled(Lane& lane) {
  MutexLock lock(&mu_);
  if (!std::exchange(lane.spilled, false)) return;
  spilled_.fetch_sub(1, std::memory_order_seq_cst);
  wiring_.admission.StopListening();
}

void Delivery::WakeSpilled() {
  std::vector<Lane*> lanes;
  {
    MutexLock lock(&mu_);
    for (const auto& lane : lanes_) {
      if (lane->spilled && wiring_.admission.HasProvisionedRoom(lane->entry)) lanes.push_back(lane.get());
    }
  }
  for (Lane* lane : lanes) {
    ForgetSpilled(*lane);
    Wake(*lane);
  }
}

void Delivery::WakeAnew(Lane& lane) {
  ForgetSpilled(lane);
  RecallClaimed(lane);
  // A turn for nothing would hold a permit that a call may want.
  if (!lane.pending.load(std::memory_order_seq_cst) && queue_.waiting(lane.entry).ready == 0) return;
  lane.pending.store(true, std::memory_order_seq_cst);
  PostPump(lane);
}

void Delivery::LookAtFinished(Instant now) {
  std::int64_t none = 0;
  const Instant look = now.After(kFinishedHeldNs);
  if (finished_look_.load(std::memory_order_seq_cst) == 0 &&
      finished_look_.compare_exchange_strong(none, look.ns, std::memory_order_seq_cst)) {
    wiring_.executor.WakeAt(look);
  }
}

Instant Delivery::Advance(Instant now) {
  Instant look{finished_look_.load(std::memory_order_seq_cst)};
  if (look.ns == 0) {
    look = Instant::Never();
  } else if (look <= now) {
    look = Instant::Never();
    finished_look_.store(0, std::memory_order_seq_cst);
    for (Lane* lane : AllLanes()) SettleFinished(*lane);
  }
  const Instant next = std::min(look, queue_.Advance(now));
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
        gate.waiting.fetch_add(1, std::memory_order_seq_cst);
        if (&gate != &shared_gate_) starved_alone_.fetch_add(1, std::memory_order_seq_cst);
        wiring_.admission.StartListening();
      }
      waits = true;
    }
  }
  if (waits) {
    if (wiring_.admission.HasRoom(lane.entry)) WakeStarved(gate, Whom::kFirst);
    return;
  }
  // Nobody is in the gate who would wake the lanes that wait there.
  WakeStarved(gate, Whom::kFirst);
  // Calls from outside hold all permits: the events back off, as on Lambda.
  SlotHold slot(wiring_.slots);
  std::array<EventRef, Batch::kMax> events;
  const std::size_t want = static_cast<std::size_t>(std::min<int>(wiring_.executor.batch(), Batch::kMax));
  const Instant now = wiring_.clock.Now();
  const std::shared_ptr<const EventInvokeConfig> sinks = SinksOf(lane.entry);
  const std::size_t claimed = queue_.Claim(lane.entry, std::span(events).first(want), now, Instant::Never());
  const bool zero =
      lane.entry.function.reserved.load(std::memory_order_relaxed) == 0 && !RUNLET_PLANTED("zero-is-a-throttle");
  std::array<Settlement, Batch::kMax> settlements;
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
  Settle(std::span(settlements).first(claimed), now, sinks.get(), *slot);
  if (claimed == want) Wake(lane);
}

void Delivery::OnCapacity() {
  // What came free may be provisioned for one that is not the first in line. Who gets one wakes the next.
  WakeStarved(shared_gate_, Whom::kFirstWithRoom);
  if (spilled_.load(std::memory_order_seq_cst) != 0) WakeSpilled();
  if (starved_alone_.load(std::memory_order_seq_cst) == 0) return;
  for (Lane* lane : AllLanes()) WakeStarved(lane->own_gate, Whom::kFirstWithRoom);
}

void Delivery::LeaveGate(Gate& gate) {
  gate.active.fetch_sub(1, std::memory_order_seq_cst);
  WakeStarved(gate, Whom::kFirst);
}

void Delivery::WakeStarved(Gate& gate, Whom whom) {
  Lane* next = nullptr;
  {
    MutexLock lock(&gate.mu);
    auto first = gate.starved.begin();
    if (whom == Whom::kFirstWithRoom) {
      first = std::find_if(first, gate.starved.end(),
                           [this](const Lane* lane) { return wiring_.admission.HasRoom(lane->entry); });
    }
    if (first != gate.starved.end()) {
      next = *first;
      gate.starved.erase(first);
      gate.waiting.fetch_sub(1, std::memory_order_seq_cst);
      if (&gate != &shared_gate_) starved_alone_.fetch_sub(1, std::memory_order_seq_cst);
      wiring_.admission.StopListening();
    }
  }
  if (next != nullptr) Wake(*next);
}

std::vector<Lane*> Delivery::AllLanes() {
  std::vector<Lane*> lanes;
  MutexLock lock(&mu_);
  for (const auto& lane : lanes_) lanes.push_back(lane.get());
  return lanes;
}

void Delivery::RecallClaimed() {
  for (Lane* lane : AllLanes()) {
    if (RecallClaimed(*lane)) Wake(*lane);
  }
}

void Delivery::SettleFinished(Lane& lane) {
  if (RUNLET_PLANTED("finished-parked")) return;
  absl::InlinedVector<std::unique_ptr<Finished::List>, 4> lists;
  {
    MutexLock lock(&lane.mu);
    for (Pump* pump : lane.pumps) {
      if (std::unique_ptr<Finished::List> list = pump->finished_.Take(); list != nullptr)
        lists.push_back(std::move(list));
    }
  }
  if (lists.empty()) return;
  SlotHold slot(wiring_.slots);
  for (const auto& list : lists) Settle(list->settlements(), wiring_.clock.Now(), list->sinks.get(), *slot);
}

bool Delivery::RecallClaimed(Lane& lane) {
  SettleFinished(lane);
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

Delivery::Cancelled Delivery::Cancel(const RequestId& id) {
  RecallClaimed();
  EventRef event;
  if (!queue_.Cancel(id, &event)) return Cancelled::kNothing;
  if (!event) return Cancelled::kBeingCancelled;
  const std::uint64_t fence = event->fence;
  SlotHold slot(wiring_.slots);
  Settlement settlement = End(std::move(event), fence, Condition::kCancelled);
  Settle({&settlement, 1}, wiring_.clock.Now(), nullptr, *slot);
  return Cancelled::kEnded;
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
