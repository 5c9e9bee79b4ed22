// Settings that change while their handler stays, and what is told of a function.
#include <string>
#include <string_view>

#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"

namespace runlet {
namespace {

using testing::Simulation;

absl::Status SleepTwoSeconds(std::string_view, Context& ctx) {
  return ctx.Sleep(absl::Seconds(2)) ? absl::OkStatus() : absl::CancelledError("woken");
}

TEST_CASE("a changed timeout holds from the next call on, and for the next version") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("work", SleepTwoSeconds).ok());
  CHECK(engine.PublishVersion("work").value() == "1");
  REQUIRE(engine.CreateAlias("work", {.name = "live", .version = "$LATEST"}).ok());
  Future<std::string> running = engine.Start("work", "");
  sim.AdvanceBy(absl::Milliseconds(1));

  REQUIRE(engine.UpdateConfiguration("work", {.timeout = absl::Seconds(1), .memory_size = 256}).ok());
  CHECK(std::move(running).Get().ok());
  CHECK(FunctionErrorOf(engine.Invoke("work", "").status())->type == "Sandbox.Timedout");
  CHECK(FunctionErrorOf(engine.Invoke("work:live", "").status())->type == "Sandbox.Timedout");
  CHECK(engine.Invoke("work:1", "").ok());
  CHECK(engine.Config("work")->memory_size == 256);
  CHECK(engine.Config("work:1")->memory_size == 128);
  CHECK(engine.PublishVersion("work").value() == "2");
  CHECK(engine.PublishVersion("work").value() == "2");
  CHECK(engine.Config("work:2")->timeout == absl::Seconds(1));
}

TEST_CASE("a description has as many characters, however many bytes they take") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", SleepTwoSeconds).ok());
  std::string accents;
  for (int i = 0; i < 256; ++i) accents += "\u00e9";
  CHECK(sim.engine().UpdateConfiguration("work", {.description = accents}).ok());
  CHECK(absl::IsInvalidArgument(sim.engine().UpdateConfiguration("work", {.description = accents + "x"})));
}

TEST_CASE("a change that is out of range changes nothing and says why") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("work", SleepTwoSeconds).ok());
  CHECK(engine.UpdateConfiguration("work", {.timeout = absl::Hours(1)}) ==
        absl::InvalidArgumentError("function \"work\": timeout is 1h, outside its range of 1ms to 15m"));
  CHECK(engine.UpdateConfiguration("work", {.description = std::string(257, 'x')}) ==
        absl::InvalidArgumentError("function \"work\": description has 257 characters: the limit is 256"));
  CHECK(engine.UpdateConfiguration("work", {.memory_size = 127}).code() == absl::StatusCode::kInvalidArgument);
  CHECK(absl::IsNotFound(engine.UpdateConfiguration("other", {})));
  CHECK(engine.Describe("work")->config.timeout == absl::Seconds(3));
}

TEST_CASE("recursive_loop changes for all versions and makes no new one") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("work", SleepTwoSeconds).ok());
  CHECK(engine.PublishVersion("work").value() == "1");
  REQUIRE(engine.UpdateConfiguration("work", {.recursive_loop = RecursiveLoop::kAllow}).ok());
  CHECK(engine.Config("work:1")->recursive_loop == RecursiveLoop::kAllow);
  CHECK(engine.PublishVersion("work").value() == "1");
}

TEST_CASE("a description tells version, time and revision") {
  Simulation sim;
  Engine& engine = sim.engine();
  const absl::Time start = absl::FromUnixSeconds(1'700'000'000);
  REQUIRE(engine.Register("work", SleepTwoSeconds, {.reserved_concurrency = 5, .description = "waits"}).ok());
  const FunctionDescription first = engine.Describe("work").value();
  CHECK(first.version == "$LATEST");
  CHECK(first.config.description == "waits");
  CHECK(first.config.reserved_concurrency == 5);
  CHECK(first.last_modified == start);

  sim.AdvanceBy(absl::Seconds(1));
  REQUIRE(engine.SetEventInvokeConfig("work", {.maximum_retry_attempts = 0}).ok());
  CHECK(engine.Describe("work")->revision == first.revision);
  REQUIRE(engine.UpdateConfiguration("work", {.description = "still waits"}).ok());
  CHECK(engine.Describe("work")->revision != first.revision);
  CHECK(engine.Describe("work")->last_modified == start + absl::Seconds(1));
  CHECK(engine.Describe("work")->config.event_invoke.maximum_retry_attempts == 0);

  CHECK(engine.PublishVersion("work", "the first").value() == "1");
  CHECK(engine.Describe("work:1")->config.description == "the first");
  CHECK(engine.Describe("work:1")->version == "1");
  REQUIRE(engine.CreateAlias("work", {.name = "live", .version = "1", .description = "what all use"}).ok());
  CHECK(engine.Describe("work:live")->version == "1");
  CHECK(engine.ListAliases("work")->at(0).description == "what all use");
  REQUIRE(engine.SetProvisionedConcurrency("work:live", 2).ok());
  CHECK(engine.Describe("work:live")->provisioned_concurrency == 2);
  CHECK(absl::IsNotFound(engine.Describe("work:2").status()));
}

}  // namespace
}  // namespace runlet
