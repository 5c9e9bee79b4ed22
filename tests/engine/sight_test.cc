// Cancel, Inspect and Explain: what one can see of events and calls, and do about them.
#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runlet/base/random.h"
#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"

namespace runlet {

// Where its codec is, a test may be.
struct Probe {
  static inline std::function<void()> on_encode;
};

template <>
struct Codec<Probe> {
  static absl::StatusOr<std::string> Encode(const Probe&) {
    if (Probe::on_encode) Probe::on_encode();
    return "probe";
  }
  static absl::StatusOr<Probe> Decode(std::string_view) { return Probe(); }
};

namespace {

using testing::Simulation;
using State = Explanation::State;

absl::Status Fail(std::string_view) { return absl::UnavailableError("down"); }

// Sleeps as long as it may, a second more than it was asked to stop, and answers whether that was so.
absl::Status SleepOn(std::string_view, Context& ctx) {
  return ctx.Sleep(absl::Minutes(1)) ? absl::OkStatus() : absl::CancelledError("asked to stop");
}

// ---- Cancel ----

TEST_CASE("a cancelled event that waits never runs, ends as Cancelled, and leaves no dead letter") {
  Simulation sim;
  Engine& engine = sim.engine();
  int runs = 0;
  REQUIRE(engine.Register("f", [&](std::string_view) { ++runs; }).ok());
  const RequestId ready = engine.Post("f", "{}").value();
  const RequestId delayed = engine.Post("f", "{}", {.delay = absl::Hours(1)}).value();
  CHECK(engine.Cancel(ready).ok());
  CHECK(engine.Cancel(delayed).ok());
  CHECK(engine.Cancel(ready).code() == absl::StatusCode::kNotFound);
  sim.RunUntilIdle();
  CHECK(sim.Elapsed() == absl::ZeroDuration());
  CHECK(runs == 0);
  CHECK(sim.DeadLetters().empty());
  const auto ends = sim.Ledger().Of(Activity::Kind::kEnded, "f");
  REQUIRE(ends.size() == 2);
  for (const auto& end : ends) CHECK(end.condition == Condition::kCancelled);
  CHECK(engine.Metrics("f").value().async_events_dropped == 2);
}

TEST_CASE("an event in back-off is cancelled without a further attempt") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", Fail).ok());
  const RequestId id = engine.Post("f", "{}").value();
  sim.AdvanceBy(absl::Seconds(1));
  CHECK(engine.Cancel(id).ok());
  sim.RunUntilIdle();
  CHECK(sim.Elapsed() == absl::Seconds(1));
  CHECK(engine.Metrics("f").value().invocations == 1);
}

TEST_CASE("a running event is asked to stop: failing it ends as Cancelled, succeeding it succeeds") {
  for (const bool heeds : {true, false}) {
    Simulation sim;
    Engine& engine = sim.engine();
    StopReason seen = StopReason::kNone;
    const auto run = [&](std::string_view event, Context& ctx) {
      absl::Status status = SleepOn(event, ctx);
      seen = ctx.stop_reason();
      return heeds ? status : absl::OkStatus();
    };
    REQUIRE(engine.Register("f", run, {.timeout = absl::Minutes(5)}).ok());
    const RequestId id = engine.Post("f", "{}").value();
    sim.AdvanceBy(absl::Seconds(10));
    CHECK(engine.Cancel(id).ok());
    sim.RunUntilIdle();
    CHECK(seen == StopReason::kCaller);
    CHECK(sim.Elapsed() == absl::Seconds(10));
    const auto ends = sim.Ledger().Of(Activity::Kind::kEnded, "f");
    REQUIRE(ends.size() == 1);
    CHECK(ends[0].condition == (heeds ? Condition::kCancelled : Condition::kSuccess));
    CHECK(sim.DeadLetters().empty());
  }
}

TEST_CASE("a cancelled event does not taint the next one of its function") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", SleepOn, {.timeout = absl::Minutes(5), .reserved_concurrency = 1}).ok());
  const RequestId first = engine.Post("f", "{}").value();
  REQUIRE(engine.Post("f", "{}").ok());
  sim.AdvanceBy(absl::Seconds(10));
  CHECK(engine.Cancel(first).ok());
  sim.RunUntilIdle();
  CHECK(sim.Elapsed() == absl::Seconds(70));
  CHECK(engine.Metrics("f").value().errors == 1);
}

TEST_CASE("a running call is asked to stop by its id") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", SleepOn, {.timeout = absl::Minutes(5)}).ok());
  Future<std::string> call = engine.Start("f", "{}");
  sim.AdvanceBy(absl::Seconds(1));
  CHECK(engine.Cancel(call.request_id()).ok());
  CHECK(std::move(call).Get().status().code() == absl::StatusCode::kCancelled);
  CHECK(sim.Elapsed() == absl::Seconds(1));
}

TEST_CASE("who waits for what is cancelled is let go, and who is unknown is named") {
  Simulation sim;
  const RequestId nobody = RequestId::FromBits(1, 2);
  const absl::Status status = sim.engine().Cancel(nobody);
  CHECK(status.code() == absl::StatusCode::kNotFound);
  CHECK(status.message().find(nobody.ToString()) != std::string::npos);
}

// Cancels an event at the first sight of one kind.
class CancelsAt final : public Observer {
 public:
  explicit CancelsAt(Activity::Kind kind) : kind_(kind) {}
  void OnActivity(const Activity& activity) override {
    if (activity.kind == Activity::Kind::kEnded) ends.push_back(activity.condition);
    if (activity.kind == kind_ && !answer.has_value()) answer = engine->Cancel(activity.request_id);
  }

  Engine* engine = nullptr;
  std::optional<absl::Status> answer;
  std::vector<Condition> ends;

 private:
  const Activity::Kind kind_;
};

TEST_CASE("an event is cancelled at every moment between its attempts") {
  using Kind = Activity::Kind;
  for (const Kind kind : {Kind::kAccepted, Kind::kStarted, Kind::kFailed, Kind::kRetryScheduled}) {
    for (const int retries : {0, 2}) {
      if (kind == Kind::kRetryScheduled && retries == 0) continue;
      INFO("kind " << static_cast<int>(kind) << ", retries " << retries);
      CancelsAt observer(kind);
      Simulation sim({.engine = {.observer = &observer}});
      observer.engine = &sim.engine();
      REQUIRE(sim.engine().Register("f", Fail, {.event_invoke = {.maximum_retry_attempts = retries}}).ok());
      REQUIRE(sim.engine().Post("f", "{}").ok());
      sim.RunUntilIdle();
      REQUIRE(observer.answer.has_value());
      CHECK(observer.answer->ok());
      CHECK(observer.ends == std::vector{Condition::kCancelled});
      CHECK(sim.Elapsed() == absl::ZeroDuration());
      CHECK(sim.DeadLetters().empty());
      CHECK(sim.engine().queue_stats().ended == 1);
    }
  }
}

TEST_CASE("an event is cancelled while it is being turned away, or put off for want of a retry budget") {
  for (const bool budget : {false, true}) {
    CancelsAt observer(Activity::Kind::kThrottled);
    EngineOptions options{.concurrency = 1, .observer = &observer};
    if (budget) options.retry_budget = RetryBudget{.share = 0, .per_second = 0.001};
    Simulation sim({.engine = std::move(options)});
    observer.engine = &sim.engine();
    const RetryPolicy at_once = RetryPolicy::Fixed(absl::ZeroDuration());
    REQUIRE(sim.engine()
                .Register("f", Fail, {.event_invoke = {.maximum_retry_attempts = 20, .retry_policy = at_once}})
                .ok());
    REQUIRE(sim.engine().Register("sleep", SleepOn).ok());
    std::optional<Future<std::string>> call;
    if (!budget) call = sim.engine().Start("sleep", "{}");
    REQUIRE(sim.engine().Post("f", "{}").ok());
    sim.RunUntilIdle();
    REQUIRE(observer.answer.has_value());
    CHECK(observer.answer->ok());
    CHECK(observer.ends == std::vector{Condition::kCancelled});
    CHECK(sim.DeadLetters().empty());
  }
}

TEST_CASE("an event that has been claimed and has not begun is asked to stop as it begins") {
  static constexpr Function<Probe> typed{"f"};
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register(typed, [](const Probe&) {}).ok());
  const RequestId id = engine.Post(typed, Probe(), {.delay = absl::Seconds(1)}).value();
  StopReason seen = StopReason::kNone;
  const auto run = [&](std::string_view, Context& ctx) -> absl::Status {
    seen = ctx.stop_reason();
    return absl::UnavailableError("down");
  };
  REQUIRE(engine.Replace("f", run).ok());
  std::optional<absl::Status> answer;
  Probe::on_encode = [&] { answer = engine.Cancel(id); };
  sim.RunUntilIdle();
  Probe::on_encode = nullptr;
  REQUIRE(answer.has_value());
  CHECK(answer->ok());
  CHECK(seen == StopReason::kCaller);
  const auto ends = sim.Ledger().Of(Activity::Kind::kEnded, "f");
  REQUIRE(ends.size() == 1);
  CHECK(ends[0].condition == Condition::kCancelled);
}

TEST_CASE("an event that succeeds has succeeded, whatever it was told between its run and its end") {
  CancelsAt observer(Activity::Kind::kSucceeded);
  Simulation sim({.engine = {.observer = &observer}});
  observer.engine = &sim.engine();
  REQUIRE(sim.engine().Register("f", [](std::string_view) {}).ok());
  REQUIRE(sim.engine().Post("f", "{}").ok());
  REQUIRE(sim.engine().Post("f", "{}").ok());
  sim.RunUntilIdle();
  CHECK(observer.ends == std::vector{Condition::kSuccess, Condition::kSuccess});
}

TEST_CASE("an event that was cancelled between its attempts is not parked") {
  int parked = 0;
  CancelsAt observer(Activity::Kind::kRetryScheduled);
  Simulation sim({.engine = {.on_parked = [&](const DeadLetter&) { ++parked; }, .observer = &observer}});
  Engine& engine = sim.engine();
  observer.engine = &engine;
  const auto fail_slowly = [](std::string_view, Context& ctx) -> absl::Status {
    ctx.Sleep(absl::Seconds(1));
    return absl::UnavailableError("down");
  };
  REQUIRE(engine.Register("f", fail_slowly).ok());
  REQUIRE(engine.Post("f", "{}").ok());
  sim.AdvanceBy(absl::Milliseconds(500));
  const DrainReport report = engine.Drain(absl::ZeroDuration(), absl::Seconds(10));
  CHECK(parked == 0);
  CHECK(report.parked == 0);
  CHECK(observer.ends == std::vector{Condition::kCancelled});
}

TEST_CASE("between threads, an event that lives is never said to be unknown") {
  std::atomic<int> cancelled{0};
  class Counts final : public Observer {
   public:
    explicit Counts(std::atomic<int>& counted) : cancelled_(counted) {}
    void OnActivity(const Activity& activity) override {
      if (activity.kind == Activity::Kind::kEnded && activity.condition == Condition::kCancelled) ++cancelled_;
    }

   private:
    std::atomic<int>& cancelled_;
  } observer(cancelled);
  Engine engine = Engine::Create({.observer = &observer}).value();
  std::atomic<int> runs{0};
  const auto fail = [&](std::string_view) -> absl::Status {
    runs.fetch_add(1, std::memory_order_relaxed);
    return absl::UnavailableError("down");
  };
  REQUIRE(engine
              .Register("f", fail,
                        {.event_invoke = {.maximum_retry_attempts = 1000,
                                          .retry_policy = RetryPolicy::Fixed(absl::ZeroDuration())}})
              .ok());
  int taken = 0;
  for (int i = 0; i < 200; ++i) {
    INFO("event " << i);
    runs.store(0, std::memory_order_relaxed);
    const RequestId id = engine.Post("f", "{}").value();
    while (runs.load(std::memory_order_relaxed) < 1 + i) {
    }
    const bool found = engine.Cancel(id).ok();
    REQUIRE(engine.WaitIdle().ok());
    taken += found ? 1 : 0;
    CHECK(found != engine.dead_letters().Get(id).has_value());
    engine.dead_letters().Purge();
  }
  CHECK(cancelled == taken);
}

// ---- Inspect ----

TEST_CASE("Inspect shows what runs, what waits and for what, and what is in use") {
  Simulation sim({.engine = {.concurrency = 10}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("sleep", SleepOn, {.timeout = absl::Minutes(5), .reserved_concurrency = 2}).ok());
  REQUIRE(engine.Register("fail", Fail).ok());
  REQUIRE(engine.PostAll("sleep", std::vector<std::string>(3, "{}")).ok());
  REQUIRE(engine.Post("fail", "{}").ok());
  REQUIRE(engine.Post("fail", "{}", {.delay = absl::Hours(1)}).ok());
  sim.AdvanceBy(absl::Seconds(10));
  const Inspection seen = engine.Inspect();
  REQUIRE(seen.running.size() == 2);
  for (const RunningExecution& running : seen.running) {
    CHECK(running.function == "sleep");
    CHECK(running.type == InvocationType::kEvent);
    CHECK(running.attempt == 1);
    CHECK(running.running_for == absl::Seconds(10));
    CHECK(running.remaining == absl::Seconds(290));
    CHECK(!running.asked_to_stop);
    CHECK(!running.abandoned);
    CHECK(running.thread > 0);
  }
  CHECK(seen.running[0].request_id != seen.running[1].request_id);
  REQUIRE(seen.functions.size() == 2);
  CHECK(seen.functions[0].function == "sleep");
  CHECK(seen.functions[0].reserved_concurrency == 2);
  CHECK(seen.functions[0].reserved_in_use == 2);
  CHECK(seen.functions[0].waiting.ready == 1);
  CHECK(seen.functions[1].waiting.backing_off == 1);
  CHECK(seen.functions[1].waiting.delayed == 1);
  CHECK(seen.concurrency == 10);
  CHECK(seen.unreserved == 8);
  CHECK(seen.unreserved_in_use == 0);
  CHECK(seen.queue.running == 2);
  const std::string text = seen.ToString();
  for (const std::string_view word : {"sleep", "2 of 2 reserved in use", "1 backing off", "for 10s", "4m50s left"}) {
    CHECK(text.find(word) != std::string::npos);
  }
}

TEST_CASE("Inspect shows nested calls, throttled events, abandoned executions and removed functions") {
  Simulation sim({.engine = {.concurrency = 1}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("inner", SleepOn, {.timeout = absl::Minutes(5)}).ok());
  const auto outer = [&](std::string_view event) { return engine.Invoke("inner", event).status(); };
  REQUIRE(engine.Register("outer", outer, {.timeout = absl::Minutes(5)}).ok());
  Future<std::string> call = engine.Start("outer", "{}");
  sim.AdvanceBy(absl::Seconds(1));
  REQUIRE(engine.Post("inner", "{}").ok());
  sim.AdvanceBy(absl::Milliseconds(1));
  Inspection seen = engine.Inspect();
  REQUIRE(seen.running.size() == 2);
  CHECK(seen.running[0].depth + seen.running[1].depth == 3);
  CHECK(seen.functions[0].waiting.throttled == 1);
  REQUIRE(std::move(call).Get().ok());
  sim.RunUntilIdle();

  sim.Hang("inner");
  REQUIRE(!engine.Invoke("inner", "{}", {.timeout = absl::Seconds(1)}).ok());
  REQUIRE(engine.Remove("outer").ok());
  seen = engine.Inspect();
  REQUIRE(seen.running.size() == 1);
  CHECK(seen.running[0].abandoned);
  CHECK(seen.running[0].asked_to_stop);
  CHECK(seen.abandoned == 1);
  CHECK(seen.functions[0].abandoned == 1);
  CHECK(!seen.functions[1].registered);
  CHECK(seen.ToString().find("outer (removed)") != std::string::npos);
}

// ---- Explain ----

TEST_CASE("Explain follows an event through its life") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto fail = [](std::string_view, Context& ctx) {
    ctx.Sleep(absl::Seconds(2));
    return absl::UnavailableError("down");
  };
  REQUIRE(engine.Register("f", fail, {.reserved_concurrency = 1}).ok());
  const RequestId before = engine.Post("f", "{}").value();
  const RequestId id = engine.Post("f", "{}").value();
  const auto explain = [&] { return engine.Explain(id).value(); };
  CHECK(explain().state == State::kQueued);
  sim.AdvanceBy(absl::Seconds(1));
  // Either may go first.
  const RequestId& second = explain().state == State::kQueued ? id : before;
  sim.AdvanceBy(absl::Seconds(2));
  Explanation now = engine.Explain(second).value();
  CHECK(now.state == State::kRunning);
  CHECK(now.attempts == 1);
  CHECK(now.spent.queued == absl::Seconds(2));
  CHECK(now.spent.running == absl::Seconds(1));
  CHECK(now.elapsed == absl::Seconds(3));
  sim.AdvanceBy(absl::Seconds(31));
  now = engine.Explain(second).value();
  CHECK(now.state == State::kBackingOff);
  CHECK(now.spent.backing_off == absl::Seconds(30));
  CHECK(now.due_in == absl::Seconds(30));
  CHECK(now.spent.total() == now.elapsed);
  sim.RunUntilIdle();
  now = engine.Explain(second).value();
  CHECK(now.state == State::kDead);
  CHECK(now.condition == Condition::kRetriesExhausted);
  CHECK(now.attempts == 3);
  CHECK(now.errors.size() == 3);
  CHECK(now.spent.running == absl::Seconds(6));
  CHECK(now.spent.backing_off == absl::Seconds(180));
  CHECK(now.spent.total() == now.elapsed);
  CHECK(now.ToString().find("dead, RetriesExhausted after 3 attempts") != std::string::npos);
}

TEST_CASE("Explain knows the wait of a keyed event") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", Fail).ok());
  const RequestId id = engine.Post("f", "{}", {.delay = absl::Seconds(10), .dedup_key = "k"}).value();
  sim.AdvanceBy(absl::Seconds(20));
  CHECK(engine.Explain(id).value().spent.queued == absl::Seconds(10));
  CHECK(engine.Explain(id).value().spent.backing_off == absl::Seconds(10));
  sim.RunUntilIdle();
  CHECK(engine.Explain(id).value().spent.total() == engine.Explain(id).value().elapsed);
}

TEST_CASE("Explain tells throttles, and handlers that stop late") {
  Simulation sim({.engine = {.concurrency = 1}});
  Engine& engine = sim.engine();
  const auto late = [](std::string_view, Context& ctx) {
    while (ctx.Sleep(absl::Minutes(1))) {
    }
    return absl::AbortedError("stopped");
  };
  REQUIRE(engine.Register("hold", SleepOn, {.timeout = absl::Minutes(5)}).ok());
  REQUIRE(engine.Register("late", late, {.timeout = absl::Seconds(5), .on_overrun = OnOverrun::kWait}).ok());
  Future<std::string> call = engine.Start("hold", "{}");
  sim.AdvanceBy(absl::Milliseconds(1));
  const RequestId id = engine.Post("late", "{}").value();
  sim.AdvanceBy(absl::Milliseconds(500));
  Explanation now = engine.Explain(id).value();
  CHECK(now.state == State::kThrottled);
  CHECK(now.spent.throttled == absl::Milliseconds(500));
  CHECK(now.due_in == absl::Milliseconds(500));
  CHECK(now.attempts == 0);
  CHECK(engine.Explain(call.request_id()).value().state == State::kRunning);
  REQUIRE(std::move(call).Get().ok());
  sim.RunUntilIdle();
  now = engine.Explain(id).value();
  CHECK(now.state == State::kDead);
  CHECK(now.spent.total() == now.elapsed);
  CHECK(now.spent.throttled > absl::Seconds(60));
  CHECK(now.spent.running == absl::Seconds(15));
  CHECK(engine.Explain(RequestId::FromBits(3, 4)).status().code() == absl::StatusCode::kNotFound);
}

TEST_CASE("what Explain tells adds up to the time since acceptance, at any moment of random lives") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    Random random(seed);
    Simulation sim({.seed = seed, .engine = {.concurrency = 3, .max_abandoned = 4}, .keep_ledger = false});
    Engine& engine = sim.engine();
    std::vector<RequestId> ids;
    const auto work = [&](std::string_view event, Context& ctx) -> absl::Status {
      ctx.Sleep(absl::Milliseconds(static_cast<double>(random.Below(4000))));
      if (random.Below(4) == 0) return Permanent(absl::InternalError("broken"));
      return event == "bad" || random.Below(2) == 0 ? absl::UnavailableError("down") : absl::OkStatus();
    };
    for (int f = 0; f < 3; ++f) {
      FunctionConfig config;
      config.timeout = absl::Seconds(1 + static_cast<int>(random.Below(3)));
      if (f == 0) config.reserved_concurrency = 1;
      if (f == 1) config.on_overrun = OnOverrun::kWait;
      config.event_invoke.retry_policy = RetryPolicy::Exponential(absl::Seconds(1), absl::Seconds(20));
      config.event_invoke.maximum_event_age = absl::Minutes(1 + static_cast<int>(random.Below(2)));
      REQUIRE(engine.Register("f" + std::to_string(f), work, config).ok());
    }
    int told = 0;
    for (int step = 0; step < 60; ++step) {
      const std::string name = "f" + std::to_string(random.Below(3));
      const PostOptions options{.delay = absl::Milliseconds(static_cast<double>(random.Below(2) * random.Below(3000)))};
      ids.push_back(engine.Post(name, random.Below(2) == 0 ? "bad" : "good", options).value());
      if (random.Below(5) == 0) (void)engine.Start(name, "{}").request_id();
      if (random.Below(10) == 0) (void)engine.Cancel(ids[random.Below(ids.size())]).ok();
      sim.AdvanceBy(absl::Milliseconds(static_cast<double>(random.Below(1500))));
      for (const RequestId& id : ids) {
        const absl::StatusOr<Explanation> now = engine.Explain(id);
        if (!now.ok()) continue;  // it has succeeded, or was cancelled
        ++told;
        CHECK(now->spent.total() == now->elapsed);
        for (const absl::Duration part : {now->spent.queued, now->spent.throttled, now->spent.backing_off,
                                          now->spent.running, now->spent.stopping}) {
          CHECK(part >= absl::ZeroDuration());
        }
      }
    }
    CHECK(told > 100);
    sim.RunUntilIdle();
    for (const DeadLetter& letter : sim.DeadLetters()) {
      CHECK(letter.spent.total() == letter.died_at - letter.accepted_at);
    }
  }
}

}  // namespace
}  // namespace runlet
