// Lambda's recursive loop detection: how often one lineage may invoke a function.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"

namespace runlet {
namespace {

using testing::Simulation;
using Answer = absl::StatusOr<std::string>;

TEST_CASE("a function that posts to itself is stopped after 16 runs, and the next event is a dead letter") {
  Simulation sim;
  Engine& engine = sim.engine();
  int runs = 0;
  const auto loop = [&](std::string_view event) {
    ++runs;
    return engine.Post("loop", std::string(event) + "x").status();
  };
  REQUIRE(engine.Register("loop", loop).ok());
  REQUIRE(engine.Post("loop", "x").ok());
  sim.RunUntilIdle();
  CHECK(runs == 16);
  REQUIRE(sim.DeadLetters().size() == 1);
  const DeadLetter letter = sim.DeadLetters()[0];
  CHECK(letter.condition == Condition::kRecursionLimit);
  CHECK(letter.attempts == 0);
  CHECK(letter.Bytes().value() == std::string(17, 'x'));
  const FunctionMetrics metrics = engine.Metrics("loop").value();
  CHECK(metrics.recursive_invocations_dropped == 1);
  CHECK(metrics.async_events_dropped == 1);
  CHECK(metrics.async_events_received == 17);
  // Each post begins a lineage of its own, and so does a redrive.
  REQUIRE(engine.dead_letters().Redrive(letter.request_id).ok());
  sim.RunUntilIdle();
  CHECK(runs == 32);
}

TEST_CASE("a function that is no part of the loop is told of its end") {
  Simulation sim;
  Engine& engine = sim.engine();
  std::vector<std::string> told;
  REQUIRE(engine.Register("alarm", [&](std::string_view record) { told.emplace_back(record); }).ok());
  REQUIRE(engine
              .Register("loop", [&](std::string_view event) { CHECK(engine.Post("loop", event).ok()); },
                        {.event_invoke = {.on_failure = Destination::Function("alarm")}})
              .ok());
  REQUIRE(engine.Post("loop", "{}").ok());
  sim.RunUntilIdle();
  REQUIRE(told.size() == 1);
  CHECK(told[0].find("\"condition\":\"RecursionLimit\"") != std::string::npos);
}

TEST_CASE("a loop over several functions counts each by itself") {
  Simulation sim;
  Engine& engine = sim.engine();
  std::vector<int> runs(3);
  for (int i = 0; i < 3; ++i) {
    const auto next = [&, i](std::string_view) {
      ++runs[static_cast<std::size_t>(i)];
      return engine.Post("f" + std::to_string((i + 1) % 3), "").status();
    };
    REQUIRE(engine.Register("f" + std::to_string(i), next).ok());
  }
  REQUIRE(engine.Post("f0", "").ok());
  sim.RunUntilIdle();
  CHECK(runs == std::vector<int>{16, 16, 16});
  CHECK(sim.DeadLetters().at(0).function == "f0");
}

TEST_CASE("a long pipeline is no loop") {
  Simulation sim;
  Engine& engine = sim.engine();
  constexpr int kStages = 100;
  int ends = 0;
  for (int i = 0; i < kStages; ++i) {
    const auto stage = [&, i](std::string_view) {
      if (i + 1 == kStages) return ++ends, absl::OkStatus();
      return engine.Post("stage" + std::to_string(i + 1), "").status();
    };
    REQUIRE(engine.Register("stage" + std::to_string(i), stage).ok());
  }
  REQUIRE(engine.Post("stage0", "").ok());
  sim.RunUntilIdle();
  CHECK(ends == 1);
  CHECK(sim.DeadLetters().empty());
}

TEST_CASE("a long chain of calls that nobody waits for is no loop either") {
  Simulation sim;
  Engine& engine = sim.engine();
  constexpr int kStages = 40;
  int ends = 0;
  for (int i = 0; i < kStages; ++i) {
    const auto stage = [&, i](std::string_view) {
      if (i + 1 == kStages) {
        ++ends;
      } else {
        (void)engine.Start("stage" + std::to_string(i + 1), "").request_id();
      }
    };
    REQUIRE(engine.Register("stage" + std::to_string(i), stage).ok());
  }
  CHECK(engine.Invoke("stage0", "").ok());
  sim.RunUntilIdle();
  CHECK(ends == 1);
}

TEST_CASE("what a handler fans out has a lineage each") {
  Simulation sim;
  Engine& engine = sim.engine();
  int runs = 0;
  const auto tree = [&](std::string_view event) {
    ++runs;
    if (event.size() == 3) return absl::OkStatus();
    const std::string next = std::string(event) + "x";
    return engine.PostAll("tree", std::vector<std::string>(3, next));
  };
  REQUIRE(engine.Register("tree", tree).ok());
  REQUIRE(engine.Post("tree", "x").ok());
  sim.RunUntilIdle();
  CHECK(runs == 1 + 3 + 9);
}

TEST_CASE("nested and started calls pass the lineage on, and a call once too often is refused by name") {
  Simulation sim;
  Engine& engine = sim.engine();
  int runs = 0;
  std::optional<absl::Status> refused;
  const auto by_invoke = [&](std::string_view event) { return engine.Invoke("post", event).status(); };
  const auto by_start = [&](std::string_view event) { return engine.Start("post", event).Get().status(); };
  const auto post = [&](std::string_view event) {
    ++runs;
    return engine.Post(runs % 2 == 0 ? "invoke" : "start", event).status();
  };
  const auto keep = [&](absl::Status status) {
    if (!status.ok()) refused = status;
    return status.ok() ? status : Permanent(status);
  };
  REQUIRE(engine.Register("invoke", [&](std::string_view e) { return keep(by_invoke(e)); }).ok());
  REQUIRE(engine.Register("start", [&](std::string_view e) { return keep(by_start(e)); }).ok());
  REQUIRE(engine.Register("post", post).ok());
  REQUIRE(engine.Post("invoke", "{}").ok());
  sim.RunUntilIdle();
  CHECK(runs == 16);
  REQUIRE(refused.has_value());
  CHECK(Reason(*refused) == reason::kRecursiveInvocation);
  CHECK(refused->message() ==
        "function \"post\": invoked 16 times on the way to this call: recursive_loop = kTerminate allows 16");
  CHECK(engine.Metrics("post").value().recursive_invocations_dropped == 1);
  CHECK(engine.Metrics("post").value().invocations == 16);
}

TEST_CASE("a function may allow its loop") {
  Simulation sim;
  Engine& engine = sim.engine();
  int runs = 0;
  const auto loop = [&](std::string_view) {
    return ++runs == 1000 ? absl::OkStatus() : engine.Post("loop", "").status();
  };
  REQUIRE(engine.Register("loop", loop, {.recursive_loop = RecursiveLoop::kAllow}).ok());
  REQUIRE(engine.Post("loop", "").ok());
  sim.RunUntilIdle();
  CHECK(runs == 1000);
  CHECK(sim.DeadLetters().empty());
  CHECK(engine.Metrics("loop").value().recursive_invocations_dropped == 0);
}

TEST_CASE("retries of an event are no recursion") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto fail = [](std::string_view) { return absl::UnavailableError("down"); };
  REQUIRE(engine.Register("fail", fail, {.event_invoke = {.maximum_retry_attempts = 30}}).ok());
  REQUIRE(engine.Post("fail", "").ok());
  sim.RunUntilIdle();
  CHECK(sim.DeadLetters().at(0).attempts == 31);
}

TEST_CASE("another engine's functions of the same name are others") {
  Simulation sim, other;
  int runs = 0;
  const auto bounce = [&](std::string_view) {
    ++runs;
    return absl::OkStatus();
  };
  REQUIRE(other.engine().Register("f", bounce).ok());
  REQUIRE(sim.engine().Register("f", [&](std::string_view) { return other.engine().Post("f", "").status(); }).ok());
  for (int i = 0; i < 20; ++i) REQUIRE(sim.engine().Post("f", "").ok());
  sim.RunUntilIdle();
  other.RunUntilIdle();
  CHECK(runs == 20);
}

}  // namespace
}  // namespace runlet
