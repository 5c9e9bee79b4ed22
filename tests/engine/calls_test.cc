// Invoke, Start and Post of functions of bytes and of typed ones: what travels, and what a handler may look like.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"
#include "tests/engine/unsaid.h"

namespace runlet {

struct Point {
  int x = 0;
  int y = 0;
  friend bool operator==(const Point&, const Point&) = default;
};

template <>
struct Codec<Point> {
  static absl::StatusOr<std::string> Encode(const Point& p) {
    if (p.x < 0) return absl::InvalidArgumentError("x is negative");
    return std::to_string(p.x) + "," + std::to_string(p.y);
  }
  static absl::StatusOr<Point> Decode(std::string_view bytes) {
    const std::size_t comma = bytes.find(',');
    if (comma == std::string_view::npos) return absl::InvalidArgumentError("no comma");
    return Point{std::stoi(std::string(bytes.substr(0, comma))), std::stoi(std::string(bytes.substr(comma + 1)))};
  }
};

namespace {

using testing::Simulation;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;

struct Opaque {  // no codec
  int value = 0;
};

constexpr Function<Point, Point> kMirror{"mirror"};
constexpr Function<Point> kPlot{"plot"};
constexpr Function<int, bool> kIsEven{"is-even"};
constexpr Function<Opaque, Opaque> kOpaque{"opaque"};

Point Mirror(const Point& p) { return {p.y, p.x}; }

// ---- bytes ----

TEST_CASE("bytes go in and come out unchanged, whatever they are") {
  Simulation sim;
  REQUIRE(sim.engine().Register("echo", [](std::string_view event) { return std::string(event); }).ok());
  for (const std::string& bytes : {std::string(), std::string("\0\xff\x80", 3), std::string(100'000, 'x')}) {
    CHECK(sim.engine().Invoke("echo", bytes).value() == bytes);
    CHECK(sim.engine().Start("echo", bytes).Get().value() == bytes);
  }
}

TEST_CASE("a handler of bytes takes them as it likes, and returns what makes a string") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("view", [](std::string_view e) { return std::string(e); }).ok());
  REQUIRE(engine.Register("string", [](std::string e) { return e + "!"; }).ok());
  REQUIRE(engine.Register("const-ref", [](const std::string& e) { return e + "!"; }).ok());
  REQUIRE(engine
              .Register("context-too",
                        [](std::string_view e, Context& c) { return std::string(e) + std::string(c.function_name()); })
              .ok());
  REQUIRE(engine.Register("only-context", [](Context& c) { return std::string(c.function_name()); }).ok());
  REQUIRE(engine.Register("nothing", [] { return "literal"; }).ok());
  REQUIRE(engine.Register("status-or", [](std::string_view) -> absl::StatusOr<std::string> { return "ok"; }).ok());
  REQUIRE(engine.Register("status-or-literal", []() -> absl::StatusOr<const char*> { return "ok"; }).ok());
  REQUIRE(engine.Register("status", [](std::string_view) { return absl::OkStatus(); }).ok());
  REQUIRE(engine.Register("void", [](std::string_view) {}).ok());

  CHECK(engine.Invoke("view", "a").value() == "a");
  CHECK(engine.Invoke("string", "a").value() == "a!");
  CHECK(engine.Invoke("const-ref", "a").value() == "a!");
  CHECK(engine.Invoke("context-too", "a").value() == "acontext-too");
  CHECK(engine.Invoke("only-context", "a").value() == "only-context");
  CHECK(engine.Invoke("nothing", "a").value() == "literal");
  CHECK(engine.Invoke("status-or", "a").value() == "ok");
  CHECK(engine.Invoke("status-or-literal", "a").value() == "ok");
  CHECK(engine.Invoke("status", "a").value() == "null");  // as Lambda answers for no value
  CHECK(engine.Invoke("void", "a").value() == "null");
}

TEST_CASE("a function pointer and a callable object are handlers") {
  struct Greeter {
    std::string greeting;
    std::string operator()(std::string_view name) const { return greeting + " " + std::string(name); }
  };
  Simulation sim;
  std::string (*shout)(std::string_view) = [](std::string_view e) { return std::string(e) + "!"; };
  REQUIRE(sim.engine().Register("pointer", shout).ok());
  REQUIRE(sim.engine().Register("object", Greeter{"hello"}).ok());
  CHECK(sim.engine().Invoke("pointer", "a").value() == "a!");
  CHECK(sim.engine().Invoke("object", "world").value() == "hello world");
}

// ---- typed ----

TEST_CASE("a typed handler takes its event by value, by reference or not at all") {
  Simulation sim;
  Engine& engine = sim.engine();
  constexpr Function<Point, Point> kByValue{"by-value"}, kWithContext{"with-context"}, kOnlyContext{"only-context"},
      kNothing{"nothing"}, kStatusOr{"status-or"};
  REQUIRE(engine.Register(kMirror, Mirror).ok());
  REQUIRE(engine.Register(kByValue, [](Point p) { return Point{p.y, p.x}; }).ok());
  REQUIRE(engine.Register(kWithContext, [](const Point& p, Context& c) { return Point{p.x, c.attempt()}; }).ok());
  REQUIRE(engine.Register(kOnlyContext, [](Context& c) { return Point{0, c.attempt()}; }).ok());
  REQUIRE(engine.Register(kNothing, [] { return Point{7, 7}; }).ok());
  REQUIRE(engine.Register(kStatusOr, [](const Point& p) -> absl::StatusOr<Point> { return p; }).ok());

  CHECK(engine.Invoke(kMirror, {1, 2}).value() == Point{2, 1});
  CHECK(engine.Invoke(kByValue, {1, 2}).value() == Point{2, 1});
  CHECK(engine.Invoke(kWithContext, {1, 2}).value() == Point{1, 1});
  CHECK(engine.Invoke(kOnlyContext, {1, 2}).value() == Point{0, 1});
  CHECK(engine.Invoke(kNothing, {1, 2}).value() == Point{7, 7});
  CHECK(engine.Start(kStatusOr, {1, 2}).Get().value() == Point{1, 2});
}

TEST_CASE("a function without a result answers a Status") {
  Simulation sim;
  std::vector<Point> plotted;
  REQUIRE(sim.engine().Register(kPlot, [&](const Point& p) { plotted.push_back(p); }).ok());
  CHECK(sim.engine().Invoke(kPlot, {1, 2}).ok());
  CHECK(sim.engine().Start(kPlot, {3, 4}).Get().ok());
  CHECK(sim.engine().Invoke("plot", "5,6").value() == "null");
  REQUIRE(sim.engine().Replace(kPlot, [](const Point&) { return absl::DataLossError("no ink"); }).ok());
  const absl::Status status = sim.engine().Invoke(kPlot, {7, 8});
  CHECK(Unsaid(status, absl::StatusCode::kDataLoss, {"no ink"}) == "");
  CHECK(FunctionErrorOf(status)->type == "DataLoss");
  CHECK(plotted == std::vector<Point>{{1, 2}, {3, 4}, {5, 6}});
}

TEST_CASE("what can only be moved travels by Invoke and Start, and a handler may keep it") {
  Simulation sim;
  constexpr Function<std::unique_ptr<int>, std::unique_ptr<int>> kPass{"pass"};
  REQUIRE(sim.engine().Register(kPass, [](std::unique_ptr<int> p) { return p; }).ok());
  CHECK(**sim.engine().Invoke(kPass, std::make_unique<int>(7)) == 7);
  CHECK(**sim.engine().Start(kPass, std::make_unique<int>(8)).Get() == 8);
}

TEST_CASE("Post of what cannot be copied needs a handler that leaves it, or no second use") {
  Simulation sim;
  Engine& engine = sim.engine();
  constexpr Function<std::unique_ptr<int>> kTake{"take"}, kLook{"look"};
  std::vector<int> seen;
  const auto take = [&](std::unique_ptr<int> p) { seen.push_back(*p); };
  REQUIRE(engine.Register(kTake, take).ok());
  CHECK(Unsaid(engine.Post(kTake, std::make_unique<int>(1)).status(), kPrecondition,
               {"\"take\"", "unique_ptr", "copied", "maximum_retry_attempts"}) == "");
  REQUIRE(engine.Replace(kTake, take, {.event_invoke = {.maximum_retry_attempts = 0}}).ok());
  CHECK(engine.Post(kTake, std::make_unique<int>(2)).ok());
  REQUIRE(engine.Register(kLook, [&](const std::unique_ptr<int>& p) { seen.push_back(*p); }).ok());
  CHECK(engine.Post(kLook, std::make_unique<int>(3)).ok());
  sim.RunUntilIdle();
  CHECK(seen.size() == 2);
  CHECK(engine.queue_stats().accepted == 2);
}

TEST_CASE("each attempt of a by-value handler gets a fresh copy of the event") {
  Simulation sim;
  constexpr Function<std::vector<int>> kEat{"eat"};
  std::vector<std::size_t> sizes;
  const auto eat = [&](std::vector<int> all) -> absl::Status {
    sizes.push_back(all.size());
    const std::vector<int> mine = std::move(all);
    return absl::UnavailableError("again");
  };
  REQUIRE(sim.engine().Register(kEat, eat).ok());
  REQUIRE(sim.engine().Post(kEat, {1, 2, 3}).ok());
  sim.RunUntilIdle();
  CHECK(sizes == std::vector<std::size_t>{3, 3, 3});
  CHECK(*sim.DeadLetters().at(0).As<std::vector<int>>() == std::vector<int>{1, 2, 3});
}

TEST_CASE("another type than the registered one is refused by every verb, and both are named") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register(kMirror, Mirror).ok());
  constexpr Function<int, Point> kOtherIn{"mirror"};
  constexpr Function<Point, bool> kOtherOut{"mirror"};
  const absl::Status other_in = engine.Invoke(kOtherIn, 1).status();
  CHECK(Unsaid(other_in, kInvalid, {"\"mirror\"", "runlet::Point", "int"}) == "");
  CHECK(!FunctionErrorOf(other_in).has_value());
  CHECK(engine.Start(kOtherIn, 1).Get().status() == other_in);
  CHECK(engine.Post(kOtherIn, 1).status() == other_in);
  CHECK(engine.Bind(kOtherIn).status() == other_in);
  CHECK(Unsaid(engine.Invoke(kOtherOut, Point{}).status(), kInvalid, {"\"mirror\"", "bool"}) == "");
  CHECK(Unsaid(engine.Bind(kOtherOut).status(), kInvalid, {"\"mirror\"", "bool"}) == "");
  CHECK(engine.Metrics("mirror").value().invocations == 0);
  CHECK(engine.queue_stats().accepted == 0);
}

// ---- bytes for typed functions ----

TEST_CASE("bytes reach a typed function through its codec, and the result comes back through another") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register(kIsEven, [](int n) { return n % 2 == 0; }).ok());
  REQUIRE(engine.Register(kMirror, Mirror).ok());
  CHECK(engine.Invoke("is-even", "42").value() == "true");
  CHECK(engine.Start("is-even", "-7").Get().value() == "false");
  CHECK(engine.Invoke("mirror", "1,2").value() == "2,1");
  REQUIRE(engine.Post("mirror", "3,4").ok());
  sim.RunUntilIdle();
  CHECK(engine.Metrics("mirror").value().invocations == 2);
}

TEST_CASE("bytes that cannot be decoded are refused before anything runs") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register(kIsEven, [](int n) { return n % 2 == 0; }).ok());
  REQUIRE(engine.Register(kMirror, Mirror).ok());
  for (const std::string_view bytes : {"", "x", "4x", "99999999999"}) {
    INFO(bytes);
    const absl::Status status = engine.Invoke("is-even", bytes).status();
    CHECK(Unsaid(status, kInvalid, {"\"is-even\"", std::to_string(bytes.size()) + " bytes", "int"}) == "");
    CHECK(!FunctionErrorOf(status).has_value());
    CHECK(engine.Start("is-even", bytes).Get().status() == status);
    CHECK(engine.Post("is-even", bytes).status() == status);
    CHECK(engine.Check("is-even", bytes) == status);
  }
  CHECK(Unsaid(engine.Invoke("mirror", "12").status(), kInvalid, {"\"mirror\"", "Point", "no comma"}) == "");
  CHECK(engine.Metrics("is-even").value().invocations == 0);
}

TEST_CASE("a typed function without a codec cannot be given bytes, and says what to include") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register(kOpaque, [](const Opaque& o) { return o; }).ok());
  CHECK(engine.Invoke(kOpaque, {3}).value().value == 3);
  const absl::Status status = engine.Invoke("opaque", "3").status();
  CHECK(Unsaid(status, kPrecondition, {"\"opaque\"", "Opaque", "Codec", "runlet/codec/json.h"}) == "");
  CHECK(engine.Start("opaque", "3").Get().status() == status);
  CHECK(engine.Post("opaque", "3").status() == status);
  CHECK(engine.Check("opaque", "3") == status);
}

TEST_CASE("a result that cannot be encoded is an error of the function") {
  Simulation sim;
  Engine& engine = sim.engine();
  REQUIRE(engine.Register(kMirror, Mirror).ok());
  const absl::Status status = engine.Invoke("mirror", "1,-2").status();
  REQUIRE(FunctionErrorOf(status).has_value());
  CHECK(*FunctionErrorOf(status) == FunctionError{"Runtime.MarshalError", "x is negative"});
  CHECK(engine.Invoke(kMirror, {1, -2}).value() == Point{-2, 1});  // nothing is encoded here
  CHECK(engine.Metrics("mirror").value().invocations == 2);
  CHECK(engine.Metrics("mirror").value().errors == 1);

  // Nobody reads an event's result, so nobody encodes it.
  REQUIRE(engine.Post("mirror", "1,-2").ok());
  sim.RunUntilIdle();
  CHECK(sim.DeadLetters().empty());
}

// ---- Bind and Check ----

TEST_CASE("a bound function spares the look-up, and follows replacement and removal") {
  Simulation sim;
  Engine& engine = sim.engine();
  CHECK(absl::IsNotFound(engine.Bind(kMirror).status()));
  REQUIRE(engine.Register(kMirror, Mirror).ok());
  const BoundFunction<Point, Point> mirror = engine.Bind(kMirror).value();
  CHECK(mirror.Invoke({1, 2}).value() == Point{2, 1});
  CHECK(mirror.Start({1, 2}).Get().value() == Point{2, 1});
  CHECK(mirror.Post({1, 2}).ok());
  CHECK(mirror.PostAll({{1, 2}, {3, 4}}).ok());

  REQUIRE(engine.Replace(kMirror, [](const Point& p) { return p; }).ok());
  CHECK(mirror.Invoke({1, 2}).value() == Point{1, 2});
  REQUIRE(engine.Remove("mirror").ok());
  CHECK(absl::IsNotFound(mirror.Invoke({1, 2}).status()));
  CHECK(absl::IsNotFound(mirror.Post({1, 2}).status()));
  REQUIRE(engine.Register(kMirror, Mirror).ok());
  CHECK(mirror.Invoke({1, 2}).value() == Point{2, 1});
}

TEST_CASE("a bound function of bytes") {
  Simulation sim;
  constexpr Function<std::string, std::string> kEcho{"echo"};
  REQUIRE(sim.engine().Register("echo", [](std::string_view e) { return std::string(e); }).ok());
  const auto echo = sim.engine().Bind(kEcho).value();
  CHECK(echo.Invoke("a").value() == "a");
  CHECK(sim.engine().Invoke(kEcho, "b").value() == "b");
}

TEST_CASE("Check says whether a call would be refused for what it is, and runs nothing") {
  Simulation sim({.engine = {.concurrency = 1}});
  Engine& engine = sim.engine();
  int runs = 0;
  REQUIRE(engine.Register("zero", [&](std::string_view) { ++runs; }, {.reserved_concurrency = 0}).ok());
  CHECK(engine.Check("zero", "{}").ok());  // says nothing of capacity
  sim.RunUntilIdle();
  CHECK(runs == 0);
  CHECK(engine.Metrics("zero").value().invocations == 0);
  CHECK(engine.Metrics("zero").value().throttles == 0);
}

// ---- what a handler is told ----

TEST_CASE("a handler is told who it is and what is left") {
  Simulation sim;
  Engine& engine = sim.engine();
  RequestId id;
  const auto look = [&](std::string_view, Context& ctx) {
    id = ctx.request_id();
    CHECK(ctx.function_name() == "look");
    CHECK(ctx.function_version() == "$LATEST");
    CHECK(ctx.attempt() == 1);
    CHECK(ctx.remaining_time() == absl::Seconds(5));
    CHECK(ctx.deadline() == absl::FromUnixSeconds(1'700'000'000) + sim.Elapsed() + absl::Seconds(5));
    CHECK(!ctx.stop_requested());
    CHECK(ctx.stop_reason() == StopReason::kNone);
    ctx.Sleep(absl::Seconds(1));
    CHECK(ctx.remaining_time() == absl::Seconds(4));
  };
  REQUIRE(engine.Register("look", look, {.timeout = absl::Seconds(5)}).ok());
  CHECK(engine.Invoke("look", "{}").ok());
  Future<std::string> started = engine.Start("look", "{}");
  const RequestId started_id = started.request_id();
  CHECK(std::move(started).Get().ok());
  CHECK(id == started_id);
  const RequestId posted_id = engine.Post("look", "{}").value();
  sim.RunUntilIdle();
  CHECK(id == posted_id);
  CHECK(id != started_id);
}

TEST_CASE("log lines go to the host's sink, with the invocation they belong to") {
  std::vector<std::string> lines;
  const auto sink = [&](const Invocation& invocation, std::string_view line) {
    lines.push_back(std::string(invocation.function_name) + ": " + std::string(line));
  };
  Simulation sim({.engine = {.log = sink}});
  REQUIRE(sim.engine().Register("talk", [](std::string_view event, Context& ctx) { ctx.Log(event); }).ok());
  CHECK(sim.engine().Invoke("talk", "one").ok());
  REQUIRE(sim.engine().Post("talk", "two").ok());
  sim.RunUntilIdle();
  CHECK(lines == std::vector<std::string>{"talk: one", "talk: two"});
}

}  // namespace
}  // namespace runlet
