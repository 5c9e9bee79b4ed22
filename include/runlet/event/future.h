// The result of a call that was started.
#ifndef RUNLET_EVENT_FUTURE_H_
#define RUNLET_EVENT_FUTURE_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "runlet/event/request_id.h"
#include "runlet/event/type.h"

namespace runlet {

// Told of a call that it has ended.
class CallListener {
 public:
  virtual void OnEnded() noexcept = 0;

 protected:
  ~CallListener() = default;
};

// What there is to read of a stream.
enum class StreamState { kBytes, kNothingYet, kEnd };

// The engine's side of a Future. Thread-safe.
class StartedCall {
 public:
  virtual const RequestId& request_id() const = 0;
  virtual std::string executed_version() const = 0;
  virtual std::string log_tail() const = 0;
  // Calls listener.OnEnded() once, when the call has ended; inside this call, if it has.
  virtual void Listen(CallListener& listener) = 0;
  // Takes what the handler has streamed since the last time.
  virtual StreamState ReadNow(std::string* bytes) = 0;
  // Blocks until there is something.
  virtual StreamState Read(std::string* bytes) = 0;
  virtual void WhenReadable(std::function<void()> callback) = 0;
  virtual std::string stream_content_type() const = 0;
  // False when `until`, on the engine's calendar, came first.
  virtual bool WaitUntil(absl::Time until) = 0;
  // Waits, then constructs the result in `storage` when OK. Once.
  virtual absl::Status Take(void* storage) = 0;
  virtual void Cancel() = 0;
  // The future lets go.
  virtual void Release() = 0;

 protected:
  ~StartedCall() = default;
};

inline constexpr std::size_t kLogTailMax = 4096;

// What Engine::Start returns. Waiting is optional: the destructor neither waits nor cancels, and a Future may outlive
// the engine. Move-only; thread-compatible.
template <typename Out>
class [[nodiscard]] Future {
 public:
  using Result = std::conditional_t<std::is_void_v<Out>, absl::Status,
                                    absl::StatusOr<std::conditional_t<std::is_void_v<Out>, int, Out>>>;

  // A call that was refused. `status` is not OK.
  explicit Future(absl::Status status) : refused_(std::move(status)) {}
  // Takes over the caller's reference of `call`, whose result is an Out.
  explicit Future(StartedCall* call) : call_(call) {}

  Future(Future&& other) noexcept : call_(std::move(other.call_)), refused_(std::move(other.refused_)) {}
  Future& operator=(Future&& other) noexcept = default;

  // Blocks until the call has ended, at its deadline at the latest (where the deadline is cooperative, see
  // FunctionConfig::run_on, until the handler returns), and gives its result. On a thread of the engine's, a call that
  // no thread has begun is run here. A second time: FailedPrecondition.
  [[nodiscard]] Result Get() && {
    if (call_ == nullptr) return refused_.ok() ? TakenBefore() : refused_;
    const std::unique_ptr<StartedCall, LetGo> call = std::move(call_);
    if constexpr (std::is_void_v<Out>) {
      char nothing;
      return call->Take(&nothing);
    } else {
      alignas(Out) unsigned char storage[sizeof(Out)];
      absl::Status status = call->Take(storage);
      if (!status.ok()) return status;
      const internal_type::Holds<Out> result(storage);
      return Result(std::move(*result));
    }
  }

  // True when the result is there; false when `deadline`, on the engine's calendar, came first.
  [[nodiscard]] bool WaitUntil(absl::Time deadline) const { return call_ == nullptr || call_->WaitUntil(deadline); }

  // A call that no thread has begun ends at once, Cancelled, and never runs. A running handler is asked to stop
  // (StopReason::kCaller), and what it returns is the result.
  void Cancel() {
    if (call_ != nullptr) call_->Cancel();
  }

  // Calls `callback` once, with this future, when the call has ended: its Get() does not block then. On the thread that
  // ends the call, which is one of the engine's, or inside Then() if it has ended or was refused. Nothing is locked
  // then, but the engine's own work waits: the callback must not throw or block; it may Start and Post.
  template <typename F>
    requires std::is_invocable_v<F&, Future>
  void Then(F callback) && {
    if (call_ == nullptr) return void(callback(std::move(*this)));
    StartedCall& call = *call_;
    call.Listen(*new Continuation<F>(std::move(*this), std::move(callback)));
  }

  // ---- the stream of a call that was started with InvokeOptions::read_stream ----
  //
  // The result in the pieces that the handler writes (Context::Stream); that of a handler which does not stream, in one
  // piece. Get() gives what has not been read yet, and how it ended. One thread at a time; destroying the future tells
  // the handler that nobody reads.

  // Blocks until there is more; nullopt at the end.
  [[nodiscard]] std::optional<std::string> Read() requires std::is_same_v<Out, std::string> {
    std::string bytes;
    if (call_ == nullptr || call_->Read(&bytes) == StreamState::kEnd) return std::nullopt;
    return bytes;
  }
  // Does not block: puts what there is into `bytes`. After kEnd Get() does not block either.
  [[nodiscard]] StreamState ReadNow(std::string* bytes) requires std::is_same_v<Out, std::string> {
    return call_ == nullptr ? StreamState::kEnd : call_->ReadNow(bytes);
  }
  // Calls `callback` once, when ReadNow() would not say kNothingYet: inside this call, if so now, else as Then() does.
  void WhenReadable(std::function<void()> callback) requires std::is_same_v<Out, std::string> {
    call_ == nullptr ? callback() : call_->WhenReadable(std::move(callback));
  }
  // As the handler gave it to Context::Stream; empty until then.
  std::string stream_content_type() const { return call_ == nullptr ? "" : call_->stream_content_type(); }

  // ---- facts ----

  // Whose code ran: "$LATEST" or a version's number. Empty where none did, and before WaitUntil(), Then() or the end of
  // the stream says that the call has ended, or the first bytes of the stream that it runs.
  std::string executed_version() const { return call_ == nullptr ? "" : call_->executed_version(); }
  // The last kLogTailMax bytes of what LogLines writes of the execution and the handler logs (Context::Log), a line
  // each; for calls that were started with InvokeOptions::log_tail.
  std::string log_tail() const { return call_ == nullptr ? "" : call_->log_tail(); }
  // Nil for a refused call.
  RequestId request_id() const { return call_ == nullptr ? RequestId() : call_->request_id(); }

 private:
  struct LetGo {
    void operator()(StartedCall* call) const { call->Release(); }
  };
  template <typename F>
  class Continuation final : public CallListener {
   public:
    Continuation(Future&& future, F&& callback) : future_(std::move(future)), callback_(std::move(callback)) {}
    void OnEnded() noexcept override {
      const std::unique_ptr<Continuation> self(this);
      callback_(std::move(future_));
    }

   private:
    Future future_;
    F callback_;
  };

  static absl::Status TakenBefore() {
    return absl::FailedPreconditionError("the result of this call was taken before");
  }

  std::unique_ptr<StartedCall, LetGo> call_;
  absl::Status refused_;  // OK: it was not, and without a call_ its result was taken
};

}  // namespace runlet

#endif  // RUNLET_EVENT_FUTURE_H_
