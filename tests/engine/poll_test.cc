#include <memory>
#include <string>
#include <string_view>

#include "runlet/runlet.h"
#include "tests/catch.h"
#include "tests/queue/forwarding_queue.h"

namespace runlet {
namespace {

// No thread and a clock that moves when told: the host turns the crank.
class PolledEngine {
 public:
  PolledEngine() : engine_(*Engine::Create({.threads = NoThreads{}, .clock = &clock_, .seed = 1})) {}

  ManualClock& clock() { return clock_; }
  Engine& engine() { return engine_; }

 private:
  ManualClock clock_;
  Engine engine_;
};

TEST_CASE("without threads an event runs only inside Poll") {
  PolledEngine polled;
  int runs = 0;
  REQUIRE(polled.engine().Register("count", [&](std::string_view) { ++runs; }).ok());
  REQUIRE(polled.engine().Post("count", "{}").ok());
  CHECK(runs == 0);
  CHECK(polled.engine().NextPoll() == absl::ZeroDuration());

  CHECK(polled.engine().Poll() >= 1);
  CHECK(runs == 1);
  CHECK(polled.engine().idle());
}

TEST_CASE("NextPoll says when a retry falls due, and Poll then runs it") {
  PolledEngine polled;
  int runs = 0;
  const auto fail_once = [&](std::string_view) -> absl::StatusOr<std::string> {
    if (++runs == 1) return absl::UnavailableError("not yet");
    return "done";
  };
  REQUIRE(polled.engine().Register("flaky", fail_once).ok());
  REQUIRE(polled.engine().Post("flaky", "{}").ok());
  while (polled.engine().NextPoll() == absl::ZeroDuration()) polled.engine().Poll();
  REQUIRE(runs == 1);

  CHECK(polled.engine().NextPoll() == absl::Seconds(60));
  polled.clock().AdvanceBy(absl::Seconds(59));
  polled.engine().Poll();
  CHECK(runs == 1);
  polled.clock().AdvanceBy(absl::Seconds(1));
  while (!polled.engine().idle()) polled.engine().Poll();
  CHECK(runs == 2);
}

TEST_CASE("without threads Invoke runs the handler on the thread that waits") {
  PolledEngine polled;
  REQUIRE(polled.engine().Register("echo", [](std::string_view event) { return std::string(event); }).ok());
  CHECK(polled.engine().Invoke("echo", "hello").value() == "hello");
}

TEST_CASE("without threads Get runs the call that was started") {
  PolledEngine polled;
  REQUIRE(polled.engine().Register("echo", [](std::string_view event) { return std::string(event); }).ok());
  Future<std::string> future = polled.engine().Start("echo", "hello");
  CHECK(std::move(future).Get().value() == "hello");
}

TEST_CASE("without threads the deadline is cooperative: the late result becomes Sandbox.Timedout") {
  PolledEngine polled;
  const auto slow = [&](std::string_view) {
    polled.clock().AdvanceBy(absl::Seconds(3));
    return "late";
  };
  REQUIRE(polled.engine().Register("slow", slow).ok());
  const absl::StatusOr<std::string> answer = polled.engine().Invoke("slow", "{}");
  REQUIRE(FunctionErrorOf(answer.status()).has_value());
  CHECK(FunctionErrorOf(answer.status())->type == "Sandbox.Timedout");
}

// Stores events, and takes its time to store a claim.
class SlowToClaim final : public queue_test::ForwardingQueue {
 public:
  explicit SlowToClaim(ManualClock& clock) : ForwardingQueue(MemoryQueue({}, clock)), clock_(clock) {}
  Durability durability() const override { return Durability::kMachine; }
  std::size_t Claim(const FunctionIdentity& f, std::span<EventRef> out, Instant now, Instant lease) override {
    clock_.AdvanceBy(absl::Milliseconds(600));
    return ForwardingQueue::Claim(f, out, now, lease);
  }

 private:
  ManualClock& clock_;
};

TEST_CASE("an attempt begins once its claim is stored: waiting for the disk is no part of its time") {
  ManualClock clock;
  absl::StatusOr<Engine> engine =
      Engine::Create({.threads = NoThreads{}, .queue = std::make_shared<SlowToClaim>(clock), .clock = &clock});
  REQUIRE(engine.ok());
  absl::Duration remaining;
  const auto run = [&](std::string_view, Context& context) { remaining = context.remaining_time(); };
  REQUIRE(engine->Register("f", run, {.timeout = absl::Seconds(2)}).ok());
  REQUIRE(engine->Post("f", "x").ok());
  while (engine->NextPoll() == absl::ZeroDuration()) engine->Poll();
  CHECK(remaining == absl::Seconds(2));
}

}  // namespace
}  // namespace runlet
