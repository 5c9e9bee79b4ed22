// The same engine, on one thread and in virtual time.
#ifndef RUNLET_TESTING_SIMULATION_H_
#define RUNLET_TESTING_SIMULATION_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "runlet/engine/engine.h"
#include "runlet/testing/ledger.h"

namespace runlet::testing {

struct SimulationOptions {
  // Picks the order in which whatever is ready runs, the request ids and the jitter.
  std::uint64_t seed = 1;
  // The options of production. The simulation replaces threads, clock, executor, interceptor and seed; an observer of
  // yours still sees all.
  EngineOptions engine = {};
  absl::Time start = absl::FromUnixSeconds(1'700'000'000);
  // Off saves memory in long runs.
  bool keep_ledger = true;
  // Called when the engine has broken one of its promises; the text says which, when, and with what seed. The default
  // prints it and ends the program.
  std::function<void(std::string_view)> on_violation = nullptr;
  // Called, from a thread of its own, when a step takes this much real time; the text names the function that began
  // last. The default prints it. 0: nobody looks.
  absl::Duration blocked_after = absl::Seconds(10);
  std::function<void(std::string_view)> on_blocked = nullptr;
};

// Work runs only inside RunUntilIdle, AdvanceBy and calls that wait (Invoke, Future::Get, WaitIdle, Drain), and virtual
// time passes only there: while nothing is ready to run, the clock jumps to the next thing that is due. A handler takes
// no virtual time unless it sleeps (Context::Sleep) or waits on the engine; meanwhile others run. A handler that blocks
// on anything else of the host's stops the simulation, which says so (SimulationOptions::blocked_after).
//
// The engine's promises are checked after every step. Same seed and same program: same run, bit for bit.
// Single-threaded.
class Simulation {
 public:
  // Ends the program with the message of Engine::Create where `options.engine` cannot be.
  explicit Simulation(SimulationOptions options = {});
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  Engine& engine();

  // Until the engine is idle(): every accepted event has ended and nothing runs, however much virtual time that takes;
  // or until nothing more can happen by itself. A refusing destination is tried for ever while something else hangs
  // that the engine may not write off (max_abandoned): use AdvanceBy there.
  void RunUntilIdle();
  // Runs whatever falls due within `duration` from now; then exactly so much time has passed.
  void AdvanceBy(absl::Duration duration);
  // Virtual time since the simulation began.
  absl::Duration Elapsed() const;
  // When, on the scale of Elapsed(), something happens next by itself, at the earliest; infinite for never.
  absl::Duration NextDue();

  std::vector<DeadLetter> DeadLetters();
  const testing::Ledger& Ledger() const;
  // Posts the events of dead letters that were exported (DeadLetterView::Export), in order, to the functions of the
  // same names: what failed in production becomes a test. InvalidArgument that names the first line that is no such
  // letter or has no payload, or what Post answered; the lines before it are posted.
  [[nodiscard]] absl::Status Replay(std::string_view exported);
  // Pieces of work run so far.
  std::uint64_t steps() const;

  // ---- faults and stand-ins ----

  // The next `count` executions of the function, or of its version "f:3" or alias "f:live", end with `error` and do not
  // reach the handler.
  void FailNext(std::string_view function, absl::Status error, int count = 1);
  template <typename In, typename Out>
  void FailNext(const Function<In, Out>& function, absl::Status error, int count = 1) {
    FailNext(function.name(), std::move(error), count);
  }
  // The next `count` executions of the function, version or alias never return, whatever they are asked.
  void Hang(std::string_view function, int count = 1);
  template <typename In, typename Out>
  void Hang(const Function<In, Out>& function, int count = 1) {
    Hang(function.name(), count);
  }
  // Puts `handler` in the place of the registered one, with its configuration; or registers it, with the defaults.
  template <typename F>
  [[nodiscard]] absl::Status Stub(std::string_view function, F&& handler) {
    const absl::StatusOr<FunctionConfig> config = engine().Config(function);
    if (!config.ok()) return engine().Register(function, std::forward<F>(handler));
    return engine().Replace(function, std::forward<F>(handler), *config);
  }
  template <typename In, typename Out, typename F>
  [[nodiscard]] absl::Status Stub(const Function<In, Out>& function, F&& handler) {
    const absl::StatusOr<FunctionConfig> config = engine().Config(function.name());
    if (!config.ok()) return engine().Register(function, std::forward<F>(handler));
    return engine().Replace(function, std::forward<F>(handler), *config);
  }

 private:
  class Body;
  const std::unique_ptr<Body> body_;
};

}  // namespace runlet::testing

#endif  // RUNLET_TESTING_SIMULATION_H_
