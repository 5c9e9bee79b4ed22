// Calls the host's own code, which may throw anything.
#ifndef RUNLET_SRC_BASE_HOST_CALL_H_
#define RUNLET_SRC_BASE_HOST_CALL_H_

#if defined(__cpp_exceptions)
#include <cxxabi.h>
#endif

namespace runlet {

// What `call` returns; where it throws, what `thrown` returns, while the exception is being handled. A forced unwind
// (pthread_exit) goes on, once `unwound` has been called. It comes as a reference to nothing, which the sanitizer must
// not mind.
template <typename F, typename Thrown, typename Unwound>
__attribute__((noinline, no_sanitize("null"))) auto CallHost(F call, [[maybe_unused]] Thrown thrown,
                                                             [[maybe_unused]] Unwound unwound) -> decltype(call()) {
#if defined(__cpp_exceptions)
  try {
    return call();
  } catch (abi::__forced_unwind&) {
    unwound();
    throw;
  } catch (...) {
    return thrown();
  }
#else
  return call();
#endif
}
template <typename F, typename Thrown>
auto CallHost(F call, Thrown thrown) -> decltype(call()) {
  return CallHost(call, thrown, [] {});
}

}  // namespace runlet

#endif  // RUNLET_SRC_BASE_HOST_CALL_H_
