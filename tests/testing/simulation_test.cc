#include "runlet/testing/simulation.h"

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runlet/runlet.h"
#include "tests/catch.h"
#include "tests/queue/forwarding_queue.h"

namespace runlet::testing {
namespace {

const absl::Duration kNs = absl::Nanoseconds(1);

void Nothing(std::string_view) {}
absl::Status Fail(std::string_view) { return absl::UnavailableError("down"); }

// ---- time ----

TEST_CASE("in a new simulation no time has passed, and nothing is due") {
  Simulation sim;
  CHECK(sim.Elapsed() == absl::ZeroDuration());
  CHECK(sim.NextDue() == absl::InfiniteDuration());
  CHECK(sim.steps() == 0);
  sim.RunUntilIdle();
  CHECK(sim.Elapsed() == absl::ZeroDuration());
}

TEST_CASE("AdvanceBy lets exactly so much time pass, whether something happens or not") {
  Simulation sim;
  sim.AdvanceBy(kNs);
  CHECK(sim.Elapsed() == kNs);
  sim.AdvanceBy(absl::ZeroDuration());
  CHECK(sim.Elapsed() == kNs);
  REQUIRE(sim.engine().Register("fail", Fail).ok());
  REQUIRE(sim.engine().Post("fail", "{}").ok());
  sim.AdvanceBy(absl::Hours(1000));
  CHECK(sim.Elapsed() == absl::Hours(1000) + kNs);
}

TEST_CASE("AdvanceBy runs what falls due on its last nanosecond, and nothing after") {
  Simulation sim;
  REQUIRE(sim.engine().Register("fail", Fail).ok());
  REQUIRE(sim.engine().Post("fail", "{}").ok());
  const auto attempts = [&] { return sim.Ledger().Count(Activity::Kind::kStarted); };
  sim.AdvanceBy(absl::Seconds(60) - kNs);
  CHECK(attempts() == 1);
  sim.AdvanceBy(kNs);
  CHECK(attempts() == 2);
  sim.AdvanceBy(absl::Seconds(120) - kNs);
  CHECK(attempts() == 2);
  sim.AdvanceBy(kNs);
  CHECK(attempts() == 3);
}

TEST_CASE("AdvanceBy nothing runs what is ready now") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", Nothing).ok());
  REQUIRE(sim.engine().Post("work", "{}").ok());
  CHECK(sim.Ledger().Count(Activity::Kind::kStarted) == 0);
  sim.AdvanceBy(absl::ZeroDuration());
  CHECK(sim.Ledger().Count(Activity::Kind::kStarted) == 1);
}

TEST_CASE("RunUntilIdle lets as much time pass as the last event needs, and no more") {
  Simulation sim;
  REQUIRE(sim.engine().Register("fail", Fail).ok());
  REQUIRE(sim.engine().Post("fail", "{}").ok());
  sim.RunUntilIdle();
  CHECK(sim.Elapsed() == absl::Minutes(3));
  CHECK(sim.engine().idle());
}

TEST_CASE("RunUntilIdle stops where nothing more can happen by itself") {
  Simulation sim;
  REQUIRE(sim.engine().Register("hang", Nothing, {.on_overrun = OnOverrun::kWait}).ok());
  sim.Hang("hang");
  REQUIRE(sim.engine().Post("hang", "{}").ok());
  sim.RunUntilIdle();
  CHECK(!sim.engine().idle());
}

TEST_CASE("NextDue says when something happens next") {
  Simulation sim;
  REQUIRE(sim.engine().Register("fail", Fail).ok());
  const auto sleep = [](std::string_view, Context& ctx) { ctx.Sleep(absl::Seconds(2)); };
  REQUIRE(sim.engine().Register("sleep", sleep).ok());
  sim.AdvanceBy(absl::Seconds(5));
  REQUIRE(sim.engine().Post("fail", "{}").ok());
  CHECK(sim.NextDue() == absl::Seconds(5));  // now
  sim.AdvanceBy(absl::Seconds(1));
  CHECK(sim.NextDue() == absl::Seconds(65));  // the retry
  REQUIRE(sim.engine().Post("sleep", "{}").ok());
  sim.AdvanceBy(absl::Seconds(1));
  CHECK(sim.NextDue() == absl::Seconds(8));  // the sleeper wakes
  sim.RunUntilIdle();
  CHECK(sim.NextDue() == absl::InfiniteDuration());
}

TEST_CASE("the calendar begins where the host says, and moves with virtual time") {
  const absl::Time start = absl::FromUnixSeconds(1'000);
  Simulation sim({.start = start});
  REQUIRE(sim.engine().Register("fail", Fail, {.event_invoke = {.maximum_retry_attempts = 1}}).ok());
  REQUIRE(sim.engine().Post("fail", "{}").ok());
  sim.RunUntilIdle();
  CHECK(sim.DeadLetters().at(0).accepted_at == start);
  CHECK(sim.DeadLetters().at(0).died_at == start + absl::Minutes(1));
}

// ---- handlers ----

TEST_CASE("a handler takes no time unless it sleeps, and others run meanwhile") {
  Simulation sim;
  std::vector<std::string> order;
  const auto sleep = [&](std::string_view event, Context& ctx) {
    order.push_back(std::string(event) + " begins");
    CHECK(ctx.Sleep(absl::Seconds(event == "long" ? 2 : 1)));
    order.push_back(std::string(event) + " ends");
  };
  REQUIRE(sim.engine().Register("sleep", sleep).ok());
  REQUIRE(sim.engine().Post("sleep", "long").ok());
  sim.AdvanceBy(absl::Milliseconds(500));
  REQUIRE(sim.engine().Post("sleep", "short").ok());
  sim.RunUntilIdle();
  CHECK(order == std::vector<std::string>{"long begins", "short begins", "short ends", "long ends"});
  CHECK(sim.Elapsed() == absl::Seconds(2));
}

TEST_CASE("handlers that block on the engine have stacks of their own, hundreds if need be") {
  Simulation sim;
  int awake = 0;
  const auto sleep = [&](std::string_view, Context& ctx) {
    std::string local(100, 'x');
    ctx.Sleep(absl::Seconds(1));
    awake += local == std::string(100, 'x') ? 1 : 0;
  };
  REQUIRE(sim.engine().Register("sleep", sleep).ok());
  REQUIRE(sim.engine().PostAll("sleep", std::vector<std::string>(300, "{}")).ok());
  sim.RunUntilIdle();
  CHECK(awake == 300);
  CHECK(sim.Elapsed() == absl::Seconds(1));
}

TEST_CASE("a handler may wait for a call it started, and for a place") {
  Simulation sim({.engine = {.concurrency = 3}});
  Engine& engine = sim.engine();
  const auto sleep = [](std::string_view, Context& ctx) { ctx.Sleep(absl::Seconds(1)); };
  std::optional<absl::Duration> got;
  std::optional<absl::Duration> placed;
  const auto get = [&](std::string_view) {
    Future<std::string> call = engine.Start("one", "{}");
    CHECK(std::move(call).Get().ok());
    got = sim.Elapsed();
  };
  const auto wait = [&](std::string_view) {
    CHECK(engine.Invoke("one", "{}", {.wait_for_capacity = absl::Seconds(2)}).ok());
    placed = sim.Elapsed();
  };
  REQUIRE(engine.Register("one", sleep, {.reserved_concurrency = 1}).ok());
  REQUIRE(engine.Register("get", get).ok());
  REQUIRE(engine.Register("wait", wait).ok());
  REQUIRE(engine.Post("get", "{}").ok());
  sim.AdvanceBy(absl::Milliseconds(100));
  REQUIRE(engine.Post("wait", "{}").ok());
  sim.RunUntilIdle();
  CHECK(got == absl::Seconds(1));
  CHECK(placed == absl::Seconds(2));
}

TEST_CASE("the seed picks the order of what is ready, the ids and the jitter") {
  const auto order_of = [](std::uint64_t seed) {
    Simulation sim({.seed = seed});
    std::string order;
    for (const std::string& name : {std::string("a"), std::string("b"), std::string("c"), std::string("d")}) {
      REQUIRE(sim.engine().Register(name, [&order, name](std::string_view) { order += name; }).ok());
      REQUIRE(sim.engine().Post(name, "{}").ok());
    }
    sim.RunUntilIdle();
    return order + sim.Ledger().entries().back().request_id.ToString();
  };
  std::vector<std::string> orders;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    CHECK(order_of(seed) == order_of(seed));
    orders.push_back(order_of(seed).substr(0, 4));
  }
  CHECK(std::any_of(orders.begin(), orders.end(), [&](const std::string& order) { return order != orders[0]; }));
}

// ---- stand-ins and faults ----

TEST_CASE("Stub stands in for a function that is registered already, with its configuration") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", Fail, {.timeout = absl::Seconds(7), .reserved_concurrency = 2}).ok());
  REQUIRE(sim.Stub("work", [](std::string_view) { return "stubbed"; }).ok());
  CHECK(sim.engine().Invoke("work", "{}").value() == "stubbed");
  CHECK(sim.engine().Config("work").value().timeout == absl::Seconds(7));
  CHECK(sim.engine().Config("work").value().reserved_concurrency == 2);
}

TEST_CASE("Stub registers a function that is not there, with the defaults") {
  Simulation sim;
  constexpr Function<int, int> kTwice{"twice"};
  REQUIRE(sim.Stub(kTwice, [](int n) { return 2 * n; }).ok());
  CHECK(sim.engine().Invoke(kTwice, 21).value() == 42);
  CHECK(sim.engine().Config("twice").value().timeout == absl::Seconds(3));
  REQUIRE(sim.Stub(kTwice, [](int n) { return 3 * n; }).ok());
  CHECK(sim.engine().Invoke(kTwice, 21).value() == 63);
  CHECK(!sim.Stub("no name", Nothing).ok());
}

TEST_CASE("NextDue says when a destination that refuses is tried again, though the engine is idle") {
  Simulation sim;
  int tries = 0;
  const auto refuse = [&](const InvocationRecord&) {
    ++tries;
    return absl::UnavailableError("down");
  };
  const EventInvokeConfig config{.on_success = Destination::Callback(refuse)};
  REQUIRE(sim.engine().Register("work", [](std::string_view event) { return event; }, {.event_invoke = config}).ok());
  REQUIRE(sim.engine().Post("work", "{}").ok());
  sim.RunUntilIdle();
  CHECK(sim.engine().idle());
  const int before = tries;
  // A timer of what has ended may come before.
  for (int i = 0; i < 3 && tries == before; ++i) {
    REQUIRE(sim.NextDue() < absl::InfiniteDuration());
    sim.AdvanceBy(sim.NextDue() - sim.Elapsed());
  }
  CHECK(tries == before + 1);
}

TEST_CASE("FailNext and Hang take any count") {
  Simulation sim;
  constexpr int kAlways = std::numeric_limits<int>::max();
  sim.FailNext("work", absl::DataLossError("torn"), kAlways);
  sim.FailNext("work", absl::DataLossError("none"), 0);
  sim.Hang("work", kAlways);
  sim.Hang("work", kAlways);
  REQUIRE(sim.engine().Register("work", [](std::string_view event) { return event; }).ok());
  for (int i = 0; i < 3; ++i) CHECK(sim.engine().Invoke("work", "{}").status().code() == absl::StatusCode::kDataLoss);
}

TEST_CASE("FailNext makes the next executions fail, before and after the function is registered") {
  Simulation sim;
  int runs = 0;
  sim.FailNext("work", absl::DataLossError("torn"), 2);
  REQUIRE(sim.engine().Register("work", [&](std::string_view) { ++runs; }).ok());
  REQUIRE(sim.engine().Register("other", Nothing).ok());
  CHECK(sim.engine().Invoke("other", "{}").ok());
  for (int i = 0; i < 2; ++i) {
    const absl::Status status = sim.engine().Invoke("work", "{}").status();
    CHECK(FunctionErrorOf(status) == FunctionError{"DataLoss", "torn"});
  }
  CHECK(runs == 0);
  CHECK(sim.engine().Invoke("work", "{}").ok());
  CHECK(runs == 1);
}

TEST_CASE("faults are met in the order in which they were planned") {
  Simulation sim;
  constexpr Function<int> kWork{"work"};
  REQUIRE(sim.engine().Register(kWork, [](int) {}).ok());
  sim.FailNext(kWork, absl::DataLossError("first"));
  sim.FailNext(kWork, Permanent(absl::AbortedError("second")));
  CHECK(sim.engine().Invoke(kWork, 1).message() == "first");
  REQUIRE(sim.engine().Post(kWork, 1).ok());
  sim.RunUntilIdle();
  CHECK(sim.DeadLetters().at(0).condition == Condition::kNotRetryable);
}

TEST_CASE("a hung execution hears nothing, and its stack is unwound when the simulation ends") {
  const auto captured = std::make_shared<int>(0);
  {
    Simulation sim;
    const auto outer = [&sim, captured](std::string_view) {
      const std::shared_ptr<int> local = captured;
      (void)sim.engine().Invoke("hang", "{}");
    };
    REQUIRE(sim.engine().Register("hang", Nothing).ok());
    REQUIRE(sim.engine().Register("outer", outer).ok());
    sim.Hang("hang");
    Future<std::string> call = sim.engine().Start("outer", "{}");
    sim.AdvanceBy(absl::Seconds(1));
    call.Cancel();
    CHECK(FunctionErrorOf(std::move(call).Get().status())->type == "Sandbox.Timedout");
    sim.AdvanceBy(absl::Hours(1));
    CHECK(captured.use_count() > 2);
  }
  CHECK(captured.use_count() == 1);
}

TEST_CASE("the host's own interceptor and observer see what happens, after the simulation's faults") {
  struct Both final : Observer, Interceptor {
    void OnActivity(const Activity&) override { ++seen; }
    absl::Status BeforeHandler(Context& context) override {
      ++intercepted;
      return context.function_name() == "bad" ? absl::AbortedError("intercepted") : absl::OkStatus();
    }
    std::size_t seen = 0;
    int intercepted = 0;
  };
  Both both;
  Simulation sim({.engine = {.observer = &both, .interceptor = &both}});
  REQUIRE(sim.engine().Register("good", Nothing).ok());
  REQUIRE(sim.engine().Register("bad", Nothing).ok());
  sim.FailNext("good", absl::DataLossError("planned"));
  CHECK(!sim.engine().Invoke("good", "{}").ok());
  CHECK(both.intercepted == 0);
  CHECK(sim.engine().Invoke("good", "{}").ok());
  CHECK(sim.engine().Invoke("bad", "{}").status().message() == "intercepted");
  CHECK(both.intercepted == 2);
  CHECK(both.seen == sim.Ledger().entries().size());
}

// ---- the audit ----

// A memory queue that does not count right.
class Miscounting final : public queue_test::ForwardingQueue {
 public:
  Miscounting() : ForwardingQueue(MemoryQueue({}, SystemClock())) {}
  QueueStats stats() const override {
    QueueStats stats = ForwardingQueue::stats();
    if (stats.ended > 0) --stats.ended;
    return stats;
  }
};

TEST_CASE("a broken promise is told with its number, the seed, the step and the time") {
  std::vector<std::string> violations;
  Simulation sim({.seed = 77,
                  .engine = {.queue = std::make_shared<Miscounting>()},
                  .on_violation = [&](std::string_view text) { violations.emplace_back(text); }});
  REQUIRE(sim.engine().Register("work", Nothing).ok());
  sim.AdvanceBy(absl::Seconds(2));
  CHECK(violations.empty());
  REQUIRE(sim.engine().Post("work", "{}").ok());
  sim.AdvanceBy(absl::Seconds(1));
  REQUIRE(!violations.empty());
  CHECK(violations[0].find("promise 1 is broken") != std::string::npos);
  CHECK(violations[0].find("1 events accepted, but 0 ended") != std::string::npos);
  CHECK(violations[0].find("seed 77") != std::string::npos);
  CHECK(violations[0].find("step 1") != std::string::npos);
  CHECK(violations[0].find("at 2s") != std::string::npos);
}

// ---- the ledger ----

TEST_CASE("the ledger tells a life in order") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", Nothing).ok());
  sim.FailNext("work", absl::UnavailableError("down"));
  const RequestId id = sim.engine().Post("work", "{}").value();
  sim.RunUntilIdle();
  using Kind = Activity::Kind;
  std::vector<Kind> kinds;
  for (const LedgerEntry& entry : sim.Ledger().entries()) {
    kinds.push_back(entry.kind);
    CHECK(entry.function == "work");
    if (entry.kind != Kind::kRegistered) CHECK(entry.request_id == id);
  }
  CHECK(kinds == std::vector<Kind>{Kind::kRegistered, Kind::kAccepted, Kind::kStarted, Kind::kFailed,
                                   Kind::kRetryScheduled, Kind::kStarted, Kind::kSucceeded, Kind::kEnded});
  const LedgerEntry retry = sim.Ledger().Of(Kind::kRetryScheduled, "work").at(0);
  CHECK(retry.type == InvocationType::kEvent);
  CHECK(retry.attempt == 1);
  CHECK(retry.due == absl::Seconds(60));
  CHECK(retry.error_type == "Unavailable");
  CHECK(retry.error_message == "down");
  CHECK(sim.Ledger().Of(Kind::kStarted).at(1).due == absl::Seconds(63));  // its deadline
  CHECK(sim.Ledger().Count(Kind::kStarted, "other") == 0);
}

TEST_CASE("the ledger prints a line for each entry") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", Fail, {.event_invoke = {.maximum_retry_attempts = 0}}).ok());
  const RequestId id = sim.engine().Post("work", "{}").value();
  sim.RunUntilIdle();
  const std::string text = sim.Ledger().ToString();
  CHECK(text.find("0 work registered") != std::string::npos);
  CHECK(text.find("0 work failed attempt 1 Unavailable: down " + id.ToString() + "\n") != std::string::npos);
  CHECK(text.find("0 work ended RetriesExhausted attempt 1 " + id.ToString() + "\n") != std::string::npos);
}

TEST_CASE("the ledger of replacement, removal and registration anew") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", Nothing).ok());
  REQUIRE(sim.engine().Replace("work", Nothing).ok());
  REQUIRE(sim.engine().Remove("work").ok());
  REQUIRE(sim.engine().Register("work", Nothing).ok());
  CHECK(sim.Ledger().Count(Activity::Kind::kRegistered, "work") == 2);
  CHECK(sim.Ledger().Count(Activity::Kind::kReplaced, "work") == 1);
  CHECK(sim.Ledger().Count(Activity::Kind::kRemoved, "work") == 1);
}

TEST_CASE("a ledger may be left out of long runs") {
  Simulation sim({.keep_ledger = false});
  REQUIRE(sim.engine().Register("work", Nothing).ok());
  REQUIRE(sim.engine().Post("work", "{}").ok());
  sim.RunUntilIdle();
  CHECK(sim.Ledger().entries().empty());
  CHECK(sim.engine().Metrics("work").value().invocations == 1);
}

// ---- many ----

TEST_CASE("a handler that blocks on the host is told, with its name") {
  struct Latch {
    std::mutex mu;
    std::condition_variable told;
    std::string text;
  } latch;
  Simulation sim({.seed = 7, .blocked_after = absl::Milliseconds(1), .on_blocked = [&](std::string_view text) {
                    const std::lock_guard lock(latch.mu);
                    latch.text += text;
                    latch.told.notify_one();
                  }});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("fine", [](std::string_view, Context& ctx) { ctx.Sleep(absl::Hours(1)); }).ok());
  REQUIRE(engine
              .Register("stuck",
                        [&](std::string_view) {
                          std::unique_lock lock(latch.mu);
                          latch.told.wait(lock, [&] { return latch.text.find("stuck") != std::string::npos; });
                        })
              .ok());
  REQUIRE(engine.Post("fine", "").ok());
  REQUIRE(engine.Post("stuck", "").ok());
  sim.RunUntilIdle();
  CHECK(latch.text.find("\"stuck\" has not come back to the engine for 1ms") != std::string::npos);
  CHECK(latch.text.find("seed 7, step ") != std::string::npos);
}

TEST_CASE("a thousand simulations, each with its own engine") {
  int runs = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    Simulation sim({.seed = seed});
    REQUIRE(sim.engine().Register("work", [&](std::string_view) { ++runs; }).ok());
    REQUIRE(sim.engine().Post("work", "{}").ok());
    sim.RunUntilIdle();
  }
  CHECK(runs == 1000);
}

TEST_CASE("two simulations at once do not know of each other, and one may drive the other") {
  Simulation outer;
  Simulation inner;
  REQUIRE(inner.engine().Register("sleep", [](std::string_view, Context& ctx) { ctx.Sleep(absl::Seconds(2)); }).ok());
  const auto drive = [&](std::string_view) {
    CHECK(inner.engine().Invoke("sleep", "{}").ok());
    inner.AdvanceBy(absl::Seconds(1));
  };
  REQUIRE(outer.engine().Register("drive", drive).ok());
  CHECK(outer.engine().Invoke("drive", "{}").ok());
  CHECK(outer.Elapsed() == absl::ZeroDuration());
  CHECK(inner.Elapsed() == absl::Seconds(3));
}

}  // namespace
}  // namespace runlet::testing
