// WaitIdle and Drain: they return in time, and account for every event.
#include <atomic>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"
#include "tests/engine/unsaid.h"

namespace runlet {
namespace {

using testing::Simulation;

absl::Status Fail(std::string_view) { return absl::UnavailableError("down"); }
void Nothing(std::string_view) {}
void SleepOneSecond(std::string_view, Context& ctx) { ctx.Sleep(absl::Seconds(1)); }

// An engine whose parked events are kept.
struct Parking {
  explicit Parking(EngineOptions options = {}) : sim(WithParking(std::move(options))) {}

  testing::SimulationOptions WithParking(EngineOptions options) {
    options.on_parked = [this](const DeadLetter& letter) { parked.push_back(letter); };
    return {.engine = std::move(options)};
  }
  Engine& engine() { return sim.engine(); }
  // Every event that was accepted has ended.
  bool AddsUp() {
    const QueueStats stats = engine().queue_stats();
    return stats.accepted == stats.ended && stats.ready + stats.delayed + stats.running == 0;
  }

  std::vector<DeadLetter> parked;
  Simulation sim;
};

// ---- WaitIdle ----

TEST_CASE("an idle engine is idle at once, again and again") {
  Simulation sim;
  CHECK(sim.engine().WaitIdle().ok());
  CHECK(sim.engine().WaitIdle(absl::ZeroDuration()).ok());
  CHECK(sim.Elapsed() == absl::ZeroDuration());
}

TEST_CASE("WaitIdle waits until every event has ended and every call has returned") {
  Simulation sim;
  REQUIRE(sim.engine().Register("fail", Fail).ok());
  REQUIRE(sim.engine().Register("sleep", SleepOneSecond).ok());
  REQUIRE(sim.engine().Post("fail", "{}").ok());
  CHECK(sim.engine().WaitIdle().ok());
  CHECK(sim.Elapsed() == absl::Seconds(180));
  const Future<std::string> call = sim.engine().Start("sleep", "{}");
  CHECK(sim.engine().WaitIdle().ok());
  CHECK(sim.Elapsed() == absl::Seconds(181));
}

TEST_CASE("WaitIdle gives up after its timeout, with the numbers, and may be called again") {
  Simulation sim;
  REQUIRE(sim.engine().Register("fail", Fail).ok());
  REQUIRE(sim.engine().Register("sleep", SleepOneSecond).ok());
  REQUIRE(sim.engine().PostAll("fail", std::vector<std::string>(3, "{}")).ok());
  REQUIRE(sim.engine().Post("sleep", "{}").ok());
  CHECK(Unsaid(sim.engine().WaitIdle(absl::Milliseconds(500)), absl::StatusCode::kDeadlineExceeded,
               {"500ms", "0 events ready", "3 delayed", "1 running"}) == "");
  CHECK(sim.Elapsed() == absl::Milliseconds(500));
  CHECK(!sim.engine().WaitIdle(absl::Seconds(179)).ok());
  CHECK(sim.engine().WaitIdle(absl::Seconds(1)).ok());
  CHECK(sim.Elapsed() == absl::Seconds(180));
}

TEST_CASE("WaitIdle with no time at all only looks") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", Nothing).ok());
  REQUIRE(sim.engine().Post("work", "{}").ok());
  CHECK(absl::IsDeadlineExceeded(sim.engine().WaitIdle(absl::ZeroDuration())));
  CHECK(absl::IsDeadlineExceeded(sim.engine().WaitIdle(-absl::Seconds(1))));
  CHECK(sim.engine().WaitIdle(absl::Nanoseconds(1)).ok());
}

TEST_CASE("a handler cannot wait for the engine to be idle, because it runs itself") {
  Simulation sim;
  std::optional<absl::Status> waited;
  REQUIRE(sim.engine().Register("wait", [&](std::string_view) { waited = sim.engine().WaitIdle(); }).ok());
  REQUIRE(sim.engine().Invoke("wait", "{}").ok());
  CHECK(Unsaid(*waited, absl::StatusCode::kFailedPrecondition, {"\"wait\""}) == "");
}

// ---- Drain ----

TEST_CASE("an idle engine drains at once and is closed for good") {
  Parking p;
  REQUIRE(p.engine().Register("work", Nothing).ok());
  REQUIRE(p.engine().Register("fail", [](std::string_view) { return Permanent(absl::AbortedError("no")); }).ok());
  const RequestId dead = p.engine().Post("fail", "{}").value();
  p.sim.RunUntilIdle();
  const DrainReport report = p.engine().Drain(absl::Hours(1), absl::Hours(2));
  CHECK(report.completed == 0);
  CHECK(report.parked == 0);
  CHECK(report.abandoned == 0);
  CHECK(p.sim.Elapsed() == absl::ZeroDuration());

  CHECK(Reason(p.engine().Invoke("work", "{}").status()) == reason::kEngineClosed);
  CHECK(Reason(p.engine().Start("work", "{}").Get().status()) == reason::kEngineClosed);
  CHECK(Reason(p.engine().Post("work", "{}").status()) == reason::kEngineClosed);
  CHECK(Reason(p.engine().PostAll("work", std::vector<std::string>{"{}"})) == reason::kEngineClosed);
  CHECK(Reason(p.engine().Check("work", "{}")) == reason::kEngineClosed);
  CHECK(Reason(p.engine().dead_letters().Redrive(dead).status()) == reason::kEngineClosed);
  CHECK(p.engine().dead_letters().size() == 1);  // may still be read
  CHECK(p.engine().WaitIdle().ok());
}

TEST_CASE("an observer is told how far a drain has come") {
  std::vector<std::string> told;
  struct Watch final : Observer {
    explicit Watch(std::vector<std::string>& told) : told(told) {}
    void OnActivity(const Activity& activity) override { told.emplace_back(ActivityName(activity.kind)); }
    std::vector<std::string>& told;
  } watch(told);
  {
    Parking p({.observer = &watch});
    REQUIRE(p.engine().Register("work", Nothing).ok());
    REQUIRE(p.engine().Post("work", "{}", {.delay = absl::Hours(1)}).ok());
    p.engine().Drain(absl::ZeroDuration(), absl::ZeroDuration());
    p.engine().Drain(absl::ZeroDuration(), absl::ZeroDuration());
  }
  CHECK(told == std::vector<std::string>{"registered", "accepted", "draining", "stopping", "ended", "closed"});
}

TEST_CASE("a second drain finds nothing to do") {
  Parking p;
  REQUIRE(p.engine().Register("work", Nothing).ok());
  REQUIRE(p.engine().Post("work", "{}").ok());
  CHECK(p.engine().Drain(absl::ZeroDuration(), absl::ZeroDuration()).parked == 1);
  const DrainReport again = p.engine().Drain(absl::Hours(1), absl::Hours(1));
  CHECK(again.completed + again.parked == 0);
  CHECK(p.parked.size() == 1);
}

TEST_CASE("up to the soft end accepted events go on and end") {
  Parking p({.concurrency = 2});
  REQUIRE(p.engine().Register("sleep", SleepOneSecond).ok());
  REQUIRE(p.engine().PostAll("sleep", std::vector<std::string>(10, "{}")).ok());
  const DrainReport report = p.engine().Drain(absl::Seconds(5), absl::Seconds(10));
  CHECK(report.completed == 10);
  CHECK(report.parked == 0);
  CHECK(p.sim.Elapsed() == absl::Seconds(5));
  CHECK(p.AddsUp());
}

TEST_CASE("a retry that falls due before the soft end is made") {
  Parking p;
  REQUIRE(p.engine().Register("work", Nothing).ok());
  p.sim.FailNext("work", absl::UnavailableError("down"));
  REQUIRE(p.engine().Post("work", "{}").ok());
  const DrainReport report = p.engine().Drain(absl::Seconds(61), absl::Seconds(62));
  CHECK(report.completed == 1);
  CHECK(p.sim.Elapsed() == absl::Seconds(60));
}

TEST_CASE("a retry that falls due later is parked, and nobody waits for it") {
  Parking p;
  REQUIRE(p.engine().Register("fail", Fail).ok());
  REQUIRE(p.engine().Post("fail", "{}").ok());
  const DrainReport report = p.engine().Drain(absl::Seconds(60) - absl::Nanoseconds(1), absl::Hours(1));
  CHECK(report.completed == 0);
  CHECK(report.parked == 1);
  CHECK(p.sim.Elapsed() == absl::ZeroDuration());
  CHECK(p.AddsUp());
}

TEST_CASE("a parked event is handed back as it is") {
  const std::string payload("a\0b", 3);
  Parking p;
  REQUIRE(p.engine().Register("fail", Fail).ok());
  const RequestId id = p.engine().Post("fail", payload).value();
  p.sim.AdvanceBy(absl::Seconds(10));
  const RequestId fresh = p.engine().Post("fail", "fresh").value();
  p.engine().Drain(absl::ZeroDuration(), absl::ZeroDuration());
  REQUIRE(p.parked.size() == 2);
  const DeadLetter& tried = p.parked[0].request_id == id ? p.parked[0] : p.parked[1];
  const DeadLetter& untried = p.parked[0].request_id == id ? p.parked[1] : p.parked[0];
  const absl::Time start = absl::FromUnixSeconds(1'700'000'000);

  CHECK(tried.request_id == id);
  CHECK(tried.function == "fail");
  CHECK(tried.condition == Condition::kParked);
  CHECK(tried.attempts == 1);
  REQUIRE(tried.errors.size() == 1);
  CHECK(tried.errors[0].error == FunctionError{"Unavailable", "down"});
  CHECK(tried.Bytes().value() == payload);
  CHECK(tried.accepted_at == start);
  CHECK(tried.died_at == start + absl::Seconds(10));
  CHECK(tried.spent.backing_off == absl::Seconds(10));
  CHECK(tried.spent.total() == absl::Seconds(10));

  CHECK(untried.request_id == fresh);
  CHECK(untried.attempts == 0);
  CHECK(untried.errors.empty());
  CHECK(untried.Bytes().value() == "fresh");
  CHECK(p.engine().dead_letters().size() == 0);
}

TEST_CASE("without anyone to take them, parked events are counted all the same") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", Nothing).ok());
  REQUIRE(sim.engine().PostAll("work", std::vector<std::string>(100, "{}")).ok());
  CHECK(sim.engine().Drain(absl::ZeroDuration(), absl::ZeroDuration()).parked == 100);
  CHECK(sim.Ledger().Count(Activity::Kind::kStarted) == 0);
}

TEST_CASE("after the soft end running handlers are asked to stop, and those that do are not abandoned") {
  std::optional<StopReason> seen;
  Parking p;
  const auto polite = [&](std::string_view, Context& ctx) -> absl::Status {
    if (ctx.Sleep(absl::Minutes(10))) return absl::OkStatus();
    seen = ctx.stop_reason();
    ctx.Sleep(absl::Seconds(1));  // returns at once
    return absl::CancelledError("asked to stop");
  };
  REQUIRE(p.engine().Register("polite", polite, {.timeout = absl::Minutes(15)}).ok());
  REQUIRE(p.engine().Post("polite", "{}").ok());
  Future<std::string> call = p.engine().Start("polite", "{}");
  p.sim.AdvanceBy(absl::Seconds(1));
  const DrainReport report = p.engine().Drain(absl::Seconds(2), absl::Seconds(100));
  CHECK(seen == StopReason::kDrain);
  CHECK(p.sim.Elapsed() == absl::Seconds(3));
  CHECK(report.completed == 0);
  CHECK(report.parked == 1);
  CHECK(report.abandoned == 0);
  REQUIRE(p.parked.size() == 1);
  CHECK(p.parked[0].attempts == 1);
  CHECK(p.parked[0].ErrorText() == "Cancelled: asked to stop");
  CHECK(FunctionErrorOf(std::move(call).Get().status())->type == "Cancelled");
  CHECK(p.AddsUp());
}

TEST_CASE("a handler that ends well in the hard phase completes its event") {
  Parking p;
  const auto finish = [](std::string_view, Context& ctx) {
    while (ctx.Sleep(absl::Seconds(1))) {
    }
  };
  REQUIRE(p.engine().Register("finish", finish, {.timeout = absl::Seconds(60)}).ok());
  REQUIRE(p.engine().Post("finish", "{}").ok());
  p.sim.AdvanceBy(absl::Milliseconds(1));
  const DrainReport report = p.engine().Drain(absl::ZeroDuration(), absl::Seconds(10));
  CHECK(report.completed == 1);
  CHECK(report.parked == 0);
  CHECK(p.AddsUp());
}

TEST_CASE("a handler that hangs is abandoned at the hard end, its event parked and its caller answered") {
  for (const OnOverrun on_overrun : {OnOverrun::kRelease, OnOverrun::kWait}) {
    Parking p;
    REQUIRE(p.engine().Register("hang", Nothing, {.timeout = absl::Minutes(15), .on_overrun = on_overrun}).ok());
    p.sim.Hang("hang");
    REQUIRE(p.engine().Post("hang", "stuck").ok());
    p.sim.AdvanceBy(absl::Seconds(1));
    const DrainReport report = p.engine().Drain(absl::Seconds(2), absl::Seconds(5));
    CHECK(p.sim.Elapsed() == absl::Seconds(6));
    CHECK(report.completed == 0);
    CHECK(report.parked == 1);
    CHECK(report.abandoned == 1);
    REQUIRE(p.parked.size() == 1);
    CHECK(p.parked[0].Bytes().value() == "stuck");
    CHECK(p.parked[0].attempts == 1);
    CHECK(p.parked[0].spent.queued == absl::ZeroDuration());
    CHECK(p.parked[0].spent.running == absl::Seconds(3));
    CHECK(p.parked[0].spent.stopping == absl::Seconds(3));
    CHECK(p.AddsUp());
  }
}

TEST_CASE("an attempt that fails while its event is being parked changes nothing of it") {
  // Ordered by nothing but chance, as a data race would be.
  struct Gates {
    std::atomic<int> attempts{0};
    std::atomic<bool> open{false};
  };
  for (int round = 0; round < 20; ++round) {
    INFO("round " << round);
    const auto gates = std::make_shared<Gates>();
    std::vector<DeadLetter> parked;
    Engine engine = *Engine::Create({.on_parked = [&](const DeadLetter& letter) {
      gates->open.store(true, std::memory_order_relaxed);
      parked.push_back(letter);
    }});
    const auto fail = [gates](std::string_view) -> absl::Status {
      if (gates->attempts.fetch_add(1, std::memory_order_relaxed) == 0) return absl::UnavailableError("first");
      while (!gates->open.load(std::memory_order_relaxed)) std::this_thread::yield();
      return absl::UnavailableError("second");
    };
    FunctionConfig config{.on_overrun = OnOverrun::kWait};
    config.event_invoke.retry_policy = RetryPolicy::Fixed(absl::ZeroDuration());
    REQUIRE(engine.Register("fail", fail, config).ok());
    REQUIRE(engine.Register("later", Nothing).ok());
    REQUIRE(engine.Post("fail", "{}").ok());
    REQUIRE(engine.Post("later", "{}", {.delay = absl::Hours(1)}).ok());
    while (gates->attempts.load(std::memory_order_relaxed) < 2) std::this_thread::yield();
    engine.Drain(absl::ZeroDuration(), absl::ZeroDuration());
    // It may have ended first: then what was parked, if anything, was its wait for the third.
    for (const DeadLetter& letter : parked) {
      CHECK(letter.spent.total() == letter.died_at - letter.accepted_at);
      if (letter.function != "fail") continue;
      CHECK(letter.attempts == 2);
      CHECK(letter.errors.size() <= 2);
    }
  }
}

TEST_CASE("the caller of a handler that hangs is answered at the hard end") {
  Parking p;
  REQUIRE(p.engine().Register("hang", Nothing, {.timeout = absl::Minutes(15)}).ok());
  p.sim.Hang("hang");
  Future<std::string> call = p.engine().Start("hang", "{}");
  p.sim.AdvanceBy(absl::Seconds(1));
  CHECK(p.engine().Drain(absl::ZeroDuration(), absl::Seconds(5)).abandoned == 1);
  const absl::Status status = std::move(call).Get().status();
  REQUIRE(FunctionErrorOf(status).has_value());
  CHECK(FunctionErrorOf(status)->type == "Runtime.ExitError");
  CHECK(p.sim.Elapsed() == absl::Seconds(6));
}

TEST_CASE("threads abandoned before the drain are in its report") {
  Parking p;
  REQUIRE(p.engine().Register("hang", Nothing).ok());
  p.sim.Hang("hang", 2);
  for (int i = 0; i < 2; ++i) CHECK(!p.engine().Invoke("hang", "{}").ok());
  CHECK(p.engine().Drain(absl::ZeroDuration(), absl::Seconds(1)).abandoned == 2);
}

TEST_CASE("a call that was started and not begun runs before the soft end, and is refused after it") {
  for (const absl::Duration soft : {absl::Duration(absl::Seconds(2)), absl::ZeroDuration()}) {
    Parking p;
    REQUIRE(p.engine().Register("sleep", SleepOneSecond).ok());
    Future<std::string> call = p.engine().Start("sleep", "{}");
    p.engine().Drain(soft, soft);
    const absl::Status status = std::move(call).Get().status();
    if (soft > absl::ZeroDuration()) {
      CHECK(status.ok());
    } else {
      CHECK(Reason(status) == reason::kEngineClosed);
      CHECK(!FunctionErrorOf(status).has_value());
    }
    CHECK(p.engine().idle());
  }
}

TEST_CASE("a hard end before the soft end is the soft end") {
  Parking p;
  REQUIRE(p.engine().Register("hang", Nothing, {.timeout = absl::Minutes(15)}).ok());
  p.sim.Hang("hang");
  REQUIRE(p.engine().Post("hang", "{}").ok());
  CHECK(p.engine().Drain(absl::Seconds(4), absl::Seconds(1)).abandoned == 1);
  CHECK(p.sim.Elapsed() == absl::Seconds(4));
}

TEST_CASE("while it drains a handler may call, start and post, and others may not") {
  absl::Status called;
  absl::Status started;
  absl::Status posted;
  int runs = 0;
  Parking p;
  const auto outer = [&](std::string_view, Context& ctx) {
    ctx.Sleep(absl::Seconds(1));
    called = p.engine().Invoke("work", "{}").status();
    started = p.engine().Start("work", "{}").Get().status();
    posted = p.engine().Post("work", "{}").status();
  };
  REQUIRE(p.engine().Register("outer", outer).ok());
  REQUIRE(p.engine().Register("work", [&](std::string_view) { ++runs; }).ok());
  REQUIRE(p.engine().Post("outer", "{}").ok());
  CHECK(p.engine().Drain(absl::Seconds(5), absl::Seconds(5)).completed == 2);
  CHECK(called.ok());
  CHECK(started.ok());
  CHECK(posted.ok());
  CHECK(runs == 3);
  CHECK(Reason(p.engine().Post("work", "{}").status()) == reason::kEngineClosed);
  CHECK(Reason(p.engine().Register("late", Nothing)) == reason::kEngineClosed);
  CHECK(Reason(p.engine().Remove("work")) == reason::kEngineClosed);
}

#if defined(__cpp_exceptions)
TEST_CASE("whatever on_parked throws, every event is handed back") {
  int parked = 0;
  Simulation sim({.engine = {.on_parked = [&](const DeadLetter&) {
                    ++parked;
                    throw std::runtime_error("full");
                  }}});
  REQUIRE(sim.engine().Register("work", Nothing).ok());
  REQUIRE(sim.engine().PostAll("work", std::vector<std::string>(5, "{}")).ok());
  CHECK(sim.engine().Drain(absl::ZeroDuration(), absl::ZeroDuration()).parked == 5);
  CHECK(parked == 5);
}
#endif

TEST_CASE("a drain says what its sinks have not taken") {
  class Refusing final : public DeadLetterQueue {
   public:
    absl::Status Put(std::span<const DeadLetter>) override { return absl::UnavailableError("no"); }
  };
  Simulation sim;
  const auto fail = [](std::string_view) { return Permanent(absl::UnavailableError("down")); };
  const auto refuse = Destination::Callback([](const InvocationRecord&) { return absl::UnavailableError("no"); });
  const EventInvokeConfig sinks = {.on_failure = refuse, .dead_letter_queue = std::make_shared<Refusing>()};
  REQUIRE(sim.engine().Register("fail", fail, {.event_invoke = sinks}).ok());
  REQUIRE(sim.engine().Post("fail", "{}").ok());
  CHECK(sim.engine().WaitIdle(absl::Seconds(1)).message().find("2 dead letters and records not taken") !=
        std::string::npos);
  const DrainReport report = sim.engine().Drain(absl::Seconds(5), absl::Seconds(5));
  CHECK(report.undelivered == 2);
  CHECK(report.completed == 0);  // it had ended before
}

TEST_CASE("a drain accounts for every event, whatever became of it") {
  Parking p({.concurrency = 4});
  REQUIRE(p.engine().Register("sleep", SleepOneSecond).ok());
  REQUIRE(p.engine().Register("fail", Fail).ok());
  REQUIRE(p.engine().Register("hang", Nothing, {.timeout = absl::Minutes(15)}).ok());
  REQUIRE(p.engine().Register("dead", [](std::string_view) { return Permanent(absl::AbortedError("no")); }).ok());
  p.sim.Hang("hang");
  REQUIRE(p.engine().Post("hang", "{}").ok());
  p.sim.AdvanceBy(absl::Milliseconds(1));
  REQUIRE(p.engine().PostAll("sleep", std::vector<std::string>(20, "{}")).ok());
  REQUIRE(p.engine().PostAll("fail", std::vector<std::string>(5, "{}")).ok());
  REQUIRE(p.engine().PostAll("dead", std::vector<std::string>(3, "{}")).ok());
  const DrainReport report = p.engine().Drain(absl::Seconds(4), absl::Seconds(6));
  CHECK(p.sim.Elapsed() == absl::Seconds(6) + absl::Milliseconds(1));
  CHECK(report.completed + report.parked == 1 + 20 + 5 + 3);
  CHECK(report.parked == p.parked.size());
  CHECK(report.parked >= 1 + 5);
  CHECK(report.abandoned == 1);
  CHECK(p.engine().dead_letters().size() == 3);
  CHECK(p.AddsUp());
}

TEST_CASE("a dead letter that is owed to its queue is delivered before the soft end, and kept after it") {
  struct Sink final : DeadLetterQueue {
    absl::Status Put(std::span<const DeadLetter> letters) override {
      if (failures-- > 0) return absl::UnavailableError("full");
      taken += letters.size();
      return absl::OkStatus();
    }
    int failures = 2;
    std::size_t taken = 0;
  };
  for (const bool in_time : {true, false}) {
    const auto sink = std::make_shared<Sink>();
    Parking p;
    REQUIRE(p.engine()
                .Register("fail", Fail, {.event_invoke = {.maximum_retry_attempts = 0, .dead_letter_queue = sink}})
                .ok());
    REQUIRE(p.engine().Post("fail", "{}").ok());
    const absl::Duration soft = in_time ? absl::Seconds(4) : absl::Seconds(2);  // offered at 0, 1 and 3 s
    const DrainReport report = p.engine().Drain(soft, soft);
    CHECK(report.completed == 1);
    CHECK(sink->taken == (in_time ? 1U : 0U));
    CHECK(p.engine().dead_letters().size() == (in_time ? 0U : 1U));
  }
}

// ---- the destructor ----

TEST_CASE("an engine that is destroyed under a handler on the host's thread leaves alive what the handler touches") {
  std::vector<std::function<void()>> posted;
  std::thread host;
  std::promise<void> begun;
  std::promise<void> release;
  std::atomic<int> parked{0};
  const auto captured = std::make_shared<int>(0);
  {
    // The first piece of work runs on a thread of the host's, the others never.
    const auto post = [&](std::function<void()> work) {
      if (host.joinable()) return posted.push_back(std::move(work));
      host = std::thread(std::move(work));
    };
    Engine engine = *Engine::Create({.threads = HostThreads{post},
                                     .destroy_grace = absl::ZeroDuration(),
                                     .on_parked = [&](const DeadLetter&) { ++parked; }});
    const auto hang = [&begun, &release, captured](std::string_view event) {
      begun.set_value();
      release.get_future().wait();
      *captured = static_cast<int>(event.size());
    };
    REQUIRE(engine.Register("hang", hang, {.timeout = absl::Minutes(15)}).ok());
    REQUIRE(engine.Post("hang", "12345").ok());
    begun.get_future().wait();
    REQUIRE(engine.Post("hang", "never begun").ok());
  }
  CHECK(parked == 2);

  release.set_value();
  host.join();
  CHECK(*captured == 5);
  CHECK(captured.use_count() == 1);                         // and then it went
  for (const std::function<void()>& late : posted) late();  // finds nothing to do
}

TEST_CASE(
    "an engine that is destroyed under a handler that another thread polls leaves alive what the handler touches") {
  std::promise<void> begun;
  std::promise<void> release;
  const auto captured = std::make_shared<int>(0);
  std::thread polling;
  {
    Engine engine = *Engine::Create({.threads = NoThreads{}, .destroy_grace = absl::ZeroDuration()});
    const auto hang = [&begun, &release, captured](std::string_view event) {
      begun.set_value();
      release.get_future().wait();
      *captured = static_cast<int>(event.size());
    };
    REQUIRE(engine.Register("hang", hang, {.timeout = absl::Minutes(15)}).ok());
    REQUIRE(engine.Post("hang", "12345").ok());
    polling = std::thread([&engine] { engine.Poll(); });
    begun.get_future().wait();
    const DrainReport report = engine.Drain(absl::ZeroDuration(), absl::ZeroDuration());
    CHECK(report.abandoned == 1);
    CHECK(report.parked == 1);
  }
  release.set_value();
  polling.join();
  CHECK(*captured == 5);
  CHECK(captured.use_count() == 1);  // and then it went
}

// ---- at the hard end ----

TEST_CASE("an idle engine whose threads wait for work abandons none of them, though it has no time at all") {
  for (int i = 0; i < 50; ++i) {
    Engine engine = *Engine::Create({});
    REQUIRE(engine.Register("work", Nothing).ok());
    REQUIRE(engine.PostAll("work", std::vector<std::string>(10, "{}")).ok());
    REQUIRE(engine.Invoke("work", "{}").ok());
    REQUIRE(engine.WaitIdle().ok());
    CHECK(engine.Drain(absl::ZeroDuration(), absl::ZeroDuration()).abandoned == 0);
  }
}

TEST_CASE("a drain leaves behind the thread that watches the time, where an observer keeps it") {
  class Stuck final : public Observer {
   public:
    void OnActivity(const Activity& activity) override {
      if (activity.kind != Activity::Kind::kTimedOut) return;
      in.set_value();
      out.get_future().wait();
    }
    std::promise<void> in;
    std::promise<void> out;
  } observer;
  std::promise<void> release;
  std::promise<void> gone;
  {
    Engine engine = *Engine::Create({.destroy_grace = absl::ZeroDuration(), .observer = &observer});
    const std::shared_ptr<void> captured(nullptr, [&gone](std::nullptr_t) { gone.set_value(); });
    REQUIRE(engine
                .Register("hang", [&release, captured](std::string_view) { release.get_future().wait(); },
                          {.timeout = absl::Milliseconds(1)})
                .ok());
    REQUIRE(engine.Post("hang", "{}").ok());
    observer.in.get_future().wait();
    CHECK(engine.Drain(absl::ZeroDuration(), absl::ZeroDuration()).abandoned == 2);
  }
  observer.out.set_value();
  release.set_value();
  gone.get_future().wait();  // once both threads have let go of the engine
}

}  // namespace
}  // namespace runlet
