// Traces of engines at work.
#include "runlet/observe/trace.h"

#include <atomic>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runlet/observe/observers.h"
#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"
#include "tests/observe/trace_check.h"

namespace runlet {
namespace {

using testing::Simulation;
using testing::SimulationOptions;

SimulationOptions Observed(Observer& observer) {
  SimulationOptions options;
  options.engine.observer = &observer;
  return options;
}

void SleepFor(std::string_view event, Context& context) {
  context.Sleep(absl::Milliseconds(std::stoi(std::string(event))));
}

TEST_CASE("an event that is tried three times is three slices, each led to by an arrow") {
  ChromeTrace trace;
  Simulation sim(Observed(trace));
  REQUIRE(sim.engine().Register("work", SleepFor).ok());
  sim.FailNext("work", absl::UnavailableError("\"down\"\n"), 2);
  REQUIRE(sim.engine().Post("work", "5").ok());
  sim.RunUntilIdle();

  const CheckedTrace checked(trace);
  const auto slices = checked.executions();
  REQUIRE(slices.size() == 3);
  CHECK(checked.arrows() == 3);
  CHECK(checked.Marks("retry scheduled").size() == 2);
  CHECK(checked.Marks("ended").at(0)["args"]["condition"] == "Success");
  for (int i = 0; i < 3; ++i) {
    CHECK(slices[i]["name"] == "work");
    CHECK(slices[i]["args"]["attempt"] == i + 1);
    CHECK(slices[i]["args"]["request_id"] == slices[0]["args"]["request_id"]);
  }
  CHECK(slices[0]["args"]["error_type"] == "Unavailable");
  CHECK(slices[0]["args"]["error_message"] == "\"down\"\n");
  CHECK(slices[1]["ts"].get<double>() - slices[0]["ts"].get<double>() == 60e6);
  CHECK(slices[2]["dur"] == 5000);
}

TEST_CASE("a throttled, a dead and a redriven event are marked, and a redrive leads on") {
  ChromeTrace trace;
  Simulation sim(Observed(trace));
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("work", SleepFor, {.reserved_concurrency = 1, .event_invoke = {.maximum_retry_attempts = 0}})
              .ok());
  Future<std::string> holder = engine.Start("work", "2000");
  sim.FailNext("work", absl::InternalError("broken"), 2);  // the call and the event
  REQUIRE(engine.Post("work", "1").ok());
  sim.RunUntilIdle();
  REQUIRE(engine.dead_letters().size() == 1);
  REQUIRE(engine.dead_letters().RedriveAll().size() == 1);
  sim.RunUntilIdle();
  CHECK(!std::move(holder).Get().ok());

  const CheckedTrace checked(trace);
  CHECK(checked.Marks("dead letter").at(0)["args"]["condition"] == "RetriesExhausted");
  CHECK(checked.Marks("ended").size() == 1);
  CHECK(checked.arrows() == 2);
  CHECK(checked.executions().size() == 3);
}

TEST_CASE("a refusal and a throttle are marked with their reasons") {
  ChromeTrace trace;
  Simulation sim(Observed(trace));
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("work", SleepFor, {.reserved_concurrency = 1}).ok());
  Future<std::string> holder = engine.Start("work", "2000");
  CHECK(!engine.Invoke("work", "1").ok());
  REQUIRE(engine.Post("work", "1").ok());
  sim.RunUntilIdle();
  CHECK(std::move(holder).Get().ok());
  const CheckedTrace checked(trace);
  const std::string reason(reason::kReservedFunctionConcurrentInvocationLimitExceeded);
  CHECK(checked.Marks("refused").at(0)["args"]["error_type"] == reason);
  REQUIRE(!checked.Marks("throttled").empty());
  CHECK(checked.Marks("throttled")[0]["args"]["error_type"] == reason);
  CHECK(checked.Marks("throttled")[0]["args"]["next_try_in_ms"] == 1000);
  CHECK(checked.arrows() == 1);
}

TEST_CASE("a nested call is a slice within its caller's") {
  ChromeTrace trace;
  Simulation sim(Observed(trace));
  REQUIRE(sim.engine().Register("inner", SleepFor).ok());
  const auto outer = [&](std::string_view, Context& context) {
    context.Sleep(absl::Milliseconds(1));
    CHECK(sim.engine().Invoke("inner", "2").ok());
    context.Sleep(absl::Milliseconds(3));
  };
  REQUIRE(sim.engine().Register("outer", outer).ok());
  REQUIRE(sim.engine().Invoke("outer", "").ok());
  const auto slices = CheckedTrace(trace).executions();
  REQUIRE(slices.size() == 2);
  CHECK(slices[0]["name"] == "outer");
  CHECK(slices[0]["dur"] == 6000);
  CHECK(slices[1]["dur"] == 2000);
  CHECK(slices[0]["tid"] == slices[1]["tid"]);
}

TEST_CASE("handlers that take turns on one thread have a track each") {
  ChromeTrace trace;
  Simulation sim(Observed(trace));
  REQUIRE(sim.engine().Register("work", SleepFor).ok());
  Future<std::string> slow = sim.engine().Start("work", "30");
  sim.AdvanceBy(absl::Milliseconds(10));
  Future<std::string> slower = sim.engine().Start("work", "40");
  sim.RunUntilIdle();
  CHECK(std::move(slow).Get().ok());
  CHECK(std::move(slower).Get().ok());
  const auto slices = CheckedTrace(trace).executions();
  REQUIRE(slices.size() == 2);
  CHECK(slices[0]["tid"] != slices[1]["tid"]);
}

TEST_CASE("an engine with threads of its own leaves one slice per attempt, and no loose arrow") {
  ChromeTrace trace;
  absl::StatusOr<Engine> engine = Engine::Create({.observer = &trace});
  REQUIRE(engine.ok());
  std::atomic<int> calls{0};
  const auto flaky = [&](std::string_view) -> absl::Status {
    return calls.fetch_add(1) % 3 == 0 ? absl::UnavailableError("not yet") : absl::OkStatus();
  };
  REQUIRE(engine
              ->Register("flaky", flaky,
                         {.event_invoke = {.maximum_retry_attempts = 20,
                                           .retry_policy = RetryPolicy::Fixed(absl::Milliseconds(1))}})
              .ok());
  REQUIRE(engine->PostAll("flaky", std::vector<std::string>(300, "{}")).ok());
  REQUIRE(engine->WaitIdle(absl::Minutes(1)).ok());
  const std::uint64_t attempts = engine->Metrics("flaky")->invocations;
  engine->Drain(absl::ZeroDuration(), absl::Seconds(5));

  const CheckedTrace checked(trace);
  const auto slices = checked.executions();
  CHECK(slices.size() == attempts);
  CHECK(checked.arrows() == attempts);
  std::map<std::pair<std::string, int>, int> seen;
  for (const nlohmann::json& slice : slices) {
    ++seen[std::pair<std::string, int>(slice["args"]["request_id"], slice["args"]["attempt"])];
  }
  CHECK(seen.size() == attempts);
}

}  // namespace
}  // namespace runlet
