// What a plugin may do with runlet between being loaded and being unloaded.
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "runlet/runlet.h"

namespace {

struct Order {
  int number = 0;
};
constexpr runlet::Function<Order, std::string> kShip{"ship"};

// What went wrong, or nothing. The engine is gone when it returns.
std::string Work() {
  runlet::Engine engine;
  const auto ship = [&engine](const Order& order, runlet::Context& context) -> absl::StatusOr<std::string> {
    if (order.number == 0) return "done by " + std::string(context.function_name());
    return engine.Invoke(kShip, {order.number - 1});
  };
  if (!engine.Register(kShip, ship).ok()) return "Register";
  const auto flaky = [](std::string_view event, runlet::Context& context) -> absl::StatusOr<std::string> {
#if defined(__cpp_exceptions)
    if (context.attempt() == 1) throw std::runtime_error("not yet");
#else
    if (context.attempt() == 1) return absl::UnavailableError("not yet");
#endif
    return std::string(event);
  };
  const auto at_once = runlet::RetryPolicy::Fixed(absl::ZeroDuration());
  if (!engine.Register("flaky", flaky, {.event_invoke = {.retry_policy = at_once}}).ok()) return "Register";
  if (engine.Invoke(kShip, {5}).value_or("") != "done by ship") return "Invoke";
  if (engine.Start(kShip, {5}).Get().value_or("") != "done by ship") return "Start";
  for (int i = 0; i < 100; ++i) {
    if (!engine.Post("flaky", "event").ok()) return "Post";
  }
  if (!engine.WaitIdle().ok()) return "WaitIdle";
  if (engine.Metrics("flaky")->retries != 100) return "Metrics";
  const runlet::DrainReport report = engine.Drain(absl::ZeroDuration(), absl::Minutes(1));
  return report.abandoned == 0 ? "" : "Drain left threads behind";
}

}  // namespace

extern "C" [[gnu::visibility("default")]] bool WorkOfPlugin(char* what, int size) {
  const std::string wrong = Work();
  what[wrong.copy(what, static_cast<std::size_t>(size) - 1)] = '\0';
  return wrong.empty();
}
