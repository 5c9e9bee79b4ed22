// What the caller of Post decides: a delay, a key.
#include <initializer_list>
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

struct Runs {
  explicit Runs(FunctionConfig config = {}) {
    REQUIRE(sim.engine()
                .Register(
                    "f", [this](std::string_view) { at.push_back(absl::ToDoubleSeconds(sim.Elapsed())); }, config)
                .ok());
  }
  Simulation sim;
  std::vector<double> at;
};

TEST_CASE("a delayed event runs when its delay is over, and counts as delayed until then") {
  Runs runs;
  Engine& engine = runs.sim.engine();
  REQUIRE(engine.Post("f", "{}", {.delay = absl::Seconds(90)}).ok());
  REQUIRE(engine.Post("f", "{}").ok());
  runs.sim.AdvanceBy(absl::Seconds(10));
  CHECK(runs.at == std::vector<double>{0});
  CHECK(engine.queue_stats().delayed == 1);
  runs.sim.RunUntilIdle();
  CHECK(runs.at == std::vector<double>{0, 90});
}

TEST_CASE("a batch may be delayed as a whole") {
  Runs runs;
  REQUIRE(runs.sim.engine().PostAll("f", std::vector<std::string>(3, "{}"), {.delay = absl::Seconds(1)}).ok());
  runs.sim.RunUntilIdle();
  CHECK(runs.at == std::vector<double>{1, 1, 1});
}

TEST_CASE("a delay counts toward the event's age") {
  Simulation sim;
  const auto fail = [](std::string_view) { return absl::UnavailableError("down"); };
  REQUIRE(sim.engine().Register("fail", fail, {.event_invoke = {.maximum_event_age = absl::Seconds(100)}}).ok());
  REQUIRE(sim.engine().Post("fail", "{}", {.delay = absl::Seconds(50)}).ok());
  sim.RunUntilIdle();
  const DeadLetter letter = sim.DeadLetters().at(0);
  CHECK(letter.condition == Condition::kEventAgeExceeded);
  CHECK(letter.attempts == 1);
  CHECK(sim.Elapsed() == absl::Seconds(50));
}

TEST_CASE("a second post with the same key returns the first one's id, and is no event") {
  Runs runs;
  Engine& engine = runs.sim.engine();
  const RequestId first = engine.Post("f", "1", {.dedup_key = "order-7"}).value();
  CHECK(engine.Post("f", "2", {.dedup_key = "order-7"}).value() == first);
  runs.sim.RunUntilIdle();
  CHECK(engine.Post("f", "3", {.dedup_key = "order-7"}).value() == first);  // whatever has become of it
  CHECK(engine.Post("f", "4", {.dedup_key = "order-8"}).value() != first);
  runs.sim.RunUntilIdle();
  CHECK(runs.at.size() == 2);
  const FunctionMetrics metrics = engine.Metrics("f").value();
  CHECK(metrics.async_events_received == 2);
  CHECK(engine.queue_stats().accepted == 2);
}

TEST_CASE("a key is forgotten after its window") {
  Runs runs;
  Engine& engine = runs.sim.engine();
  const PostOptions options{.dedup_key = "k", .dedup_window = absl::Minutes(1)};
  const RequestId first = engine.Post("f", "", options).value();
  runs.sim.AdvanceBy(absl::Seconds(59));
  CHECK(engine.Post("f", "", options).value() == first);
  runs.sim.AdvanceBy(absl::Seconds(1));
  CHECK(engine.Post("f", "", options).value() != first);
}

TEST_CASE("a post that is refused leaves its key free") {
  Simulation sim({.engine = {.memory_queue = {.events = 1}}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", [](std::string_view) {}).ok());
  REQUIRE(engine.Post("f", "").ok());
  CHECK(!engine.Post("f", "", {.dedup_key = "k"}).ok());
  sim.RunUntilIdle();
  REQUIRE(engine.Post("f", "", {.dedup_key = "k"}).ok());
  sim.RunUntilIdle();
  CHECK(engine.Metrics("f").value().invocations == 2);
}

TEST_CASE("keys that are remembered have a bound, and reaching it has a name") {
  Simulation sim({.engine = {.memory_queue = {.dedup_keys = 2}}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", [](std::string_view) {}).ok());
  for (const std::string_view key : {"a", "b"}) REQUIRE(engine.Post("f", "", {.dedup_key = key}).ok());
  const absl::Status full = engine.Post("f", "", {.dedup_key = "c"}).status();
  CHECK(Reason(full) == reason::kDedupKeysFull);
  CHECK(Unsaid(full, absl::StatusCode::kResourceExhausted, {"2 of 2 dedup keys"}) == "");
  CHECK(engine.Post("f", "").ok());
  sim.AdvanceBy(absl::Minutes(5));
  CHECK(engine.Post("f", "", {.dedup_key = "c"}).ok());
}

TEST_CASE("a post whose key is remembered needs no room: it gets the first one's id from a full queue, too") {
  const MemoryQueueOptions full_of_events{.events = 1};
  const MemoryQueueOptions full_of_keys{.dedup_keys = 1};
  for (const MemoryQueueOptions& full : {full_of_events, full_of_keys}) {
    Simulation sim({.engine = {.memory_queue = full}});
    Engine& engine = sim.engine();
    REQUIRE(engine.Register("f", [](std::string_view) {}).ok());
    const RequestId first = engine.Post("f", "", {.dedup_key = "a"}).value();
    CHECK(!engine.Post("f", "", {.dedup_key = "b"}).ok());
    CHECK(engine.Post("f", "", {.dedup_key = "a"}).value() == first);
  }
}

TEST_CASE("options that cannot be are refused by name") {
  Runs runs({.event_invoke = {.maximum_event_age = absl::Hours(1)}});
  Engine& engine = runs.sim.engine();
  const auto unsaid = [&](const PostOptions& options, std::initializer_list<std::string_view> words) {
    const absl::Status status = engine.Post("f", "", options).status();
    return Unsaid(status, absl::StatusCode::kInvalidArgument, {"\"f\""}) +
           Unsaid(status, absl::StatusCode::kInvalidArgument, words);
  };
  CHECK(unsaid({.delay = -absl::Seconds(1)}, {"delay of -1s"}) == "");
  CHECK(unsaid({.delay = absl::Hours(1)}, {"delay of 1h", "maximum_event_age of 1h"}) == "");
  CHECK(unsaid({.delay = absl::InfiniteDuration()}, {"inf"}) == "");
  CHECK(unsaid({.dedup_key = std::string(129, 'k')}, {"129 bytes", "128"}) == "");
  CHECK(unsaid({.dedup_key = "k", .dedup_window = absl::ZeroDuration()}, {"dedup_window is 0"}) == "");
  CHECK(unsaid({.dedup_key = "k", .dedup_window = absl::Hours(25)}, {"dedup_window is 25h"}) == "");
  const std::vector<std::string> two(2, "{}");
  CHECK(engine.PostAll("f", two, {.dedup_key = "k"}).code() == absl::StatusCode::kInvalidArgument);
  CHECK(engine.queue_stats().accepted == 0);
}

TEST_CASE("typed events and handles take the same options") {
  Simulation sim;
  Engine& engine = sim.engine();
  constexpr Function<int, void> kF{"typed"};
  int runs = 0;
  REQUIRE(engine.Register(kF, [&](int) { ++runs; }).ok());
  const auto bound = engine.Bind(kF).value();
  const RequestId id = engine.Post(kF, 1, {.dedup_key = "k"}).value();
  CHECK(bound.Post(2, {.dedup_key = "k"}).value() == id);
  REQUIRE(bound.PostAll({3, 4}, {.delay = absl::Seconds(1)}).ok());
  sim.RunUntilIdle();
  CHECK(runs == 3);
  CHECK(sim.Elapsed() == absl::Seconds(1));
}

}  // namespace
}  // namespace runlet
