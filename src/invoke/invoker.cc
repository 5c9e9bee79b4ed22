#include "invoke/invoker.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/host_call.h"
#include "base/planted.h"
#include "event/any_value.h"
#include "event/status_marks.h"
#include "invoke/call.h"
#include "invoke/call_port.h"
#include "invoke/unbegun_calls.h"

namespace runlet {
namespace {

std::string_view View(absl::string_view text) { return {text.data(), text.size()}; }

}  // namespace

Invoker::Invoker(Wiring wiring) : w_(std::move(wiring)), unbegun_(std::make_unique<UnbegunCalls>()) {}
Invoker::~Invoker() = default;

inline bool Invoker::IsPlain(const Code& code, const Ask& ask, const InvokeOptions& options,
                             const Execution* parent) const {
  const HandlerOps& ops = code.handler.ops();
  return ops.in == ask.in && ops.out == ask.out &&
         (!ops.event_is_view || static_cast<const std::string_view*>(ask.event)->size() <= w_.limits.request) &&
         options.client_context.empty() && code.additional == nullptr &&
         (parent == nullptr || (parent->invocation.depth < kDepthMax && parent->lineage == nullptr));
}

Lineage Invoker::LineageOf(const Execution* caller) const {
  Lineage lineage;
  const Lineage* before = nullptr;
  for (const Execution* x = caller; x != nullptr; x = x->parent) {
    if (x->invoker != this) continue;
    lineage.Add(x->entry->function);
    before = x->lineage;
  }
  if (before != nullptr) lineage.Add(*before);
  return lineage;
}

absl::Status Invoker::Refuse(const FunctionEntry& entry, absl::Status status) {
  if (w_.observer != nullptr) {
    Activity activity{.kind = Activity::Kind::kRefused, .at = w_.clock.Now(), .function = entry.name};
    const std::string_view why = Reason(status);
    const std::string code = absl::StatusCodeToString(status.code());
    activity.error_type = why.empty() ? std::string_view(code) : why;
    activity.error_message = View(status.message());
    Observe(activity);
  }
  return status;
}

inline absl::Status Invoker::Admit(FunctionEntry& entry, const Execution* parent, bool nested,
                                   const InvokeOptions& options, Slot& slot, Admission::Permit* permit) {
  *permit = w_.admission.TryAdmit(entry, nested && !RUNLET_PLANTED("nested-takes-a-permit"));
  if (permit->admitted) [[likely]] {
    if (w_.admission.KeepsRate(entry, *permit)) [[likely]]
      return absl::OkStatus();
    return TooFast(entry, nested, slot, permit);
  }
  return AdmitLater(entry, parent, nested, options, slot, permit);
}

absl::Status Invoker::TooFast(FunctionEntry& entry, bool nested, Slot& slot, Admission::Permit* permit) {
  if (w_.admission.TryOnDemandInstead(entry, nested, permit)) return absl::OkStatus();
  absl::Status refusal = w_.admission.RateRefusal(entry, *permit);
  w_.admission.Leave(std::exchange(*permit, Admission::Permit{}));
  slot.meter(entry).throttles.Add(1);
  return refusal;
}

absl::Status Invoker::AdmitLater(FunctionEntry& entry, const Execution* parent, bool nested,
                                 const InvokeOptions& options, Slot& slot, Admission::Permit* permit) {
  if (options.wait_for_capacity > absl::ZeroDuration()) {
    // What only this call's own ancestors hold cannot come free while it waits.
    const auto may_come_free = [parent](const Permits& wanted) {
      int held = 0;
      for (const Execution* x = parent; x != nullptr; x = x->parent) {
        if (x->permit.permits == &wanted) ++held;
      }
      return held == 0 || held < wanted.taken();
    };
    const bool borrows = nested && w_.admission.IsUnreserved(entry);
    const Permits& provisioned = entry.provisioned.permits;
    if (borrows || may_come_free(w_.admission.OnDemandFor(entry)) ||
        (provisioned.cap() > 0 && may_come_free(provisioned))) {
      Instant until = w_.clock.Now().After(Nanos(options.wait_for_capacity));
      if (parent != nullptr) until = std::min(until, parent->invocation.deadline);
      *permit = w_.admission.AdmitBefore(entry, nested, until);
      if (permit->admitted) {
        return w_.admission.KeepsRate(entry, *permit) ? absl::OkStatus() : TooFast(entry, nested, slot, permit);
      }
    }
  }
  slot.meter(entry).throttles.Add(1);
  return w_.admission.Refusal(entry);
}

inline Instant Invoker::DeadlineOf(const Code& code, const InvokeOptions& options, const Execution* parent,
                                   Instant now) const {
  std::int64_t timeout = code.timeout_ns;
  if (options.timeout != absl::InfiniteDuration())
    timeout = std::clamp<std::int64_t>(Nanos(options.timeout), 0, timeout);
  const Instant deadline = now.After(timeout);
  return parent == nullptr ? deadline : std::min(deadline, parent->invocation.deadline);
}

[[gnu::always_inline]] inline void Invoker::LetGo(Slot& slot, const FunctionEntry& entry) {
  Unprotect(slot, entry);
  w_.slots.Give(slot);
}

absl::Status Invoker::Invoke(FunctionEntry& entry, const Ask& ask, const InvokeOptions& options) {
  Execution* const parent = Caller();
  const Life now_life = life();
  if (now_life != Life::kOpen && !(parent != nullptr && now_life == Life::kDraining)) [[unlikely]] {
    return Refuse(entry, Closed(entry.name));
  }
  Slot& slot = w_.slots.Take();
  const Code* code = slot.Protect(entry);
  bool additional = false;
  const auto leave = [&](absl::Status status) {
    LetGo(slot, entry);
    return Refuse(entry, std::move(status));
  };
  if (code == nullptr) [[unlikely]]
    return leave(NotFound(entry.name));
  if (!IsPlain(*code, ask, options, parent)) [[unlikely]] {
    const Code* const chosen = &code->Choose(slot.random());
    additional = chosen != code;
    code = chosen;
    if (absl::Status status = CheckCall(entry, *code, ask, options); !status.ok()) return leave(std::move(status));
    if (absl::Status status = CheckRecursion(entry, *code, parent, slot); !status.ok()) return leave(std::move(status));
  }

  if (code->config.run_on == RunOn::kCaller || parent != nullptr || w_.executor.runs_on_waiter()) {
    std::optional<absl::Duration> waited;
    absl::Status status = SameType(code->handler.ops().in, ask.in)
                              ? RunHere(entry, ask, options, slot, *code, parent, &waited)
                              : DecodeAndRunHere(entry, ask, options, slot, *code, parent, &waited);
    if (!waited.has_value()) [[likely]]
      return status;
    InvokeOptions rest = options;
    rest.wait_for_capacity = std::max(options.wait_for_capacity - *waited, absl::Nanoseconds(1));
    return Invoke(entry, ask, rest);
  }
  LetGo(slot, entry);
  absl::Status refused;
  Call* call = MakeCall(entry, ask, options, nullptr, nullptr, &refused, additional);
  if (call == nullptr) return refused;
  struct LetGo {
    ~LetGo() { call->Release(); }
    Call* call;
  } let_go{call};
  return call->Take(ask.result);
}

namespace {

// An execution whose caller waits on the same stack.
class ExecutionHere final : public Execution {
 public:
  void OnOverrun(Instant) override {}  // never watched
  void OnForcedUnwind() override {
    Ask nothing{TypeOf<void>(), nullptr, true, TypeOf<void>(), nullptr};
    invoker->Conclude(*this, nothing, Invoker::RuntimeExited(*this)).IgnoreError();
    invoker->wiring().admission.Leave(permit);
    invoker->LetGo(*this);
  }
};

}  // namespace

absl::Status Invoker::DecodeAndRunHere(FunctionEntry& entry, const Ask& ask, const InvokeOptions& options, Slot& slot,
                                       const Code& code, Execution* parent, std::optional<absl::Duration>* waited) {
  const Type* const type = code.handler.ops().in;
  AnyValue event(type);
  // The codec may throw, or end the thread.
  absl::Status decoded =
      CallHost([&] { return Decode(entry, code, *static_cast<std::string_view*>(ask.event), event.get()); },
               [] { return internal_handler::ErrorFromCurrentException(); }, [&] { LetGo(slot, entry); });
  if (!decoded.ok()) {
    LetGo(slot, entry);
    return Refuse(entry, std::move(decoded));
  }
  event.set_holds(true);
  return RunHere(entry, Ask{type, event.get(), true, ask.out, ask.result, ask.names_latest}, options, slot, code,
                 parent, waited);
}

// The fast path of calls that change no thread, in one piece: what it calls is inlined here, or is seldom needed.
[[gnu::always_inline]] inline absl::Status Invoker::RunHere(FunctionEntry& entry, const Ask& ask,
                                                            const InvokeOptions& options, Slot& slot, const Code& code,
                                                            Execution* parent, std::optional<absl::Duration>* waited) {
  Instant now = w_.clock.Now();
  ExecutionHere x;
  if (absl::Status status = Admit(entry, parent, parent != nullptr, options, slot, &x.permit); !status.ok())
      [[unlikely]] {
    LetGo(slot, entry);
    return Refuse(entry, std::move(status));
  }
  if (options.wait_for_capacity > absl::ZeroDuration() && slot.outdated(entry)) [[unlikely]] {
    w_.admission.Leave(x.permit);
    LetGo(slot, entry);
    *waited = absl::Nanoseconds(w_.clock.Now().Since(now));
    return absl::OkStatus();
  }
  // Looked at before, but a drain may have begun since; from now on it sees the permit, and waits.
  if (life() != Life::kOpen && parent == nullptr) [[unlikely]] {
    w_.admission.Leave(x.permit);
    LetGo(slot, entry);
    return Refuse(entry, Closed(entry.name));
  }
  if (options.wait_for_capacity > absl::ZeroDuration()) now = w_.clock.Now();
  x.invoker = this;
  x.entry = &entry;
  x.code = &code;
  x.slot = &slot;
  x.names_latest = ask.names_latest;
  x.started = now;
  x.invocation.request_id = options.request_id == RequestId() ? slot.NewId() : options.request_id;
  x.invocation.client_context = options.client_context;
  x.invocation.deadline = DeadlineOf(code, options, parent, now);
  x.timeout_ns = x.invocation.deadline.Since(now);
  if (parent != nullptr) {
    x.invocation.depth = parent->invocation.depth + 1;
    x.lineage = parent->lineage;
  }
  if (now >= x.invocation.deadline) [[unlikely]] {
    w_.admission.Leave(x.permit);
    LetGo(x);
    return Refuse(entry, TooLate(entry));
  }
  BeginInline(x, true);
  absl::Status status = RunInline(x, ask, true);
  status = ConcludeInline(x, ask, std::move(status), nullptr, true);
  w_.admission.Leave(x.permit);
  LetGo(x);
  return status;
}

void Invoker::Begin(Execution& x) { BeginInline(x, false); }
absl::Status Invoker::Run(Execution& x, const Ask& ask) { return RunInline(x, ask, false); }
absl::Status Invoker::Conclude(Execution& x, const Ask& ask, absl::Status status, Instant* ended) {
  return ConcludeInline(x, ask, std::move(status), ended, false);
}

[[gnu::always_inline]] inline void Invoker::BeginInline(Execution& x, bool plain) {
  const Life now_life = life_.load(std::memory_order_relaxed);
  x.slot->stop().store(static_cast<std::uint32_t>(now_life >= Life::kStopping ? StopReason::kDrain : StopReason::kNone),
                       std::memory_order_relaxed);
  x.invocation.function_name = x.entry->function_name;
  x.invocation.qualifier = x.names_latest ? kLatest : x.entry->qualifier;
  x.invocation.function_version = x.code->version;
  x.invocation.memory_size = x.code->config.memory_size;
  if (RUNLET_PLANTED("deadline-not-watched")) x.worker = nullptr;
  x.meter = &x.slot->meter(*x.entry);
  x.slot->Show(x, x.entry->function);
  if (MayBeMostAtOnce(x.entry->function)) [[unlikely]]
    NoteMostAtOnce(x.entry->function);
  if (observed() || (!plain && x.follower != nullptr)) [[unlikely]]
    Tell(x, About(x, Activity::Kind::kStarted, x.started));
  // From here on the watcher may end the run.
  if (x.worker != nullptr) {
    x.slot->BeginWatched(&x, x.invocation.deadline);
    w_.executor.WakeAt(x.invocation.deadline);
  }
}

// Most runs are seen here to add nothing: a function never runs more often at once than in all slots that it ever had.
inline bool Invoker::MayBeMostAtOnce(const FunctionEntry& function) {
  return function.concurrent_max.load(std::memory_order_relaxed) <
         function.metered_slots.load(std::memory_order_relaxed);
}

void Invoker::NoteMostAtOnce(FunctionEntry& function) const {
  const int runs = RUNLET_PLANTED("most-at-once-missed") ? 1 : w_.slots.CountRuns(function);
  int most = function.concurrent_max.load(std::memory_order_relaxed);
  while (most < runs && !function.concurrent_max.compare_exchange_weak(most, runs, std::memory_order_relaxed)) {
  }
}

[[gnu::always_inline]] inline absl::Status Invoker::RunInline(Execution& x, const Ask& ask, bool plain) {
  Context context(x.invocation, w_.clock, x.slot->stop(), plain || x.port == nullptr ? *this : *x.port);
  // Also the caller's execution when this call is not nested: a handler of another engine may be below.
  x.parent = Execution::SetCurrent(&x);
  const bool direct = w_.interceptor == nullptr && x.code->handler.ops().out == ask.out;
  absl::Status status =
      direct ? x.code->handler.Call({ask.event, ask.last_use, context, ask.result}) : RunWithCare(x, ask, context);
  Execution::SetCurrent(x.parent);
  if (context.opened_stream() != nullptr) [[unlikely]]
    return EndStream(x, ask, *context.opened_stream(), std::move(status));
  return status;
}

absl::Status Invoker::EndStream(const Execution& x, const Ask& ask, ResponseStream& stream, absl::Status status) const {
  const auto fail = [&](std::string_view type, std::string_view message) {
    if (status.ok()) ask.out->destroy(ask.result);
    return Thrown(type, message);
  };
  if (const HandlerOps& ops = x.code->handler.ops(); !IsBytes(ops.out)) {
    return fail("Runtime.MarshalError", fmt::format("function \"{}\" streams, but returns {}: only bytes (std::string) "
                                                    "can be streamed",
                                                    x.entry->name, ops.out->name));
  }
  const auto& writer = static_cast<PipeWriter&>(stream);
  StreamPipe& pipe = writer.pipe();
  if (pipe.too_large()) {
    return fail("Function.ResponseSizeTooLarge",
                fmt::format("Response payload size exceeded maximum allowed payload size ({} bytes).",
                            writer.is_read() ? w_.limits.stream : w_.limits.response));
  }
  if (!status.ok()) return status;
  auto* const result = static_cast<std::string*>(ask.result);
  result->clear();
  if (!writer.is_read()) pipe.ReadNow(result);
  return status;
}

absl::Status Invoker::AskInterceptor(Context& context) {
  return CallHost([&] { return w_.interceptor->BeforeHandler(context); },
                  [] { return internal_handler::ErrorFromCurrentException(); }, [this] { OnForcedUnwind(); });
}

absl::StatusOr<std::string> Invoker::Encode(const CodecOps& codec, const void* result) {
  using Bytes = absl::StatusOr<std::string>;
  return CallHost([&] { return codec.encode(result); }, [] { return Bytes(absl::InvalidArgumentError("")); },
                  [this] { OnForcedUnwind(); });
}

absl::Status Invoker::RunWithCare(Execution& x, const Ask& ask, Context& context) {
  if (w_.interceptor != nullptr) {
    // Ends like a handler that returned or threw it.
    if (absl::Status status = AskInterceptor(context); !status.ok()) return status;
  }
  const HandlerOps& ops = x.code->handler.ops();
  if (SameType(ops.out, ask.out)) return x.code->handler.Call({ask.event, ask.last_use, context, ask.result});
  // A typed result for a caller of bytes.
  AnyValue result(ops.out);
  absl::Status status = x.code->handler.Call({ask.event, ask.last_use, context, result.get()});
  if (!status.ok()) return status;
  result.set_holds(true);
  absl::StatusOr<std::string> bytes =
      ops.out_codec != nullptr
          ? Encode(*ops.out_codec, result.get())
          : absl::StatusOr<std::string>(absl::FailedPreconditionError(
                fmt::format("{} had no codec where function \"{}\" was registered", ops.out->name, x.entry->name)));
  if (!bytes.ok()) return Thrown("Runtime.MarshalError", View(bytes.status().message()));
  ::new (ask.result) std::string(*std::move(bytes));
  return status;
}

bool Invoker::End(Execution& x) { return x.worker == nullptr || x.slot->EndWatched(); }

inline bool Invoker::ResponseTooLarge(const Ask& ask) const {
  return IsBytes(ask.out) && static_cast<const std::string*>(ask.result)->size() > w_.limits.response;
}

absl::Status Invoker::ErrorOf(const Execution& x, const Ask& ask, absl::Status status, bool late) const {
  if (status.ok()) ask.out->destroy(ask.result);
  if (late) return TimedOut(x);
  if (!status.ok()) return AsFunctionError(std::move(status));
  return AsFunctionError(
      absl::OutOfRangeError(
          fmt::format("Response payload size exceeded maximum allowed payload size ({} bytes).", w_.limits.response)),
      "Function.ResponseSizeTooLarge");
}

[[gnu::always_inline]] inline absl::Status Invoker::ConcludeInline(Execution& x, const Ask& ask, absl::Status status,
                                                                   Instant* ended, bool plain) {
  x.slot->Hide();
  const Instant now = w_.clock.Now();
  if (ended != nullptr) *ended = now;
  const bool late = now >= x.invocation.deadline;
  if (!status.ok() || late || ResponseTooLarge(ask)) [[unlikely]]
    status = ErrorOf(x, ask, std::move(status), late);

  Meter& meter = *x.meter;
  meter.AddExecution(RUNLET_PLANTED("half-billed") ? now.Since(x.started) / 2 : now.Since(x.started),
                     x.invocation.memory_size);
  if (!status.ok()) [[unlikely]] {
    meter.errors.Add(1);
    if (late) meter.timeouts.Add(1);
  }
  if (observed() || (!plain && x.follower != nullptr)) [[unlikely]]
    ObserveEnd(x, status, late, now);
  return status;
}

void Invoker::ObserveEnd(const Execution& x, const absl::Status& status, bool late, Instant now) const {
  Activity activity = About(x, Activity::Kind::kSucceeded, now);
  if (status.ok()) return Tell(x, activity);
  activity.kind = late ? Activity::Kind::kTimedOut : Activity::Kind::kFailed;
  const std::optional<FunctionError> error = FunctionErrorOf(status);
  activity.error_type = error->type;
  activity.error_message = error->message;
  Tell(x, activity);
}

void Invoker::Tell(const Execution& x, const Activity& activity) const {
  Observe(activity);
  if (x.follower != nullptr) x.follower->OnActivity(activity);
}

absl::Status Invoker::ConcludeOverrun(Execution& x, Instant now) {
  // Drain takes away runs before their deadline.
  const bool timed_out = now >= x.invocation.deadline;
  absl::Status status =
      timed_out ? TimedOut(x)
                : AsFunctionError(
                      absl::AbortedError(fmt::format("RequestId: {} Error: Runtime exited: the engine was drained",
                                                     x.invocation.request_id.ToString())),
                      "Runtime.ExitError");
  {
    // Its own slot is still its thread's.
    SlotHold slot(w_.slots);
    Meter& meter = slot->meter(*x.entry);
    meter.AddExecution(now.Since(x.started), x.invocation.memory_size);
    meter.errors.Add(1);
    if (timed_out) meter.timeouts.Add(1);
  }
  if (observed() || x.follower != nullptr) {
    Activity activity = About(x, timed_out ? Activity::Kind::kTimedOut : Activity::Kind::kFailed, now);
    activity.error_type = timed_out ? "Sandbox.Timedout" : "Runtime.ExitError";
    activity.error_message = View(status.message());
    Tell(x, activity);
  }
  // The handler may look at its stop flag yet.
  x.slot->stop().store(static_cast<std::uint32_t>(StopReason::kDeadline), std::memory_order_relaxed);
  x.written_off = w_.admission.Abandon(*x.entry);
  if (x.written_off) {
    w_.executor.WriteOff(x.worker);
    w_.admission.Leave(std::exchange(x.permit, Admission::Permit{}));
  }
  return status;
}

void Invoker::ComeBack(Execution& x) {
  x.slot->Hide();
  x.slot->meter(*x.entry).late_results.Add(1);
  if (observed()) Observe(About(x, Activity::Kind::kLateResult, w_.clock.Now()));
  // Held on to where the thread could not be written off.
  w_.admission.Leave(std::exchange(x.permit, Admission::Permit{}));
  w_.admission.ComeBack(*x.entry, x.written_off);
  LetGo(x);
}

void Invoker::LetGo(Execution& x) { LetGo(*x.slot, *x.entry); }

void Invoker::Unprotect(Slot& slot, const FunctionEntry& entry) {
  if (slot.Unprotect(entry)) [[unlikely]]
    w_.slots.Retire(nullptr);
}

Activity Invoker::About(const Execution& x, Activity::Kind kind, Instant at) const {
  return {.kind = kind,
          .type = x.invocation.type,
          .borrowed = x.permit.permits == nullptr,
          .reserved = w_.admission.IsReserved(x.permit),
          .watched = x.worker != nullptr,
          .attempt = x.invocation.attempt,
          .depth = x.invocation.depth,
          .memory_size = x.invocation.memory_size,
          .at = at,
          .due = x.invocation.deadline,
          .duration_ns = at.Since(x.started),
          .request_id = x.invocation.request_id,
          .function = x.entry->name,
          .version = x.code->version};
}

Call* Invoker::MakeCall(FunctionEntry& entry, const Ask& ask, const InvokeOptions& options, const Execution* parent,
                        std::shared_ptr<void> keep_alive, absl::Status* refused, std::optional<bool> additional) {
  Call* call = nullptr;
  {
    const CodeHold hold(w_.slots, entry);
    const Code* code = hold.code();
    if (code != nullptr && code->additional != nullptr) {
      if (!additional.has_value()) {
        code = &code->Choose(hold.slot().random());
      } else if (*additional) {
        code = code->additional.get();
      }
    }
    *refused = code == nullptr ? NotFound(entry.name)
                               : MakeChecked(entry, hold, *code, ask, options, parent, std::move(keep_alive), &call);
  }
  if (!refused->ok()) {
    *refused = Refuse(entry, std::move(*refused));
    return nullptr;
  }
  if (options.run_here && call->runs_on_waiter()) {
    // Whoever asked holds the call too: it has ended, and is still there.
    call->Run();
  } else {
    w_.executor.Post(*call);
  }
  return call;
}

absl::Status Invoker::MakeChecked(FunctionEntry& entry, const CodeHold& hold, const Code& code, const Ask& ask,
                                  const InvokeOptions& options, const Execution* parent,
                                  std::shared_ptr<void> keep_alive, Call** made) {
  if (absl::Status status = CheckCall(entry, code, ask, options); !status.ok()) return status;
  if (absl::Status status = CheckRecursion(entry, code, parent, hold.slot()); !status.ok()) return status;
  const Type* const in = code.handler.ops().in;
  if (SameType(in, ask.in)) return MakeAdmitted(entry, hold, code, ask, options, parent, std::move(keep_alive), made);
  AnyValue event(in);
  absl::Status decoded = Decode(entry, code, *static_cast<std::string_view*>(ask.event), event.get());
  if (!decoded.ok()) return decoded;
  event.set_holds(true);
  return MakeAdmitted(entry, hold, code, Ask{in, event.get(), true, ask.out, nullptr, ask.names_latest}, options,
                      parent, std::move(keep_alive), made);
}

absl::Status Invoker::MakeAdmitted(FunctionEntry& entry, const CodeHold& hold, const Code& code, const Ask& ask,
                                   const InvokeOptions& options, const Execution* parent,
                                   std::shared_ptr<void> keep_alive, Call** made) {
  // Gives the permit back unless there is a call that holds it: moving the event may throw.
  struct PermitHold {
    ~PermitHold() { admission.Leave(permit); }
    Admission& admission;
    Admission::Permit permit;
  } held{w_.admission, {}};
  if (absl::Status status = Admit(entry, parent, false, options, hold.slot(), &held.permit); !status.ok())
    return status;
  Call& call = *Call::Make(*this, entry, ask, std::move(keep_alive));
  call.permit = std::exchange(held.permit, Admission::Permit{});
  call.reserved = w_.admission.IsReserved(call.permit);
  call.names_latest = ask.names_latest;
  call.invocation.request_id = options.request_id == RequestId() ? hold.slot().NewId() : options.request_id;
  const Instant now = w_.clock.Now();
  call.invocation.deadline = DeadlineOf(code, options, nullptr, now);
  call.timeout_ns = call.invocation.deadline.Since(now);
  if (parent != nullptr) {
    call.set_lineage(LineageOf(parent));
  }
  call.set_client_context(options.client_context);
  call.set_runs_on_waiter(code.config.run_on == RunOn::kCaller);
  if (options.read_stream || options.log_tail) [[unlikely]]
    Attach(call, ask, options);
  call.set_runs_additional(&code == hold.code()->additional.get());
  *made = &call;
  return absl::OkStatus();
}

void Invoker::Attach(Call& call, const Ask& ask, const InvokeOptions& options) {
  std::shared_ptr<StreamPipe> pipe;
  if (options.read_stream && IsBytes(ask.out)) {
    const std::size_t buffer = w_.executor.runs_on_waiter() ? StreamPipe::kUnbounded : kStreamBuffer;
    pipe = std::make_shared<StreamPipe>(w_.clock, w_.executor, call.invocation.deadline, buffer, w_.limits.stream);
  }
  std::unique_ptr<LogTail> log_tail;
  if (options.log_tail) log_tail = std::make_unique<LogTail>(w_.clock, kLogTailMax);
  call.set_port(std::make_unique<CallPort>(*this, std::move(pipe), std::move(log_tail)));
}

bool Invoker::LookAtUnbegun(const RequestId& id, const std::function<void(Call&)>& look) {
  if (RUNLET_PLANTED("unbegun-unseen")) return false;
  Call* found = nullptr;
  w_.executor.LookAtPosted([&](Work& work) {
    Call* const call = work.call();
    if (found != nullptr || call == nullptr || !call->unbegun() || call->request_id() != id) return;
    call->Hold();
    found = call;
  });
  if (found == nullptr) return false;
  struct LetGoAtEnd {
    ~LetGoAtEnd() { call.LetGo(); }
    Call& call;
  } const held{*found};
  look(*found);
  return true;
}

void Invoker::ListenUnbegun(UnbegunCall& call, Instant deadline) {
  unbegun_->Add(call, deadline);
  w_.executor.WakeAt(deadline);
}

StartedCall* Invoker::Start(FunctionEntry& entry, const Ask& ask, const InvokeOptions& options,
                            std::shared_ptr<void> keep_alive, absl::Status* refused) {
  const Execution* parent = Caller();
  if (const Life now = life(); now != Life::kOpen && !(parent != nullptr && now == Life::kDraining)) {
    *refused = Refuse(entry, Closed(entry.name));
    return nullptr;
  }
  return MakeCall(entry, ask, options, parent, std::move(keep_alive), refused, std::nullopt);
}

absl::Status Invoker::Check(FunctionEntry& entry, const Ask& ask) {
  if (life() != Life::kOpen) return Closed(entry.name);
  const CodeHold hold(w_.slots, entry);
  if (hold.code() == nullptr) return NotFound(entry.name);
  if (absl::Status call = CheckCall(entry, *hold.code(), ask, {}); !call.ok()) return call;
  const HandlerOps& ops = hold.code()->handler.ops();
  if (SameType(ops.in, ask.in)) return absl::OkStatus();
  AnyValue event(ops.in);
  absl::Status decoded = Decode(entry, *hold.code(), *static_cast<std::string_view*>(ask.event), event.get());
  event.set_holds(decoded.ok());
  return decoded;
}

void Invoker::Log(const Invocation& invocation, std::string_view line) {
  if (w_.log) w_.log(invocation, line);
}

std::unique_ptr<ResponseStream> Invoker::OpenStream(const Invocation& invocation, std::string_view content_type) {
  auto pipe = std::make_shared<StreamPipe>(w_.clock, w_.executor, invocation.deadline, StreamPipe::kUnbounded,
                                           w_.limits.response);
  pipe->Open(content_type);
  return std::make_unique<PipeWriter>(std::move(pipe), false);
}

void Invoker::SleepUntil(Instant until, const std::atomic<std::uint32_t>& stop) {
  while (stop.load(std::memory_order_acquire) == 0 && w_.clock.Now() < until) w_.executor.Block({&stop, 0, until});
}

void Invoker::OnForcedUnwind() {
  Execution* x = Execution::Current();
  Execution::SetCurrent(x->parent);
  x->OnForcedUnwind();
}

}  // namespace runlet
