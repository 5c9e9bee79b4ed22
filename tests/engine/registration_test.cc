// Register, Replace, Remove and EngineOptions: every mistake comes back as one Status that names the thing and the
// numbers.
#include <limits>
#include <memory>
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
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

std::string Echo(std::string_view event) { return std::string(event); }

absl::Status Registered(Simulation& sim, std::string_view name, FunctionConfig config = {}) {
  return sim.engine().Register(name, Echo, config);
}
absl::Status Registered(FunctionConfig config) {
  Simulation sim;
  return Registered(sim, "resize", config);
}

// ---- names ----

TEST_CASE("a function name has 1 to 64 letters, digits, hyphens and underscores") {
  Simulation sim;
  for (const std::string& name : {std::string("a"), std::string("Az-_09"), std::string(64, 'n')}) {
    INFO(name);
    CHECK(Registered(sim, name).ok());
    CHECK(sim.engine().Invoke(name, "{}").ok());
  }
}

TEST_CASE("a name that is none is refused by every verb, in the same words") {
  Simulation sim;
  const std::string with_nul("a\0b", 3);
  const std::vector<std::string> names = {"",    std::string(65, 'n'), "a b", "a.b",
                                          "a/b", "\xc3\xa9t\xc3\xa9",  "a\n", with_nul};
  for (const std::string& name : names) {
    INFO(name);
    const absl::Status status = Registered(sim, name);
    CHECK(status.code() == kInvalid);
    CHECK(sim.engine().Replace(name, Echo) == status);
    CHECK(sim.engine().Remove(name) == status);
    CHECK(sim.engine().Invoke(name, "{}").status() == status);
    CHECK(sim.engine().Start(name, "{}").Get().status() == status);
    CHECK(sim.engine().Post(name, "{}").status() == status);
    CHECK(sim.engine().Check(name, "{}") == status);
    CHECK(sim.engine().Metrics(name).status() == status);
    CHECK(sim.engine().Config(name).status() == status);
  }
  CHECK(Unsaid(Registered(sim, std::string(65, 'n')), kInvalid, {std::string(65, 'n'), "65", "64"}) == "");
  CHECK(Unsaid(Registered(sim, "a b"), kInvalid, {"\"a b\""}) == "");
}

TEST_CASE("an unknown function is NotFound for every verb") {
  Simulation sim;
  const absl::Status status = sim.engine().Invoke("nobody", "{}").status();
  CHECK(Unsaid(status, absl::StatusCode::kNotFound, {"\"nobody\"", "not registered"}) == "");
  CHECK(!FunctionErrorOf(status).has_value());
  CHECK(Reason(status).empty());
  CHECK(sim.engine().Start("nobody", "{}").Get().status() == status);
  CHECK(sim.engine().Post("nobody", "{}").status() == status);
  CHECK(sim.engine().PostAll("nobody", std::vector<std::string>{"{}"}) == status);
  CHECK(sim.engine().Check("nobody", "{}") == status);
  CHECK(sim.engine().Replace("nobody", Echo) == status);
  CHECK(sim.engine().Remove("nobody") == status);
  CHECK(sim.engine().Metrics("nobody").status() == status);
  CHECK(sim.engine().Config("nobody").status() == status);
}

TEST_CASE("names differ by case, and by every letter") {
  Simulation sim;
  REQUIRE(sim.engine().Register("Resize", [] { return "upper"; }).ok());
  REQUIRE(sim.engine().Register("resize", [] { return "lower"; }).ok());
  CHECK(sim.engine().Invoke("Resize", "{}").value() == "upper");
  CHECK(sim.engine().Invoke("resize", "{}").value() == "lower");
  CHECK(!sim.engine().Invoke("resizes", "{}").ok());
}

// ---- life of a name ----

TEST_CASE("a name is registered once, until it is removed") {
  Simulation sim;
  REQUIRE(sim.engine().Register("resize", [] { return "first"; }).ok());
  CHECK(Unsaid(Registered(sim, "resize"), absl::StatusCode::kAlreadyExists, {"\"resize\""}) == "");
  CHECK(sim.engine().Invoke("resize", "{}").value() == "first");

  REQUIRE(sim.engine().Remove("resize").ok());
  CHECK(absl::IsNotFound(sim.engine().Invoke("resize", "{}").status()));
  CHECK(absl::IsNotFound(sim.engine().Remove("resize")));
  CHECK(absl::IsNotFound(sim.engine().Replace("resize", Echo)));
  CHECK(absl::IsNotFound(sim.engine().Config("resize").status()));
  CHECK(sim.engine().Metrics("resize").value().invocations == 1);  // what was, was

  REQUIRE(sim.engine().Register("resize", [] { return "second"; }).ok());
  CHECK(sim.engine().Invoke("resize", "{}").value() == "second");
  CHECK(sim.engine().Metrics("resize").value().invocations == 2);
}

TEST_CASE("a refused registration leaves what was there") {
  Simulation sim;
  REQUIRE(sim.engine().Register("resize", [] { return "first"; }, {.timeout = absl::Seconds(7)}).ok());
  CHECK(!sim.engine().Replace("resize", [] { return "second"; }, {.timeout = absl::ZeroDuration()}).ok());
  CHECK(sim.engine().Invoke("resize", "{}").value() == "first");
  CHECK(sim.engine().Config("resize").value().timeout == absl::Seconds(7));
}

TEST_CASE("what runs when its function is replaced ends on the old code") {
  Simulation sim;
  const auto slow = [](std::string_view, Context& ctx) {
    ctx.Sleep(absl::Seconds(1));
    return "old";
  };
  REQUIRE(sim.engine().Register("resize", slow).ok());
  Future<std::string> running = sim.engine().Start("resize", "{}");
  sim.AdvanceBy(absl::Milliseconds(500));
  REQUIRE(sim.engine().Replace("resize", [] { return "new"; }).ok());
  CHECK(sim.engine().Invoke("resize", "{}").value() == "new");
  CHECK(std::move(running).Get().value() == "old");
}

TEST_CASE("what a handler captured goes when nobody can run it any more") {
  Simulation sim;
  auto captured = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = captured;
  REQUIRE(sim.engine()
              .Register("resize", [captured](std::string_view, Context& ctx) { ctx.Sleep(absl::Seconds(1)); })
              .ok());
  captured.reset();
  Future<std::string> running = sim.engine().Start("resize", "{}");
  sim.AdvanceBy(absl::Milliseconds(500));
  REQUIRE(sim.engine().Replace("resize", Echo).ok());
  CHECK(!watch.expired());
  sim.AdvanceBy(absl::Seconds(1));
  CHECK(watch.expired());
}

TEST_CASE("a function may be registered, replaced and removed by a handler, itself included") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto change = [&engine](std::string_view) -> absl::Status {
    if (absl::Status status = engine.Register("other", Echo); !status.ok()) return status;
    if (absl::Status status = engine.Replace("self", Echo); !status.ok()) return status;
    return engine.Remove("self");
  };
  REQUIRE(engine.Register("self", change).ok());
  CHECK(engine.Invoke("self", "{}").ok());
  CHECK(engine.Invoke("other", "x").value() == "x");
  CHECK(absl::IsNotFound(engine.Invoke("self", "{}").status()));
}

// ---- FunctionConfig ----

TEST_CASE("a timeout is 1 ms to 15 min") {
  const absl::Duration ns = absl::Nanoseconds(1);
  CHECK(Registered({.timeout = absl::Milliseconds(1)}).ok());
  CHECK(Registered({.timeout = absl::Minutes(15)}).ok());
  CHECK(Unsaid(Registered({.timeout = absl::ZeroDuration()}), kInvalid, {"\"resize\"", "timeout", "0", "1ms", "15m"}) ==
        "");
  CHECK(Unsaid(Registered({.timeout = absl::Milliseconds(1) - ns}), kInvalid, {"timeout", "999.999us"}) == "");
  CHECK(Unsaid(Registered({.timeout = absl::Minutes(15) + ns}), kInvalid, {"timeout", "15m0.000000001s"}) == "");
  CHECK(Registered({.timeout = -absl::Seconds(1)}).code() == kInvalid);
  CHECK(Registered({.timeout = absl::InfiniteDuration()}).code() == kInvalid);
}

TEST_CASE("reserved concurrency is 0 or more, and its sum is the engine's concurrency at most") {
  Simulation sim({.engine = {.concurrency = 10}});
  CHECK(Unsaid(Registered(sim, "minus", {.reserved_concurrency = -1}), kInvalid,
               {"\"minus\"", "reserved_concurrency", "-1"}) == "");
  CHECK(Unsaid(Registered(sim, "eleven", {.reserved_concurrency = 11}), kInvalid, {"\"eleven\"", "11", "10"}) == "");
  CHECK(Registered(sim, "none", {.reserved_concurrency = 0}).ok());
  CHECK(Registered(sim, "seven", {.reserved_concurrency = 7}).ok());
  CHECK(Unsaid(Registered(sim, "four", {.reserved_concurrency = 4}), kInvalid, {"\"four\"", "4", "10", "3"}) == "");
  CHECK(Registered(sim, "three", {.reserved_concurrency = 3}).ok());

  // Its own reservation does not stand in a function's way, and a removed one's is free.
  CHECK(sim.engine().Replace("seven", Echo, {.reserved_concurrency = 7}).ok());
  CHECK(!sim.engine().Replace("seven", Echo, {.reserved_concurrency = 8}).ok());
  REQUIRE(sim.engine().Remove("three").ok());
  CHECK(sim.engine().Replace("seven", Echo, {.reserved_concurrency = 10}).ok());
}

TEST_CASE("retries are 0 to 1,000") {
  const auto retries = [](int n) { return Registered({.event_invoke = {.maximum_retry_attempts = n}}); };
  CHECK(retries(0).ok());
  CHECK(retries(1000).ok());
  CHECK(Unsaid(retries(-1), kInvalid, {"\"resize\"", "maximum_retry_attempts", "-1", "0 to 1000"}) == "");
  CHECK(Unsaid(retries(1001), kInvalid, {"maximum_retry_attempts", "1001", "0 to 1000"}) == "");
}

TEST_CASE("an event age is 1 ms to 365 days") {
  const absl::Duration ns = absl::Nanoseconds(1);
  const auto age = [](absl::Duration d) { return Registered({.event_invoke = {.maximum_event_age = d}}); };
  CHECK(age(absl::Milliseconds(1)).ok());
  CHECK(age(absl::Hours(24 * 365)).ok());
  CHECK(Unsaid(age(absl::Milliseconds(1) - ns), kInvalid, {"maximum_event_age", "999.999us", "1ms"}) == "");
  CHECK(Unsaid(age(absl::Hours(24 * 365) + ns), kInvalid, {"maximum_event_age", "8760h"}) == "");
}

TEST_CASE("a retry policy waits 0 to 24 h") {
  const absl::Duration ns = absl::Nanoseconds(1);
  const absl::Duration day = absl::Hours(24);
  const auto policy = [](RetryPolicy p) { return Registered({.event_invoke = {.retry_policy = p}}); };
  CHECK(policy(RetryPolicy::Fixed(absl::ZeroDuration())).ok());
  CHECK(policy(RetryPolicy::Fixed(day)).ok());
  CHECK(Unsaid(policy(RetryPolicy::Fixed(-ns)), kInvalid, {"\"resize\"", "retry_policy", "-1ns"}) == "");
  CHECK(Unsaid(policy(RetryPolicy::Fixed(day + ns)), kInvalid, {"retry_policy", "24h"}) == "");
  CHECK(policy(RetryPolicy::Exponential(ns, ns)).ok());
  CHECK(policy(RetryPolicy::Exponential(ns, day)).ok());
  CHECK(Unsaid(policy(RetryPolicy::Exponential(absl::ZeroDuration(), day)), kInvalid, {"base", "0"}) == "");
  CHECK(Unsaid(policy(RetryPolicy::Exponential(absl::Seconds(2), absl::Seconds(1))), kInvalid, {"2s", "1s"}) == "");
  CHECK(policy(RetryPolicy::Exponential(ns, day + ns)).code() == kInvalid);
}

TEST_CASE("a thread that the engine does not own cannot be released at the deadline") {
  CHECK(Unsaid(Registered({.run_on = RunOn::kCaller, .on_overrun = OnOverrun::kRelease}), kInvalid,
               {"\"resize\"", "kRelease", "kCaller"}) == "");
  CHECK(Registered({.run_on = RunOn::kCaller, .on_overrun = OnOverrun::kWait}).ok());
  CHECK(Registered({.on_overrun = OnOverrun::kRelease}).ok());

  Engine polled = *Engine::Create({.threads = NoThreads{}});
  CHECK(Unsaid(polled.Register("resize", Echo, {.on_overrun = OnOverrun::kRelease}), kInvalid,
               {"\"resize\"", "kRelease"}) == "");
  CHECK(polled.Register("resize", Echo, {.on_overrun = OnOverrun::kWait}).ok());
}

TEST_CASE("Config tells what a function was registered with") {
  Simulation sim;
  CHECK(Registered(sim, "plain").ok());
  const FunctionConfig defaults = sim.engine().Config("plain").value();
  CHECK(defaults.timeout == absl::Seconds(3));
  CHECK(!defaults.reserved_concurrency.has_value());
  CHECK(defaults.run_on == RunOn::kPool);
  CHECK(defaults.event_invoke.maximum_retry_attempts == 2);
  CHECK(defaults.event_invoke.maximum_event_age == absl::Hours(6));
  CHECK(defaults.event_invoke.retry_policy == RetryPolicy::Lambda());

  REQUIRE(sim.engine().Replace("plain", Echo, {.timeout = absl::Seconds(9), .reserved_concurrency = 4}).ok());
  CHECK(sim.engine().Config("plain").value().timeout == absl::Seconds(9));
  CHECK(sim.engine().Config("plain").value().reserved_concurrency == 4);
}

TEST_CASE("an engine knows every name that was ever registered, the first one first") {
  Simulation sim;
  CHECK(sim.engine().FunctionNames().empty());
  for (const std::string_view name : {"resize", "archive", "mail"}) REQUIRE(Registered(sim, name).ok());
  CHECK(!Registered(sim, "no name").ok());
  REQUIRE(sim.engine().Remove("archive").ok());
  REQUIRE(sim.engine().Replace("resize", Echo).ok());
  REQUIRE(Registered(sim, "archive").ok());
  CHECK(sim.engine().FunctionNames() == std::vector<std::string>{"resize", "archive", "mail"});
}

// ---- EngineOptions ----

TEST_CASE("engine options out of their range are refused by name, with value and range") {
  const auto refused = [](EngineOptions options, std::initializer_list<std::string_view> parts) {
    return Unsaid(Engine::Create(std::move(options)).status(), kInvalid, parts);
  };
  CHECK(refused({.concurrency = 0}, {"concurrency", "0", "1 to 1000000"}) == "");
  CHECK(refused({.concurrency = 1'000'001}, {"concurrency", "1000001"}) == "");
  CHECK(refused({.max_abandoned = -1}, {"max_abandoned", "-1", "0 to 10000"}) == "");
  CHECK(refused({.max_abandoned = 10'001}, {"max_abandoned", "10001"}) == "");
  CHECK(refused({.threads = OwnThreads{.max_threads = -1}}, {"max_threads", "-1", "0 to 10000"}) == "");
  CHECK(refused({.threads = OwnThreads{.max_threads = 10'001}}, {"max_threads", "10001"}) == "");
  CHECK(refused({.threads = HostThreads{}}, {"HostThreads", "post"}) == "");
  CHECK(refused({.memory_queue = {.events = 0}}, {"memory_queue.events", "0", "10000000"}) == "");
  CHECK(refused({.memory_queue = {.events = 10'000'001}}, {"memory_queue.events", "10000001"}) == "");
  CHECK(refused({.memory_queue = {.bytes = 0}}, {"memory_queue.bytes", "0"}) == "");
  CHECK(refused({.memory_queue = {.dead_letters = 0}}, {"memory_queue.dead_letters", "0"}) == "");
  CHECK(refused({.memory_queue = {.dead_letters = 10'000'001}}, {"memory_queue.dead_letters", "10000001"}) == "");
  CHECK(refused({.destroy_grace = -absl::Nanoseconds(1)}, {"destroy_grace", "-1ns", "1h"}) == "");
  CHECK(refused({.destroy_grace = absl::Hours(1) + absl::Nanoseconds(1)}, {"destroy_grace", "1h"}) == "");
}

TEST_CASE("engine options at the ends of their ranges are taken") {
  CHECK(Engine::Create({.concurrency = 1, .threads = NoThreads{}, .max_abandoned = 0}).ok());
  CHECK(Engine::Create({.concurrency = 1'000'000, .threads = NoThreads{}, .max_abandoned = 10'000}).ok());
  CHECK(Engine::Create({.threads = NoThreads{}, .memory_queue = {.events = 1, .bytes = 1, .dead_letters = 1}}).ok());
  CHECK(Engine::Create({.threads = NoThreads{}, .destroy_grace = absl::ZeroDuration()}).ok());
  CHECK(Engine::Create({.threads = NoThreads{}, .destroy_grace = absl::Hours(1)}).ok());
}

}  // namespace
}  // namespace runlet
