// The caller is released at the deadline, whatever the handler does; what becomes of the thread that is still in it.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"
#include "tests/engine/unsaid.h"

namespace runlet {
namespace {

using testing::Simulation;

void Nothing(std::string_view) {}

bool IsTimeout(const absl::Status& status) {
  const std::optional<FunctionError> error = FunctionErrorOf(status);
  return error.has_value() && error->type == "Sandbox.Timedout";
}

// A handler that hears nothing for as long as its event says, in seconds: it sits in a call of its own.
class Deaf {
 public:
  explicit Deaf(Simulation& sim, FunctionConfig config = {}) : sim_(sim) {
    const auto sleep = [](std::string_view event, Context& ctx) {
      ctx.Sleep(absl::Seconds(std::stoi(std::string(event))));
    };
    REQUIRE(sim.engine().Register("sleep", sleep, {.timeout = absl::Minutes(15)}).ok());
    const auto deaf = [this](std::string_view event, Context& ctx) -> std::string {
      (void)sim_.engine().Start("sleep", event).Get();
      reasons.push_back(ctx.stop_reason());
      return "awake";
    };
    REQUIRE(sim.engine().Register("deaf", deaf, config).ok());
  }

  std::vector<StopReason> reasons;

 private:
  Simulation& sim_;
};

TEST_CASE("Invoke and Start are released at the deadline while the handler hangs") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", Nothing).ok());
  sim.Hang("work", 2);
  CHECK(IsTimeout(sim.engine().Invoke("work", "{}").status()));
  CHECK(sim.Elapsed() == absl::Seconds(3));
  CHECK(IsTimeout(sim.engine().Start("work", "{}").Get().status()));
  CHECK(sim.Elapsed() == absl::Seconds(6));
  CHECK(sim.engine().abandoned() == 2);
  CHECK(sim.engine().idle());  // abandoned executions leave the caps
}

TEST_CASE("a started call ends at its deadline with nobody waiting") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", Nothing).ok());
  sim.Hang("work");
  Future<std::string> call = sim.engine().Start("work", "{}");
  sim.AdvanceBy(absl::Seconds(3) - absl::Nanoseconds(1));
  CHECK(sim.Ledger().Count(Activity::Kind::kTimedOut) == 0);
  sim.AdvanceBy(absl::Nanoseconds(1));
  CHECK(sim.Ledger().Count(Activity::Kind::kTimedOut) == 1);
  sim.AdvanceBy(absl::Hours(1));
  CHECK(IsTimeout(std::move(call).Get().status()));
}

TEST_CASE("a late result is dropped and counted, and its thread is no longer abandoned") {
  Simulation sim;
  Deaf deaf(sim);
  CHECK(IsTimeout(sim.engine().Invoke("deaf", "10").status()));
  CHECK(sim.Elapsed() == absl::Seconds(3));
  CHECK(sim.engine().abandoned() == 1);
  CHECK(sim.engine().Metrics("deaf").value().late_results == 0);
  sim.AdvanceBy(absl::Seconds(7));
  CHECK(sim.engine().abandoned() == 0);
  CHECK(sim.engine().Metrics("deaf").value().late_results == 1);
  CHECK(sim.engine().Metrics("deaf").value().invocations == 1);
  CHECK(deaf.reasons == std::vector<StopReason>{StopReason::kDeadline});
  CHECK(sim.Ledger().Count(Activity::Kind::kLateResult, "deaf") == 1);
}

TEST_CASE("an abandoned execution leaves its permit to others") {
  Simulation sim({.engine = {.concurrency = 10}});
  REQUIRE(sim.engine().Register("one", Nothing, {.reserved_concurrency = 1}).ok());
  sim.Hang("one");
  CHECK(IsTimeout(sim.engine().Invoke("one", "{}").status()));
  CHECK(sim.engine().Invoke("one", "{}").ok());
}

TEST_CASE("where the deadline is cooperative the caller gets the timeout when the handler returns") {
  for (const FunctionConfig& config :
       {FunctionConfig{.on_overrun = OnOverrun::kWait}, FunctionConfig{.run_on = RunOn::kCaller}}) {
    Simulation sim;
    Deaf deaf(sim, config);
    CHECK(IsTimeout(sim.engine().Invoke("deaf", "10").status()));
    CHECK(sim.Elapsed() == absl::Seconds(10));
    CHECK(sim.engine().abandoned() == 0);
    CHECK(deaf.reasons == std::vector<StopReason>{StopReason::kDeadline});
    CHECK(sim.engine().Metrics("deaf").value().timeouts == 1);
    CHECK(sim.engine().Metrics("deaf").value().billed_milliseconds == 10'000);
  }
}

TEST_CASE("a nested call keeps the stop flag only: its own timeout ends when it returns") {
  Simulation sim;
  Engine& engine = sim.engine();
  Deaf deaf(sim, {.timeout = absl::Seconds(1)});
  std::optional<absl::Status> nested;
  const auto outer = [&](std::string_view) { nested = engine.Invoke("deaf", "2").status(); };
  REQUIRE(engine.Register("outer", outer, {.timeout = absl::Seconds(30)}).ok());
  CHECK(engine.Invoke("outer", "{}").ok());
  CHECK(sim.Elapsed() == absl::Seconds(2));
  REQUIRE(nested.has_value());
  CHECK(IsTimeout(*nested));
}

TEST_CASE("the outermost caller is released although a nested call hangs") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("inner", Nothing, {.reserved_concurrency = 1}).ok());
  const auto outer = [&](std::string_view) { (void)engine.Invoke("inner", "{}"); };
  REQUIRE(engine.Register("outer", outer).ok());
  sim.Hang("inner");
  CHECK(IsTimeout(engine.Invoke("outer", "{}").status()));
  CHECK(sim.Elapsed() == absl::Seconds(3));
  sim.AdvanceBy(absl::Hours(1));
}

// ---- the limit of abandoned threads ----

// Functions "a" and "b"; the first `hangs` calls of "a" never return.
struct Hanging {
  Hanging(int max_abandoned, int hangs) : sim({.engine = {.max_abandoned = max_abandoned}}) {
    REQUIRE(sim.engine().Register("a", Nothing).ok());
    REQUIRE(sim.engine().Register("b", Nothing).ok());
    sim.Hang("a", hangs);
  }
  Simulation sim;
};

TEST_CASE("at the limit of abandoned threads a function that owns one is refused, and others are not") {
  for (const int limit : {1, 2, 5}) {
    INFO(limit);
    Hanging hanging(limit, limit);
    Engine& engine = hanging.sim.engine();
    for (int i = 0; i < limit; ++i) CHECK(IsTimeout(engine.Invoke("a", "{}").status()));
    const absl::Status refused = engine.Invoke("a", "{}").status();
    CHECK(Reason(refused) == reason::kAbandonedExecutionLimitExceeded);
    CHECK(Unsaid(refused, absl::StatusCode::kResourceExhausted, {"\"a\"", std::to_string(limit)}) == "");
    CHECK(!engine.Invoke("a", "{}", {.wait_for_capacity = absl::Seconds(1)}).ok());
    CHECK(engine.Invoke("b", "{}").ok());
    CHECK(engine.abandoned() == limit);
  }
}

TEST_CASE("below the limit of abandoned threads nothing is refused") {
  Hanging hanging(3, 2);
  for (int i = 0; i < 2; ++i) CHECK(IsTimeout(hanging.sim.engine().Invoke("a", "{}").status()));
  CHECK(hanging.sim.engine().Invoke("a", "{}").ok());
}

TEST_CASE("with no thread to abandon the caller is released all the same, and the permit stays taken") {
  Hanging hanging(0, 1);
  Engine& engine = hanging.sim.engine();
  CHECK(IsTimeout(engine.Invoke("a", "{}").status()));
  CHECK(hanging.sim.Elapsed() == absl::Seconds(3));
  CHECK(Reason(engine.Invoke("a", "{}").status()) == reason::kAbandonedExecutionLimitExceeded);
  CHECK(engine.Invoke("b", "{}").ok());
  CHECK(!engine.idle());
}

TEST_CASE("a function that was refused for its abandoned threads is taken again when one comes back") {
  Simulation sim({.engine = {.max_abandoned = 1}});
  Deaf deaf(sim);
  CHECK(IsTimeout(sim.engine().Invoke("deaf", "10").status()));  // comes back at 10 s
  CHECK(Reason(sim.engine().Invoke("deaf", "0").status()) == reason::kAbandonedExecutionLimitExceeded);
  sim.AdvanceBy(absl::Seconds(7) - absl::Nanoseconds(1));
  CHECK(!sim.engine().Invoke("deaf", "0").ok());
  sim.AdvanceBy(absl::Nanoseconds(1));
  CHECK(sim.engine().Invoke("deaf", "0").value() == "awake");
}

TEST_CASE("who waits for capacity is woken when an abandoned thread comes back") {
  Simulation sim({.engine = {.max_abandoned = 1}});
  Deaf deaf(sim);
  CHECK(IsTimeout(sim.engine().Invoke("deaf", "10").status()));
  CHECK(sim.engine().Invoke("deaf", "0", {.wait_for_capacity = absl::Minutes(1)}).ok());
  CHECK(sim.Elapsed() == absl::Seconds(10));
}

TEST_CASE("events of a function at the limit of abandoned threads back off until it is below") {
  Simulation sim({.engine = {.max_abandoned = 1}});
  Deaf deaf(sim);
  CHECK(IsTimeout(sim.engine().Invoke("deaf", "10").status()));
  REQUIRE(sim.engine().Post("deaf", "0").ok());  // at 3 s: tries at 3, 4, 6 and 10 s, or 18
  sim.RunUntilIdle();
  CHECK(sim.DeadLetters().empty());
  CHECK(sim.engine().Metrics("deaf").value().throttles >= 3);
  CHECK(sim.engine().Metrics("deaf").value().invocations == 2);
}

TEST_CASE("an event whose handler hangs is retried while the first attempt still hangs") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", Nothing).ok());
  sim.Hang("work");
  REQUIRE(sim.engine().Post("work", "{}").ok());
  sim.RunUntilIdle();
  CHECK(sim.Elapsed() == absl::Seconds(63));
  CHECK(sim.DeadLetters().empty());
  CHECK(sim.engine().abandoned() == 1);
  CHECK(sim.engine().Metrics("work").value().invocations == 2);
}

TEST_CASE("events behind one that hangs do not wait for its deadline") {
  Simulation sim;
  std::vector<std::string> done;
  REQUIRE(sim.engine().Register("work", [&](std::string_view event) { done.emplace_back(event); }).ok());
  sim.Hang("work");
  REQUIRE(sim.engine().PostAll("work", std::vector<std::string>(40, "{}")).ok());
  sim.AdvanceBy(absl::Seconds(1));
  CHECK(done.size() == 39);
}

}  // namespace
}  // namespace runlet
