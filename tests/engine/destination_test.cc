// OnSuccess and OnFailure: who is told how events ended, and in what words.
#include <absl/strings/str_replace.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runlet/codec/json.h"
#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"
#include "tests/engine/unsaid.h"

namespace runlet {
namespace {

using testing::Simulation;
using Answer = absl::StatusOr<std::string>;
using Records = std::vector<InvocationRecord>;

Answer Succeed(std::string_view) { return "{\"done\":true}"; }
Answer Fail(std::string_view) { return absl::UnavailableError("down"); }

Destination Into(Records* records) {
  return Destination::Callback([records](const InvocationRecord& record) {
    records->push_back(record);
    return absl::OkStatus();
  });
}

// The record as JSON, with the one part that differs from run to run replaced.
std::string Told(const InvocationRecord& record) {
  return absl::StrReplaceAll(record.Json({}).value(), {{record.request_id.ToString(), "ID"}});
}

// ---- the record ----

struct Golden {
  std::string_view name;
  FunctionConfig config;
  Answer (*handler)(std::string_view);
  std::string_view event;
  std::string_view record;
};

TEST_CASE("records have Lambda's keys, in its order, and leave out what was not") {
  const Golden rows[] = {
      {"success",
       {},
       Succeed,
       "{\"n\": 1}",
       R"({"version":"1.0","timestamp":"2023-11-14T22:13:20.000Z","requestContext":{"requestId":"ID","functionArn":)"
       R"("arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST","condition":"Success","approximateInvokeCount":1},)"
       R"("requestPayload":{"n": 1},"responseContext":{"statusCode":200,"executedVersion":"$LATEST"},)"
       R"("responsePayload":{"done":true}})"},
      {"no payload, and no value returned",
       {},
       [](std::string_view) -> Answer { return "null"; },
       "",
       R"({"version":"1.0","timestamp":"2023-11-14T22:13:20.000Z","requestContext":{"requestId":"ID","functionArn":)"
       R"("arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST","condition":"Success","approximateInvokeCount":1},)"
       R"("requestPayload":{},"responseContext":{"statusCode":200,"executedVersion":"$LATEST"},)"
       R"("responsePayload":null})"},
      {"retries exhausted",
       {},
       Fail,
       "[1]",
       R"({"version":"1.0","timestamp":"2023-11-14T22:16:20.000Z","requestContext":{"requestId":"ID","functionArn":)"
       R"("arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST","condition":"RetriesExhausted",)"
       R"("approximateInvokeCount":3},"requestPayload":[1],"responseContext":{"statusCode":200,"executedVersion":)"
       R"("$LATEST","functionError":"Unhandled"},"responsePayload":{"errorMessage":"down","errorType":"Unavailable",)"
       R"("stackTrace":[]}})"},
      {"too old for the next attempt",
       {.event_invoke = {.maximum_event_age = absl::Seconds(60)}},
       Fail,
       "\"text\"",
       R"({"version":"1.0","timestamp":"2023-11-14T22:13:20.000Z","requestContext":{"requestId":"ID","functionArn":)"
       R"("arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST","condition":"EventAgeExceeded",)"
       R"("approximateInvokeCount":1},"requestPayload":"text","responseContext":{"statusCode":200,"executedVersion":)"
       R"("$LATEST","functionError":"Unhandled"},"responsePayload":{"errorMessage":"down","errorType":"Unavailable",)"
       R"("stackTrace":[]}})"},
      {"zero reserved concurrency",
       {.reserved_concurrency = 0},
       Succeed,
       "no JSON: \"",
       R"({"version":"1.0","timestamp":"2023-11-14T22:13:20.000Z","requestContext":{"requestId":"ID","functionArn":)"
       R"("arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST","condition":"ZeroReservedConcurrency",)"
       R"("approximateInvokeCount":0},"requestPayload":"no JSON: \""})"},
  };
  for (const Golden& row : rows) {
    INFO(row.name);
    Simulation sim;
    Records records;
    FunctionConfig config = row.config;
    config.event_invoke.on_success = config.event_invoke.on_failure = Into(&records);
    REQUIRE(sim.engine().Register("f", row.handler, config).ok());
    REQUIRE(sim.engine().Post("f", row.event).ok());
    sim.RunUntilIdle();
    REQUIRE(records.size() == 1);
    CHECK(Told(records[0]) == row.record);
  }
}

TEST_CASE("a timeout is told in the platform's own order of keys") {
  Simulation sim;
  Records records;
  const auto sleep = [](std::string_view, Context& ctx) { ctx.Sleep(absl::Hours(1)); };
  REQUIRE(sim.engine()
              .Register("f", sleep,
                        {.timeout = absl::Seconds(1),
                         .event_invoke = {.maximum_retry_attempts = 0, .on_failure = Into(&records)}})
              .ok());
  REQUIRE(sim.engine().Post("f", "{}").ok());
  sim.RunUntilIdle();
  CHECK(Told(records.at(0))
            .find(R"("responsePayload":{"errorType":"Sandbox.Timedout","errorMessage":)"
                  R"("RequestId: ID Error: Task timed out after 1.00 seconds"}})") != std::string::npos);
}

TEST_CASE("a record names the account and the region of the host's choice") {
  Simulation sim;
  Records records;
  REQUIRE(sim.engine().Register("f", Succeed, {.event_invoke = {.on_success = Into(&records)}}).ok());
  REQUIRE(sim.engine().Post("f", "{}").ok());
  sim.RunUntilIdle();
  const std::string json = records.at(0).Json({.region = "eu-central-1", .id = "123456789012"}).value();
  CHECK(json.find("arn:aws:lambda:eu-central-1:123456789012:function:f:$LATEST") != std::string::npos);
  CHECK(!Engine::Create({.account = {.id = "12"}}).ok());
  CHECK(!Engine::Create({.account = {.region = "EU"}}).ok());
}

// ---- who is told ----

TEST_CASE("success goes to one destination, every other end to the other, in addition to the dead letter") {
  Simulation sim;
  Records good, bad;
  const auto parity = [](std::string_view event) -> Answer {
    return event == "bad" ? Answer(Permanent(absl::InvalidArgumentError("bad"))) : "good";
  };
  const EventInvokeConfig told = {.on_success = Into(&good), .on_failure = Into(&bad)};
  REQUIRE(sim.engine().Register("f", parity, {.event_invoke = told}).ok());
  for (const std::string_view event : {"good", "bad", "good"}) REQUIRE(sim.engine().Post("f", event).ok());
  CHECK(sim.engine().Invoke("f", "good").ok());  // tells nobody
  sim.RunUntilIdle();
  CHECK(good.size() == 2);
  REQUIRE(bad.size() == 1);
  CHECK(bad[0].condition == Condition::kNotRetryable);
  CHECK(bad[0].error == FunctionError{"InvalidArgument", "bad"});
  CHECK(sim.DeadLetters().size() == 1);
  CHECK(sim.DeadLetters()[0].request_id == bad[0].request_id);
}

TEST_CASE("events of a removed function are told to the destination that it had") {
  Simulation sim;
  Records bad;
  REQUIRE(sim.engine().Register("f", Fail, {.event_invoke = {.on_failure = Into(&bad)}}).ok());
  REQUIRE(sim.engine().Post("f", "{}").ok());
  REQUIRE(sim.engine().Remove("f").ok());
  sim.RunUntilIdle();
  REQUIRE(bad.size() == 1);
  CHECK(bad[0].condition == Condition::kFunctionRemoved);
  CHECK(!bad[0].error.has_value());
}

struct Order {
  int id = 0;
};
void to_json(nlohmann::json& json, const Order& order) { json = {{"id", order.id}}; }
void from_json(const nlohmann::json& json, Order& order) { json.at("id").get_to(order.id); }

TEST_CASE("another function is posted the record as JSON, of typed events too") {
  Simulation sim;
  Engine& engine = sim.engine();
  std::vector<std::string> told;
  REQUIRE(engine.Register("audit", [&](std::string_view record) { told.emplace_back(record); }).ok());
  constexpr Function<Order, Order> kPay{"pay"};
  constexpr Function<Order, void> kShip{"ship"};
  const EventInvokeConfig config = {.on_success = Destination::Function("audit")};
  REQUIRE(engine.Register(kPay, [](const Order& order) { return Order{order.id + 1}; }, {.event_invoke = config}).ok());
  REQUIRE(engine.Register(kShip, [](const Order&) {}, {.event_invoke = config}).ok());
  REQUIRE(engine.Post(kPay, {7}).ok());
  REQUIRE(engine.Post(kShip, {8}).ok());
  sim.RunUntilIdle();
  REQUIRE(told.size() == 2);
  if (told[0].find("ship") != std::string::npos) std::swap(told[0], told[1]);
  CHECK(told[0].find(R"("requestPayload":{"id":7})") != std::string::npos);
  CHECK(told[0].find(R"("responsePayload":{"id":8})") != std::string::npos);
  CHECK(told[1].find(R"("responsePayload":null)") != std::string::npos);
  CHECK(engine.Metrics("audit").value().async_events_received == 2);
}

struct Plain {
  int value = 0;
};

TEST_CASE("a callback sees typed events as they were posted, with a codec or without") {
  Simulation sim;
  Records good;
  constexpr Function<Plain, Plain> kPlain{"plain"};
  const auto twice = [](const Plain& plain) { return Plain{2 * plain.value}; };
  REQUIRE(sim.engine().Register(kPlain, twice, {.event_invoke = {.on_success = Into(&good)}}).ok());
  REQUIRE(sim.engine().Post(kPlain, {21}).ok());
  sim.RunUntilIdle();
  REQUIRE(good.size() == 1);
  CHECK(good[0].As<Plain>()->value == 21);
  CHECK(good[0].As<int>() == nullptr);
  CHECK(!good[0].response.has_value());
  CHECK(good[0].Json({}).status().code() == absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("two functions that are each other's destination are a loop, which is stopped") {
  Simulation sim;
  Engine& engine = sim.engine();
  int runs = 0;
  const auto count = [&](std::string_view) { ++runs; };
  REQUIRE(engine.Register("ping", count).ok());
  REQUIRE(engine.Register("pong", count, {.event_invoke = {.on_success = Destination::Function("ping")}}).ok());
  REQUIRE(engine.Replace("ping", count, {.event_invoke = {.on_success = Destination::Function("pong")}}).ok());
  REQUIRE(engine.Post("ping", "{}").ok());
  sim.RunUntilIdle();
  CHECK(runs == 32);
  CHECK(sim.DeadLetters().at(0).condition == Condition::kRecursionLimit);
}

TEST_CASE("two functions that fail and are each other's destination end their loop with one dead letter") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto to = [](std::string name) {
    return EventInvokeConfig{.maximum_retry_attempts = 0, .on_failure = Destination::Function(std::move(name))};
  };
  REQUIRE(engine.Register("a", Fail).ok());
  REQUIRE(engine.Register("b", Fail, {.event_invoke = to("a")}).ok());
  REQUIRE(engine.Replace("a", Fail, {.event_invoke = to("b")}).ok());
  REQUIRE(engine.Post("a", "{}").ok());
  sim.RunUntilIdle();
  CHECK(engine.Metrics("a").value().invocations + engine.Metrics("b").value().invocations == 32);
  CHECK(sim.DeadLetters().size() == 33);
  CHECK(engine.dead_letters().List({.condition = Condition::kRecursionLimit}).size() == 1);
}

// Asks the engine what there is when it ends.
struct Asks {
  explicit Asks(Engine* its_engine) : engine(its_engine) {}
  Asks(Asks&& other) noexcept : engine(std::exchange(other.engine, nullptr)) {}
  Asks(const Asks&) = default;
  Asks& operator=(const Asks&) = delete;
  ~Asks() {
    if (engine == nullptr) return;
    CHECK(!engine->Explain(RequestId()).ok());
    CHECK(!engine->Post("asks", "").ok());
  }
  Engine* engine;
};

TEST_CASE("the event of a record that no destination took may call the engine as it ends, with the engine") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto refuse = [](const InvocationRecord&) { return absl::UnavailableError("down"); };
  const Function<Asks> function{"asks"};
  REQUIRE(engine.Register(function, [](const Asks&) {}, {.event_invoke = {.on_success = Destination::Callback(refuse)}})
              .ok());
  for (int i = 0; i < 10; ++i) REQUIRE(engine.Post(function, Asks(&engine)).ok());
  sim.AdvanceBy(absl::Seconds(1));
  CHECK(engine.Inspect().undelivered == 10);
}

// ---- what cannot be ----

TEST_CASE("a destination that cannot be is refused by name") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto refusal = [&](Destination destination) {
    return engine.Register("f", Succeed, {.event_invoke = {.on_failure = std::move(destination)}});
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  CHECK(Unsaid(refusal(Destination::Function("f")), kInvalid, {"\"f\"", "on_failure is the function itself"}) == "");
  CHECK(Unsaid(refusal(Destination::Function("g")), kInvalid, {"\"f\"", "on_failure", "\"g\"", "not registered"}) ==
        "");
  CHECK(Unsaid(refusal(Destination::Function("a b")), kInvalid, {"\"a b\""}) == "");
  CHECK(Unsaid(refusal(Destination::Callback(nullptr)), kInvalid, {"\"f\"", "on_failure is null"}) == "");
  CHECK(Unsaid(refusal(Destination::Sink(nullptr)), kInvalid, {"\"f\"", "on_failure is null"}) == "");
  REQUIRE(engine.Register("g", Succeed).ok());
  CHECK(refusal(Destination::Function("g")).ok());
  constexpr Function<Plain, Plain> kPlain{"plain"};
  const EventInvokeConfig to_g = {.on_success = Destination::Function("g")};
  CHECK(Unsaid(engine.Register(kPlain, [](const Plain& p) { return p; }, {.event_invoke = to_g}), kInvalid,
               {"\"plain\"", "on_success", "\"g\"", "codec"}) == "");
}

TEST_CASE("an event that cannot be copied has no destination") {
  Simulation sim;
  Records good;
  constexpr Function<std::unique_ptr<int>, void> kOwn{"own"};
  const EventInvokeConfig config = {.maximum_retry_attempts = 0, .on_success = Into(&good)};
  REQUIRE(sim.engine().Register(kOwn, [](std::unique_ptr<int>) {}, {.event_invoke = config}).ok());
  CHECK(sim.engine().Post(kOwn, std::make_unique<int>(1)).status().code() == absl::StatusCode::kFailedPrecondition);
}

// ---- failing destinations ----

class Flaky final : public DestinationSink {
 public:
  Flaky(Simulation& sim, int failures) : sim_(sim), failures_(failures) {}
  absl::Status Put(std::span<const InvocationRecord> records) override {
    offered_at.push_back(absl::ToDoubleSeconds(sim_.Elapsed()));
    if (failures_-- > 0) return absl::UnavailableError("sink down");
    for (const InvocationRecord& record : records) taken.push_back(record);
    return absl::OkStatus();
  }
  std::vector<double> offered_at;
  Records taken;

 private:
  Simulation& sim_;
  int failures_;
};

TEST_CASE("a destination that fails is tried again after 1 s, doubling, and each failure is counted") {
  Simulation sim;
  const auto sink = std::make_shared<Flaky>(sim, 3);
  REQUIRE(sim.engine().Register("f", Succeed, {.event_invoke = {.on_success = Destination::Sink(sink)}}).ok());
  REQUIRE(sim.engine().Post("f", "{}").ok());
  sim.RunUntilIdle();
  CHECK(sink->offered_at == std::vector<double>{0, 1, 3, 7});
  CHECK(sink->taken.size() == 1);
  const FunctionMetrics metrics = sim.engine().Metrics("f").value();
  CHECK(metrics.destination_delivery_failures == 3);
  CHECK(metrics.dead_letter_errors == 0);
  const auto told = sim.Ledger().Of(Activity::Kind::kDestinationError, "f");
  REQUIRE(told.size() == 3);
  CHECK(told[0].error_message == "sink down");
  CHECK(told[0].due == absl::Seconds(1));
  CHECK(told[0].request_id == sink->taken[0].request_id);
  const auto taken = sim.Ledger().Of(Activity::Kind::kDestinationTold, "f");
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].at == absl::Seconds(7));
  CHECK(taken[0].request_id == sink->taken[0].request_id);
}

TEST_CASE("a record that is too large for the function that it is for is counted, and not tried again") {
  Simulation sim({.engine = {.destination_backlog = 1}});
  Engine& engine = sim.engine();
  int told = 0;
  REQUIRE(engine.Register("told", [&](std::string_view) { ++told; }).ok());
  REQUIRE(engine.Register("f", Succeed, {.event_invoke = {.on_success = Destination::Function("told")}}).ok());
  const std::string event(1'048'000, '1');
  for (int i = 1; i <= 2; ++i) {
    REQUIRE(engine.Post("f", i == 1 ? event + std::string(576, '1') : event).ok());
    sim.RunUntilIdle();
    CHECK(sim.Elapsed() == absl::ZeroDuration());
    CHECK(engine.Metrics("f").value().destination_delivery_failures == 1);
    CHECK(engine.Inspect().undelivered == 0);
    CHECK(told == i - 1);
  }
  const auto errors = sim.Ledger().Of(Activity::Kind::kDestinationError, "f");
  REQUIRE(errors.size() == 1);
  CHECK(errors[0].error_message.find("1048576") != std::string::npos);
}

TEST_CASE("a destination function that is gone is a failing destination, until it is back") {
  Simulation sim;
  Engine& engine = sim.engine();
  int told = 0;
  const auto count = [&](std::string_view) { ++told; };
  REQUIRE(engine.Register("audit", count).ok());
  REQUIRE(engine.Register("f", Succeed, {.event_invoke = {.on_success = Destination::Function("audit")}}).ok());
  REQUIRE(engine.Remove("audit").ok());
  REQUIRE(engine.Post("f", "{}").ok());
  sim.AdvanceBy(absl::Seconds(10));
  CHECK(engine.Metrics("f").value().destination_delivery_failures == 4);
  REQUIRE(engine.Register("audit", count).ok());
  sim.RunUntilIdle();
  CHECK(told == 1);
}

#if defined(__cpp_exceptions)
TEST_CASE("a destination that throws has failed") {
  Simulation sim;
  int offers = 0;
  const auto once = Destination::Callback([&](const InvocationRecord&) -> absl::Status {
    if (++offers == 1) throw std::runtime_error("boom");
    return absl::OkStatus();
  });
  REQUIRE(sim.engine().Register("f", Succeed, {.event_invoke = {.on_success = once}}).ok());
  REQUIRE(sim.engine().Post("f", "{}").ok());
  sim.RunUntilIdle();
  CHECK(offers == 2);
}
#endif

TEST_CASE("records that nobody takes have a bound, and reaching it has a name") {
  Simulation sim({.engine = {.destination_backlog = 2}});
  Engine& engine = sim.engine();
  const auto sink = std::make_shared<Flaky>(sim, 1'000'000);
  REQUIRE(engine.Register("f", Succeed, {.event_invoke = {.on_success = Destination::Sink(sink)}}).ok());
  REQUIRE(engine.Register("g", Succeed).ok());
  for (int i = 0; i < 2; ++i) REQUIRE(engine.Post("f", "{}").ok());
  sim.RunUntilIdle();
  const absl::Status full = engine.Post("f", "{}").status();
  CHECK(Reason(full) == reason::kDestinationBacklogFull);
  CHECK(Unsaid(full, absl::StatusCode::kResourceExhausted, {"\"f\"", "2 invocation records", "limit is 2"}) == "");
  CHECK(engine.Post("g", "{}").ok());
}

TEST_CASE("the dead-letter queue and the destination fail each by itself") {
  class Refusing final : public DeadLetterQueue {
   public:
    absl::Status Put(std::span<const DeadLetter>) override { return absl::UnavailableError("no"); }
  };
  Simulation sim;
  Records bad;
  const EventInvokeConfig config = {
      .maximum_retry_attempts = 0, .on_failure = Into(&bad), .dead_letter_queue = std::make_shared<Refusing>()};
  REQUIRE(sim.engine().Register("f", Fail, {.event_invoke = config}).ok());
  REQUIRE(sim.engine().Post("f", "{}").ok());
  sim.RunUntilIdle();
  CHECK(bad.size() == 1);
  CHECK(sim.DeadLetters().size() == 1);
  CHECK(sim.engine().Metrics("f").value().destination_delivery_failures == 0);
}

TEST_CASE("a drain lets destinations be told, and the functions that are told run") {
  Simulation sim;
  Engine& engine = sim.engine();
  int told = 0;
  REQUIRE(engine.Register("audit", [&](std::string_view) { ++told; }).ok());
  REQUIRE(engine.Register("f", Succeed, {.event_invoke = {.on_success = Destination::Function("audit")}}).ok());
  REQUIRE(engine.Post("f", "{}").ok());
  const DrainReport report = engine.Drain(absl::Seconds(5), absl::Seconds(5));
  CHECK(told == 1);
  CHECK(report.completed == 2);
  CHECK(report.parked == 0);
}

// ---- a dead letter's attributes ----

TEST_CASE("a dead letter has the three attributes of Lambda's message") {
  Simulation sim;
  Engine& engine = sim.engine();
  const std::string euro = "\xE2\x82\xAC";
  std::string text;
  for (int i = 0; i < 400; ++i) text += euro;
  // The last error is the one that is told.
  const auto long_error = [&](std::string_view, Context& ctx) -> Answer {
    return absl::UnavailableError(ctx.attempt() == 1 ? "the first" : text);
  };
  REQUIRE(engine.Register("f", long_error, {.event_invoke = {.maximum_retry_attempts = 1}}).ok());
  REQUIRE(engine.Register("zero", Succeed, {.reserved_concurrency = 0}).ok());
  REQUIRE(engine.Post("f", "{}").ok());
  REQUIRE(engine.Post("zero", "{}").ok());
  sim.RunUntilIdle();
  for (const DeadLetter& letter : sim.DeadLetters()) {
    const DeadLetterAttributes attributes = letter.Attributes();
    CHECK(attributes.request_id == letter.request_id.ToString());
    if (letter.function == "f") {
      CHECK(attributes.error_code == 200);
      CHECK(attributes.error_message == text.substr(0, 1023));  // 1,024 bytes would cut a character
    } else {
      CHECK(attributes.error_code == 429);
      CHECK(attributes.error_message == "Rate Exceeded.");
    }
  }
}

}  // namespace
}  // namespace runlet
