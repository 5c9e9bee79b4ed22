#include <fmt/format.h>

#include <algorithm>

#include "base/planted.h"
#include "engine/core.h"
#include "invoke/call.h"

namespace runlet {

absl::Status EngineCore::Cancel(const RequestId& id) {
  const Delivery::Cancelled event = delivery_.Cancel(id);
  if (event == Delivery::Cancelled::kEnded) return absl::OkStatus();
  if (invoker_.LookAtUnbegun(id, [](Call& call) { call.Cancel(); })) return absl::OkStatus();
  const Instant now = clock_.Now();
  const std::atomic<std::uint32_t>* stopped = nullptr;
  slots_.Look([&](Slot& slot, Watched& run) {
    auto& x = static_cast<Execution&>(run);
    if (x.invocation.request_id != id || slot.taken_away()) return;
    x.AskToStop(now);
    stopped = &slot.stop();
  });
  if (stopped != nullptr) {
    executor_.Unblock(stopped);
  } else if (event == Delivery::Cancelled::kNothing) {
    return absl::NotFoundError(fmt::format("no event or call {} waits or runs", id.ToString()));
  }
  return absl::OkStatus();
}

Inspection EngineCore::Inspect() const {
  Inspection inspection;
  const Instant now = clock_.Now();
  slots_.Look([&](const Slot& slot, Watched& run) {
    const auto& x = static_cast<const Execution&>(run);
    RunningExecution& running = inspection.running.emplace_back();
    running.function = x.entry->name;
    running.request_id = x.invocation.request_id;
    running.type = x.invocation.type;
    running.attempt = x.invocation.attempt;
    running.depth = x.invocation.depth;
    running.running_for = absl::Nanoseconds(now.Since(x.started));
    running.remaining = absl::Nanoseconds(x.invocation.deadline.Since(now));
    running.asked_to_stop = now >= x.StopAskedAt();
    running.abandoned = slot.taken_away() && !RUNLET_PLANTED("overrun-unseen");
    running.thread = slot.thread();
  });
  std::sort(inspection.running.begin(), inspection.running.end(),
            [](const auto& a, const auto& b) { return a.running_for > b.running_for; });
  for (const FunctionEntry* entry : registry_.All()) {
    const bool registered = entry->code.load(std::memory_order_relaxed) != nullptr;
    if (!entry->known.load(std::memory_order_relaxed) || (!registered && !entry->qualifier.empty())) continue;
    FunctionInspection& function = inspection.functions.emplace_back();
    function.function = entry->name;
    function.registered = registered;
    if (const int reserved = entry->reserved.load(std::memory_order_relaxed); reserved != kUnreserved) {
      function.reserved_concurrency = reserved;
    }
    function.reserved_in_use = entry->reserved_part.permits.taken();
    function.provisioned_concurrency = entry->provisioned.share();
    function.provisioned_in_use = entry->provisioned.permits.taken();
    function.abandoned = entry->qualifier.empty() ? entry->abandoned.load(std::memory_order_relaxed) : 0;
    function.waiting = delivery_.waiting(*entry);
  }
  inspection.queue = queue_->stats();
  inspection.storage = queue_->storage();
  inspection.concurrency = options_.concurrency;
  inspection.unreserved = admission_.unreserved().cap();
  inspection.unreserved_in_use = admission_.unreserved().taken();
  inspection.unreserved_minimum = options_.unreserved_minimum;
  inspection.threads = pool_ == nullptr ? 0 : pool_->threads();
  inspection.abandoned = admission_.abandoned();
  inspection.undelivered = delivery_.undelivered();
  return inspection;
}

namespace {

Explanation OfDead(const DeadLetter& letter) {
  Explanation explanation;
  explanation.function = letter.function;
  explanation.state = Explanation::State::kDead;
  explanation.condition = letter.condition;
  explanation.attempts = letter.attempts;
  explanation.elapsed = letter.died_at - letter.accepted_at;
  explanation.spent = letter.spent;
  explanation.errors = letter.errors;
  return explanation;
}

Explanation OfWaiting(const WaitingEvent& event, Instant now) {
  Explanation explanation;
  explanation.function = event.function->name;
  explanation.attempts = event.attempts;
  explanation.elapsed = absl::Nanoseconds(now.Since(event.accepted));
  explanation.spent = event.spent;
  if (event.not_before <= now) return explanation;
  explanation.due_in = absl::Nanoseconds(event.not_before.Since(now));
  if (event.throttles > 0) {
    explanation.state = Explanation::State::kThrottled;
  } else if (event.attempts > 0) {
    explanation.state = Explanation::State::kBackingOff;
  }
  return explanation;
}

Explanation OfRunning(const Execution& x, Instant now) {
  Explanation explanation;
  explanation.function = x.entry->name;
  explanation.attempts = x.invocation.attempt;
  explanation.elapsed = absl::Nanoseconds(now.Since(x.Since()));
  explanation.spent = x.SpentUntil(now);
  explanation.state =
      std::max(x.StopAskedAt(), x.started) < now ? Explanation::State::kStopping : Explanation::State::kRunning;
  return explanation;
}

// No thread has begun it.
Explanation OfUnbegun(const Call& call, Instant now) {
  Explanation explanation;
  explanation.function = call.entry->name;
  explanation.elapsed = absl::Nanoseconds(now.Since(call.Since()));
  explanation.spent.queued = explanation.elapsed;
  return explanation;
}

}  // namespace

absl::StatusOr<Explanation> EngineCore::Explain(const RequestId& id) {
  std::optional<Explanation> found;
  // An event may go from one place to the next between two looks, as often as it is looked for: while any runs, not to
  // be seen three times is no proof.
  constexpr int kLooks = 3;
  constexpr int kLooksWhileEventsMove = 200;
  bool move = false;
  for (int looks = 0; looks < kLooks || (looks < kLooksWhileEventsMove && move); ++looks) {
    const Instant now = clock_.Now();
    move = queue_->stats().running > 0;
    if (const std::optional<WaitingEvent> event = delivery_.FindWaiting(id, now)) found = OfWaiting(*event, now);
    if (!found.has_value()) {
      invoker_.LookAtUnbegun(id, [&](const Call& call) { found = OfUnbegun(call, clock_.Now()); });
    }
    if (!found.has_value()) {
      slots_.Look([&](const Slot& slot, Watched& run) {
        const auto& x = static_cast<const Execution&>(run);
        if (x.invocation.request_id == id && !slot.taken_away()) found = OfRunning(x, clock_.Now());
      });
    }
    if (found.has_value()) break;
    if (const std::optional<DeadLetter> letter = queue_->GetDead(id)) {
      found = OfDead(*letter);
      break;
    }
    move = move || queue_->stats().running > 0;
  }
  if (!found.has_value()) {
    return absl::NotFoundError(
        fmt::format("{} is no event and no call that waits or runs, and no dead letter", id.ToString()));
  }
  found->request_id = id;
  return *std::move(found);
}

}  // namespace runlet
