// The result of a call that was started.
#ifndef RUNLET_EVENT_FUTURE_H_
#define RUNLET_EVENT_FUTURE_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "runlet/event/request_id.h"
#include "runlet/event/type.h"

namespace runlet {

// The engine's side of a Future. Thread-safe.
class StartedCall {
 public:
  virtual const RequestId& request_id() const = 0;
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
    if (call_ == nullptr) return refused_;
    const std::unique_ptr<StartedCall, LetGo> call = std::move(call_);
    refused_ = absl::FailedPreconditionError("the result of this call was taken before");
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

  // Nil for a refused call.
  RequestId request_id() const { return call_ == nullptr ? RequestId() : call_->request_id(); }

 private:
  struct LetGo {
    void operator()(StartedCall* call) const { call->Release(); }
  };
  std::unique_ptr<StartedCall, LetGo> call_;
  absl::Status refused_;
};

}  // namespace runlet

#endif  // RUNLET_EVENT_FUTURE_H_
