#include "invoke/call.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "base/planted.h"
#include "event/any_value.h"
#include "event/status_marks.h"

namespace runlet {
namespace {

struct Layout {
  std::size_t event, result, size, align;
};

std::size_t AlignUp(std::size_t offset, std::size_t align) { return (offset + align - 1) / align * align; }

Layout LayoutOf(const Type* in, const Type* out) {
  Layout layout{};
  layout.event = AlignUp(sizeof(Call), in->align);
  layout.result = AlignUp(layout.event + in->size, out->align);
  layout.size = layout.result + out->size;
  layout.align = std::max({alignof(Call), in->align, out->align});
  return layout;
}

}  // namespace

Call* Call::Make(Invoker& its_invoker, FunctionEntry& its_entry, const Ask& ask, std::shared_ptr<void> keep_alive) {
  const Layout layout = LayoutOf(ask.in, ask.out);
  // Frees the memory unless the call was made: the user's move may throw.
  struct Unmade {
    ~Unmade() {
      if (memory != nullptr) DeleteMemory(memory, align);
    }
    void* memory;
    std::size_t align;
  } unmade{NewMemory(layout.size, layout.align), layout.align};
  Call* call = ::new (unmade.memory) Call(ask, std::move(keep_alive));
  unmade.memory = nullptr;
  call->invoker = &its_invoker;
  call->entry = &its_entry;
  return call;
}

Call::Call(const Ask& ask, std::shared_ptr<void> keep_alive)
    : in_(ask.in), out_(ask.out), bytes_(SameType(ask.in, TypeOf<std::string>())), keep_alive_(std::move(keep_alive)) {
  const Layout layout = LayoutOf(in_, out_);
  event_ = reinterpret_cast<char*>(this) + layout.event;
  result_ = reinterpret_cast<char*>(this) + layout.result;
  if (bytes_) {
    view_ = *::new (event_) std::string(*static_cast<std::string_view*>(ask.event));
  } else {
    in_->move(ask.event, event_);
  }
}

Call::~Call() {
  if (holds_result_) out_->destroy(result_);
  in_->destroy(event_);
}

void Call::Unref() {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const std::size_t align = LayoutOf(in_, out_).align;
  this->~Call();
  DeleteMemory(this, align);
}

bool Call::Move(Phase from, Phase to) {
  std::uint32_t state = state_.load(std::memory_order_relaxed);
  do {
    if ((state & kPhase) != from) return false;
  } while (!state_.compare_exchange_weak(state, (state & ~kPhase) | to, std::memory_order_acq_rel,
                                         std::memory_order_relaxed));
  return true;
}

bool Call::Begin(Phase as) {
  if (!Move(kQueued, as)) return false;
  if ((state_.load(std::memory_order_relaxed) & kListened) != 0) invoker->unbegun().Remove(*this);
  return true;
}

void Call::Run() {
  if (Begin(kStarting)) Execute();
  Unref();
}

void Call::Drop() {
  if (Begin(kFinishing)) {
    CompleteUnrun(invoker->Closed(entry->name));
  }
  Unref();
}

Ask Call::RunAsk() { return {in_, bytes_ ? static_cast<void*>(&view_) : event_, true, out_, result_}; }

void Call::Execute() {
  const Invoker::Wiring& w = invoker->wiring();
  slot = &w.slots.Take();
  code = slot->Protect(*entry);
  if (runs_additional_ && code != nullptr && code->additional != nullptr) code = code->additional.get();
  started = w.clock.Now();
  absl::Status unrun;
  if (invoker->life() >= Life::kStopping) {
    unrun = invoker->Closed(entry->name);
  } else if (code == nullptr) {
    unrun = Invoker::NotFound(entry->name);
  } else if (!SameType(code->handler.ops().in, in_) ||
             !(SameType(code->handler.ops().out, out_) || SameType(out_, TypeOf<std::string>()))) {
    unrun = Invoker::WrongType(*entry, *code, in_, out_);
  } else if (started >= invocation.deadline) {
    unrun = Invoker::TooLate(*entry);
  }
  if (!unrun.ok()) {
    invoker->LetGo(*this);
    CompleteUnrun(std::move(unrun));
    return;
  }
  Execution* const below = Execution::Current();
  // Of those that wait for each other on this stack: a call that has a thread of its own is the first.
  if (const Execution* const waiter = invoker->Caller(); waiter != nullptr) {
    invocation.depth = waiter->invocation.depth + 1;
  }
  worker = code->release_on_overrun && below == nullptr ? w.executor.CurrentWorker() : nullptr;
  invoker->Begin(*this);
  Move(kStarting, kRunning);
  if (cancelled_.load(std::memory_order_seq_cst)) {
    slot->stop().store(static_cast<std::uint32_t>(StopReason::kCaller), std::memory_order_relaxed);
  }
  const Ask ask = RunAsk();
  absl::Status status = invoker->Run(*this, ask);
  // A Cancel() that is writing the slot's stop flag takes a few instructions.
  while (!Move(kRunning, kFinishing) && phase() != kDone) {
  }
  if (!invoker->End(*this)) {
    if (status.ok()) out_->destroy(result_);
    invoker->ComeBack(*this);
    return;
  }
  status = invoker->Conclude(*this, ask, std::move(status));
  holds_result_ = status.ok();
  invoker->LetGo(*this);
  Complete(std::move(status));
}

void Call::Complete(absl::Status status) {
  // Before the caller wakes: it may call again at once.
  invoker->wiring().admission.Leave(std::exchange(permit, Admission::Permit{}));
  Finish(std::move(status));
}

void Call::Finish(absl::Status status) {
  Executor& executor = invoker->wiring().executor;
  status_ = std::move(status);
  const std::uint32_t before = state_.exchange(kDone, std::memory_order_acq_rel);
  if ((before & kAwaited) != 0) executor.Unblock(&state_);
  if (StreamPipe* const stream = pipe(); stream != nullptr) [[unlikely]]
    stream->End();
  if ((before & kListened) != 0 && !RUNLET_PLANTED("end-untold")) listener_->OnEnded();
}

void Call::CompleteUnrun(absl::Status status) { Complete(invoker->Refuse(*entry, std::move(status))); }

void Call::OnOverrun(Instant now) { Finish(invoker->ConcludeOverrun(*this, now)); }

void Call::OnForcedUnwind() {
  const Ask nothing{TypeOf<void>(), nullptr, true, TypeOf<void>(), nullptr};
  while (!Move(kRunning, kFinishing) && phase() != kDone) {
  }
  if (invoker->End(*this)) {
    absl::Status status = invoker->Conclude(*this, nothing, Invoker::RuntimeExited(*this));
    invoker->LetGo(*this);
    Complete(std::move(status));
  } else {
    invoker->ComeBack(*this);
  }
  // Run() would let go. A waiter lets go by itself, as its stack is unwound.
  if (!run_by_waiter_) Unref();
}

bool Call::MayRunHere() const {
  return runs_on_waiter_ || invoker->wiring().executor.runs_on_waiter() || invoker->Caller() != nullptr;
}

bool Call::AwaitDone(Instant until) {
  const Invoker::Wiring& w = invoker->wiring();
  for (;;) {
    std::uint32_t state = state_.load(std::memory_order_acquire);
    if ((state & kPhase) == kDone) return true;
    if (w.fork_guard.forked()) [[unlikely]] {
      EndInChild();
      return true;
    }
    if ((state & kPhase) == kQueued && MayRunHere()) {
      if (Begin(kStarting)) {
        run_by_waiter_ = true;
        Execute();
      }
      continue;
    }
    if (!until.never() && w.clock.Now() >= until) return false;
    if ((state & kAwaited) == 0 &&
        !state_.compare_exchange_weak(state, state | kAwaited, std::memory_order_acq_rel, std::memory_order_relaxed)) {
      continue;
    }
    w.executor.Block({&state_, state | kAwaited, until});
  }
}

// The thread that would run the call, or runs it, is in the parent.
void Call::EndInChild() {
  status_ = Invoker::Forked(entry->name);
  state_.store(kDone, std::memory_order_release);
}

void Call::AwaitResult() {
  if (AwaitDone(invocation.deadline)) return;
  // The watcher may be late; and a call that no thread has begun ends here.
  const Invoker::Wiring& w = invoker->wiring();
  const Instant now = w.clock.Now();
  w.slots.ExpireOverruns(now);
  if (Begin(kFinishing)) {
    CompleteUnrun(Invoker::TooLate(*entry));
  }
  AwaitDone(Instant::Never());
}

bool Call::WaitUntil(absl::Time until) {
  const Clock& clock = invoker->wiring().clock;
  const absl::Duration wait = until - clock.Calendar();
  const Instant instant = wait <= absl::ZeroDuration() ? clock.Now() : clock.Now().After(Nanos(wait));
  if (instant >= invocation.deadline) {
    if (phase() != kDone) AwaitResult();
    return true;
  }
  return AwaitDone(instant);
}

absl::Status Call::Take(void* storage) {
  if (pipe() != nullptr) [[unlikely]]
    pipe()->KeepAll();
  AwaitResult();
  if (!holds_result_) return std::move(status_);
  if (std::string unread; pipe() != nullptr && pipe()->ReadNow(&unread) == StreamState::kBytes) [[unlikely]] {
    static_cast<std::string*>(result_)->insert(0, unread);
  }
  out_->move(result_, storage);
  return absl::OkStatus();
}

// ---- for callers who do not wait ----

void Call::set_port(std::unique_ptr<CallPort> for_its_caller) {
  port_ = std::move(for_its_caller);
  port = port_.get();
  follower = port_->log_tail();
}

void Call::Listen(CallListener& listener) {
  if (pipe() != nullptr) pipe()->KeepAll();
  Hold();  // the listener lets go of the call as soon as it has ended
  listener_ = &listener;
  const auto reached = static_cast<Phase>(state_.fetch_or(kListened, std::memory_order_acq_rel) & kPhase);
  if (reached == kQueued) invoker->ListenUnbegun(*this, invocation.deadline);
  if (reached == kDone) listener.OnEnded();
  Unref();
}

void Call::OnDeadlineUnbegun() {
  if (Begin(kFinishing)) CompleteUnrun(Invoker::TooLate(*entry));
  Unref();
}

void Call::Release() {
  if (pipe() != nullptr) [[unlikely]]
    pipe()->Abandon();
  Unref();
}

StreamState Call::ReadResult(std::string* bytes) {
  if (!holds_result_) return StreamState::kEnd;
  bytes->clear();
  bytes->swap(*static_cast<std::string*>(result_));
  return bytes->empty() ? StreamState::kEnd : StreamState::kBytes;
}

StreamState Call::ReadNow(std::string* bytes) {
  if (pipe() == nullptr) return StreamState::kEnd;
  const StreamState state = pipe()->ReadNow(bytes);
  return state == StreamState::kEnd ? ReadResult(bytes) : state;
}

StreamState Call::Read(std::string* bytes) {
  if (pipe() == nullptr) return StreamState::kEnd;
  // Run here, by a thread that nobody else would run it on, it has to end before it can be read.
  const bool runs_here = invoker->wiring().executor.runs_on_waiter() || invoker->Caller() != nullptr;
  if (phase() == kQueued && runs_here) {
    pipe()->KeepAll();
    AwaitResult();
  }
  pipe()->AwaitReadable(invocation.deadline);
  // Past the deadline: what no thread has begun ends now, and a handler that is late in time or when it returns.
  if (const StreamState state = ReadNow(bytes); state != StreamState::kNothingYet) return state;
  AwaitResult();
  pipe()->AwaitReadable(Instant::Never());
  return ReadNow(bytes);
}

void Call::WhenReadable(std::function<void()> callback) {
  if (pipe() != nullptr) return pipe()->WhenReadable(std::move(callback));
  callback();
}

std::string Call::executed_version() const {
  const bool told = phase() == kDone || (pipe() != nullptr && !pipe()->content_type().empty());
  return told && meter != nullptr ? std::string(invocation.function_version) : std::string();
}

std::string Call::log_tail() const {
  return port_ != nullptr && port_->log_tail() != nullptr ? port_->log_tail()->Text() : std::string();
}

std::string Call::stream_content_type() const { return pipe() == nullptr ? std::string() : pipe()->content_type(); }

void Call::OnStopAsked() {
  if (pipe() != nullptr) pipe()->Interrupt();
}

TimeSplit Call::SpentBefore() const {
  TimeSplit spent;
  spent.queued = absl::Nanoseconds(started.Since(Since()));
  return spent;
}

void Call::Cancel() {
  cancelled_.store(true, std::memory_order_seq_cst);
  if (Begin(kFinishing)) {
    CompleteUnrun(
        absl::CancelledError(fmt::format("function \"{}\": the call was cancelled before it began", entry->name)));
    return;
  }
  if (!Move(kRunning, kStopping)) return;
  cancelled_at.store(invoker->wiring().clock.Now().ns, std::memory_order_relaxed);
  slot->stop().store(static_cast<std::uint32_t>(StopReason::kCaller), std::memory_order_relaxed);
  invoker->wiring().executor.Unblock(&slot->stop());
  OnStopAsked();
  Move(kStopping, kRunning);
}

}  // namespace runlet
