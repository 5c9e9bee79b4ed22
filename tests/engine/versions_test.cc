// Versions and aliases, and what is provisioned for them.
#include <absl/strings/str_replace.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runlet/observe/log_lines.h"
#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"
#include "tests/engine/unsaid.h"

namespace runlet {
namespace {

using testing::Simulation;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

// Answers its text, and as whom it was called.
auto Saying(std::string text) {
  return [text](std::string_view, Context& ctx) {
    return text + ' ' + std::string(ctx.function_name()) + ' ' + std::string(ctx.function_version()) + ' ' +
           std::string(ctx.qualifier());
  };
}
void HoldOneSecond(std::string_view, Context& ctx) { ctx.Sleep(absl::Seconds(1)); }

std::string Answer(Engine& engine, std::string_view name) {
  const absl::StatusOr<std::string> answer = engine.Invoke(name, "{}");
  return answer.ok() ? *answer : std::string(answer.status().message());
}

// ---- versions ----

TEST_CASE("a published version keeps its code and its configuration, whatever is registered later") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", Saying("one"), {.timeout = absl::Seconds(1), .memory_size = 256}).ok());
  CHECK(engine.PublishVersion("f").value() == "1");
  REQUIRE(engine.Replace("f", Saying("two"), {.timeout = absl::Seconds(2)}).ok());
  CHECK(Answer(engine, "f") == "two f $LATEST ");
  CHECK(Answer(engine, "f:$LATEST") == "two f $LATEST $LATEST");
  CHECK(Answer(engine, "f:1") == "one f 1 1");
  CHECK(engine.Config("f:1").value().timeout == absl::Seconds(1));
  CHECK(engine.Config("f:1").value().memory_size == 256);
  CHECK(engine.PublishVersion("f").value() == "2");
  CHECK(Answer(engine, "f:2") == "two f 2 2");
  CHECK(engine.ListVersions("f").value() == std::vector<std::string>{"$LATEST", "1", "2"});
}

TEST_CASE("publishing what has not changed answers the version that it is already") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", Saying("one")).ok());
  CHECK(engine.PublishVersion("f").value() == "1");
  CHECK(engine.PublishVersion("f").value() == "1");
  // Neither is part of a version.
  REQUIRE(engine.SetReservedConcurrency("f", 2).ok());
  REQUIRE(engine.SetEventInvokeConfig("f", {.maximum_retry_attempts = 0}).ok());
  CHECK(engine.PublishVersion("f").value() == "1");
  REQUIRE(engine.Replace("f", Saying("one")).ok());
  CHECK(engine.PublishVersion("f").value() == "2");
}

TEST_CASE("every verb takes a qualifier, and says of a wrong one what is wrong") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", Saying("one")).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  CHECK(engine.Start("f:1", "{}").Get().value() == "one f 1 1");
  CHECK(engine.Post("f:1", "{}").ok());
  CHECK(engine.PostAll("f:1", std::vector<std::string>{"{}", "{}"}).ok());
  CHECK(engine.Check("f:1", "{}").ok());
  sim.RunUntilIdle();
  CHECK(engine.Metrics("f:1").value().invocations == 4);
  for (const std::string name : {"f:2", "f:live", "f:$latest", "g:1", "f:01"}) {
    INFO(name);
    CHECK(Unsaid(engine.Invoke(name, "{}").status(), kNotFound, {'"' + name + '"', "not registered"}) == "");
    CHECK(engine.Start(name, "{}").Get().status().code() != absl::StatusCode::kOk);
    CHECK(engine.Post(name, "{}").status().code() != absl::StatusCode::kOk);
  }
  CHECK(Unsaid(engine.Invoke("f:", "{}").status(), kInvalid, {"\"f\"", "0 characters"}) == "");
  CHECK(Unsaid(engine.Invoke("f:a b", "{}").status(), kInvalid, {"a b", "\"f\""}) == "");
  CHECK(Unsaid(engine.Invoke("f:" + std::string(129, 'q'), "{}").status(), kInvalid, {"129", "128"}) == "");
  CHECK(Unsaid(engine.Register("f:1", Saying("x")), kInvalid, {"f:1"}) == "");
  CHECK(Unsaid(engine.Replace("f:1", Saying("x")), kInvalid, {"f:1"}) == "");
  CHECK(Unsaid(engine.SetReservedConcurrency("f:1", 1), kInvalid, {"f:1"}) == "");
  CHECK(Unsaid(engine.PublishVersion("f:1").status(), kInvalid, {"f:1"}) == "");
  CHECK(Unsaid(engine.PublishVersion("g").status(), kNotFound, {"g"}) == "");
}

inline constexpr Function<int, int> kAdd{"add"};

TEST_CASE("a typed function is called by qualifier through a handle, which follows its alias") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register(kAdd, [](int event) { return event + 1; }).ok());
  REQUIRE(engine.PublishVersion("add").ok());
  REQUIRE(engine.Replace(kAdd, [](int event) { return event + 2; }).ok());
  REQUIRE(engine.PublishVersion("add").ok());
  REQUIRE(engine.CreateAlias("add", {.name = "live", .version = "1"}).ok());
  const auto live = engine.Bind(kAdd, "live");
  REQUIRE(live.ok());
  CHECK(live->Invoke(1).value() == 2);
  REQUIRE(engine.UpdateAlias("add", {.name = "live", .version = "2"}).ok());
  CHECK(live->Invoke(1).value() == 3);
  CHECK(live->Start(1).Get().value() == 3);
  CHECK(live->Post(1).ok());
  CHECK(engine.Bind(kAdd, "1").value().Invoke(1).value() == 2);
  CHECK(Unsaid(engine.Bind(kAdd, "3").status(), kNotFound, {"add:3"}) == "");
  sim.RunUntilIdle();
  CHECK(engine.Metrics("add:live").value().invocations == 4);
}

inline constexpr Function<int, std::string> kWho{"who"};

TEST_CASE("a handler is told $LATEST where its caller named that, and nothing where the caller named nothing") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register(kWho, [](int, Context& ctx) { return std::string(ctx.qualifier()); }).ok());
  CHECK(engine.Bind(kWho).value().Invoke(1).value().empty());
  CHECK(engine.Bind(kWho, "$LATEST").value().Invoke(1).value() == "$LATEST");
  CHECK(engine.Bind(kWho, "$LATEST").value().Start(1).Get().value() == "$LATEST");
  REQUIRE(engine.Register("f", Saying("one")).ok());
  CHECK(engine.Start("f:$LATEST", "{}").Get().value() == "one f $LATEST $LATEST");
  CHECK(engine.Start("f", "{}").Get().value() == "one f $LATEST ");
  REQUIRE(engine.CreateAlias("f", {.name = "live", .version = "$LATEST"}).ok());
  CHECK(engine.Start("f:live", "{}").Get().value() == "one f $LATEST live");
  REQUIRE(engine.Register("caller", [&](std::string_view) { return engine.Invoke("f:$LATEST", "{}"); }).ok());
  CHECK(Answer(engine, "caller") == "one f $LATEST $LATEST");
}

// ---- aliases ----

TEST_CASE("an alias leads where it was moved to last, and to $LATEST as it is then") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", Saying("one")).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.CreateAlias("f", {.name = "live", .version = "1"}).ok());
  REQUIRE(engine.CreateAlias("f", {.name = "next", .version = "$LATEST"}).ok());
  REQUIRE(engine.Replace("f", Saying("two")).ok());
  CHECK(Answer(engine, "f:live") == "one f 1 live");
  CHECK(Answer(engine, "f:next") == "two f $LATEST next");
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.UpdateAlias("f", {.name = "live", .version = "2"}).ok());
  CHECK(Answer(engine, "f:live") == "two f 2 live");
  const std::vector<Alias> aliases = engine.ListAliases("f").value();
  REQUIRE(aliases.size() == 2);
  CHECK(aliases[0] == Alias{.name = "live", .version = "2"});
  CHECK(aliases[1] == Alias{.name = "next", .version = "$LATEST"});
}

TEST_CASE("a wrong alias is refused, and says what is wrong with it") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", Saying("one")).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.Replace("f", Saying("two")).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.CreateAlias("f", {.name = "live", .version = "1"}).ok());
  const auto refusal = [&](const Alias& alias) { return engine.CreateAlias("f", alias); };
  CHECK(Unsaid(refusal({.name = "live", .version = "1"}), absl::StatusCode::kAlreadyExists, {"\"f\"", "\"live\""}) ==
        "");
  CHECK(Unsaid(refusal({.name = "12", .version = "1"}), kInvalid, {"\"12\"", "\"f\""}) == "");
  CHECK(Unsaid(refusal({.name = "$LATEST", .version = "1"}), kInvalid, {"$LATEST"}) == "");
  CHECK(Unsaid(refusal({.name = "a.b", .version = "1"}), kInvalid, {"a.b"}) == "");
  CHECK(Unsaid(refusal({.name = "", .version = "1"}), kInvalid, {"0 characters"}) == "");
  CHECK(Unsaid(refusal({.name = "x", .version = "7"}), kNotFound, {"\"f\"", "\"7\""}) == "");
  CHECK(Unsaid(refusal({.name = "x", .version = "live"}), kNotFound, {"\"live\""}) == "");
  CHECK(Unsaid(refusal({.name = "x", .version = ""}), kNotFound, {"\"f\""}) == "");
  CHECK(Unsaid(refusal({"x", "1", "7", 0.5}), kNotFound, {"\"7\""}) == "");
  CHECK(Unsaid(refusal({"x", "1", "2", 1.5}), kInvalid, {"\"x\"", "1.5"}) == "");
  CHECK(Unsaid(refusal({"x", "1", "2", -0.1}), kInvalid, {"-0.1"}) == "");
  CHECK(Unsaid(refusal({"x", "1", "2", 0.0 / 0.0}), kInvalid, {"nan"}) == "");
  CHECK(Unsaid(refusal({"x", "1", "", 0.5}), kInvalid, {"0.5", "additional_version"}) == "");
  CHECK(Unsaid(refusal({"x", "1", "1", 0.5}), kInvalid, {"both 1"}) == "");
  CHECK(Unsaid(refusal({"x", "1", "$LATEST", 0.5}), kInvalid, {"$LATEST"}) == "");
  CHECK(Unsaid(refusal({"x", "$LATEST", "1", 0.5}), kInvalid, {"$LATEST"}) == "");
  CHECK(Unsaid(engine.UpdateAlias("f", {.name = "x", .version = "1"}), kNotFound, {"\"x\"", "\"f\""}) == "");
  CHECK(Unsaid(engine.CreateAlias("g", {.name = "x", .version = "1"}), kNotFound, {"\"g\""}) == "");
  CHECK(engine.ListAliases("f").value().size() == 1);
  CHECK(engine.ListAliases("g").status().code() == kNotFound);
  CHECK(engine.ListVersions("g").status().code() == kNotFound);
}

TEST_CASE("versions of different types share no calls") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register(kAdd, [](int event) { return event; }).ok());
  REQUIRE(engine.PublishVersion("add").ok());
  REQUIRE(engine.Replace("add", Saying("bytes")).ok());
  REQUIRE(engine.PublishVersion("add").ok());
  CHECK(Unsaid(engine.CreateAlias("add", {"x", "1", "2", 0.1}), kInvalid, {"\"x\"", "int", "version 1", "version 2"}) ==
        "");
  // One after the other is a matter of the calls.
  REQUIRE(engine.CreateAlias("add", {.name = "x", .version = "1"}).ok());
  REQUIRE(engine.UpdateAlias("add", {.name = "x", .version = "2"}).ok());
  CHECK(Answer(engine, "add:x") == "bytes add 2 x");
}

TEST_CASE("a weighted alias shares its calls and its events as it says") {
  const RunOn caller = RunOn::kCaller, pool = RunOn::kPool;
  using Pair = std::pair<RunOn, RunOn>;
  for (const auto& [run_on, second_run_on] :
       {Pair(caller, caller), Pair(pool, pool), Pair(caller, pool), Pair(pool, caller)}) {
    Simulation sim;
    Engine& engine = sim.engine();
    std::map<std::string, int> ran;
    const auto count = [&](std::string_view, Context& ctx) {
      ++ran[std::string(ctx.function_version())];
      return std::string(ctx.function_version());
    };
    REQUIRE(engine.Register("f", count, {.run_on = run_on}).ok());
    REQUIRE(engine.PublishVersion("f").ok());
    REQUIRE(engine.Replace("f", count, {.run_on = second_run_on}).ok());
    REQUIRE(engine.PublishVersion("f").ok());
    REQUIRE(engine.CreateAlias("f", {"live", "1", "2", 0.1}).ok());
    const auto near = [](int seen, int expected) { return seen > expected - 60 && seen < expected + 60; };
    int second = 0;
    for (int i = 0; i < 2'000; ++i) second += engine.Invoke("f:live", "{}").value() == "2" ? 1 : 0;
    CHECK(near(second, 200));
    CHECK(ran["2"] == second);
    second = 0;
    for (int i = 0; i < 2'000; ++i) second += engine.Start("f:live", "{}").Get().value() == "2" ? 1 : 0;
    CHECK(near(second, 200));
    ran.clear();
    REQUIRE(engine.PostAll("f:live", std::vector<std::string>(2'000, "{}")).ok());
    sim.RunUntilIdle();
    CHECK(near(ran["2"], 200));
    CHECK(ran["1"] + ran["2"] == 2'000);
    // All of one, none of the other.
    REQUIRE(engine.UpdateAlias("f", {"live", "1", "2", 1}).ok());
    for (int i = 0; i < 100; ++i) CHECK(engine.Invoke("f:live", "{}").value() == "2");
    REQUIRE(engine.UpdateAlias("f", {"live", "1", "2", 0}).ok());
    for (int i = 0; i < 100; ++i) CHECK(engine.Invoke("f:live", "{}").value() == "1");
    CHECK(engine.ListAliases("f").value().at(0) == Alias{"live", "1", "2", 0});
  }
}

TEST_CASE("each version of a weighted alias has its own deadline") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", HoldOneSecond, {.timeout = absl::Seconds(5)}).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.Replace("f", HoldOneSecond, {.timeout = absl::Milliseconds(500)}).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.CreateAlias("f", {"live", "1", "2", 1}).ok());
  CHECK(FunctionErrorOf(engine.Invoke("f:live", "{}").status()).value().type == "Sandbox.Timedout");
  CHECK(sim.Elapsed() == absl::Milliseconds(500));
  REQUIRE(engine.UpdateAlias("f", {"live", "1", "2", 0}).ok());
  CHECK(engine.Invoke("f:live", "{}").ok());
}

// ---- events ----

TEST_CASE("waiting events run where their alias leads by then, and those of a version on that version") {
  Simulation sim;
  Engine& engine = sim.engine();
  std::vector<std::string> ran;
  const auto note = [&](std::string code) {
    return [&ran, code](std::string_view event) { ran.push_back(code + std::string(event)); };
  };
  REQUIRE(engine.Register("f", note("one ")).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.CreateAlias("f", {.name = "live", .version = "1"}).ok());
  for (const std::string_view name : {"f", "f:1", "f:live"}) {
    REQUIRE(engine.Post(name, name, {.delay = absl::Seconds(1)}).ok());
  }
  REQUIRE(engine.Replace("f", note("two ")).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.UpdateAlias("f", {.name = "live", .version = "2"}).ok());
  sim.RunUntilIdle();
  std::sort(ran.begin(), ran.end());
  CHECK(ran == std::vector<std::string>{"one f:1", "two f", "two f:live"});
}

TEST_CASE(
    "each qualifier has its own way of delivery, and a version begins with the defaults and its dead letters' queue") {
  class Queue final : public DeadLetterQueue {
   public:
    absl::Status Put(std::span<const DeadLetter> letters) override {
      for (const DeadLetter& letter : letters) functions.push_back(letter.function);
      return absl::OkStatus();
    }
    std::vector<std::string> functions;
  };
  const auto queue = std::make_shared<Queue>();
  Simulation sim;
  Engine& engine = sim.engine();
  std::map<std::string, int> attempts;
  const auto fail = [&](std::string_view event) {
    ++attempts[std::string(event)];
    return absl::InternalError("no");
  };
  REQUIRE(engine.Register("f", fail, {.event_invoke = {.maximum_retry_attempts = 0, .dead_letter_queue = queue}}).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.CreateAlias("f", {.name = "live", .version = "1"}).ok());
  CHECK(engine.Config("f:1").value().event_invoke.maximum_retry_attempts == 2);
  CHECK(engine.Config("f:1").value().event_invoke.dead_letter_queue == queue);
  REQUIRE(engine.SetEventInvokeConfig("f:live", {.maximum_retry_attempts = 1, .dead_letter_queue = queue}).ok());
  for (const std::string_view name : {"f", "f:1", "f:live"}) REQUIRE(engine.Post(name, name).ok());
  sim.RunUntilIdle();
  CHECK(attempts == std::map<std::string, int>{{"f", 1}, {"f:1", 3}, {"f:live", 2}});
  CHECK(queue->functions == std::vector<std::string>{"f", "f:live", "f:1"});
  // An alias keeps its own when it is moved.
  REQUIRE(engine.UpdateAlias("f", {.name = "live", .version = "$LATEST"}).ok());
  CHECK(engine.Config("f:live").value().event_invoke.maximum_retry_attempts == 1);
  REQUIRE(engine.Replace("f", fail).ok());
  CHECK(engine.Config("f:live").value().event_invoke.maximum_retry_attempts == 1);
  CHECK(Unsaid(engine.SetEventInvokeConfig("f:live", {.maximum_retry_attempts = -1}), kInvalid, {"f:live", "-1"}) ==
        "");
  CHECK(Unsaid(engine.SetEventInvokeConfig("f:9", {}), kNotFound, {"f:9"}) == "");
  CHECK(Unsaid(engine.SetEventInvokeConfig("f:live", {.on_success = Destination::Function("f:1")}), kInvalid,
               {"on_success", "itself"}) == "");
}

TEST_CASE("a record names the qualifier that was called, and the version that ran") {
  Simulation sim;
  Engine& engine = sim.engine();
  std::vector<std::string> told;
  const auto note = Destination::Callback([&](const InvocationRecord& record) {
    told.push_back(absl::StrReplaceAll(record.Json({}).value(), {{record.request_id.ToString(), "ID"}}));
    return absl::OkStatus();
  });
  REQUIRE(engine.Register("f", [](std::string_view) { return "1"; }).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.CreateAlias("f", {.name = "live", .version = "1"}).ok());
  REQUIRE(engine.SetEventInvokeConfig("f:live", {.maximum_retry_attempts = 0, .on_success = note, .on_failure = note})
              .ok());
  REQUIRE(engine.Post("f:live", "{}").ok());
  sim.RunUntilIdle();
  REQUIRE(told.size() == 1);
  CHECK(told[0].find(R"("functionArn":"arn:aws:lambda:us-east-1:000000000000:function:f:live")") != std::string::npos);
  CHECK(told[0].find(R"("executedVersion":"1")") != std::string::npos);
  sim.FailNext("f:1", absl::InternalError("planned"));
  REQUIRE(engine.Post("f:live", "{}").ok());
  sim.RunUntilIdle();
  REQUIRE(told.size() == 2);
  CHECK(told[1].find(R"("condition":"RetriesExhausted")") != std::string::npos);
  CHECK(told[1].find(R"("executedVersion":"1","functionError":"Unhandled")") != std::string::npos);
  CHECK(sim.DeadLetters().at(0).function == "f:live");
  // A destination may be a qualified name.
  REQUIRE(engine.Register("sink", [](std::string_view) {}).ok());
  REQUIRE(engine.PublishVersion("sink").ok());
  REQUIRE(engine.SetEventInvokeConfig("f:live", {.on_success = Destination::Function("sink:1")}).ok());
  REQUIRE(engine.Post("f:live", "{}").ok());
  sim.RunUntilIdle();
  CHECK(engine.Metrics("sink:1").value().invocations == 1);
}

TEST_CASE("a loop over versions and aliases is a loop of their function") {
  Simulation sim;
  Engine& engine = sim.engine();
  int runs = 0;
  const auto again = [&](std::string_view, Context&) -> absl::Status {
    ++runs;
    return engine.Post(runs % 2 == 0 ? "f" : "f:1", "{}").status();
  };
  REQUIRE(engine.Register("f", again).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.Post("f", "{}").ok());
  sim.RunUntilIdle();
  CHECK(runs == 16);
}

TEST_CASE("log lines say which version ran") {
  std::vector<std::string> lines;
  LogLines log([&](std::string_view line) { lines.emplace_back(line); }, LogFormat::kText, SystemClock());
  Simulation sim({.engine = {.observer = &log}});
  REQUIRE(sim.engine().Register("f", Saying("one")).ok());
  REQUIRE(sim.engine().PublishVersion("f").ok());
  REQUIRE(sim.engine().Invoke("f:1", "{}").ok());
  REQUIRE(sim.engine().Invoke("f", "{}").ok());
  CHECK(lines.at(0).substr(lines.at(0).size() - 10) == "Version: 1");
  CHECK(lines.at(3).substr(lines.at(3).size() - 16) == "Version: $LATEST");
}

// ---- accounts ----

TEST_CASE("a function is metered and billed as a whole, and each qualifier by itself") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", Saying("one")).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.CreateAlias("f", {.name = "live", .version = "1"}).ok());
  for (const std::string_view name : {"f", "f:1", "f:live", "f:live", "f:$LATEST", "f:live"}) {
    REQUIRE(engine.Invoke(name, "{}").ok());
  }
  CHECK(engine.Metrics("f").value().invocations == 6);
  CHECK(engine.Metrics("f:$LATEST").value().invocations == 2);
  CHECK(engine.Metrics("f:1").value().invocations == 1);
  CHECK(engine.Metrics("f:live").value().invocations == 3);
  CHECK(engine.FunctionNames() == std::vector<std::string>{"f"});
  const Bill bill = engine.Bill(Price::X86());
  REQUIRE(bill.lines.size() == 1);
  CHECK(bill.lines[0].requests == 6);
}

// ---- removal ----

TEST_CASE("a version that an alias leads to stays, and a function goes with all of its versions and aliases") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", Saying("one")).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.Replace("f", Saying("two")).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.CreateAlias("f", {"live", "1", "2", 0.5}).ok());
  const auto kept = absl::StatusCode::kFailedPrecondition;
  CHECK(Unsaid(engine.Remove("f:1"), kept, {"version 1", "\"f\"", "\"live\""}) == "");
  CHECK(Unsaid(engine.Remove("f:2"), kept, {"version 2", "\"live\""}) == "");
  CHECK(Unsaid(engine.Remove("f:$LATEST"), kInvalid, {"$LATEST", "\"f\""}) == "");
  CHECK(Unsaid(engine.Remove("f:7"), kNotFound, {"f:7"}) == "");
  REQUIRE(engine.Post("f:live", "{}", {.delay = absl::Seconds(5)}).ok());
  REQUIRE(engine.Remove("f:live").ok());
  CHECK(sim.DeadLetters().at(0).condition == Condition::kFunctionRemoved);
  REQUIRE(engine.Remove("f:1").ok());
  CHECK(engine.ListVersions("f").value() == std::vector<std::string>{"$LATEST", "2"});
  CHECK(engine.PublishVersion("f").value() == "2");

  REQUIRE(engine.Post("f:2", "{}", {.delay = absl::Seconds(5)}).ok());
  REQUIRE(engine.SetProvisionedConcurrency("f:2", 900).ok());
  REQUIRE(engine.Remove("f").ok());
  CHECK(engine.Invoke("f:2", "{}").status().code() == kNotFound);
  CHECK(sim.DeadLetters().size() == 2);
  // Nothing of it is left; but a number is never used again, so that no event of the old one runs on the new.
  REQUIRE(engine.Register("g", Saying("g"), {.reserved_concurrency = 1000}).ok());
  REQUIRE(engine.Register("f", Saying("three")).ok());
  CHECK(engine.PublishVersion("f").value() == "3");
  CHECK(engine.ListAliases("f").value().empty());
}

// ---- provisioned concurrency ----

std::vector<Future<std::string>> StartMany(Engine& engine, std::string_view name, int count) {
  std::vector<Future<std::string>> calls;
  for (int i = 0; i < count; ++i) calls.push_back(engine.Start(name, "{}"));
  return calls;
}
int Taken(std::vector<Future<std::string>> calls) {
  int taken = 0;
  for (Future<std::string>& call : calls) taken += std::move(call).Get().ok() ? 1 : 0;
  return taken;
}

TEST_CASE("what is provisioned is taken first, then what the function reserves") {
  Simulation sim({.engine = {.concurrency = 10}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", HoldOneSecond, {.reserved_concurrency = 1}).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.SetProvisionedConcurrency("f:1", 1).ok());
  // Lambda's fact: with reserved = 1 and provisioned = 1, $LATEST is throttled while the version works.
  const absl::Status refused = engine.Invoke("f", "{}").status();
  CHECK(Reason(refused) == reason::kReservedFunctionConcurrentInvocationLimitExceeded);
  CHECK(engine.Invoke("f:1", "{}").ok());
  REQUIRE(engine.SetReservedConcurrency("f", 3).ok());
  CHECK(Taken(StartMany(engine, "f:1", 5)) == 3);
  CHECK(Taken(StartMany(engine, "f", 5)) == 2);
  std::vector<Future<std::string>> spilled = StartMany(engine, "f:1", 2);
  CHECK(Taken(StartMany(engine, "f", 5)) == 1);
  CHECK(Taken(std::move(spilled)) == 2);
}

TEST_CASE("what is provisioned is taken from the unreserved, then the unreserved are shared") {
  Simulation sim({.engine = {.concurrency = 4}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", HoldOneSecond).ok());
  REQUIRE(engine.Register("g", HoldOneSecond).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.CreateAlias("f", {.name = "live", .version = "1"}).ok());
  REQUIRE(engine.SetProvisionedConcurrency("f:live", 2).ok());
  CHECK(Taken(StartMany(engine, "g", 5)) == 2);
  CHECK(Taken(StartMany(engine, "f:1", 5)) == 2);
  CHECK(Taken(StartMany(engine, "f:live", 5)) == 4);
  std::vector<Future<std::string>> crowd = StartMany(engine, "g", 2);
  const absl::Status refused = engine.Invoke("f", "{}").status();
  CHECK(Reason(refused) == reason::kConcurrentInvocationLimitExceeded);
  std::vector<Future<std::string>> live = StartMany(engine, "f:live", 3);
  const Inspection inspection = engine.Inspect();
  CHECK(inspection.functions.at(3).function == "f:live");
  CHECK(inspection.functions.at(3).provisioned_concurrency == 2);
  CHECK(inspection.functions.at(3).provisioned_in_use == 2);
  CHECK(inspection.unreserved == 2);
  CHECK(inspection.ToString().find("2 of 2 provisioned in use") != std::string::npos);
  CHECK(Unsaid(engine.Invoke("f:live", "{}").status(), absl::StatusCode::kResourceExhausted,
               {"f:live", "2 of 2 unreserved", "2 of 2 provisioned"}) == "");
  CHECK(Taken(std::move(live)) == 2);
  CHECK(Taken(std::move(crowd)) == 2);
  REQUIRE(engine.SetProvisionedConcurrency("f:live", 0).ok());
  CHECK(Taken(StartMany(engine, "g", 5)) == 4);
}

TEST_CASE("more than there is cannot be provisioned, and nothing for $LATEST") {
  Simulation sim({.engine = {.concurrency = 10, .unreserved_minimum = 2}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", HoldOneSecond).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.CreateAlias("f", {.name = "next", .version = "$LATEST"}).ok());
  REQUIRE(engine.CreateAlias("f", {.name = "live", .version = "1"}).ok());
  for (const std::string_view name : {"f", "f:$LATEST", "f:next"}) {
    CHECK(Unsaid(engine.SetProvisionedConcurrency(name, 1), kInvalid, {std::string(name), "$LATEST"}) == "");
  }
  CHECK(Unsaid(engine.SetProvisionedConcurrency("f:7", 1), kNotFound, {"f:7"}) == "");
  CHECK(Unsaid(engine.SetProvisionedConcurrency("f:1", -1), kInvalid, {"f:1", "-1"}) == "");
  CHECK(Unsaid(engine.SetProvisionedConcurrency("f:1", 9), kInvalid, {"f:1", "9", "10", "8"}) == "");
  REQUIRE(engine.SetProvisionedConcurrency("f:1", 3).ok());
  REQUIRE(engine.SetProvisionedConcurrency("f:live", 5).ok());
  CHECK(Unsaid(engine.SetProvisionedConcurrency("f:live", 6), kInvalid, {"f:live", "6", "5"}) == "");
  CHECK(Unsaid(engine.SetReservedConcurrency("f", 7), kInvalid, {"\"f\"", "7", "8"}) == "");
  REQUIRE(engine.SetReservedConcurrency("f", 8).ok());
  CHECK(Unsaid(engine.SetProvisionedConcurrency("f:1", 4), kInvalid, {"f:1", "4", "8"}) == "");
  CHECK(Unsaid(engine.UpdateAlias("f", {.name = "live", .version = "$LATEST"}), kInvalid, {"live", "provisioned"}) ==
        "");
  REQUIRE(engine.SetReservedConcurrency("f", std::nullopt).ok());
  CHECK(Unsaid(engine.Register("g", HoldOneSecond, {.reserved_concurrency = 1}), kInvalid, {"\"g\"", "1", "0"}) == "");
  REQUIRE(engine.SetProvisionedConcurrency("f:1", 0).ok());
  CHECK(engine.Register("g", HoldOneSecond, {.reserved_concurrency = 3}).ok());
}

TEST_CASE("what is provisioned under load comes as others give it back, and is told from the first") {
  Simulation sim({.engine = {.concurrency = 2}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", HoldOneSecond).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  std::vector<Future<std::string>> crowd = StartMany(engine, "f", 2);
  REQUIRE(engine.SetProvisionedConcurrency("f:1", 2).ok());
  CHECK(engine.Inspect().functions.at(1).provisioned_concurrency == 2);
  CHECK(Taken(StartMany(engine, "f:1", 1)) == 0);
  CHECK(Taken(std::move(crowd)) == 2);
  CHECK(Taken(StartMany(engine, "f", 1)) == 0);
  CHECK(Taken(StartMany(engine, "f:1", 3)) == 2);
}

TEST_CASE("events take what is provisioned for their alias though others' calls hold all the rest") {
  Simulation sim({.engine = {.concurrency = 3}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", HoldOneSecond).ok());
  REQUIRE(engine
              .Register("crowd", [](std::string_view, Context& ctx) { ctx.Sleep(absl::Minutes(10)); },
                        {.timeout = absl::Minutes(15)})
              .ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.SetProvisionedConcurrency("f:1", 1).ok());
  std::vector<Future<std::string>> crowd = StartMany(engine, "crowd", 2);
  REQUIRE(engine.PostAll("f:1", std::vector<std::string>(5, "{}")).ok());
  sim.AdvanceBy(absl::Minutes(5));
  CHECK(engine.Metrics("f:1").value().invocations == 5);
  // Among them one whose turn waits behind a crowd of events.
  REQUIRE(engine.PostAll("crowd", std::vector<std::string>(5, "{}")).ok());
  std::vector<Future<std::string>> own = StartMany(engine, "f:1", 1);
  REQUIRE(engine.Post("f:1", "{}").ok());
  sim.AdvanceBy(absl::Minutes(1));
  CHECK(engine.Metrics("f:1").value().invocations == 7);
  CHECK(Taken(std::move(own)) == 1);
  CHECK(Taken(std::move(crowd)) == 2);
  sim.RunUntilIdle();
}

TEST_CASE("a nested call takes what is provisioned for it, and else borrows its caller's place") {
  Simulation sim({.engine = {.concurrency = 2}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("inner", HoldOneSecond).ok());
  REQUIRE(engine.PublishVersion("inner").ok());
  REQUIRE(engine.SetProvisionedConcurrency("inner:1", 1).ok());
  REQUIRE(engine.Register("outer", [&](std::string_view) { return engine.Invoke("inner:1", "{}"); }).ok());
  std::vector<Future<std::string>> outer = StartMany(engine, "outer", 1);
  sim.AdvanceBy(absl::Milliseconds(500));
  CHECK(engine.Inspect().functions.at(1).provisioned_in_use == 1);
  CHECK(Taken(std::move(outer)) == 1);
  outer = StartMany(engine, "outer", 1);
  std::vector<Future<std::string>> other = StartMany(engine, "inner:1", 1);
  CHECK(Taken(std::move(outer)) == 1);
  CHECK(Taken(std::move(other)) == 1);
}

TEST_CASE("the rate of what is provisioned is its own") {
  Simulation sim({.engine = {.concurrency = 10, .requests_per_permit = 10}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", Saying("one")).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.SetProvisionedConcurrency("f:1", 2).ok());
  int taken = 0;
  absl::Status refused;
  for (int i = 0; i < 150; ++i) {
    const absl::Status status = engine.Invoke("f:1", "{}").status();
    status.ok() ? (void)++taken : (void)(refused = status);
  }
  CHECK(taken == 100);  // 20 of its own, then the 80 of the eight others
  CHECK(Unsaid(refused, absl::StatusCode::kResourceExhausted, {"f:1", "20 requests", "2 provisioned"}) == "");
  CHECK(Reason(refused) == reason::kFunctionInvocationRateLimitExceeded);
}

TEST_CASE("concurrency is provisioned for one version, not for two that share an alias") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", HoldOneSecond).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.Replace("f", HoldOneSecond).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.CreateAlias("f", {"live", "1", "2", 0.5}).ok());
  CHECK(Unsaid(engine.SetProvisionedConcurrency("f:live", 1), kInvalid, {"f:live", "two versions"}) == "");
  REQUIRE(engine.UpdateAlias("f", {.name = "live", .version = "1"}).ok());
  REQUIRE(engine.SetProvisionedConcurrency("f:live", 1).ok());
  CHECK(Unsaid(engine.UpdateAlias("f", {"live", "1", "2", 0.5}), kInvalid, {"live", "provisioned"}) == "");
  REQUIRE(engine.UpdateAlias("f", {.name = "live", .version = "2"}).ok());
}

// ---- what changes meanwhile ----

TEST_CASE("a call that waited for its place runs what is there when it gets it") {
  for (const RunOn run_on : {RunOn::kCaller, RunOn::kPool}) {
    Simulation sim;
    Engine& engine = sim.engine();
    const auto hold = [](std::string text) {
      return [text](std::string_view, Context& ctx) {
        ctx.Sleep(absl::Seconds(1));
        return text;
      };
    };
    const FunctionConfig one{.reserved_concurrency = 1, .run_on = run_on};
    REQUIRE(engine.Register("f", hold("old"), one).ok());
    REQUIRE(engine.PublishVersion("f").ok());
    REQUIRE(engine.CreateAlias("f", {.name = "live", .version = "1"}).ok());
    REQUIRE(engine.Replace("f", hold("new"), one).ok());
    REQUIRE(engine.PublishVersion("f").ok());
    REQUIRE(engine
                .Register("deploy",
                          [&](std::string_view event) {
                            return event == "remove" ? engine.Remove("f")
                                                     : engine.UpdateAlias("f", {.name = "live", .version = "2"});
                          })
                .ok());
    const InvokeOptions patient{.wait_for_capacity = absl::Seconds(3)};
    REQUIRE(engine.Post("f:1", "{}").ok());
    REQUIRE(engine.Post("deploy", "move", {.delay = absl::Milliseconds(500)}).ok());
    sim.AdvanceBy(absl::Milliseconds(100));
    CHECK(engine.Invoke("f:live", "{}", patient).value() == "new");
    REQUIRE(engine.Post("f:2", "{}").ok());
    REQUIRE(engine.Post("deploy", "remove", {.delay = absl::Milliseconds(500)}).ok());
    sim.AdvanceBy(absl::Milliseconds(100));
    CHECK(engine.Invoke("f:live", "{}", patient).status().code() == kNotFound);
    sim.RunUntilIdle();
  }
}

struct Opaque {
  int value = 0;
};
inline constexpr Function<Opaque, int> kOpaque{"f"};

TEST_CASE("an alias whose events are told in JSON leads to nothing that cannot be told so") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("d", Saying("d")).ok());
  REQUIRE(engine.Register("f", Saying("f")).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  for (const std::string_view alias : {"live", "next"}) {
    REQUIRE(engine.CreateAlias("f", {std::string(alias), alias == "live" ? "1" : "$LATEST", "", 0}).ok());
  }
  REQUIRE(engine.SetEventInvokeConfig("f:live", {.on_success = Destination::Function("d")}).ok());
  REQUIRE(engine.SetEventInvokeConfig("f:next", {.on_success = Destination::Function("d")}).ok());
  const auto opaque = [](const Opaque& event) { return event.value; };
  CHECK(Unsaid(engine.Replace(kOpaque, opaque), kInvalid, {"f:next", "\"d\"", "codec"}) == "");
  CHECK(Answer(engine, "f") == "f f $LATEST ");
  REQUIRE(engine.Remove("f:next").ok());
  REQUIRE(engine.Replace(kOpaque, opaque).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  CHECK(Unsaid(engine.UpdateAlias("f", {.name = "live", .version = "2"}), kInvalid, {"f:live", "\"d\"", "codec"}) ==
        "");
}

TEST_CASE("another queue for dead letters is worth another version") {
  class Queue final : public DeadLetterQueue {
   public:
    absl::Status Put(std::span<const DeadLetter>) override { return absl::OkStatus(); }
  };
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", Saying("f")).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.CreateAlias("f", {.name = "next", .version = "$LATEST"}).ok());
  const auto queue = std::make_shared<Queue>();
  REQUIRE(engine.SetEventInvokeConfig("f", {.dead_letter_queue = queue}).ok());
  CHECK(engine.PublishVersion("f").value() == "2");
  CHECK(engine.Config("f:2").value().event_invoke.dead_letter_queue == queue);
  CHECK(engine.Config("f:1").value().event_invoke.dead_letter_queue == nullptr);
  CHECK(engine.Config("f:next").value().event_invoke.dead_letter_queue == queue);
}

TEST_CASE("an event that runs when its alias is removed is told where those that waited are") {
  Simulation sim;
  Engine& engine = sim.engine();
  std::vector<Condition> told;
  const auto note = Destination::Callback([&](const InvocationRecord& record) {
    told.push_back(record.condition);
    return absl::OkStatus();
  });
  const auto fail = [](std::string_view, Context& ctx) {
    ctx.Sleep(absl::Seconds(1));
    return absl::UnavailableError("down");
  };
  REQUIRE(engine.Register("f", fail, {.reserved_concurrency = 1}).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.CreateAlias("f", {.name = "live", .version = "1"}).ok());
  REQUIRE(engine.SetEventInvokeConfig("f:live", {.on_failure = note}).ok());
  REQUIRE(engine.PostAll("f:live", std::vector<std::string>(2, "{}")).ok());
  sim.AdvanceBy(absl::Milliseconds(500));
  REQUIRE(engine.Remove("f:live").ok());
  sim.RunUntilIdle();
  CHECK(told == std::vector<Condition>(2, Condition::kFunctionRemoved));
}

TEST_CASE("threads that are stuck in one version count against all of the function") {
  Simulation sim({.engine = {.max_abandoned = 1}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", Saying("f")).ok());
  REQUIRE(engine.Register("g", Saying("g")).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  sim.Hang("f:1");
  CHECK(!engine.Invoke("f:1", "{}").ok());
  CHECK(Reason(engine.Invoke("f", "{}").status()) == reason::kAbandonedExecutionLimitExceeded);
  CHECK(engine.Invoke("g", "{}").ok());
}

TEST_CASE("the names of functions, versions and aliases have a bound, and reaching it has a name") {
  Simulation sim({.engine = {.names = 3}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", Saying("one")).ok());
  REQUIRE(engine.PublishVersion("f").value() == "1");
  REQUIRE(engine.CreateAlias("f", {.name = "live", .version = "1"}).ok());
  const auto full = [](const absl::Status& status) {
    return absl::IsResourceExhausted(status) && Reason(status) == reason::kNamesFull;
  };
  CHECK(full(engine.Register("g", Saying("two"))));
  CHECK(full(engine.CreateAlias("f", {.name = "next", .version = "1"})));
  REQUIRE(engine.Replace("f", Saying("two")).ok());
  CHECK(full(engine.PublishVersion("f").status()));
  // What has its name goes on, and what was refused has left nothing behind.
  CHECK(engine.UpdateAlias("f", {.name = "live", .version = "$LATEST"}).ok());
  CHECK(Answer(engine, "f:live") == "two f $LATEST live");
  CHECK(engine.ListVersions("f").value() == std::vector<std::string>{"$LATEST", "1"});
  REQUIRE(engine.Remove("f").ok());
  CHECK(engine.Register("f", Saying("three")).ok());
  CHECK_FALSE(Engine::Create({.names = 0}).ok());
}

TEST_CASE("lists are in order of creation, and of functions alone") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", Saying("f")).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  for (const std::string name : {"a", "b"}) REQUIRE(engine.CreateAlias("f", {.name = name, .version = "1"}).ok());
  REQUIRE(engine.Remove("f:a").ok());
  REQUIRE(engine.CreateAlias("f", {.name = "a", .version = "1"}).ok());
  CHECK(engine.ListAliases("f").value().at(0).name == "b");
  CHECK(engine.ListAliases("f").value().at(1).name == "a");
  CHECK(engine.ListAliases("f:a").status().code() == kInvalid);
  CHECK(engine.ListVersions("f:1").status().code() == kInvalid);
  // What could not be registered has left no name.
  CHECK(!engine.Register("never", Saying("x"), {.reserved_concurrency = 2'000}).ok());
  CHECK(engine.FunctionNames() == std::vector<std::string>{"f"});
  CHECK(engine.Metrics("never").status().code() == kNotFound);
  CHECK(engine.Inspect().functions.size() == 4);
}

TEST_CASE("dead letters are found by function, with all its versions and aliases, or by one name") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("f", Saying("f")).ok());
  REQUIRE(engine.Register("fg", Saying("fg")).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.CreateAlias("f", {.name = "live", .version = "1"}).ok());
  sim.FailNext("f:live", Permanent(absl::InternalError("planned")));
  sim.FailNext("f", Permanent(absl::InternalError("planned")), 2);
  sim.FailNext("fg", Permanent(absl::InternalError("planned")));
  for (const std::string_view name : {"f", "f:1", "f:live", "fg"}) REQUIRE(engine.Post(name, "{}").ok());
  sim.RunUntilIdle();
  const auto found = [&](std::string name) { return engine.dead_letters().List({.function = name}).size(); };
  CHECK(found("") == 4);
  CHECK(found("f") == 3);
  CHECK(found("f:$LATEST") == 1);
  CHECK(found("f:1") == 1);
  CHECK(found("f:live") == 1);
  CHECK(found("fg") == 1);
  CHECK(engine.dead_letters().Export({.function = "f:live"}).find(R"("version":"1")") != std::string::npos);
}

}  // namespace
}  // namespace runlet
