// The bounds of what travels as bytes, to the byte.
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
constexpr auto kOutOfRange = absl::StatusCode::kOutOfRange;
constexpr std::size_t kRequestMax = 6'291'456;
constexpr std::size_t kResponseMax = 6'291'556;
constexpr std::size_t kEventMax = 1'048'576;

TEST_CASE("a request has 6,291,456 bytes at most") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("size", [](std::string_view event) { return std::to_string(event.size()); }).ok());
  const std::string most(kRequestMax, 'x');
  CHECK(engine.Invoke("size", most).value() == "6291456");
  CHECK(engine.Start("size", most).Get().value() == "6291456");
  CHECK(engine.Check("size", most).ok());

  const std::string more(kRequestMax + 1, 'x');
  const absl::Status status = engine.Invoke("size", more).status();
  CHECK(Unsaid(status, kOutOfRange,
               {"\"size\"", "6291457",
                "Request must be smaller than 6291456 bytes for the InvokeFunction operation"}) == "");
  CHECK(!FunctionErrorOf(status).has_value());
  CHECK(engine.Start("size", more).Get().status() == status);
  CHECK(engine.Check("size", more) == status);
  CHECK(engine.Metrics("size").value().invocations == 2);
}

TEST_CASE("a response has 6,291,556 bytes at most") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(
      engine.Register("fill", [](std::string_view event) { return std::string(std::stoul(std::string(event)), 'x'); })
          .ok());
  CHECK(engine.Invoke("fill", "6291556").value().size() == kResponseMax);
  const absl::Status status = engine.Invoke("fill", "6291557").status();
  REQUIRE(FunctionErrorOf(status).has_value());
  CHECK(*FunctionErrorOf(status) ==
        FunctionError{"Function.ResponseSizeTooLarge",
                      "Response payload size exceeded maximum allowed payload size (6291556 bytes)."});
  CHECK(FunctionErrorOf(engine.Start("fill", "6291557").Get().status()).has_value());
}

TEST_CASE("the response limit holds for a typed result that travels as bytes, and only there") {
  Simulation sim;
  Engine& engine = sim.engine();
  constexpr Function<int, std::string> kFill{"fill"};
  REQUIRE(engine.Register(kFill, [](int size) { return std::string(static_cast<std::size_t>(size), 'x'); }).ok());
  CHECK(engine.Invoke("fill", "6291556").ok());
  CHECK(FunctionErrorOf(engine.Invoke("fill", "6291557").status())->type == "Function.ResponseSizeTooLarge");
}

TEST_CASE("an event has 1,048,576 bytes at most") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("size", [](std::string_view) {}).ok());
  CHECK(engine.Post("size", std::string(kEventMax, 'x')).ok());
  const absl::Status status = engine.Post("size", std::string(kEventMax + 1, 'x')).status();
  CHECK(Unsaid(status, kOutOfRange,
               {"\"size\"", "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"}) ==
        "");
  CHECK(!FunctionErrorOf(status).has_value());
  sim.RunUntilIdle();
  CHECK(engine.queue_stats().accepted == 1);
}

TEST_CASE("a batch with one event too large is refused whole") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("size", [](std::string_view) {}).ok());
  const std::vector<std::string> batch = {"a", std::string(kEventMax + 1, 'x'), "b"};
  CHECK(engine.PostAll("size", batch).code() == kOutOfRange);
  CHECK(engine.queue_stats().accepted == 0);
  CHECK(engine.PostAll("size", std::vector<std::string>{"a", "b"}).ok());
  CHECK(engine.PostAll("size", std::vector<std::string>{}).ok());
  CHECK(engine.queue_stats().accepted == 2);
}

TEST_CASE("the host sets other limits") {
  Simulation sim({.engine = {.payload_limits = {.request = 3, .response = 2, .event = 1}}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("echo", [](std::string_view event) { return std::string(event); }).ok());
  CHECK(engine.Invoke("echo", "12").ok());
  CHECK(FunctionErrorOf(engine.Invoke("echo", "123").status()).has_value());
  CHECK(Unsaid(engine.Invoke("echo", "1234").status(), kOutOfRange, {"4 bytes", "3 bytes"}) == "");
  CHECK(engine.Post("echo", "1").ok());
  CHECK(Unsaid(engine.Post("echo", "12").status(), kOutOfRange, {"2 byte", "limit 1 bytes"}) == "");
}

TEST_CASE("a client context has 3,583 bytes at most and arrives unchanged") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("context", [](std::string_view, Context& ctx) { return std::string(ctx.client_context()); })
              .ok());
  const std::string most(3583, 'c');
  const std::string more(3584, 'c');
  CHECK(engine.Invoke("context", "{}", {.client_context = most}).value() == most);
  CHECK(engine.Start("context", "{}", {.client_context = most}).Get().value() == most);
  const absl::Status status = engine.Invoke("context", "{}", {.client_context = more}).status();
  CHECK(Unsaid(status, absl::StatusCode::kInvalidArgument, {"\"context\"", "client_context", "3584", "3583"}) == "");
  CHECK(engine.Start("context", "{}", {.client_context = more}).Get().status() == status);
  CHECK(engine.Invoke("context", "{}").value().empty());
}

// ---- the queue's bounds ----

TEST_CASE("the queue takes as many events as it is told, and says how many it has") {
  Simulation sim({.engine = {.memory_queue = {.events = 3}}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("work", [](std::string_view) {}).ok());
  CHECK(engine.PostAll("work", std::vector<std::string>{"1", "2"}).ok());
  const absl::Status batch = engine.PostAll("work", std::vector<std::string>{"3", "4"});
  CHECK(Unsaid(batch, absl::StatusCode::kResourceExhausted, {"2 of 3 events", "2 more"}) == "");
  CHECK(Reason(batch) == reason::kEventQueueFull);
  CHECK(engine.Post("work", "3").ok());
  const absl::Status one = engine.Post("work", "4").status();
  CHECK(Unsaid(one, absl::StatusCode::kResourceExhausted, {"3 of 3 events"}) == "");
  CHECK(Reason(one) == reason::kEventQueueFull);
  CHECK(!FunctionErrorOf(one).has_value());
  sim.RunUntilIdle();
  CHECK(engine.Post("work", "4").ok());
  CHECK(engine.Metrics("work").value().async_events_received == 4);
}

TEST_CASE("an event that waits for its retry or runs still has its place in the queue") {
  Simulation sim({.engine = {.memory_queue = {.events = 1}}});
  Engine& engine = sim.engine();
  sim.FailNext("work", absl::UnavailableError("down"));
  const auto work = [](std::string_view, Context& ctx) { ctx.Sleep(absl::Seconds(1)); };
  REQUIRE(engine.Register("work", work).ok());
  REQUIRE(engine.Post("work", "1").ok());
  sim.AdvanceBy(absl::Seconds(30));
  CHECK(Reason(engine.Post("work", "2").status()) == reason::kEventQueueFull);  // delayed
  sim.AdvanceBy(absl::Seconds(30.5));
  CHECK(Reason(engine.Post("work", "2").status()) == reason::kEventQueueFull);  // running
  sim.RunUntilIdle();
  CHECK(engine.Post("work", "2").ok());
}

TEST_CASE("the queue takes as many bytes as it is told") {
  Simulation sim({.engine = {.memory_queue = {.bytes = 10}}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("work", [](std::string_view) {}).ok());
  CHECK(engine.Post("work", "1234567").ok());
  const absl::Status status = engine.Post("work", "1234").status();
  CHECK(Unsaid(status, absl::StatusCode::kResourceExhausted, {"7 of 10 payload bytes", "4 more"}) == "");
  CHECK(Reason(status) == reason::kEventQueueFull);
  CHECK(engine.Post("work", "123").ok());
  CHECK(engine.queue_stats().bytes == 10);
  sim.RunUntilIdle();
  CHECK(engine.queue_stats().bytes == 0);
}

}  // namespace
}  // namespace runlet
