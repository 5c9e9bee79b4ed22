// Who may run: caps, reservations, waiting for a place, and nested calls that must not deadlock.
#include <optional>
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
using Answer = absl::StatusOr<std::string>;

void HoldOneSecond(std::string_view, Context& ctx) { ctx.Sleep(absl::Seconds(1)); }

std::vector<Future<std::string>> StartMany(Engine& engine, std::string_view name, int count) {
  std::vector<Future<std::string>> calls;
  for (int i = 0; i < count; ++i) calls.push_back(engine.Start(name, "{}"));
  return calls;
}
std::size_t Refused(std::vector<Future<std::string>> calls) {
  std::size_t refused = 0;
  for (Future<std::string>& call : calls) refused += std::move(call).Get().ok() ? 0 : 1;
  return refused;
}

// ---- caps ----

TEST_CASE("a reservation made under load is given what runs as it ends: the engine's concurrency holds") {
  Simulation sim({.engine = {.concurrency = 3}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("crowd", HoldOneSecond).ok());
  std::vector<Future<std::string>> crowd = StartMany(engine, "crowd", 3);
  REQUIRE(engine.Register("owner", HoldOneSecond, {.reserved_concurrency = 2}).ok());
  CHECK(Reason(engine.Invoke("owner", "{}").status()) == reason::kReservedFunctionConcurrentInvocationLimitExceeded);
  CHECK(sim.Elapsed() == absl::ZeroDuration());
  // Waiting for a place is waiting for those.
  CHECK(engine.Invoke("owner", "{}", {.wait_for_capacity = absl::Seconds(2)}).ok());
  CHECK(sim.Elapsed() == absl::Seconds(2));
  CHECK(Refused(std::move(crowd)) == 0);
  CHECK(Refused(StartMany(engine, "owner", 2)) == 0);
  CHECK(Refused(StartMany(engine, "crowd", 2)) == 1);
}

TEST_CASE("events of a function that is given a reservation under load are not throttled for ever") {
  Simulation sim({.engine = {.concurrency = 2}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("work", HoldOneSecond).ok());
  REQUIRE(engine.PostAll("work", std::vector<std::string>(6, "{}")).ok());
  sim.AdvanceBy(absl::Milliseconds(500));
  REQUIRE(engine.Replace("work", HoldOneSecond, {.reserved_concurrency = 1}).ok());
  sim.RunUntilIdle();
  CHECK(engine.Metrics("work").value().invocations == 6);
  REQUIRE(engine.PostAll("work", std::vector<std::string>(2, "{}")).ok());
  REQUIRE(engine.Replace("work", HoldOneSecond).ok());
  sim.RunUntilIdle();
  CHECK(engine.Metrics("work").value().invocations == 8);
}

TEST_CASE("as many calls run as the engine's concurrency, and the next is refused at once") {
  Simulation sim({.engine = {.concurrency = 3}});
  REQUIRE(sim.engine().Register("work", HoldOneSecond).ok());
  CHECK(Refused(StartMany(sim.engine(), "work", 3)) == 0);
  CHECK(sim.Elapsed() == absl::Seconds(1));

  std::vector<Future<std::string>> full = StartMany(sim.engine(), "work", 3);
  const absl::Status status = sim.engine().Invoke("work", "{}").status();
  CHECK(Reason(status) == reason::kConcurrentInvocationLimitExceeded);
  CHECK(sim.Elapsed() == absl::Seconds(1));  // no wait
  CHECK(Refused(std::move(full)) == 0);
  CHECK(sim.engine().Invoke("work", "{}").ok());
}

TEST_CASE("a permit is held from the call, not from the start") {
  Simulation sim({.engine = {.concurrency = 2}});
  REQUIRE(sim.engine().Register("work", HoldOneSecond).ok());
  std::vector<Future<std::string>> queued = StartMany(sim.engine(), "work", 2);
  CHECK(sim.Ledger().Count(Activity::Kind::kStarted) == 0);  // nothing has run yet
  CHECK(Reason(sim.engine().Start("work", "{}").Get().status()) == reason::kConcurrentInvocationLimitExceeded);
  CHECK(Refused(std::move(queued)) == 0);
}

TEST_CASE("a function runs as often as it has reserved, and no more") {
  Simulation sim({.engine = {.concurrency = 10}});
  REQUIRE(sim.engine().Register("two", HoldOneSecond, {.reserved_concurrency = 2}).ok());
  std::vector<Future<std::string>> full = StartMany(sim.engine(), "two", 2);
  const absl::Status status = sim.engine().Invoke("two", "{}").status();
  CHECK(Reason(status) == reason::kReservedFunctionConcurrentInvocationLimitExceeded);
  CHECK(Refused(std::move(full)) == 0);
  CHECK(sim.engine().Invoke("two", "{}").ok());
}

TEST_CASE("reserved permits are there for their owner, and the others share what is left") {
  Simulation sim({.engine = {.concurrency = 5}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("owner", HoldOneSecond, {.reserved_concurrency = 2}).ok());
  REQUIRE(engine.Register("one", HoldOneSecond).ok());
  REQUIRE(engine.Register("another", HoldOneSecond).ok());
  std::vector<Future<std::string>> crowd = StartMany(engine, "one", 2);
  crowd.push_back(engine.Start("another", "{}"));
  for (const std::string_view name : {"one", "another"}) {
    CHECK(Reason(engine.Invoke(name, "{}").status()) == reason::kConcurrentInvocationLimitExceeded);
  }
  CHECK(Refused(StartMany(engine, "owner", 2)) == 0);
  CHECK(Refused(std::move(crowd)) == 0);
}

TEST_CASE("what is not reserved may be nothing") {
  Simulation sim({.engine = {.concurrency = 1}});
  REQUIRE(sim.engine().Register("all", HoldOneSecond, {.reserved_concurrency = 1}).ok());
  REQUIRE(sim.engine().Register("rest", HoldOneSecond).ok());
  CHECK(Reason(sim.engine().Invoke("rest", "{}").status()) == reason::kConcurrentInvocationLimitExceeded);
  CHECK(sim.engine().Invoke("all", "{}").ok());
  REQUIRE(sim.engine().Remove("all").ok());
  CHECK(sim.engine().Invoke("rest", "{}").ok());
}

TEST_CASE("reserved concurrency 0 refuses every call") {
  Simulation sim;
  REQUIRE(sim.engine().Register("zero", HoldOneSecond, {.reserved_concurrency = 0}).ok());
  CHECK(Reason(sim.engine().Invoke("zero", "{}").status()) ==
        reason::kReservedFunctionConcurrentInvocationLimitExceeded);
  CHECK(!sim.engine().Invoke("zero", "{}", {.wait_for_capacity = absl::Seconds(5)}).ok());
  CHECK(!sim.engine().Start("zero", "{}").Get().ok());
}

// ---- waiting for a place ----

TEST_CASE("a caller may wait for a place, and runs when one comes free") {
  Simulation sim({.engine = {.concurrency = 1}});
  Engine& engine = sim.engine();
  for (const RunOn run_on : {RunOn::kPool, RunOn::kCaller}) {
    REQUIRE(engine.Register("work", HoldOneSecond, {.run_on = run_on}).ok());
    REQUIRE(engine.Register("holder", HoldOneSecond).ok());
    const absl::Duration begin = sim.Elapsed();
    Future<std::string> held = engine.Start("holder", "{}");
    CHECK(engine.Invoke("work", "{}", {.wait_for_capacity = absl::Seconds(5)}).ok());
    CHECK(sim.Elapsed() - begin == absl::Seconds(2));
    CHECK(std::move(held).Get().ok());
    REQUIRE(engine.Remove("work").ok());
    REQUIRE(engine.Remove("holder").ok());
  }
}

TEST_CASE("a caller waits for a place no longer than it said") {
  Simulation sim({.engine = {.concurrency = 1}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("work", HoldOneSecond).ok());
  Future<std::string> held = engine.Start("work", "{}");
  const absl::Status status = engine.Invoke("work", "{}", {.wait_for_capacity = absl::Milliseconds(900)}).status();
  CHECK(Reason(status) == reason::kConcurrentInvocationLimitExceeded);
  CHECK(sim.Elapsed() == absl::Milliseconds(900));
  CHECK(engine.Metrics("work").value().throttles == 1);
  CHECK(std::move(held).Get().ok());
}

TEST_CASE("what a caller waits for a place comes on top of the timeout") {
  Simulation sim({.engine = {.concurrency = 1}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("work", HoldOneSecond, {.timeout = absl::Milliseconds(1001)}).ok());
  Future<std::string> held = engine.Start("work", "{}");
  CHECK(engine.Invoke("work", "{}", {.wait_for_capacity = absl::Seconds(5)}).ok());
  CHECK(sim.Elapsed() == absl::Seconds(2));
  CHECK(std::move(held).Get().ok());
}

TEST_CASE("a place that a removal frees wakes who waits for it") {
  Simulation sim({.engine = {.concurrency = 2}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("idle", HoldOneSecond, {.reserved_concurrency = 1}).ok());
  REQUIRE(engine.Register("work", HoldOneSecond).ok());
  const auto remove = [&](std::string_view, Context& ctx) {
    ctx.Sleep(absl::Milliseconds(100));
    CHECK(engine.Remove("idle").ok());
  };
  REQUIRE(engine.Register("remover", remove).ok());
  Future<std::string> removal = engine.Start("remover", "{}");  // holds the only unreserved permit
  CHECK(engine.Invoke("work", "{}", {.wait_for_capacity = absl::Seconds(5)}).ok());
  CHECK(sim.Elapsed() == absl::Milliseconds(1100));
  CHECK(std::move(removal).Get().ok());
}

TEST_CASE("a place that a larger reservation makes wakes who waits for it") {
  Simulation sim({.engine = {.concurrency = 5}});
  Engine& engine = sim.engine();
  const auto enlarge = [&](std::string_view event, Context& ctx) {
    if (event == "enlarge") {
      ctx.Sleep(absl::Milliseconds(100));
      CHECK(engine.Replace("work", HoldOneSecond, {.reserved_concurrency = 2}).ok());
      ctx.Sleep(absl::Seconds(2));
    }
  };
  REQUIRE(engine.Register("work", enlarge, {.reserved_concurrency = 1}).ok());
  Future<std::string> held = engine.Start("work", "enlarge");
  CHECK(engine.Invoke("work", "{}", {.wait_for_capacity = absl::Seconds(5)}).ok());
  CHECK(sim.Elapsed() == absl::Milliseconds(1100));
  CHECK(std::move(held).Get().ok());
}

// ---- limits that change, and rates ----

TEST_CASE("what a function reserves may change while it runs, and nothing else of it does") {
  Simulation sim({.engine = {.concurrency = 4}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("work", HoldOneSecond, {.timeout = absl::Seconds(7)}).ok());
  std::vector<Future<std::string>> held = StartMany(engine, "work", 4);
  REQUIRE(engine.SetReservedConcurrency("work", 2).ok());
  CHECK(engine.Config("work").value().reserved_concurrency == 2);
  CHECK(engine.Config("work").value().timeout == absl::Seconds(7));
  CHECK(Refused(std::move(held)) == 0);
  CHECK(Refused(StartMany(engine, "work", 3)) == 1);
  REQUIRE(engine.SetReservedConcurrency("work", 0).ok());
  CHECK(Reason(engine.Invoke("work", "{}").status()) == reason::kReservedFunctionConcurrentInvocationLimitExceeded);
  REQUIRE(engine.SetReservedConcurrency("work", std::nullopt).ok());
  CHECK(!engine.Config("work").value().reserved_concurrency.has_value());
  CHECK(Refused(StartMany(engine, "work", 4)) == 0);
  CHECK(Unsaid(engine.SetReservedConcurrency("work", 5), absl::StatusCode::kInvalidArgument, {"\"work\"", "5", "4"}) ==
        "");
  CHECK(Unsaid(engine.SetReservedConcurrency("work", -1), absl::StatusCode::kInvalidArgument, {"\"work\"", "-1"}) ==
        "");
  CHECK(absl::IsNotFound(engine.SetReservedConcurrency("nobody", 1)));
}

TEST_CASE("an unreserved minimum is left to the functions that reserve nothing") {
  Simulation sim({.engine = {.concurrency = 10, .unreserved_minimum = 4}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("a", HoldOneSecond, {.reserved_concurrency = 6}).ok());
  const absl::Status status = engine.Register("b", HoldOneSecond, {.reserved_concurrency = 1});
  CHECK(Unsaid(status, absl::StatusCode::kInvalidArgument, {"\"b\"", "is 1", "only 0", "unreserved_minimum", "4"}) ==
        "");
  CHECK(engine.Register("zero", HoldOneSecond, {.reserved_concurrency = 0}).ok());
  CHECK(!Engine::Create({.concurrency = 3, .unreserved_minimum = 4}).ok());
}

TEST_CASE("with a rate as many calls a second are taken as permits and rate allow, and events are not limited") {
  Simulation sim({.engine = {.concurrency = 5, .requests_per_permit = 10}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("quick", [](std::string_view) {}).ok());
  REQUIRE(engine.Register("own", [](std::string_view) {}, {.reserved_concurrency = 1}).ok());
  const auto taken = [&](std::string_view name, int calls) {
    int count = 0;
    for (int i = 0; i < calls; ++i) count += engine.Invoke(name, "").ok() ? 1 : 0;
    return count;
  };
  CHECK(taken("quick", 100) == 40);  // 4 unreserved permits
  CHECK(taken("own", 100) == 10);
  CHECK(Reason(engine.Invoke("quick", "").status()) == reason::kFunctionInvocationRateLimitExceeded);
  const absl::Status own = engine.Start("own", "").Get().status();
  CHECK(Reason(own) == reason::kReservedFunctionInvocationRateLimitExceeded);
  CHECK(Unsaid(own, absl::StatusCode::kResourceExhausted, {"\"own\"", "10 requests a second", "1 reserved"}) == "");
  CHECK(engine.Metrics("own").value().throttles == 91);
  REQUIRE(engine.PostAll("own", std::vector<std::string>(50, "")).ok());
  sim.AdvanceBy(absl::Milliseconds(500));
  CHECK(engine.Metrics("own").value().invocations == 60);
  CHECK(taken("own", 100) == 5);
  CHECK(engine.idle());
}

TEST_CASE("Lambda's quotas are those of an account") {
  const EngineOptions options = EngineOptions::LambdaQuotas();
  CHECK(options.concurrency == 1000);
  CHECK(options.unreserved_minimum == 100);
  CHECK(options.requests_per_permit == 10);
  CHECK(Engine::Create(options).ok());
}

// ---- nested calls ----

// Calls itself until it is `levels` deep; answers how deep it got.
struct Recursion {
  explicit Recursion(EngineOptions options, FunctionConfig config = {}) : sim({.engine = std::move(options)}) {
    const auto call = [this](std::string_view event, Context& ctx) -> Answer {
      const int left = std::stoi(std::string(event));
      deepest = ctx.invocation().depth;
      if (left <= 1) return "bottom";
      return sim.engine().Invoke("deep", std::to_string(left - 1));
    };
    REQUIRE(sim.engine().Register("deep", call, config).ok());
  }
  absl::Status Call(int levels) { return sim.engine().Invoke("deep", std::to_string(levels)).status(); }

  Simulation sim;
  int deepest = 0;
};

TEST_CASE("calls nest to a depth of 16, and a 17th level is refused by name") {
  Recursion recursion({});
  CHECK(recursion.Call(16).ok());
  CHECK(recursion.deepest == 16);
  std::optional<absl::Status> innermost;
  const auto look = [&](std::string_view event) -> Answer {
    const int left = std::stoi(std::string(event));
    Answer answer = recursion.sim.engine().Invoke("look", std::to_string(left - 1));
    if (!innermost.has_value() && !answer.ok()) innermost = answer.status();
    return answer;
  };
  REQUIRE(recursion.sim.engine().Register("look", look).ok());
  CHECK(!recursion.sim.engine().Invoke("look", "99").ok());
  CHECK(Reason(*innermost) == reason::kRecursiveInvocation);
  CHECK(innermost->code() == absl::StatusCode::kFailedPrecondition);
  CHECK(innermost->message().find("17 levels deep") != std::string::npos);
  CHECK(!FunctionErrorOf(*innermost).has_value());
  CHECK(recursion.sim.engine().Metrics("look").value().invocations == 16);
}

TEST_CASE("a nested call borrows its parent's permit, so one permit is enough for any depth") {
  Recursion recursion({.concurrency = 1});
  CHECK(recursion.Call(16).ok());
}

TEST_CASE("a nested call takes the callee's reserved permit, and gives it back") {
  Simulation sim({.engine = {.concurrency = 2}});
  Engine& engine = sim.engine();
  const auto outer = [&](std::string_view) -> Answer { return engine.Invoke("inner", "{}"); };
  REQUIRE(engine.Register("outer", outer).ok());
  REQUIRE(engine.Register("inner", HoldOneSecond, {.reserved_concurrency = 1}).ok());
  Future<std::string> held = engine.Start("inner", "{}");
  CHECK(Reason(engine.Invoke("inner", "{}").status()) == reason::kReservedFunctionConcurrentInvocationLimitExceeded);
  CHECK(!engine.Invoke("outer", "{}").ok());
  CHECK(std::move(held).Get().ok());
  CHECK(engine.Invoke("outer", "{}").ok());
  CHECK(engine.Invoke("inner", "{}").ok());
  CHECK(engine.idle());
}

TEST_CASE("a function whose ancestors hold all its reserved permits is refused at once, even when it would wait") {
  for (const absl::Duration wait : {absl::ZeroDuration(), absl::Duration(absl::Hours(1))}) {
    Simulation sim;
    Engine& engine = sim.engine();
    std::optional<absl::Status> refusal;
    const auto self = [&](std::string_view) -> Answer {
      Answer answer = engine.Invoke("self", "{}", {.wait_for_capacity = wait});
      if (!answer.ok() && !refusal.has_value()) refusal = answer.status();
      return answer;
    };
    REQUIRE(engine.Register("self", self, {.reserved_concurrency = 2}).ok());
    CHECK(!engine.Invoke("self", "{}").ok());
    REQUIRE(refusal.has_value());
    CHECK(Reason(*refusal) == reason::kReservedFunctionConcurrentInvocationLimitExceeded);
    CHECK(sim.Elapsed() == absl::ZeroDuration());
    CHECK(engine.Metrics("self").value().invocations == 2);
  }
}

TEST_CASE("a nested call waits for what others than its ancestors hold") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto self = [&](std::string_view event, Context& ctx) -> Answer {
    if (event == "hold") ctx.Sleep(absl::Seconds(1));
    if (event != "outer") return "held";
    return engine.Invoke("self", "inner", {.wait_for_capacity = absl::Seconds(2)});
  };
  REQUIRE(engine.Register("self", self, {.reserved_concurrency = 2}).ok());
  Future<std::string> held = engine.Start("self", "hold");
  CHECK(engine.Invoke("self", "outer").ok());
  CHECK(sim.Elapsed() == absl::Seconds(1));
  CHECK(std::move(held).Get().ok());
}

TEST_CASE("a nested call inherits what is left of its parent's time, and can only shorten it") {
  Simulation sim;
  Engine& engine = sim.engine();
  std::vector<absl::Duration> left;
  const auto inner = [&](std::string_view, Context& ctx) { left.push_back(ctx.remaining_time()); };
  const auto outer = [&](std::string_view, Context& ctx) {
    ctx.Sleep(absl::Seconds(1));
    (void)engine.Invoke("long", "{}");
    (void)engine.Invoke("long", "{}", {.timeout = absl::Milliseconds(300)});
    (void)engine.Invoke("long", "{}", {.timeout = absl::Hours(1)});
    (void)engine.Invoke("short", "{}");
  };
  REQUIRE(engine.Register("long", inner, {.timeout = absl::Minutes(5)}).ok());
  REQUIRE(engine.Register("short", inner, {.timeout = absl::Milliseconds(500)}).ok());
  REQUIRE(engine.Register("outer", outer, {.timeout = absl::Seconds(3)}).ok());
  REQUIRE(engine.Invoke("outer", "{}").ok());
  CHECK(left == std::vector<absl::Duration>{absl::Seconds(2), absl::Milliseconds(300), absl::Seconds(2),
                                            absl::Milliseconds(500)});
}

TEST_CASE("a nested call after the deadline never runs") {
  Simulation sim;
  Engine& engine = sim.engine();
  std::optional<absl::Status> nested;
  const auto outer = [&](std::string_view, Context& ctx) {
    ctx.Sleep(absl::Hours(1));
    nested = engine.Invoke("inner", "{}").status();
  };
  int runs = 0;
  REQUIRE(engine.Register("inner", [&](std::string_view) { ++runs; }).ok());
  REQUIRE(engine.Register("outer", outer).ok());
  CHECK(!engine.Invoke("outer", "{}").ok());
  sim.AdvanceBy(absl::Seconds(1));
  REQUIRE(nested.has_value());
  CHECK(Reason(*nested) == reason::kNoThreadInTime);
  CHECK(runs == 0);
}

TEST_CASE("an event that a handler posts stands on its own permit, depth and time") {
  Simulation sim({.engine = {.concurrency = 1}});
  Engine& engine = sim.engine();
  std::vector<int> depths;
  const auto chain = [&](std::string_view event, Context& ctx) {
    depths.push_back(ctx.invocation().depth);
    CHECK(ctx.remaining_time() == absl::Seconds(3));
    if (event.size() < 3) CHECK(engine.Post("chain", std::string(event) + "x").ok());
    ctx.Sleep(absl::Seconds(1));
  };
  REQUIRE(engine.Register("chain", chain).ok());
  REQUIRE(engine.Post("chain", "x").ok());
  sim.RunUntilIdle();
  CHECK(depths == std::vector<int>{1, 1, 1});
  CHECK(engine.Metrics("chain").value().throttles == 0);
}

}  // namespace
}  // namespace runlet
