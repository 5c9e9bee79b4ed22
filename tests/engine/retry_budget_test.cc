// The retry budget: it postpones retries, and removes none.
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

absl::Status Fail(std::string_view) { return absl::UnavailableError("down"); }

// How many attempts began in each second.
std::vector<int> StartsPerSecond(const Simulation& sim, std::size_t seconds) {
  std::vector<int> starts(seconds);
  for (const auto& entry : sim.Ledger().Of(Activity::Kind::kStarted, "fail")) {
    const auto second = static_cast<std::size_t>(absl::ToInt64Seconds(entry.at));
    if (second < seconds) ++starts[second];
  }
  return starts;
}

TEST_CASE("retries beyond the budget begin later, second by second, and all of them begin") {
  Simulation sim({.engine = {.retry_budget = RetryBudget{.share = 0, .per_second = 5}}});
  Engine& engine = sim.engine();
  const EventInvokeConfig retry_once = {.maximum_retry_attempts = 1,
                                        .retry_policy = RetryPolicy::Fixed(absl::Seconds(1))};
  REQUIRE(engine.Register("fail", Fail, {.event_invoke = retry_once}).ok());
  REQUIRE(engine.PostAll("fail", std::vector<std::string>(100, "{}")).ok());
  sim.RunUntilIdle();
  const std::vector<int> starts = StartsPerSecond(sim, 20);
  CHECK(starts[0] == 100);
  CHECK(starts[1] == 50);  // ten seconds' worth was saved up
  for (std::size_t second = 2; second < 12; ++second) CHECK(starts[second] == 5);
  CHECK(starts[12] == 0);
  CHECK(engine.Metrics("fail").value().retries == 100);
  CHECK(engine.Metrics("fail").value().throttles == 0);
  for (const DeadLetter& letter : sim.DeadLetters()) {
    CHECK(letter.condition == Condition::kRetriesExhausted);
    CHECK(letter.attempts == 2);
    CHECK(letter.spent.total() == letter.died_at - letter.accepted_at);
  }
}

TEST_CASE("first attempts earn retries") {
  Simulation sim({.engine = {.retry_budget = RetryBudget{.share = 0.5, .per_second = 0.001}}});
  Engine& engine = sim.engine();
  const EventInvokeConfig retry_once = {.maximum_retry_attempts = 1,
                                        .maximum_event_age = absl::Minutes(5),
                                        .retry_policy = RetryPolicy::Fixed(absl::Seconds(1))};
  REQUIRE(engine.Register("fail", Fail, {.event_invoke = retry_once}).ok());
  REQUIRE(engine.PostAll("fail", std::vector<std::string>(30, "{}")).ok());
  sim.AdvanceBy(absl::Seconds(1));
  CHECK(engine.Metrics("fail").value().retries == 10);  // what was there at first; more is not kept
  REQUIRE(engine.PostAll("fail", std::vector<std::string>(10, "{}")).ok());
  sim.AdvanceBy(absl::Seconds(1));
  CHECK(engine.Metrics("fail").value().retries == 15);
}

TEST_CASE("a postponed retry is no throttle: it backs off") {
  Simulation sim({.engine = {.retry_budget = RetryBudget{.share = 0, .per_second = 0.001}}});
  Engine& engine = sim.engine();
  const EventInvokeConfig retry_soon = {.retry_policy = RetryPolicy::Fixed(absl::Seconds(1))};
  REQUIRE(engine.Register("fail", Fail, {.event_invoke = retry_soon}).ok());
  REQUIRE(engine.PostAll("fail", std::vector<std::string>(30, "{}")).ok());
  const RequestId last = engine.Post("fail", "{}").value();
  sim.AdvanceBy(absl::Seconds(10));
  const Explanation postponed = engine.Explain(last).value();
  CHECK(postponed.state == Explanation::State::kBackingOff);
  CHECK(postponed.attempts == 1);
  CHECK(postponed.spent.throttled == absl::ZeroDuration());
  CHECK(engine.Inspect().functions.at(0).waiting.throttled == 0);
}

TEST_CASE("no retry is postponed beyond its event's age") {
  Simulation sim({.engine = {.retry_budget = RetryBudget{.share = 0, .per_second = 0.001}}});
  Engine& engine = sim.engine();
  const EventInvokeConfig retry_once = {.maximum_retry_attempts = 1,
                                        .maximum_event_age = absl::Seconds(30),
                                        .retry_policy = RetryPolicy::Fixed(absl::Seconds(1))};
  REQUIRE(engine.Register("fail", Fail, {.event_invoke = retry_once}).ok());
  REQUIRE(engine.PostAll("fail", std::vector<std::string>(20, "{}")).ok());
  sim.RunUntilIdle();
  CHECK(engine.Metrics("fail").value().retries == 20);
  for (const DeadLetter& letter : sim.DeadLetters()) CHECK(letter.condition == Condition::kRetriesExhausted);
}

TEST_CASE("a budget that cannot be is refused by name") {
  for (const RetryBudget budget : {RetryBudget{-1, 1}, RetryBudget{101, 1}, RetryBudget{1, 0}, RetryBudget{1, 2e6}}) {
    CHECK(Unsaid(Engine::Create({.retry_budget = budget}).status(), absl::StatusCode::kInvalidArgument,
                 {"retry_budget", "share", "per second"}) == "");
  }
}

}  // namespace
}  // namespace runlet
