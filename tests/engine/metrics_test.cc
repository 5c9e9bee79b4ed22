// FunctionMetrics, in the terms of Lambda's CloudWatch metrics.
#include <string>
#include <string_view>
#include <vector>

#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"

namespace runlet {
namespace {

using testing::Simulation;

// Sleeps for as many nanoseconds as the event says.
void SleepFor(std::string_view event, Context& ctx) { ctx.Sleep(absl::Nanoseconds(std::stoll(std::string(event)))); }

TEST_CASE("a function that was never called has counted nothing") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", SleepFor).ok());
  const FunctionMetrics metrics = sim.engine().Metrics("work").value();
  CHECK(metrics.invocations == 0);
  CHECK(metrics.billed_milliseconds == 0);
  CHECK(metrics.total_duration == absl::ZeroDuration());
  CHECK(metrics.durations.count() == 0);
  CHECK(metrics.durations.Percentile(0.5) == absl::ZeroDuration());
}

TEST_CASE("a millisecond that has begun is billed") {
  const std::vector<std::pair<std::string, std::int64_t>> bills = {
      {"0", 1}, {"1", 1}, {"999999", 1}, {"1000000", 1}, {"1000001", 2}, {"2000000", 2}, {"1500000000", 1500}};
  for (const auto& [duration, bill] : bills) {
    INFO(duration);
    Simulation sim;
    REQUIRE(sim.engine().Register("work", SleepFor).ok());
    REQUIRE(sim.engine().Invoke("work", duration).ok());
    const FunctionMetrics metrics = sim.engine().Metrics("work").value();
    CHECK(metrics.billed_milliseconds == bill);
    CHECK(metrics.total_duration == absl::Nanoseconds(std::stoll(duration)));
  }
}

TEST_CASE("a timeout lasts as long as the timeout, and is billed so") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", SleepFor, {.timeout = absl::Milliseconds(1500)}).ok());
  REQUIRE(!sim.engine().Invoke("work", "9000000000").ok());
  const FunctionMetrics metrics = sim.engine().Metrics("work").value();
  CHECK(metrics.invocations == 1);
  CHECK(metrics.errors == 1);
  CHECK(metrics.timeouts == 1);
  CHECK(metrics.total_duration == absl::Milliseconds(1500));
  CHECK(metrics.billed_milliseconds == 1500);
}

TEST_CASE("throttles and refusals are no invocations, and only throttles are throttles") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("work", SleepFor, {.reserved_concurrency = 1}).ok());
  Future<std::string> held = engine.Start("work", "1000000000");
  CHECK(!engine.Invoke("work", "0").ok());
  CHECK(!engine.Start("work", "0").Get().ok());
  CHECK(!engine.Invoke("work", std::string(6'291'457, '0')).ok());
  CHECK(std::move(held).Get().ok());
  CHECK(!engine.Invoke("work", "0", {.timeout = absl::ZeroDuration()}).ok());
  const FunctionMetrics metrics = engine.Metrics("work").value();
  CHECK(metrics.invocations == 1);
  CHECK(metrics.errors == 0);
  CHECK(metrics.throttles == 2);
}

TEST_CASE("an event is received once, and each attempt is an invocation") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("work", SleepFor).ok());
  sim.FailNext("work", absl::UnavailableError("down"), 3);
  REQUIRE(engine.Post("work", "0").ok());
  sim.RunUntilIdle();
  REQUIRE(engine.Post("work", "5000000").ok());
  sim.RunUntilIdle();
  const FunctionMetrics metrics = engine.Metrics("work").value();
  CHECK(metrics.async_events_received == 2);
  CHECK(metrics.async_events_dropped == 1);
  CHECK(metrics.invocations == 4);
  CHECK(metrics.errors == 3);
  CHECK(metrics.retries == 2);
  CHECK(metrics.billed_milliseconds == 3 * 1 + 5);
  CHECK(metrics.total_duration == absl::Milliseconds(5));
  CHECK(metrics.durations.count() == 4);
}

TEST_CASE("an answer that comes after its timeout is counted apart") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto deaf = [&](std::string_view, Context& ctx) {
    // A second call, which is not asked to stop: so this handler is deaf for 10 s.
    (void)engine.Start("sleeper", "10000000000").Get();
    CHECK(ctx.stop_reason() == StopReason::kDeadline);
  };
  REQUIRE(engine.Register("deaf", deaf).ok());
  REQUIRE(engine.Register("sleeper", SleepFor, {.timeout = absl::Minutes(1)}).ok());
  CHECK(!engine.Invoke("deaf", "{}").ok());
  CHECK(sim.Elapsed() == absl::Seconds(3));
  CHECK(engine.Metrics("deaf").value().late_results == 0);
  CHECK(engine.abandoned() == 1);
  sim.AdvanceBy(absl::Seconds(7));
  CHECK(engine.Metrics("deaf").value().late_results == 1);
  CHECK(engine.Metrics("deaf").value().invocations == 1);
  CHECK(engine.Metrics("deaf").value().timeouts == 1);
  CHECK(engine.abandoned() == 0);
}

TEST_CASE("nested calls are metered by themselves") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto outer = [&](std::string_view, Context& ctx) {
    ctx.Sleep(absl::Milliseconds(1));
    (void)engine.Invoke("inner", "2000000");
  };
  REQUIRE(engine.Register("outer", outer).ok());
  REQUIRE(engine.Register("inner", SleepFor).ok());
  REQUIRE(engine.Invoke("outer", "{}").ok());
  CHECK(engine.Metrics("outer").value().billed_milliseconds == 3);
  CHECK(engine.Metrics("inner").value().billed_milliseconds == 2);
}

TEST_CASE("a percentile is not below the truth, and 19 % above it at most") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("work", SleepFor).ok());
  for (int ms = 1; ms <= 100; ++ms) REQUIRE(engine.Invoke("work", std::to_string(ms * 1'000'000)).ok());
  const DurationHistogram durations = engine.Metrics("work").value().durations;
  for (const auto& [quantile, truth] : {std::pair(0.5, 50), std::pair(0.9, 90), std::pair(0.99, 99)}) {
    INFO(quantile);
    CHECK(durations.Percentile(quantile) >= absl::Milliseconds(truth));
    CHECK(durations.Percentile(quantile) <= 1.19 * absl::Milliseconds(truth));
  }
}

TEST_CASE("the most executions that ran at once are known, however they came and whatever ran beside them") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto hold = [](std::string_view, Context& ctx) { ctx.Sleep(absl::Seconds(1)); };
  REQUIRE(engine.Register("f", hold).ok());
  REQUIRE(engine.Register("crowd", hold).ok());
  REQUIRE(engine.Register("outer", [&](std::string_view) { return engine.Invoke("f", "{}"); }).ok());
  const auto most = [&](std::string_view name) { return engine.Metrics(name).value().max_concurrent_executions; };
  CHECK(most("f") == 0);
  REQUIRE(engine.Invoke("f", "{}").ok());
  REQUIRE(engine.Invoke("f", "{}").ok());
  CHECK(most("f") == 1);
  REQUIRE(engine.PostAll("crowd", std::vector<std::string>(40, "{}")).ok());
  {
    std::vector<Future<std::string>> calls;
    for (int i = 0; i < 3; ++i) calls.push_back(engine.Start("f", "{}"));
    for (Future<std::string>& call : calls) REQUIRE(std::move(call).Get().ok());
  }
  sim.RunUntilIdle();
  CHECK(most("f") == 3);
  CHECK(most("crowd") == 40);
  // Through a version, events and nested calls.
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.SetProvisionedConcurrency("f:1", 2).ok());
  REQUIRE(engine.PostAll("f:1", std::vector<std::string>(2, "{}")).ok());
  REQUIRE(engine.PostAll("f", std::vector<std::string>(2, "{}")).ok());
  REQUIRE(engine.Post("outer", "{}").ok());
  sim.RunUntilIdle();
  CHECK(most("f") == 5);
  CHECK(most("f:1") == 5);
  CHECK(most("outer") == 1);
  // By itself, and beside what it no longer has reserved.
  const auto twice = [&](std::string_view event, Context& ctx) -> absl::StatusOr<std::string> {
    if (event == "outer") return engine.Invoke("twice", "inner");
    ctx.Sleep(absl::Seconds(1));
    return "done";
  };
  REQUIRE(engine.Register("twice", twice, {.reserved_concurrency = 3}).ok());
  REQUIRE(engine.PostAll("twice", std::vector<std::string>{"outer", "inner"}).ok());
  sim.AdvanceBy(absl::Milliseconds(500));
  CHECK(most("twice") == 3);
  REQUIRE(engine.SetReservedConcurrency("twice", std::nullopt).ok());
  REQUIRE(engine.PostAll("twice", std::vector<std::string>(2, "inner")).ok());
  sim.RunUntilIdle();
  CHECK(most("twice") == 5);
  CHECK(engine.Metrics("f").value().cold_starts == 0);
}

TEST_CASE("each attempt of an event has an age, from acceptance to its start") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto fail = [](std::string_view) { return absl::UnavailableError("down"); };
  REQUIRE(engine.Register("fail", fail).ok());
  REQUIRE(engine.Post("fail", "{}").ok());
  REQUIRE(engine.Post("fail", "{}", {.delay = absl::Seconds(10)}).ok());
  CHECK(!engine.Invoke("fail", "{}").ok());  // a call has no such age
  sim.RunUntilIdle();
  const FunctionMetrics metrics = engine.Metrics("fail").value();
  CHECK(metrics.async_attempts == 6);
  CHECK(metrics.total_async_event_age == absl::Seconds(0 + 60 + 180 + 10 + 70 + 190));
  CHECK(metrics.max_async_event_age == absl::Seconds(190));
}

}  // namespace
}  // namespace runlet
