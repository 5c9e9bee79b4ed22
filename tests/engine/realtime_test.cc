// What needs real time to pass. Each test waits for what must happen, never for a duration; only lower bounds of
// durations are checked.
#include <absl/status/status.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "runlet/runlet.h"
#include "tests/capacity/latch.h"
#include "tests/catch.h"

namespace runlet {
namespace {

constexpr absl::Duration kShort = absl::Milliseconds(20);

Engine Make(EngineOptions options) { return Engine::Create(std::move(options)).value(); }

std::string TypeOfError(const absl::Status& status) {
  return FunctionErrorOf(status).value_or(FunctionError{"none", ""}).type;
}

absl::Duration Since(Instant start) { return absl::Nanoseconds(SystemClock().Now().Since(start)); }

TEST_CASE("the caller is released at the deadline while the handler hangs, the thread is replaced, the answer dropped",
          "[realtime]") {
  Latch go_on;
  Engine engine = Make({.threads = OwnThreads{.max_threads = 1}});
  const auto hang = [&](std::string_view) {
    go_on.Wait();
    return "late";
  };
  REQUIRE(engine.Register("hang", hang, {.timeout = kShort}).ok());
  REQUIRE(engine.Register("echo", [](std::string_view event) { return std::string(event); }).ok());

  const Instant start = SystemClock().Now();
  const absl::Status answer = engine.Invoke("hang", "").status();
  CHECK(Since(start) >= kShort);
  CHECK(TypeOfError(answer) == "Sandbox.Timedout");
  CHECK(FunctionErrorOf(answer)->message.find("Task timed out after 0.02 seconds") != std::string::npos);
  CHECK(engine.abandoned() == 1);
  CHECK(engine.Invoke("echo", "still here").value() == "still here");

  go_on.Open();
  while (engine.abandoned() != 0) std::this_thread::yield();
  CHECK(engine.WaitIdle().ok());
  const FunctionMetrics metrics = engine.Metrics("hang").value();
  CHECK(metrics.invocations == 1);
  CHECK(metrics.timeouts == 1);
  CHECK(metrics.errors == 1);
  CHECK(metrics.late_results == 1);
  CHECK(engine.Drain(absl::ZeroDuration(), absl::Minutes(1)).abandoned == 0);
}

TEST_CASE(
    "at the limit of abandoned threads callers are released yet, and only the functions that own them are refused",
    "[realtime]") {
  Latch go_on;
  Counter gone;
  {
    Engine engine = Make({.max_abandoned = 1, .destroy_grace = absl::ZeroDuration()});
    const auto hang = [&, captured = std::shared_ptr<void>(nullptr, [&gone](std::nullptr_t) { gone.Add(); })](
                          std::string_view) { go_on.Wait(); };
    REQUIRE(engine.Register("hang", hang, {.timeout = kShort}).ok());
    REQUIRE(engine.Register("echo", [](std::string_view event) { return std::string(event); }).ok());
    Future<std::string> first = engine.Start("hang", "");
    Future<std::string> second = engine.Start("hang", "");
    CHECK(TypeOfError(std::move(first).Get().status()) == "Sandbox.Timedout");
    CHECK(TypeOfError(std::move(second).Get().status()) == "Sandbox.Timedout");
    CHECK(Reason(engine.Invoke("hang", "").status()) == reason::kAbandonedExecutionLimitExceeded);
    CHECK(engine.Invoke("echo", "still here").value() == "still here");
    go_on.Open();
    while (engine.abandoned() != 0) std::this_thread::yield();
    CHECK(engine.Invoke("hang", "").ok());
    CHECK(engine.WaitIdle().ok());
    CHECK(engine.Metrics("hang")->late_results == 2);
  }
  gone.AwaitAtLeast(1);
}

TEST_CASE("an event whose attempt hangs is tried again on another thread, and the hanging one reads its payload yet",
          "[realtime]") {
  Latch go_on;
  Counter attempts, ended;
  Engine engine = Make({.threads = OwnThreads{.max_threads = 1}});
  const std::string payload(1'000, 'x');
  std::atomic<int> right{0};
  const auto hang_once = [&](std::string_view event, Context& context) {
    attempts.Add();
    if (context.attempt() == 1) go_on.Wait();
    right += event == payload;
    ended.Add();
  };
  REQUIRE(engine
              .Register("hang", hang_once,
                        {.timeout = kShort, .event_invoke = {.retry_policy = RetryPolicy::Fixed(absl::ZeroDuration())}})
              .ok());
  REQUIRE(engine.Post("hang", payload).ok());
  CHECK(engine.WaitIdle().ok());
  CHECK(attempts.count() == 2);
  CHECK(engine.abandoned() == 1);
  CHECK(engine.queue_stats().ended == 1);
  CHECK(engine.dead_letters().size() == 0);
  go_on.Open();
  ended.AwaitAtLeast(2);
  CHECK(right == 2);
  while (engine.abandoned() != 0) std::this_thread::yield();
  CHECK(engine.Metrics("hang")->late_results == 1);
  CHECK(engine.Metrics("hang")->timeouts == 1);
  CHECK(engine.Metrics("hang")->retries == 1);
}

// Fails twice, then succeeds; remembers when the attempts were made.
struct Flaky {
  absl::StatusOr<std::string> operator()(std::string_view, Context& context) const {
    at[context.attempt() - 1] = SystemClock().Now();
    if (context.attempt() < 3) return absl::UnavailableError("not yet");
    return "done";
  }
  Instant* at;
};

TEST_CASE("a retry comes no earlier than it must, with threads and without", "[realtime]") {
  const FunctionConfig config{.event_invoke = {.retry_policy = RetryPolicy::Fixed(kShort)}};
  Instant at[3];
  SECTION("the watcher wakes the pool") {
    Engine engine;
    REQUIRE(engine.Register("flaky", Flaky{at}, config).ok());
    REQUIRE(engine.Post("flaky", "").ok());
    CHECK(engine.WaitIdle().ok());
  }
  SECTION("the host polls when NextPoll says so") {
    Engine engine = Make({.threads = NoThreads{}});
    REQUIRE(engine.Register("flaky", Flaky{at}, config).ok());
    REQUIRE(engine.Post("flaky", "").ok());
    while (!engine.idle()) {
      CHECK(engine.NextPoll() <= kShort);
      if (engine.Poll() == 0) std::this_thread::yield();
    }
  }
  SECTION("a wait of the host's polls and sleeps") {
    Engine engine = Make({.threads = NoThreads{}});
    REQUIRE(engine.Register("flaky", Flaky{at}, config).ok());
    REQUIRE(engine.Post("flaky", "").ok());
    CHECK(engine.WaitIdle().ok());
  }
  CHECK(absl::Nanoseconds(at[1].Since(at[0])) >= kShort);
  CHECK(absl::Nanoseconds(at[2].Since(at[1])) >= kShort);
}

TEST_CASE("where the thread is not the engine's the deadline asks the handler to stop, and drops what it answers",
          "[realtime]") {
  std::atomic<StopReason> reason{StopReason::kNone};
  const auto spin = [&](std::string_view, Context& context) {
    while (!context.stop_requested()) std::this_thread::yield();
    reason = context.stop_reason();
    return "late";
  };
  EngineOptions options;
  FunctionConfig config{.timeout = kShort};
  Counter joined;
  SECTION("on the caller's thread") { config.run_on = RunOn::kCaller; }
  SECTION("on the pool's, where the function waits for its handler") { config.on_overrun = OnOverrun::kWait; }
  SECTION("on the host's") {
    options.threads = HostThreads{[&](std::function<void()> work) {
      std::thread([&joined, work = std::move(work)] {
        work();
        joined.Add();
      }).detach();
    }};
  }
  const bool host = std::holds_alternative<HostThreads>(options.threads);
  {
    Engine engine = Make(std::move(options));
    REQUIRE(engine.Register("spin", spin, config).ok());
    CHECK(TypeOfError(engine.Invoke("spin", "").status()) == "Sandbox.Timedout");
    CHECK(reason == StopReason::kDeadline);
    CHECK(engine.Metrics("spin")->timeouts == 1);
    CHECK(engine.abandoned() == 0);
  }
  if (host) joined.AwaitAtLeast(1);
}

TEST_CASE("a wait with a limit ends at its limit, and what was waited for goes on", "[realtime]") {
  Latch go_on, in;
  Engine engine;
  const auto wait = [&](std::string_view) {
    in.Open();
    go_on.Wait();
    return "done";
  };
  REQUIRE(engine.Register("wait", wait, {.timeout = absl::Minutes(15), .reserved_concurrency = 1}).ok());
  Future<std::string> future = engine.Start("wait", "");
  in.Wait();
  const Instant start = SystemClock().Now();
  CHECK(!future.WaitUntil(SystemClock().Calendar() + kShort));
  CHECK(Since(start) >= kShort / 2);  // the calendar may have been moved
  CHECK(engine.WaitIdle(kShort).code() == absl::StatusCode::kDeadlineExceeded);
  CHECK(Reason(engine.Invoke("wait", "", {.wait_for_capacity = kShort}).status()) ==
        reason::kReservedFunctionConcurrentInvocationLimitExceeded);
  CHECK(Since(start) >= 2 * kShort);
  go_on.Open();
  CHECK(std::move(future).Get().value() == "done");
}

}  // namespace
}  // namespace runlet
