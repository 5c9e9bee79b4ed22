// One invocation, from admission to result.
#ifndef RUNLET_SRC_INVOKE_INVOKER_H_
#define RUNLET_SRC_INVOKE_INVOKER_H_

#include <absl/status/status.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/fork_guard.h"
#include "capacity/admission.h"
#include "capacity/slot.h"
#include "function/entry.h"
#include "invoke/execution.h"
#include "runlet/base/executor.h"
#include "runlet/event/future.h"
#include "runlet/event/type.h"
#include "runlet/invoke/interceptor.h"
#include "runlet/invoke/invoke_options.h"
#include "runlet/observe/observer.h"

namespace runlet {

class Call;
class UnbegunCall;
class UnbegunCalls;

// What a caller brings, and where the result goes. An event of type std::string is passed as a std::string_view.
struct Ask {
  const Type* in;
  void* event;
  bool last_use;
  const Type* out;
  void* result;
  bool names_latest = false;  // the caller named the function's $LATEST, which is no entry of its own
};
inline bool IsBytes(const Type* type) { return SameType(type, TypeOf<std::string>()); }

// How far an engine is from its end.
enum class Life : int { kOpen, kDraining, kStopping, kClosed };

// Thread-safe.
class Invoker final : public ContextPort {
 public:
  using LogSink = std::function<void(const Invocation&, std::string_view)>;

  struct Wiring {
    const Clock& clock;
    const ForkGuard& fork_guard;
    Executor& executor;
    Slots& slots;
    Admission& admission;
    Observer* observer;
    Interceptor* interceptor;
    LogSink log;
    PayloadLimits limits;
  };
  explicit Invoker(Wiring wiring);
  ~Invoker();

  // RequestResponse. OK: *ask.result holds a value.
  absl::Status Invoke(FunctionEntry& entry, const Ask& ask, const InvokeOptions& options);
  // RequestResponse, without waiting. `ask.result` is not used. nullptr and *refused: the call never runs.
  // `keep_alive` is held until the call is complete.
  StartedCall* Start(FunctionEntry& entry, const Ask& ask, const InvokeOptions& options,
                     std::shared_ptr<void> keep_alive, absl::Status* refused);
  // DryRun: what Invoke would refuse before it looks for capacity.
  absl::Status Check(FunctionEntry& entry, const Ask& ask);

  // For all kinds of executions. `x` has its entry, code, slot, permit and invocation; Begin watches it when `worker`.
  void Begin(Execution& x);
  // Runs the handler. OK: *ask.result holds a value of type ask.out.
  absl::Status Run(Execution& x, const Ask& ask);
  // False: the run was taken away at its deadline. Then only LetGo may follow.
  [[nodiscard]] bool End(Execution& x);
  // The outcome of a run that ended by itself: applies deadline and response limit, stamps the error, counts, reports.
  // Destroys *ask.result when the outcome turns into an error.
  // `ended`, if given, gets the time at which it ended.
  absl::Status Conclude(Execution& x, const Ask& ask, absl::Status status, Instant* ended = nullptr);
  // The outcome of a run that was taken away, for OnOverrun.
  absl::Status ConcludeOverrun(Execution& x, Instant now);
  // After End() returned false: counts the late answer, and gives back the code and the slot.
  void ComeBack(Execution& x);
  // Gives back code and slot.
  void LetGo(Execution& x);
  // Gives back code.
  void Unprotect(Slot& slot, const FunctionEntry& entry);

  absl::Status TimedOut(const Execution& x) const;
  static absl::Status Closed(std::string_view function);
  // What a forked child is told.
  static absl::Status Forked(std::string_view function);
  // The call's deadline passed while it waited for a thread, or before it was made.
  static absl::Status TooLate(const FunctionEntry& entry);
  // What a handler that ended its own thread has answered.
  static absl::Status RuntimeExited(const Execution& x);
  // The code's type differs from what was asked: what to say.
  static absl::Status WrongType(const FunctionEntry& entry, const Code& code, const Type* in, const Type* out);
  // Decodes `bytes` into *value, of the code's event type. InvalidArgument or FailedPrecondition with the reason.
  static absl::Status Decode(const FunctionEntry& entry, const Code& code, std::string_view bytes, void* value);
  static absl::Status NotFound(std::string_view function);

  void Observe(const Activity& activity) const {
    if (w_.observer != nullptr) w_.observer->OnActivity(activity);
  }
  // Reports a refusal, and passes it on.
  absl::Status Refuse(const FunctionEntry& entry, absl::Status status);
  bool observed() const { return w_.observer != nullptr; }
  Activity About(const Execution& x, Activity::Kind kind, Instant at) const;

  UnbegunCalls& unbegun() { return *unbegun_; }
  // A call that Start has made and no thread has begun is shown to `look`, on this thread. False: there is none of that
  // id.
  bool LookAtUnbegun(const RequestId& id, const std::function<void(Call&)>& look);
  // Ends the call at its deadline, if nobody has begun it by then.
  void ListenUnbegun(UnbegunCall& call, Instant deadline);

  // ContextPort
  void Log(const Invocation& invocation, std::string_view line) override;
  void SleepUntil(Instant until, const std::atomic<std::uint32_t>& stop) override;
  std::unique_ptr<ResponseStream> OpenStream(const Invocation& invocation, std::string_view content_type) override;
  void OnForcedUnwind() override;

  // The execution of ours whose handler this thread is in; nullptr outside.
  Execution* Caller() const {
    Execution* current = Execution::Current();
    while (current != nullptr && current->invoker != this) current = current->parent;
    return current;
  }
  // What `caller` passes on: how often each function has been invoked on the way to it and by it.
  Lineage LineageOf(const Execution* caller) const;
  const Wiring& wiring() const { return w_; }
  Life life() const { return life_.load(std::memory_order_seq_cst); }
  // When all handlers were asked to stop; Never() until then.
  Instant stopping_since() const { return Instant{stopping_since_.load(std::memory_order_relaxed)}; }
  // False where `from` is given and is not the present one.
  bool ChangeLife(Life* from, Life to) {
    if (from != nullptr) return life_.compare_exchange_strong(*from, to);
    if (to == Life::kStopping) stopping_since_.store(w_.clock.Now().ns, std::memory_order_relaxed);
    life_.store(to, std::memory_order_seq_cst);
    return true;
  }

 private:
  friend class Call;

  void LetGo(Slot& slot, const FunctionEntry& entry);
  // A call that its caller's thread runs. Sets *waited, and has not run it, where `code` has been replaced while the
  // call waited for capacity.
  absl::Status RunHere(FunctionEntry& entry, const Ask& ask, const InvokeOptions& options, Slot& slot, const Code& code,
                       Execution* parent, std::optional<absl::Duration>* waited);
  // The same with bytes for a typed function.
  absl::Status DecodeAndRunHere(FunctionEntry& entry, const Ask& ask, const InvokeOptions& options, Slot& slot,
                                const Code& code, Execution* parent, std::optional<absl::Duration>* waited);
  // `plain`: it has neither a port of its own nor a follower.
  void BeginInline(Execution& x, bool plain);
  // Whether more of the function's executions may run now than ever did.
  static bool MayBeMostAtOnce(const FunctionEntry& function);
  [[gnu::cold, gnu::noinline]] void NoteMostAtOnce(FunctionEntry& function) const;
  absl::Status RunInline(Execution& x, const Ask& ask, bool plain);
  absl::Status ConcludeInline(Execution& x, const Ask& ask, absl::Status status, Instant* ended, bool plain);
  absl::Status AskInterceptor(Context& context);
  // The codec may end the thread, as a handler may.
  absl::StatusOr<std::string> Encode(const CodecOps& codec, const void* result);
  // Run with an interceptor, or with a result that must become bytes.
  absl::Status RunWithCare(Execution& x, const Ask& ask, Context& context);
  void ObserveEnd(const Execution& x, const absl::Status& status, bool late, Instant now) const;
  absl::Status CheckCall(const FunctionEntry& entry, const Code& code, const Ask& ask,
                         const InvokeOptions& options) const;
  // Refuses what `parent` must not call: too deep, or once too often.
  absl::Status CheckRecursion(const FunctionEntry& entry, const Code& code, const Execution* parent, Slot& slot) const;
  // What nearly every call is: nothing for CheckCall and CheckRecursion to find. False: ask them.
  bool IsPlain(const Code& code, const Ask& ask, const InvokeOptions& options, const Execution* parent) const;
  // `parent`: the handler that makes the call, if one does; `nested`: and is suspended until the call has ended.
  absl::Status Admit(FunctionEntry& entry, const Execution* parent, bool nested, const InvokeOptions& options,
                     Slot& slot, Admission::Permit* permit);
  // Gives the permit back: too many requests have come lately.
  [[gnu::cold]] absl::Status TooFast(FunctionEntry& entry, bool nested, Slot& slot, Admission::Permit* permit);
  absl::Status AdmitLater(FunctionEntry& entry, const Execution* parent, bool nested, const InvokeOptions& options,
                          Slot& slot, Admission::Permit* permit);
  Instant DeadlineOf(const Code& code, const InvokeOptions& options, const Execution* parent, Instant now) const;
  bool ResponseTooLarge(const Ask& ask) const;
  // What a run ends with that was late, failed, or answered too much. Destroys what it answered.
  absl::Status ErrorOf(const Execution& x, const Ask& ask, absl::Status status, bool late) const;
  // `additional`: whether the other version of a weighted alias is called, where that is decided already.
  Call* MakeCall(FunctionEntry& entry, const Ask& ask, const InvokeOptions& options, const Execution* parent,
                 std::shared_ptr<void> keep_alive, absl::Status* refused, std::optional<bool> additional);
  // The call, or why there is none.
  absl::Status MakeChecked(FunctionEntry& entry, const CodeHold& hold, const Code& code, const Ask& ask,
                           const InvokeOptions& options, const Execution* parent, std::shared_ptr<void> keep_alive,
                           Call** made);
  absl::Status MakeAdmitted(FunctionEntry& entry, const CodeHold& hold, const Code& code, const Ask& ask,
                            const InvokeOptions& options, const Execution* parent, std::shared_ptr<void> keep_alive,
                            Call** made);

  // The outcome of a run whose handler has streamed.
  absl::Status EndStream(const Execution& x, const Ask& ask, ResponseStream& stream, absl::Status status) const;
  // To the engine's observer and to the one that follows `x`.
  void Tell(const Execution& x, const Activity& activity) const;
  // What the caller of `call` asked for beyond its result.
  void Attach(Call& call, const Ask& ask, const InvokeOptions& options);

  Wiring w_;
  const std::unique_ptr<UnbegunCalls> unbegun_;
  std::atomic<Life> life_{Life::kOpen};
  std::atomic<std::int64_t> stopping_since_{kForeverNs};
};

inline constexpr int kDepthMax = 16;

}  // namespace runlet

#endif  // RUNLET_SRC_INVOKE_INVOKER_H_
