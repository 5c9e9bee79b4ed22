// Greets a callable: which shapes are handlers, and how one becomes a Handler that the engine can run without its type.
#ifndef RUNLET_FUNCTION_HANDLER_H_
#define RUNLET_FUNCTION_HANDLER_H_

#include <absl/status/statusor.h>

#include <concepts>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#if defined(__cpp_exceptions)
#include <cxxabi.h>
#endif

#include "runlet/event/codec.h"
#include "runlet/event/context.h"
#include "runlet/event/type.h"

namespace runlet {

// What a handler is called with. `event` is an In; for a function of bytes, a std::string_view. The handler may move
// from it when `last_use`. `result` is storage for an Out.
struct HandlerCall {
  void* event;
  bool last_use;
  Context& context;
  void* result;
};

// A handler without its type.
struct HandlerOps {
  const Type* in;
  const Type* out;
  const CodecOps* in_codec;  // nullptr: none was visible where the function was registered
  const CodecOps* out_codec;
  bool event_is_view;   // In is std::string: HandlerCall::event points to a std::string_view of its text
  bool needs_last_use;  // takes the event by value or rvalue reference, and the event cannot be copied
  // OK: *result holds an Out. Else the error of the function, and *result holds nothing.
  absl::Status (*call)(const void* handler, const HandlerCall& call);
  void (*destroy)(const void* handler);
};

namespace internal_handler {

#if defined(__cpp_exceptions)
inline constexpr bool kExceptions = true;
#else
inline constexpr bool kExceptions = false;
#endif

// The exception that is being handled, as the error of a function: its type and its message.
[[gnu::cold]] absl::Status ErrorFromCurrentException();
// The same where it is known to be `e`: to find that out costs throwing it once more.
[[gnu::cold]] absl::Status ErrorFromCurrentException(const std::exception& e);

template <typename T>
inline constexpr bool kIsStatusOr = false;
template <typename T>
inline constexpr bool kIsStatusOr<absl::StatusOr<T>> = true;

template <typename F, typename In>
concept CallableWith = std::is_invocable_v<F, In> || std::is_invocable_v<F, In, Context&>;
template <typename F>
concept CallableWithout = std::is_invocable_v<F> || std::is_invocable_v<F, Context&>;

// Concepts, not constants: they ask no further once they know, and to ask a generic lambda what it would return to a
// call that it cannot take is a compile error.
//
// Bytes come as a string_view; a handler that wants a std::string gets one.
template <typename F, typename In>
concept TakesView = std::is_same_v<In, std::string> && CallableWith<F, std::string_view>;
template <typename F, typename In>
concept TakesString = std::is_same_v<In, std::string> && !TakesView<F, In> && CallableWith<F, std::string>;
template <typename F, typename In>
concept TakesObject = !std::is_same_v<In, std::string> && (CallableWith<F, const In&> || CallableWith<F, In>);
// By value or rvalue reference.
template <typename F, typename In>
concept TakesOnlyRvalue = TakesObject<F, In> && !CallableWith<F, const In&>;
template <typename F, typename In>
concept TakesEventOrNone = TakesView<F, In> || TakesString<F, In> || TakesObject<F, In> || CallableWithout<F>;

template <typename F, typename E>
decltype(auto) CallWith(const F& f, E&& event, Context& context) {
  if constexpr (std::is_invocable_v<const F&, E, Context&>) {
    return f(std::forward<E>(event), context);
  } else {
    return f(std::forward<E>(event));
  }
}

template <typename In, typename F>
decltype(auto) CallHandler(const F& f, const HandlerCall& call) {
  if constexpr (TakesView<const F&, In>) {
    return CallWith(f, std::string_view(*static_cast<const std::string_view*>(call.event)), call.context);
  } else if constexpr (TakesString<const F&, In>) {
    return CallWith(f, std::move(*static_cast<std::string*>(call.event)), call.context);
  } else if constexpr (TakesOnlyRvalue<const F&, In>) {
    return CallWith(f, std::move(*static_cast<In*>(call.event)), call.context);
  } else if constexpr (TakesObject<const F&, In>) {
    In& event = *static_cast<In*>(call.event);
    if constexpr (CallableWith<const F&, In>) {
      if (call.last_use) return CallWith(f, std::move(event), call.context);
    }
    return CallWith(f, std::as_const(event), call.context);
  } else if constexpr (std::is_invocable_v<const F&, Context&>) {
    return f(call.context);
  } else {
    return f();
  }
}

template <typename F, typename In>
using ResultOf =
    std::remove_cvref_t<decltype(CallHandler<In>(std::declval<const F&>(), std::declval<const HandlerCall&>()))>;

template <typename R, typename Out>
constexpr bool IsResult() {
  if constexpr (std::is_same_v<R, absl::Status> || std::is_void_v<R>) {
    return std::is_void_v<Out> || std::is_same_v<Out, std::string>;
  } else if constexpr (std::is_void_v<Out>) {
    return false;
  } else if constexpr (kIsStatusOr<R>) {
    return std::is_constructible_v<Out, typename R::value_type&&>;
  } else {
    return std::is_constructible_v<Out, R&&>;
  }
}

template <typename Out>
void StoreNothing(void* result) {
  // A function of bytes that returns no value answers `null`, as Lambda's do.
  if constexpr (!std::is_void_v<Out>) ::new (result) Out("null");
}

template <typename In, typename Out, typename F>
absl::Status RunHandler(const F& f, const HandlerCall& call) {
  using R = ResultOf<F, In>;
  if constexpr (std::is_void_v<R>) {
    CallHandler<In>(f, call);
    StoreNothing<Out>(call.result);
    return absl::OkStatus();
  } else if constexpr (std::is_same_v<R, absl::Status>) {
    absl::Status status = CallHandler<In>(f, call);
    if (status.ok()) StoreNothing<Out>(call.result);
    return status;
  } else if constexpr (kIsStatusOr<R>) {
    R returned = CallHandler<In>(f, call);
    if (!returned.ok()) return std::move(returned).status();
    ::new (call.result) Out(*std::move(returned));
    return absl::OkStatus();
  } else {
    ::new (call.result) Out(CallHandler<In>(f, call));
    return absl::OkStatus();
  }
}

// Where the event is not what the handler takes, or not the handler's to take, it gets one of its own. That one lives
// until the result is stored: the handler may return a view of it.
template <typename In, typename Out, typename F>
absl::Status RunHandlerOnItsOwn(const F& f, const HandlerCall& call) {
  if constexpr (TakesString<const F&, In>) {
    std::string text(*static_cast<const std::string_view*>(call.event));
    return RunHandler<In, Out>(f, {&text, true, call.context, call.result});
  } else {
    if constexpr (TakesOnlyRvalue<const F&, In> && std::copy_constructible<In>) {
      if (!call.last_use) {
        In copy(*static_cast<const In*>(call.event));
        return RunHandler<In, Out>(f, {&copy, true, call.context, call.result});
      }
    }
    return RunHandler<In, Out>(f, call);
  }
}

// `exceptions` is a parameter, so that a program whose parts are compiled with and without exceptions has two functions
// here, not two definitions of one.
//
// A forced unwind comes as a reference to nothing, which the sanitizer must not mind.
template <typename In, typename Out, typename F, bool exceptions>
__attribute__((no_sanitize("null"))) absl::Status RunHandlerErased(const void* handler, const HandlerCall& call) {
  const F& f = *static_cast<const F*>(handler);
#if defined(__cpp_exceptions)
  if constexpr (exceptions) {
    try {
      return RunHandlerOnItsOwn<In, Out>(f, call);
    } catch (abi::__forced_unwind&) {
      call.context.port().OnForcedUnwind();
      throw;
    } catch (const std::exception& e) {
      return ErrorFromCurrentException(e);
    } catch (...) {
      return ErrorFromCurrentException();
    }
  }
#endif
  return RunHandlerOnItsOwn<In, Out>(f, call);
}

template <typename In, typename Out, typename F>
constexpr HandlerOps kOps = {
    TypeOf<In>(),
    TypeOf<Out>(),
    CodecOf<In>(),
    CodecOf<Out>(),
    std::is_same_v<In, std::string>,
    TakesOnlyRvalue<const F&, In> && !std::copy_constructible<In>,
    &RunHandlerErased<In, Out, F, kExceptions>,
    [](const void* handler) { delete static_cast<const F*>(handler); },
};

// One message for each way to get a handler wrong.
template <typename In, typename Out, typename F>
constexpr bool CheckHandler() {
  constexpr bool accepts = TakesEventOrNone<const F&, In>;
  constexpr bool accepts_mutable = TakesEventOrNone<F&, In>;
  static_assert(
      accepts || !accepts_mutable,
      "runlet: a handler must be callable as const, so it cannot be a `mutable` lambda: many executions run at "
      "once; share state through something that is safe to share");
  if constexpr (!accepts && !accepts_mutable) {
    constexpr bool takes_reference = CallableWith<const F&, In&> || CallableWith<F&, In&>;
    static_assert(!takes_reference,
                  "runlet: a handler takes its event by value or by const reference, not by In&: the event is kept "
                  "unchanged for retries");
    static_assert(takes_reference,
                  "runlet: a handler takes the function's event type (by value, by const reference, or not at all) and "
                  "optionally a runlet::Context&");
    return false;
  } else if constexpr (accepts) {
    constexpr bool returns = IsResult<ResultOf<F, In>, Out>();
    static_assert(returns,
                  "runlet: a handler returns the function's result type, absl::StatusOr of it, or absl::Status where "
                  "the function has no result");
    return returns;
  } else {
    return false;
  }
}

}  // namespace internal_handler

// A callable, shared by those who run it. Value.
class Handler {
 public:
  // Runs `f` for events of type In and results of type Out.
  template <typename In, typename Out, typename F>
  static Handler Make(F&& f) {
    using Callable = std::decay_t<F>;
    if constexpr (internal_handler::CheckHandler<In, Out, Callable>()) {
      return Handler(new Callable(std::forward<F>(f)), &internal_handler::kOps<In, Out, Callable>);
    } else {
      return Handler(nullptr, nullptr);
    }
  }

  const HandlerOps& ops() const { return *ops_; }
  absl::Status Call(const HandlerCall& call) const { return ops_->call(handler_.get(), call); }

 private:
  Handler(const void* handler, const HandlerOps* ops)
      : handler_(
            handler, ops != nullptr ? ops->destroy : [](const void*) {}),
        ops_(ops) {}

  std::shared_ptr<const void> handler_;
  const HandlerOps* ops_;
};

}  // namespace runlet

#endif  // RUNLET_FUNCTION_HANDLER_H_
