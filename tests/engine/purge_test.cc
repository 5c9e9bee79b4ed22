// Purge: the host throws away what waits.
#include <string>
#include <string_view>
#include <vector>

#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"

namespace runlet {
namespace {

using testing::Simulation;

absl::Status Fail(std::string_view) { return absl::UnavailableError("down"); }

std::vector<Condition> EndsOf(Simulation& sim, std::string_view function) {
  std::vector<Condition> ends;
  for (const testing::LedgerEntry& end : sim.Ledger().Of(Activity::Kind::kEnded, function)) {
    ends.push_back(end.condition);
  }
  return ends;
}

TEST_CASE("a purge ends what waits as Purged, tells no destination and leaves no dead letter") {
  Simulation sim;
  Engine& engine = sim.engine();
  int told = 0;
  const auto count = [&](const InvocationRecord&) {
    ++told;
    return absl::OkStatus();
  };
  REQUIRE(engine.Register("f", Fail, {.event_invoke = {.on_failure = Destination::Callback(count)}}).ok());
  REQUIRE(engine.Register("other", Fail).ok());
  REQUIRE(engine.Post("f", "backs off").ok());
  REQUIRE(engine.Post("other", "backs off").ok());
  sim.AdvanceBy(absl::Seconds(1));
  const RequestId ready = engine.Post("f", "ready").value();
  REQUIRE(engine.Post("f", "delayed", {.delay = absl::Hours(1)}).ok());

  CHECK(engine.Purge("f").value() == 3);
  CHECK(engine.Purge("f").value() == 0);
  CHECK(absl::IsNotFound(engine.Explain(ready).status()));
  CHECK(EndsOf(sim, "f") == std::vector<Condition>(3, Condition::kPurged));
  CHECK(engine.Metrics("f").value().async_events_dropped == 3);
  CHECK(engine.queue_stats().delayed == 1);
  sim.RunUntilIdle();
  CHECK(told == 0);
  REQUIRE(sim.DeadLetters().size() == 1);
  CHECK(sim.DeadLetters()[0].function == "other");
}

TEST_CASE("what runs during a purge goes on, and its retry is made") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto run = [](std::string_view, Context& ctx) {
    ctx.Sleep(absl::Seconds(1));
    return ctx.attempt() == 1 ? absl::UnavailableError("down") : absl::OkStatus();
  };
  REQUIRE(engine.Register("f", run, {.reserved_concurrency = 1}).ok());
  REQUIRE(engine.PostAll("f", std::vector<std::string>(5, "{}")).ok());
  sim.AdvanceBy(absl::Milliseconds(500));
  // One runs, though all may have been claimed together.
  CHECK(engine.Purge("f").value() == 4);
  sim.RunUntilIdle();
  CHECK(engine.Metrics("f").value().invocations == 2);
  std::vector<Condition> ends(4, Condition::kPurged);
  ends.push_back(Condition::kSuccess);
  CHECK(EndsOf(sim, "f") == ends);
}

TEST_CASE("a purge takes a function with its versions and aliases, or what one name was posted by") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", Fail).ok());
  REQUIRE(engine.PublishVersion("f").value() == "1");
  REQUIRE(engine.CreateAlias("f", {.name = "live", .version = "1"}).ok());
  const auto post_each = [&] {
    for (const char* name : {"f", "f:1", "f:live"}) REQUIRE(engine.Post(name, "{}").ok());
  };
  post_each();
  CHECK(engine.Purge("f:live").value() == 1);
  CHECK(engine.Purge("f:$LATEST").value() == 1);
  CHECK(engine.Purge("f").value() == 1);
  post_each();
  CHECK(engine.Purge("f").value() == 3);
}

TEST_CASE("a purge of a name that was never registered says so, of a removed function there is nothing") {
  Simulation sim;
  Engine& engine = sim.engine();
  CHECK(absl::IsNotFound(engine.Purge("nobody").status()));
  REQUIRE(engine.Register("f", Fail).ok());
  CHECK(absl::IsNotFound(engine.Purge("f:1").status()));
  REQUIRE(engine.Remove("f").ok());
  CHECK(engine.Purge("f").value() == 0);
}

TEST_CASE("many events are purged as few are") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", Fail).ok());
  REQUIRE(engine.PostAll("f", std::vector<std::string>(5000, "{}")).ok());
  CHECK(engine.Purge("f").value() == 5000);
  CHECK(engine.queue_stats().ended == 5000);
  CHECK(engine.idle());
}

}  // namespace
}  // namespace runlet
