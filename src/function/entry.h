// A registered function: who it is, what it runs now, and what it has in use.
#ifndef RUNLET_SRC_FUNCTION_ENTRY_H_
#define RUNLET_SRC_FUNCTION_ENTRY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/permits.h"
#include "base/rate_limit.h"
#include "runlet/event/function_name.h"
#include "runlet/function/config.h"
#include "runlet/function/handler.h"

namespace runlet {

class Lane;

// A handler with its configuration. Immutable; replaced as a whole.
struct Code {
  Code(Handler its_handler, FunctionConfig its_config)
      : handler(std::move(its_handler)), config(std::move(its_config)), timeout_ns(Nanos(config.timeout)) {
    const EventInvokeConfig& event = config.event_invoke;
    if (event.dead_letter_queue != nullptr || event.on_success.is_set() || event.on_failure.is_set()) {
      sinks = std::make_shared<const EventInvokeConfig>(event);
    }
  }

  const Handler handler;
  const FunctionConfig config;
  const std::int64_t timeout_ns;
  std::shared_ptr<const EventInvokeConfig> sinks;  // nullptr: nobody is told how events end
  bool release_on_overrun = false;                 // set by the engine before the code is published
};

inline constexpr int kUnreserved = -1;

// Made at the first registration of a name and alive until the engine ends, so that a pointer to it never dangles.
// `code` is nullptr while nothing is registered under the name; reading through it needs a Slot's protection.
struct FunctionEntry : FunctionIdentity {
  FunctionEntry(std::string its_name, std::uint32_t its_index) : FunctionIdentity{std::move(its_name), its_index} {}

  std::atomic<const Code*> code{nullptr};
  std::atomic<int> reserved{kUnreserved};
  std::atomic<int> abandoned{0};  // executions that overran and whose threads have not come back
  Permits reserved_permits{0};
  RateLimit reserved_rate;
  Lane* lane = nullptr;  // the delivery's
};

}  // namespace runlet

#endif  // RUNLET_SRC_FUNCTION_ENTRY_H_
