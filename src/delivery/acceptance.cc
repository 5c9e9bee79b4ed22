// How calls, dead letters and records become events.
#include <absl/container/inlined_vector.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/host_call.h"
#include "base/planted.h"
#include "delivery/delivery.h"
#include "event/any_value.h"
#include "event/status_marks.h"

namespace runlet {
namespace {

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

absl::Status NotCopied(const Event& dead, std::string_view why) {
  return absl::FailedPreconditionError(
      fmt::format("dead letter {}: an event of type {} cannot be copied, so not redriven: {}", dead.id.ToString(),
                  dead.type->name, why));
}

// A new event with the letter's payload. To copy and to move it are the host's code, which may throw.
absl::StatusOr<EventRef> CopyOf(const Event& dead) {
  const auto copy = [&]() -> absl::StatusOr<EventRef> {
    AnyValue payload(dead.type);
    dead.type->copy(dead.payload(), payload.get());
    payload.set_holds(true);
    return Event::Make(dead.type, payload.get());
  };
  return CallHost(copy, [&]() -> absl::StatusOr<EventRef> {
    const absl::Status thrown = internal_handler::ErrorFromCurrentException();
    return NotCopied(dead, {thrown.message().data(), thrown.message().size()});
  });
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
        e.details->dedup_until =
            RUNLET_PLANTED("key-never-forgotten") ? Instant::Never() : now.After(Nanos(options.dedup_window));
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
  if (dead.function == nullptr) return Invoker::NotFound(letter->function);
  auto& entry = const_cast<FunctionEntry&>(static_cast<const FunctionEntry&>(*dead.function));
  const CodeHold hold(wiring_.slots, entry);
  const Accepting accepting(invoker_, hold.slot());
  if (invoker_.life() != Life::kOpen) return invoker_.Closed(entry.name);
  if (dead.type->copy == nullptr) return NotCopied(dead, "its type has no copy constructor");
  if (hold.code() == nullptr) return Invoker::NotFound(entry.name);
  if (dry_run && !RUNLET_PLANTED("dry-run-redrives")) return absl::OkStatus();
  absl::StatusOr<EventRef> copied = CopyOf(dead);
  if (!copied.ok()) return copied.status();
  EventRef fresh = *std::move(copied);
  const Instant now = wiring_.clock.Now();
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
  feed_.Forget({&id, 1});
  hold.slot().meter(entry).received.Add(1);
  invoker_.Observe(redriven);
  return absl::OkStatus();
}

}  // namespace runlet
