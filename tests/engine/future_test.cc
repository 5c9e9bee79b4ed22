// Future: a call that was started, waited for or not, cancelled or not, inside and outside of handlers.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"
#include "tests/engine/unsaid.h"

namespace runlet {
namespace {

using testing::Simulation;
using Answer = absl::StatusOr<std::string>;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

Answer SleepOneSecond(std::string_view event, Context& ctx) {
  if (!ctx.Sleep(absl::Seconds(1))) return absl::CancelledError("woken");
  return std::string(event) + " done";
}

TEST_CASE("Start does not wait, and nothing runs until somebody does") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", SleepOneSecond).ok());
  Future<std::string> call = sim.engine().Start("work", "a");
  CHECK(sim.Elapsed() == absl::ZeroDuration());
  CHECK(sim.Ledger().Count(Activity::Kind::kStarted) == 0);
  CHECK(std::move(call).Get().value() == "a done");
  CHECK(sim.Elapsed() == absl::Seconds(1));
}

TEST_CASE("started calls run side by side, and may be got in any order") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", SleepOneSecond).ok());
  std::vector<Future<std::string>> calls;
  for (int i = 0; i < 10; ++i) calls.push_back(sim.engine().Start("work", std::to_string(i)));
  for (int i = 9; i >= 0; --i) {
    CHECK(std::move(calls[static_cast<std::size_t>(i)]).Get().value() == std::to_string(i) + " done");
  }
  CHECK(sim.Elapsed() == absl::Seconds(1));
}

TEST_CASE("WaitUntil is true once the result is there, and false when the time comes first") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", SleepOneSecond).ok());
  Future<std::string> call = sim.engine().Start("work", "a");
  CHECK(!call.WaitUntil(kStart - absl::Hours(1)));
  CHECK(!call.WaitUntil(kStart + absl::Milliseconds(999)));
  CHECK(sim.Elapsed() == absl::Milliseconds(999));
  CHECK(call.WaitUntil(kStart + absl::Seconds(2)));
  CHECK(sim.Elapsed() == absl::Seconds(1));
  CHECK(call.WaitUntil(kStart));  // stays true
  CHECK(std::move(call).Get().ok());
}

TEST_CASE("WaitUntil for ever ends at the deadline") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", SleepOneSecond).ok());
  sim.Hang("work");
  Future<std::string> call = sim.engine().Start("work", "a");
  CHECK(call.WaitUntil(absl::InfiniteFuture()));
  CHECK(sim.Elapsed() == absl::Seconds(3));
  CHECK(FunctionErrorOf(std::move(call).Get().status())->type == "Sandbox.Timedout");
}

TEST_CASE("a refused call is a future that is there already") {
  Simulation sim;
  Future<std::string> call = sim.engine().Start("nobody", "a");
  CHECK(call.request_id() == RequestId());
  CHECK(call.WaitUntil(kStart));
  call.Cancel();
  CHECK(absl::IsNotFound(std::move(call).Get().status()));
}

TEST_CASE("a future moves") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", SleepOneSecond).ok());
  Future<std::string> first = sim.engine().Start("work", "first");
  const RequestId id = first.request_id();
  CHECK(id != RequestId());
  Future<std::string> second = sim.engine().Start("work", "second");
  second = std::move(first);
  CHECK(second.request_id() == id);
  Future<std::string> third(std::move(second));
  CHECK(std::move(third).Get().value() == "first done");
}

TEST_CASE("a future that is dropped neither waits nor cancels") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", SleepOneSecond).ok());
  { const Future<std::string> dropped = sim.engine().Start("work", "a"); }
  CHECK(sim.Elapsed() == absl::ZeroDuration());
  sim.RunUntilIdle();
  CHECK(sim.engine().Metrics("work").value().invocations == 1);
  CHECK(sim.engine().Metrics("work").value().errors == 0);
}

TEST_CASE("a result that nobody takes is let go") {
  Simulation sim;
  constexpr Function<int, std::shared_ptr<int>> kMake{"make"};
  std::weak_ptr<int> watch;
  const auto make = [&](int n) {
    auto made = std::make_shared<int>(n);
    watch = made;
    return made;
  };
  REQUIRE(sim.engine().Register(kMake, make).ok());
  {
    const Future<std::shared_ptr<int>> call = sim.engine().Start(kMake, 7);
    sim.RunUntilIdle();
    CHECK(!watch.expired());
  }
  CHECK(watch.expired());
}

// ---- Cancel ----

TEST_CASE("a call that is cancelled before it began never runs") {
  Simulation sim({.engine = {.concurrency = 1}});
  REQUIRE(sim.engine().Register("work", SleepOneSecond).ok());
  Future<std::string> call = sim.engine().Start("work", "a");
  call.Cancel();
  CHECK(sim.engine().Start("work", "b").Get().ok());  // its permit is free
  const absl::Status status = std::move(call).Get().status();
  CHECK(Unsaid(status, absl::StatusCode::kCancelled, {"\"work\"", "before it began"}) == "");
  CHECK(!FunctionErrorOf(status).has_value());
  sim.RunUntilIdle();
  CHECK(sim.engine().Metrics("work").value().invocations == 1);
}

TEST_CASE("a running handler is asked to stop, and what it returns is the result") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", SleepOneSecond).ok());
  StopReason seen = StopReason::kNone;
  const auto finish = [&](std::string_view, Context& ctx) {
    ctx.Sleep(absl::Seconds(1));
    seen = ctx.stop_reason();
    return "finished anyway";
  };
  REQUIRE(sim.engine().Register("finish", finish).ok());
  Future<std::string> work = sim.engine().Start("work", "a");
  Future<std::string> stubborn = sim.engine().Start("finish", "a");
  sim.AdvanceBy(absl::Milliseconds(400));
  work.Cancel();
  stubborn.Cancel();
  work.Cancel();  // once more changes nothing
  const absl::Status status = std::move(work).Get().status();
  CHECK(FunctionErrorOf(status) == FunctionError{"Cancelled", "woken"});
  CHECK(std::move(stubborn).Get().value() == "finished anyway");
  CHECK(seen == StopReason::kCaller);
  CHECK(sim.Elapsed() == absl::Milliseconds(400));
}

TEST_CASE("a call that has ended cannot be cancelled") {
  Simulation sim;
  REQUIRE(sim.engine().Register("work", SleepOneSecond).ok());
  Future<std::string> call = sim.engine().Start("work", "a");
  sim.RunUntilIdle();
  call.Cancel();
  CHECK(std::move(call).Get().value() == "a done");
}

TEST_CASE("a cancelled call does not stop the next one in its place") {
  Simulation sim({.engine = {.concurrency = 1}});
  REQUIRE(sim.engine().Register("work", SleepOneSecond).ok());
  Future<std::string> call = sim.engine().Start("work", "a");
  sim.AdvanceBy(absl::Milliseconds(1));
  call.Cancel();
  CHECK(!std::move(call).Get().ok());
  CHECK(sim.engine().Invoke("work", "b").ok());
}

// ---- inside handlers ----

TEST_CASE("a handler may start calls and get them, and others go on meanwhile") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto scatter = [&](std::string_view) -> Answer {
    std::vector<Future<std::string>> calls;
    for (int i = 0; i < 5; ++i) calls.push_back(engine.Start("work", std::to_string(i)));
    std::string all;
    for (Future<std::string>& call : calls) all += std::move(call).Get().value().substr(0, 1);
    return all;
  };
  REQUIRE(engine.Register("work", SleepOneSecond).ok());
  REQUIRE(engine.Register("scatter", scatter, {.timeout = absl::Seconds(10)}).ok());
  CHECK(engine.Invoke("scatter", "{}").value() == "01234");
  CHECK(sim.Elapsed() <= absl::Seconds(5));  // what no thread has begun is run by the one that waits
}

TEST_CASE("a started call takes a permit of its own, also from a handler") {
  Simulation sim({.engine = {.concurrency = 1}});
  Engine& engine = sim.engine();
  std::optional<absl::Status> refused;
  const auto outer = [&](std::string_view) { refused = engine.Start("work", "{}").Get().status(); };
  REQUIRE(engine.Register("work", SleepOneSecond).ok());
  REQUIRE(engine.Register("outer", outer).ok());
  CHECK(engine.Invoke("outer", "{}").ok());
  CHECK(Reason(*refused) == reason::kConcurrentInvocationLimitExceeded);
}

TEST_CASE("a started call keeps its own deadline, not the one of the handler that made it") {
  Simulation sim;
  Engine& engine = sim.engine();
  std::optional<Future<std::string>> left;
  const auto outer = [&](std::string_view) { left = engine.Start("work", "kept"); };
  REQUIRE(engine.Register("work", SleepOneSecond).ok());
  REQUIRE(engine.Register("outer", outer, {.timeout = absl::Milliseconds(10)}).ok());
  CHECK(engine.Invoke("outer", "{}").ok());
  CHECK(std::move(*left).Get().value() == "kept done");
}

TEST_CASE("a started call is one level deeper than the handler that made it") {
  Simulation sim;
  Engine& engine = sim.engine();
  int deepest = 0;
  const auto chain = [&](std::string_view, Context& ctx) -> Answer {
    deepest = std::max(deepest, ctx.invocation().depth);
    return engine.Start("chain", "{}").Get();
  };
  REQUIRE(engine.Register("chain", chain, {.timeout = absl::Seconds(30)}).ok());
  CHECK(!engine.Invoke("chain", "{}").ok());
  CHECK(deepest == 16);
}

TEST_CASE("a call that only its own ancestors keep from starting is refused at once, even when it would wait") {
  std::vector<absl::Status> refusals;
  Simulation sim({.engine = {.concurrency = 2}});
  Engine& engine = sim.engine();
  const auto self = [&](std::string_view name) {
    refusals.push_back(engine.Start(name, "{}", {.wait_for_capacity = absl::Hours(1)}).Get().status());
  };
  REQUIRE(engine.Register("reserved", self, {.reserved_concurrency = 1}).ok());
  REQUIRE(engine.Register("shared", self).ok());
  CHECK(engine.Invoke("reserved", "reserved").ok());
  CHECK(engine.Invoke("shared", "shared").ok());
  REQUIRE(refusals.size() == 2);
  CHECK(Reason(refusals[0]) == reason::kReservedFunctionConcurrentInvocationLimitExceeded);
  CHECK(Reason(refusals[1]) == reason::kConcurrentInvocationLimitExceeded);
  CHECK(sim.Elapsed() == absl::ZeroDuration());
}

TEST_CASE("a call that a handler starts waits for a place no longer than the handler has") {
  std::optional<absl::Status> refused;
  absl::Duration at;
  Simulation sim({.engine = {.concurrency = 2}});
  Engine& engine = sim.engine();
  const auto outer = [&](std::string_view) {
    refused = engine.Start("work", "{}", {.wait_for_capacity = absl::Hours(1)}).Get().status();
    at = sim.Elapsed();
  };
  REQUIRE(engine.Register("work", SleepOneSecond, {.timeout = absl::Minutes(15), .reserved_concurrency = 1}).ok());
  REQUIRE(engine.Register("outer", outer, {.timeout = absl::Milliseconds(500)}).ok());
  Future<std::string> held = engine.Start("work", "{}");
  CHECK(!engine.Invoke("outer", "{}").ok());
  CHECK(std::move(held).Get().ok());
  sim.AdvanceBy(absl::Minutes(1));
  REQUIRE(refused.has_value());
  CHECK(Reason(*refused) == reason::kReservedFunctionConcurrentInvocationLimitExceeded);
  CHECK(at == absl::Milliseconds(500));
}

// ---- the end of the engine ----

TEST_CASE("a future may outlive its engine, and tells what became of the call") {
  std::optional<Future<std::string>> unrun;
  std::optional<Future<std::string>> done;
  std::optional<Future<std::string>> dropped;
  {
    Engine engine = *Engine::Create({.threads = NoThreads{}, .destroy_grace = absl::ZeroDuration()});
    REQUIRE(engine.Register("echo", [](std::string_view event) { return std::string(event); }).ok());
    done = engine.Start("echo", "a");
    while (engine.Poll() > 0) {
    }
    unrun = engine.Start("echo", "b");
    dropped = engine.Start("echo", "c");
  }
  CHECK(unrun->WaitUntil(absl::InfinitePast()));
  unrun->Cancel();
  const absl::Status status = std::move(*unrun).Get().status();
  CHECK(Reason(status) == reason::kEngineClosed);
  CHECK(!FunctionErrorOf(status).has_value());
  CHECK(std::move(*done).Get().value() == "a");
  dropped.reset();
}

TEST_CASE("a call has the id that its caller chose, in its context too") {
  Simulation sim;
  REQUIRE(sim.engine().Register("id", [](std::string_view, Context& ctx) { return ctx.request_id().ToString(); }).ok());
  const RequestId chosen = RequestId::FromBits(7, 8);
  Future<std::string> call = sim.engine().Start("id", "", {.request_id = chosen});
  CHECK(call.request_id() == chosen);
  CHECK(std::move(call).Get().value() == chosen.ToString());
  REQUIRE(sim.engine()
              .Register("here", [](std::string_view, Context& ctx) { return ctx.request_id().ToString(); },
                        {.run_on = RunOn::kCaller})
              .ok());
  CHECK(sim.engine().Invoke("here", "", {.request_id = chosen}).value() == chosen.ToString());
}

TEST_CASE("run_here runs a function of the caller's inside Start, and no other") {
  Simulation sim;
  REQUIRE(sim.engine().Register("here", [](std::string_view event) { return event; }, {.run_on = RunOn::kCaller}).ok());
  REQUIRE(sim.engine().Register("there", [](std::string_view event) { return event; }).ok());
  const InvokeOptions here = {.run_here = true};
  Future<std::string> call = sim.engine().Start("here", "a", here);
  CHECK(call.executed_version() == "$LATEST");
  CHECK(std::move(call).Get().value() == "a");
  CHECK(sim.engine().Start("there", "a", here).executed_version().empty());
  CHECK(sim.engine().Start("here", "a").executed_version().empty());
  sim.RunUntilIdle();
  CHECK(sim.engine().Metrics("here")->invocations == 2);
}

}  // namespace
}  // namespace runlet
