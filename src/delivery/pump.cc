#include "delivery/pump.h"

#include <algorithm>

#include "base/asymmetric_fence.h"
#include "base/host_call.h"
#include "base/planted.h"

namespace runlet {
namespace {

// Below this an event is cheap: claiming many at once, and settling them together, is worth the wait of the last.
constexpr std::int64_t kCheapNs = 20'000;

}  // namespace

void Pump::Run() {
  pending_.store(false, std::memory_order_seq_cst);
  const Invoker::Wiring& w = delivery_.wiring_;
  if (invoker->life() >= Life::kStopping) return Drop();
  if (!delivery_.Enter(lane_, &permit, &gate_)) {
    delivery_.TurnedAway(lane_);
    return Drop();
  }
  // All that is provisioned is in use: the thread that is set aside with it is not for those who spill over.
  if (reserved && w.admission.IsUnreserved(permit)) [[unlikely]] {
    w.admission.Leave(permit);
    delivery_.LeaveGate(*gate_);
    delivery_.SpillOver(lane_);
    return Drop();
  }
  // Several permits may have come free at once, and one lane alone been woken.
  if (gate_->waiting.load(std::memory_order_seq_cst) != 0) [[unlikely]]
    delivery_.WakeStarved(*gate_, Delivery::Whom::kFirstWithRoom);
  {
    MutexLock lock(&lane_.mu);
    lane_.pumps.push_back(this);
  }
  slot = &w.slots.Take();
  if (!RunTurn()) {
    // The watcher has ended the turn; what is left is this thread's own.
    delete this;
    return;
  }
  const Admission::Permit held = permit;
  EndTurn(*slot, now_);
  w.slots.Give(*slot);
  // Wakes a lane that waits for a permit; so do all others that give one back.
  w.admission.GiveBack(held);
  // All is not quiet while the next pump is on its way. Looked for only now: it has not begun, so it sees the permit
  // given back, and tells. A drain does not wait for it.
  if (lane_.next_pending() && invoker->life() == Life::kOpen) {
    w.admission.TellOfRoom();
  } else {
    w.admission.ChangedIfAwaited();
  }
  gate_->active.fetch_sub(1, std::memory_order_seq_cst);
  delete this;
}

void Pump::Drop() {
  delivery_.wiring_.admission.TellOfQuiet();
  delete this;
}

bool Pump::RunTurn() {
  now_ = delivery_.wiring_.clock.Now();
  const auto turn = RUNLET_PLANTED("turn-without-end")
                        ? std::size_t{1'000'000}
                        : static_cast<std::size_t>(std::min<int>(delivery_.wiring_.executor.batch(), kTurn));
  std::size_t ran = 0;
  while (ran < turn && invoker->life() < Life::kStopping) {
    EventRef next = batch_.Take();
    if (!next) {
      Claim();
      next = batch_.Take();
    }
    if (!next) next = StealFromSiblings();
    if (!next) break;
    ++ran;
    if (!finished_.empty()) delivery_.LookAtFinished(now_);
    if (!RunEvent(std::move(next))) return false;
  }
  if (ran == turn) delivery_.Wake(lane_);
  return true;
}

std::size_t Pump::Claim() {
  const Invoker::Wiring& w = delivery_.wiring_;
  Flush(*slot, now_);
  std::array<EventRef, kTurn> events;
  // Two at least: the second tells that there is more for another thread to do, and waits in the batch for it.
  std::size_t want = lane_.mean_ns.load(std::memory_order_relaxed) < kCheapNs ? kTurn : 2;
  want = std::min(want, static_cast<std::size_t>(w.executor.batch()));
  // Events of a run that nobody can take away are leased for ever, but not without end: a drain must get them back.
  const Code* claimed_for = slot->Protect(*entry);
  const bool released = claimed_for != nullptr && claimed_for->release_on_overrun &&
                        (claimed_for->additional == nullptr || claimed_for->additional->release_on_overrun);
  const Instant lease = released ? Instant::Never() : kLeaseWithoutEnd;
  invoker->Unprotect(*slot, *entry);
  const std::size_t claimed = delivery_.queue_.Claim(*entry, std::span(events).first(want), now_, lease);
  batch_.Fill(std::span(events).first(claimed));
  // Another turn looks for what is left in the queue, or in this batch should this event take long; and in others',
  // where this turn was to look for it, and has found the queue not empty.
  if (claimed > 1 || claimed == want || (claimed == 1 && SiblingsHaveSome())) delivery_.Wake(lane_);
  return claimed;
}

bool Pump::SiblingsHaveSome() const {
  MutexLock lock(&lane_.mu);
  return std::any_of(lane_.pumps.begin(), lane_.pumps.end(),
                     [this](const Pump* pump) { return pump != this && !pump->batch_.empty(); });
}

EventRef Pump::StealFromSiblings() {
  EventRef stolen;
  {
    MutexLock lock(&lane_.mu);
    for (Pump* sibling : lane_.pumps) {
      if (stolen = sibling->batch_.Take(); stolen) break;
    }
  }
  // What is left may be worth another turn.
  if (stolen) delivery_.Wake(lane_);
  return stolen;
}

void* Pump::ResultStorage(const Type* type) {
  const std::size_t size = type->size + type->align;
  if (result_size_ < size) {
    result_.reset(new unsigned char[size]);
    result_size_ = size;
  }
  void* place = result_.get();
  std::size_t space = result_size_;
  return std::align(type->align, type->size, place, space);
}

// The codecs are the host's: one that ends the thread has not decoded the event, as one that throws.
std::unique_ptr<AnyValue> Pump::Convert(const HandlerOps& ops, std::string* bytes) {
  if (event_->codec == nullptr || ops.in_codec == nullptr) return nullptr;
  const auto convert = [&]() -> std::unique_ptr<AnyValue> {
    absl::StatusOr<std::string> encoded = event_->codec->encode(event_->payload());
    if (!encoded.ok()) return nullptr;
    *bytes = *std::move(encoded);
    auto value = std::make_unique<AnyValue>(ops.in);
    value->set_holds(ops.in_codec->decode(*bytes, value->get()).ok());
    return value->holds() ? std::move(value) : nullptr;
  };
  return CallHost(
      convert, [] { return std::unique_ptr<AnyValue>(); },
      [this] {
        EndUnrun(Condition::kUndecodable);
        LeaveUnwound();
      });
}

std::shared_ptr<const std::string> Pump::ResponseOf(const HandlerOps& ops, void* result) {
  if (SameType(ops.out, TypeOf<void>())) return std::make_shared<const std::string>("null");
  if (ops.out_codec == nullptr) return nullptr;
  const auto encode = [&]() -> std::shared_ptr<const std::string> {
    absl::StatusOr<std::string> bytes = ops.out_codec->encode(result);
    return bytes.ok() ? std::make_shared<const std::string>(*std::move(bytes)) : nullptr;
  };
  return CallHost(
      encode, [] { return std::shared_ptr<const std::string>(); },
      [&] {
        ops.out->destroy(result);
        Conclude(absl::OkStatus(), nullptr);
        LeaveUnwound();
      });
}

bool Pump::RunEvent(EventRef event) {
  const Invoker::Wiring& w = delivery_.wiring_;
  event_ = std::move(event);
  fence_ = event_->fence;
  // It came after the last one had ended, or what was claimed and settled since had to be stored.
  if (delivery_.queue_stores_ || std::max(event_->accepted, event_->not_before) > now_) now_ = w.clock.Now();
  started = now_;
  code = slot->Protect(*entry);
  if (code == nullptr) {
    UseSinks(lane_.sinks_of_removed());
    return EndUnrun(Condition::kFunctionRemoved);
  }
  code = &code->Choose(slot->random());
  UseSinks(code->sinks);
  if (started >= event_->expires) return EndUnrun(Condition::kEventAgeExceeded);
  if (event_->lineage.CountOf(entry->function) >= kRecursionMax + (RUNLET_PLANTED("one-loop-more") ? 1 : 0) &&
      (code->config.recursive_loop == RecursiveLoop::kTerminate || RUNLET_PLANTED("allowed-loop-ended"))) {
    slot->meter(*entry).recursive_invocations_dropped.Add(1);
    return EndUnrun(Condition::kRecursionLimit);
  }
  if (!delivery_.RetryMayBegin(*event_, started)) {
    Put(delivery_.Postpone(std::move(event_), fence_, started));
    invoker->Unprotect(*slot, *entry);
    return true;
  }
  const HandlerOps& ops = code->handler.ops();
  // Decoded anew when the function was replaced by one of another type.
  std::unique_ptr<AnyValue> decoded;
  void* payload = event_->payload();
  std::string encoded;
  std::string_view view;
  if (!SameType(event_->type, ops.in)) {
    decoded = Convert(ops, &encoded);
    if (decoded == nullptr) return EndUnrun(Condition::kUndecodable);
    view = encoded;
    payload = decoded->get();
  } else if (ops.event_is_view) {
    view = *static_cast<const std::string*>(payload);
  }

  if (event_->details != nullptr) {
    lane_.Note([this] {
      event_->EndWait(started, event_->attempts);
      event_->throttles = 0;
    });
    spent_ = event_->details->spent;
  } else {
    spent_.reset();
  }
  accepted_ = event_->accepted;
  cancelled_at.store(kForeverNs, std::memory_order_relaxed);
  cancelled.store(false, std::memory_order_relaxed);
  invocation.request_id = event_->id;
  invocation.attempt = event_->attempts;
  lineage = event_->lineage.empty() ? nullptr : &event_->lineage;
  invocation.type = InvocationType::kEvent;
  invocation.deadline = started.After(code->timeout_ns);
  timeout_ns = code->timeout_ns;
  worker = code->release_on_overrun ? w.executor.CurrentWorker() : nullptr;
  // It may have been claimed for code whose runs can be taken away. What ends before it must not wait for it either.
  if (!code->release_on_overrun && w.executor.can_write_off()) {
    Flush(*slot, now_);
    delivery_.queue_.Extend({&event_, 1}, kLeaseWithoutEnd);
  }
  invoker->Begin(*this);
  // Whoever has cancelled it since it was claimed has either seen the run, or is seen here.
  LightFence();
  if (delivery_.queue_.IsCancelled(invocation.request_id)) [[unlikely]]
    AskToStop(started);
  // The event may be another turn's from here on.
  meter->AddAsyncAge(RUNLET_PLANTED("age-forgotten") ? 0 : started.Since(accepted_));
  if (invocation.attempt > 1) meter->retries.Add(1);
  const Ask ask{ops.in, ops.event_is_view ? static_cast<void*>(&view) : payload, ops.needs_last_use, ops.out,
                ResultStorage(ops.out)};
  absl::Status status = invoker->Run(*this, ask);
  if (!invoker->End(*this)) {
    if (status.ok()) ops.out->destroy(ask.result);
    invoker->ComeBack(*this);
    return false;
  }
  status = invoker->Conclude(*this, ask, std::move(status), &now_);
  std::shared_ptr<const std::string> response;
  if (status.ok()) {
    if (sinks_ != nullptr && sinks_->on_success.is_set()) response = ResponseOf(ops, ask.result);
    ops.out->destroy(ask.result);
  }
  const std::int64_t took = now_.Since(started);
  lane_.mean_ns.store((7 * lane_.mean_ns.load(std::memory_order_relaxed) + took) / 8, std::memory_order_relaxed);
  Conclude(status, std::move(response));
  // Others wait for the outcome: only cheap events are settled together.
  if (took >= kCheapNs || !status.ok() || w.executor.batch() == 1) Flush(*slot, now_);
  return true;
}

void Pump::Conclude(const absl::Status& status, std::shared_ptr<const std::string> response) {
  Settlement settlement =
      delivery_.Decide(std::move(event_), fence_, *code, status, AttemptUntil(now_), slot->random());
  settlement.response = std::move(response);
  Put(std::move(settlement));
  invoker->Unprotect(*slot, *entry);
}

TimeSplit Pump::SpentBefore() const {
  if (spent_.has_value()) return *spent_;
  TimeSplit spent;
  spent.queued = absl::Nanoseconds(started.Since(accepted_));
  return spent;
}

bool Pump::EndUnrun(Condition condition) {
  lane_.Note([this] { --event_->attempts; });
  Put(Delivery::End(std::move(event_), fence_, condition));
  invoker->Unprotect(*slot, *entry);
  return true;
}

void Pump::UseSinks(std::shared_ptr<const EventInvokeConfig> sinks) {
  if (sinks == sinks_) return;
  Flush(*slot, now_);
  sinks_ = std::move(sinks);
}

void Pump::Put(Settlement settlement) {
  if (RUNLET_PLANTED("retry-lost") && settlement.kind == Settlement::Kind::kRetry) return;
  Put(std::move(settlement), *slot, now_);
}

void Pump::Put(Settlement settlement, Slot& own_slot, Instant now) {
  if (finished_.Add(std::move(settlement), sinks_) == Finished::kMax) Flush(own_slot, now);
}

void Pump::Flush(Slot& own_slot, Instant now) {
  std::unique_ptr<Finished::List> list = finished_.Take();
  if (list == nullptr) return;
  delivery_.Settle(list->settlements(), now, list->sinks.get(), own_slot);
  finished_.Reuse(std::move(list));
}

void Pump::EndTurn(Slot& own_slot, Instant now) {
  std::shared_ptr<const EventInvokeConfig> let_go;
  {
    MutexLock lock(&lane_.mu);
    lane_.pumps.erase(std::find(lane_.pumps.begin(), lane_.pumps.end(), this));
    if (lane_.pumps.empty()) let_go.swap(lane_.kept_sinks);
  }
  bool released = false;
  while (EventRef rest = batch_.Take()) {
    Settlement settlement;
    settlement.fence = rest->fence;
    settlement.event = std::move(rest);
    settlement.kind = Settlement::Kind::kRelease;
    released = true;
    Put(std::move(settlement), own_slot, now);
  }
  Flush(own_slot, now);
  if (released) delivery_.Wake(lane_);
}

void Pump::OnOverrun(Instant now) {
  const Admission::Permit held = permit;
  const absl::Status status = invoker->ConcludeOverrun(*this, now);
  const bool kept = permit.permits != nullptr && held.permits == permit.permits;
  SlotHold mine(delivery_.wiring_.slots);
  // The stuck handler reads the payload through its own reference, event_.
  Put(delivery_.Decide(event_, fence_, *code, status, AttemptUntil(now), mine->random()), *mine, now);
  lane_.mean_ns.store(std::max(lane_.mean_ns.load(std::memory_order_relaxed), kCheapNs), std::memory_order_relaxed);
  Gate& gate = *gate_;
  Delivery& delivery = delivery_;
  Lane& lane = lane_;
  EndTurn(*mine, now);
  delivery.LeaveGate(gate);
  if (!kept) delivery.Wake(lane);
}

void Pump::OnForcedUnwind() {
  const Ask nothing{TypeOf<void>(), nullptr, true, TypeOf<void>(), nullptr};
  if (invoker->End(*this)) {
    const absl::Status status = invoker->Conclude(*this, nothing, Invoker::RuntimeExited(*this), &now_);
    Conclude(status, nullptr);
    LeaveUnwound();
  } else {
    invoker->ComeBack(*this);
    delete this;
  }
}

void Pump::LeaveUnwound() {
  const Invoker::Wiring& w = delivery_.wiring_;
  EndTurn(*slot, now_);
  delivery_.Wake(lane_);
  w.slots.Give(*slot);
  w.admission.Leave(permit);
  delivery_.LeaveGate(*gate_);
  // The frames of the turn are still on the stack that is being unwound, but use nothing of it any more.
  delete this;
}

}  // namespace runlet
