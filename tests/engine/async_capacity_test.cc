// How events share permits: with each other, and with callers.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"

namespace runlet {
namespace {

using testing::LedgerEntry;
using testing::Simulation;

void HoldOneSecond(std::string_view, Context& ctx) { ctx.Sleep(absl::Seconds(1)); }

std::vector<double> Starts(Simulation& sim, std::string_view name) {
  std::vector<double> times;
  for (const LedgerEntry& entry : sim.Ledger().Of(Activity::Kind::kStarted, name)) {
    if (entry.type == InvocationType::kEvent) times.push_back(absl::ToDoubleSeconds(entry.at));
  }
  return times;
}

TEST_CASE("events of one function that wait for its own cap are not throttled: they run as permits come free") {
  Simulation sim;
  REQUIRE(sim.engine().Register("two", HoldOneSecond, {.reserved_concurrency = 2}).ok());
  REQUIRE(sim.engine().PostAll("two", std::vector<std::string>(7, "{}")).ok());
  sim.RunUntilIdle();
  CHECK(Starts(sim, "two") == std::vector<double>{0, 0, 1, 1, 2, 2, 3});
  CHECK(sim.engine().Metrics("two").value().throttles == 0);
}

TEST_CASE("events of many functions share the unreserved permits without being throttled") {
  Simulation sim({.engine = {.concurrency = 2}});
  const std::vector<std::string> names = {"a", "b", "c", "d"};
  for (const std::string& name : names) {
    REQUIRE(sim.engine().Register(name, HoldOneSecond).ok());
    REQUIRE(sim.engine().PostAll(name, std::vector<std::string>(3, "{}")).ok());
  }
  sim.RunUntilIdle();
  CHECK(sim.Elapsed() == absl::Seconds(6));  // 12 events, 2 at a time
  for (const std::string& name : names) CHECK(sim.engine().Metrics(name).value().throttles == 0);
}

TEST_CASE("a function with few events does not wait for all of a function with many") {
  Simulation sim({.engine = {.concurrency = 1}});
  REQUIRE(sim.engine().Register("many", HoldOneSecond).ok());
  REQUIRE(sim.engine().Register("one", HoldOneSecond).ok());
  REQUIRE(sim.engine().PostAll("many", std::vector<std::string>(100, "{}")).ok());
  REQUIRE(sim.engine().Post("one", "{}").ok());
  sim.RunUntilIdle();
  REQUIRE(Starts(sim, "one").size() == 1);
  CHECK(Starts(sim, "one")[0] <= 10);
}

TEST_CASE("a light function's event waits for at most 32 executions of each active function") {
  constexpr int kHeavy = 8, kConcurrency = 4;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    Simulation sim({.seed = seed, .engine = {.concurrency = kConcurrency}});
    const auto work = [](std::string_view, Context& ctx) { ctx.Sleep(absl::Milliseconds(10)); };
    for (int i = 0; i < kHeavy; ++i) {
      const std::string name = "heavy" + std::to_string(i);
      REQUIRE(sim.engine().Register(name, work).ok());
      REQUIRE(sim.engine().PostAll(name, std::vector<std::string>(200, "{}")).ok());
    }
    REQUIRE(sim.engine().Register("light", work).ok());
    sim.AdvanceBy(absl::Milliseconds(105));
    const std::size_t before = sim.Ledger().Of(Activity::Kind::kStarted, "").size();
    REQUIRE(sim.engine().Post("light", "{}").ok());
    while (Starts(sim, "light").empty()) sim.AdvanceBy(absl::Milliseconds(1));
    CHECK(sim.Ledger().Of(Activity::Kind::kStarted, "").size() - before <= 32 * kHeavy + kConcurrency);
    sim.RunUntilIdle();
  }
}

TEST_CASE("an event whose function's callers hold all permits is throttled, others are not") {
  Simulation sim({.engine = {.concurrency = 3}});
  Engine& engine = sim.engine();
  const auto hold = [](std::string_view, Context& ctx) { ctx.Sleep(absl::Milliseconds(999)); };
  REQUIRE(engine.Register("own", hold, {.reserved_concurrency = 1}).ok());
  REQUIRE(engine.Register("shared", HoldOneSecond).ok());
  Future<std::string> held = engine.Start("own", "{}");
  REQUIRE(engine.Post("own", "{}").ok());
  REQUIRE(engine.Post("shared", "{}").ok());
  sim.RunUntilIdle();
  CHECK(Starts(sim, "shared") == std::vector<double>{0});
  CHECK(Starts(sim, "own") == std::vector<double>{1});
  CHECK(engine.Metrics("own").value().throttles == 1);
  CHECK(std::move(held).Get().ok());
}

TEST_CASE("an event does not wait for another function's long event when a caller's permit comes free") {
  Simulation sim({.engine = {.concurrency = 2}});
  Engine& engine = sim.engine();
  const auto ten_minutes = [](std::string_view, Context& ctx) { ctx.Sleep(absl::Minutes(10)); };
  REQUIRE(engine.Register("long", ten_minutes, {.timeout = absl::Minutes(15)}).ok());
  REQUIRE(engine.Register("short", HoldOneSecond).ok());
  REQUIRE(engine.Post("long", "{}").ok());
  sim.AdvanceBy(absl::Milliseconds(1));
  Future<std::string> held = engine.Start("short", "{}");  // until 1.001 s
  REQUIRE(engine.Post("short", "{}").ok());
  sim.RunUntilIdle();
  REQUIRE(Starts(sim, "short").size() == 1);
  CHECK(Starts(sim, "short")[0] <= 3.001);
  CHECK(std::move(held).Get().ok());
}

TEST_CASE("an event that waits behind a handler that never returns runs when any permit comes free") {
  Simulation sim({.engine = {.concurrency = 2}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("stuck", HoldOneSecond, {.on_overrun = OnOverrun::kWait}).ok());
  REQUIRE(engine.Register("short", HoldOneSecond).ok());
  sim.Hang("stuck");
  REQUIRE(engine.Post("stuck", "{}").ok());
  sim.AdvanceBy(absl::Milliseconds(1));
  Future<std::string> held = engine.Start("short", "{}");
  REQUIRE(engine.Post("short", "{}").ok());
  sim.AdvanceBy(absl::Hours(1));
  CHECK(Starts(sim, "short").size() == 1);
  CHECK(std::move(held).Get().ok());
}

TEST_CASE("a throttled event starts from 1 s again after an attempt") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto handler = [](std::string_view, Context& ctx) -> absl::Status {
    if (ctx.type() == InvocationType::kRequestResponse) {
      ctx.Sleep(absl::Seconds(2.5));
      return absl::OkStatus();
    }
    return ctx.attempt() == 1 ? absl::UnavailableError("down") : absl::OkStatus();
  };
  REQUIRE(engine.Register("own", handler, {.reserved_concurrency = 1}).ok());
  Future<std::string> first = engine.Start("own", "{}");
  REQUIRE(engine.Post("own", "{}").ok());  // throttled at 0 and 1, runs at 3 and fails, is due again at 63
  sim.AdvanceBy(absl::Seconds(62));
  Future<std::string> second = engine.Start("own", "{}");  // until 64.5
  sim.RunUntilIdle();
  std::vector<double> throttled;
  for (const LedgerEntry& entry : sim.Ledger().Of(Activity::Kind::kThrottled)) {
    throttled.push_back(absl::ToDoubleSeconds(entry.at));
  }
  CHECK(throttled == std::vector<double>{0, 1, 63, 64});
  CHECK(Starts(sim, "own") == std::vector<double>{3, 66});
  CHECK(std::move(first).Get().ok());
  CHECK(std::move(second).Get().ok());
}

// ---- jitter ----

std::vector<absl::Duration> JitteredWaits(std::uint64_t seed) {
  Simulation sim({.seed = seed});
  sim.FailNext("work", absl::UnavailableError("down"), 1000);
  const RetryPolicy policy = RetryPolicy::Exponential(absl::Seconds(1), absl::Seconds(60));
  REQUIRE(sim.engine()
              .Register("work", [](std::string_view) {},
                        {.event_invoke = {.maximum_retry_attempts = 20, .retry_policy = policy}})
              .ok());
  REQUIRE(sim.engine().Post("work", "{}").ok());
  sim.RunUntilIdle();
  std::vector<absl::Duration> waits;
  for (const LedgerEntry& entry : sim.Ledger().Of(Activity::Kind::kRetryScheduled))
    waits.push_back(entry.due - entry.at);
  return waits;
}

TEST_CASE("exponential back-off waits between nothing and its doubling ceiling, anywhere") {
  double sum = 0;
  int count = 0;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const std::vector<absl::Duration> waits = JitteredWaits(seed);
    REQUIRE(waits.size() == 20);
    absl::Duration ceiling = absl::Seconds(1);
    for (const absl::Duration wait : waits) {
      CHECK(wait >= absl::ZeroDuration());
      CHECK(wait <= ceiling);
      sum += absl::FDivDuration(wait, ceiling);
      ++count;
      ceiling = std::min(2 * ceiling, absl::Duration(absl::Seconds(60)));
    }
  }
  CHECK(sum / count > 0.45);
  CHECK(sum / count < 0.55);
}

TEST_CASE("jitter is the same for the same seed, and another for another") {
  CHECK(JitteredWaits(7) == JitteredWaits(7));
  CHECK(JitteredWaits(7) != JitteredWaits(8));
}

// ---- another event type ----

TEST_CASE("an event that waits is decoded anew for code of another event type, or ends as Undecodable") {
  Simulation sim;
  Engine& engine = sim.engine();
  constexpr Function<int> kNumber{"work"};
  constexpr Function<bool> kTruth{"work"};
  constexpr Function<std::string> kText{"work"};
  sim.FailNext("work", absl::UnavailableError("down"), 2);
  REQUIRE(engine.Register(kNumber, [](int) {}).ok());
  REQUIRE(engine.Post(kNumber, 7).ok());
  sim.AdvanceBy(absl::Seconds(1));

  std::string seen;
  REQUIRE(engine.Replace(kText, [&](const std::string& text) { seen = text; }).ok());
  sim.AdvanceBy(absl::Seconds(60));
  CHECK(seen.empty());  // the second attempt failed
  sim.RunUntilIdle();
  CHECK(seen == "7");
  CHECK(sim.DeadLetters().empty());

  REQUIRE(engine.Replace(kNumber, [](int) {}).ok());
  sim.FailNext("work", absl::UnavailableError("down"));
  REQUIRE(engine.Post(kNumber, 7).ok());
  sim.AdvanceBy(absl::Seconds(1));
  REQUIRE(engine.Replace(kTruth, [](bool) {}).ok());
  sim.RunUntilIdle();
  REQUIRE(sim.DeadLetters().size() == 1);
  CHECK(sim.DeadLetters()[0].condition == Condition::kUndecodable);
  CHECK(sim.DeadLetters()[0].attempts == 1);
  CHECK(sim.DeadLetters()[0].Bytes().value() == "7");
}

}  // namespace
}  // namespace runlet
