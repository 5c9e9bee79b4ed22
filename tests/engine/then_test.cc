// Then: the end of a started call, told to who does not wait.
#include <atomic>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"

namespace runlet {
namespace {

using testing::Simulation;
using Answer = absl::StatusOr<std::string>;

Answer SleepOneSecond(std::string_view event, Context& ctx) {
  if (!ctx.Sleep(absl::Seconds(1))) return absl::CancelledError("woken");
  return std::string(event) + " done";
}

TEST_CASE("Then gives the result when the call ends, and nobody has waited") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", SleepOneSecond).ok());
  std::string said;
  absl::Duration at;
  sim.engine().Start("work", "a").Then([&](Future<std::string> call) {
    CHECK(call.executed_version() == "$LATEST");
    at = sim.Elapsed();
    said = std::move(call).Get().value();
  });
  CHECK(said.empty());
  sim.RunUntilIdle();
  CHECK(said == "a done");
  CHECK(at == absl::Seconds(1));
}

TEST_CASE("Then on a call that was refused or has ended calls at once") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", SleepOneSecond).ok());
  bool refused = false;
  sim.engine().Start("nobody", "a").Then([&](Future<std::string> call) {
    refused = absl::IsNotFound(std::move(call).Get().status());
  });
  CHECK(refused);
  Future<std::string> call = sim.engine().Start("work", "a");
  sim.RunUntilIdle();
  bool ended = false;
  std::move(call).Then([&](Future<std::string> done) { ended = std::move(done).Get().ok(); });
  CHECK(ended);
}

TEST_CASE("Then hears of a handler that overruns at its deadline, and of nothing afterwards") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", SleepOneSecond).ok());
  sim.Hang("work");
  std::vector<absl::Duration> ends;
  sim.engine().Start("work", "a").Then([&](Future<std::string> call) {
    ends.push_back(sim.Elapsed());
    CHECK(call.executed_version() == "$LATEST");
    CHECK(FunctionErrorOf(std::move(call).Get().status())->type == "Sandbox.Timedout");
  });
  sim.AdvanceBy(absl::Minutes(1));
  CHECK(ends == std::vector<absl::Duration>{absl::Seconds(3)});
}

// An executor whose one thread is taken: what is started waits for it.
TEST_CASE("Then hears at its deadline of a call that no thread has begun") {
  ManualClock clock;
  absl::StatusOr<Engine> engine = Engine::Create({.threads = NoThreads{}, .clock = &clock});
  REQUIRE(engine.ok());
  REQUIRE(engine->Register("work", [](std::string_view) { return "done"; }).ok());
  absl::Status status;
  engine->Start("work", "a", {.timeout = absl::Seconds(2)}).Then([&](Future<std::string> call) {
    CHECK(call.executed_version().empty());
    status = std::move(call).Get().status();
  });
  clock.AdvanceBy(absl::Milliseconds(1999));
  CHECK(status.ok());
  CHECK(engine->NextPoll() == absl::ZeroDuration());
  clock.AdvanceBy(absl::Milliseconds(1));
  engine->Poll();
  CHECK(absl::IsDeadlineExceeded(status));
  CHECK(Reason(status) == reason::kNoThreadInTime);
  CHECK(engine->Metrics("work")->invocations == 0);
}

TEST_CASE("what Then calls may start the next call, and may have dropped everything before") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", SleepOneSecond).ok());
  struct Chain {
    Engine& engine;
    std::string said;
    void Go(std::string event, int left) {
      engine.Start("work", event).Then([this, left](Future<std::string> call) {
        said = std::move(call).Get().value();
        if (left > 1) Go(said, left - 1);
      });
    }
  } chain{sim.engine(), {}};
  chain.Go("a", 3);
  sim.RunUntilIdle();
  CHECK(chain.said == "a done done done");
  CHECK(sim.Elapsed() == absl::Seconds(3));
}

TEST_CASE("Then tells of a drain what became of the call") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", SleepOneSecond).ok());
  std::vector<std::string> ends;
  const auto note = [&](Future<std::string> call) {
    const Answer answer = std::move(call).Get();
    ends.push_back(answer.ok() ? *answer : std::string(Reason(answer.status())));
  };
  sim.engine().Start("work", "a").Then(note);
  const DrainReport report = sim.engine().Drain(absl::Seconds(2), absl::Seconds(3));
  sim.engine().Start("work", "b").Then(note);
  CHECK(report.abandoned == 0);
  CHECK(ends == std::vector<std::string>{"a done", "EngineClosed"});
}

TEST_CASE("a thousand calls on real threads are each told of once", "[realtime]") {
  constexpr int kCalls = 1000;
  std::atomic<int> told{0};
  std::atomic<int> right{0};
  Engine engine;
  REQUIRE(engine.Register("echo", [](std::string_view event) { return event; }).ok());
  for (int i = 0; i < kCalls; ++i) {
    const std::string event = std::to_string(i);
    engine.Start("echo", event, {.wait_for_capacity = absl::Seconds(10)}).Then([&, event](Future<std::string> call) {
      if (std::move(call).Get().value_or("") == event) ++right;
      ++told;
    });
  }
  REQUIRE(engine.WaitIdle(absl::Seconds(30)).ok());
  engine.Drain(absl::Seconds(5), absl::Seconds(5));  // the threads that call have left
  CHECK(told == kCalls);
  CHECK(right == kCalls);
}

}  // namespace
}  // namespace runlet
