// What a Status says: whether the call ran, how it failed, or why it was refused.
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"
#include "tests/engine/unsaid.h"

namespace runlet {

// A type whose codec throws.
struct Brittle {
  int value = 0;
};

#if defined(__cpp_exceptions)
template <>
struct Codec<Brittle> {
  static absl::StatusOr<std::string> Encode(const Brittle&) { throw std::runtime_error("encode threw"); }
  static absl::StatusOr<Brittle> Decode(std::string_view bytes) {
    if (bytes == "throw") throw std::runtime_error("decode threw");
    return Brittle{1};
  }
};
#endif

namespace {

using testing::Simulation;
using Answer = absl::StatusOr<std::string>;

FunctionError ErrorOf(const absl::Status& status) {
  return FunctionErrorOf(status).value_or(FunctionError{"none", std::string(status.message())});
}

// ---- function errors ----

TEST_CASE("the Status that a handler returns is a function error, whatever its code") {
  Simulation sim;
  Engine& engine = sim.engine();
  absl::Status answer;
  REQUIRE(engine.Register("fail", [&](std::string_view) { return answer; }).ok());
  const auto check = [&](absl::Status status, std::string_view type) {
    answer = std::move(status);
    const absl::Status got = engine.Invoke("fail", "{}").status();
    CHECK(got.code() == answer.code());
    CHECK(ErrorOf(got) == FunctionError{std::string(type), std::string(answer.message())});
    CHECK(Reason(got).empty());
  };
  check(absl::CancelledError("c"), "Cancelled");
  check(absl::UnknownError("u"), "Unknown");
  check(absl::InvalidArgumentError("i"), "InvalidArgument");
  check(absl::DeadlineExceededError("d"), "DeadlineExceeded");
  check(absl::NotFoundError("n"), "NotFound");
  check(absl::AlreadyExistsError("a"), "AlreadyExists");
  check(absl::PermissionDeniedError("p"), "PermissionDenied");
  check(absl::ResourceExhaustedError("r"), "ResourceExhausted");
  check(absl::FailedPreconditionError("f"), "FailedPrecondition");
  check(absl::AbortedError("a"), "Aborted");
  check(absl::OutOfRangeError("o"), "OutOfRange");
  check(absl::UnimplementedError("u"), "Unimplemented");
  check(absl::InternalError("i"), "Internal");
  check(absl::UnavailableError("u"), "Unavailable");
  check(absl::DataLossError("d"), "DataLoss");
  check(absl::UnauthenticatedError("u"), "Unauthenticated");
}

#if defined(__cpp_exceptions)

namespace custom {
struct Problem {};
}  // namespace custom

TEST_CASE("what a handler throws is a function error with its type and message") {
  Simulation sim;
  Engine& engine = sim.engine();
  std::function<void()> act;
  REQUIRE(engine.Register("throw", [&](std::string_view) { act(); }).ok());
  const auto check = [&](std::function<void()> thrower, const FunctionError& error) {
    act = std::move(thrower);
    CHECK(ErrorOf(engine.Invoke("throw", "{}").status()) == error);
    CHECK(ErrorOf(engine.Start("throw", "{}").Get().status()) == error);
  };
  check([] { throw std::runtime_error("boom"); }, {"std::runtime_error", "boom"});
  check([] { throw std::invalid_argument(""); }, {"std::invalid_argument", "std::invalid_argument"});
  check([] { throw 42; }, {"int", "int"});
  check([] { throw "text"; }, {"char const*", "text"});
  check([] { throw std::string("words"); }, {"std::__cxx11::basic_string<char, std::char_traits<char>, "
                                             "std::allocator<char> >",
                                             "words"});
  act = [] { throw custom::Problem(); };
  CHECK(ErrorOf(engine.Invoke("throw", "{}").status()).type.find("custom::Problem") != std::string::npos);
  CHECK(engine.idle());
}

TEST_CASE("an exception leaves no permit and no slot behind") {
  Simulation sim({.engine = {.concurrency = 1}});
  Engine& engine = sim.engine();
  REQUIRE(engine.Register("throw", [](std::string_view) { throw std::runtime_error("boom"); }).ok());
  for (int i = 0; i < 5; ++i) CHECK(FunctionErrorOf(engine.Invoke("throw", "{}").status()).has_value());
  CHECK(engine.idle());
}

// Throws when it is moved while *fails.
struct Fragile {
  explicit Fragile(const bool* its_fails) : fails(its_fails) {}
  Fragile(Fragile&& other) : fails(other.fails) {
    if (*fails) throw std::runtime_error("move threw");
  }
  Fragile& operator=(Fragile&&) = delete;
  const bool* fails;
};

TEST_CASE("an event or a result that throws when it is moved tells its caller, and leaves nothing behind") {
  Simulation sim({.engine = {.concurrency = 1}});
  Engine& engine = sim.engine();
  bool fails = true;
  constexpr Function<Fragile, void> kTake{"take"};
  constexpr Function<int, Fragile> kGive{"give"};
  REQUIRE(engine.Register(kTake, [](const Fragile&) {}).ok());
  REQUIRE(engine.Register(kGive, [&](int) { return Fragile(&fails); }).ok());
  for (int i = 0; i < 3; ++i) {
    fails = true;
    CHECK_THROWS_AS(engine.Start(kTake, Fragile(&fails)), std::runtime_error);
    CHECK_THROWS_AS(engine.Post(kTake, Fragile(&fails)), std::runtime_error);
    fails = false;
    Future<Fragile> given = engine.Start(kGive, 1);
    CHECK(given.WaitUntil(absl::InfiniteFuture()));
    fails = true;
    CHECK_THROWS_AS(std::move(given).Get(), std::runtime_error);
    CHECK(engine.idle());
  }
  fails = false;
  CHECK(engine.Invoke(kTake, Fragile(&fails)).ok());
  CHECK(engine.Start(kTake, Fragile(&fails)).Get().ok());
  CHECK(engine.Post(kTake, Fragile(&fails)).ok());
  sim.RunUntilIdle();
  CHECK(engine.queue_stats().accepted == 1);
}

TEST_CASE("what a codec throws is refused or told, and never escapes") {
  Simulation sim({.engine = {.concurrency = 1}});
  Engine& engine = sim.engine();
  constexpr Function<Brittle, Brittle> kBrittle{"brittle"};
  REQUIRE(engine.Register(kBrittle, [](const Brittle& b) { return b; }).ok());
  for (int i = 0; i < 2; ++i) {  // twice: nothing may stay behind
    CHECK(Unsaid(engine.Invoke("brittle", "throw").status(), absl::StatusCode::kInvalidArgument,
                 {"\"brittle\"", "decode threw"}) == "");
    CHECK(!FunctionErrorOf(engine.Post("brittle", "throw").status()).has_value());
    CHECK(engine.Post("brittle", "throw").status().code() == absl::StatusCode::kInvalidArgument);
    const absl::Status encoded = engine.Invoke("brittle", "{}").status();
    CHECK(ErrorOf(encoded).type == "Runtime.MarshalError");
    CHECK(ErrorOf(encoded).message.find("encode threw") != std::string::npos);
  }
  sim.FailNext("brittle", Permanent(absl::UnavailableError("down")));
  REQUIRE(engine.Post(kBrittle, {}).ok());
  sim.RunUntilIdle();
  CHECK(!sim.DeadLetters().at(0).Bytes().ok());
}

#endif  // __cpp_exceptions

TEST_CASE("a timeout is a function error in Lambda's words") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto sleep_on = [](std::string_view, Context& ctx) {
    while (ctx.Sleep(absl::Hours(1))) {
    }
  };
  REQUIRE(engine.Register("slow", sleep_on, {.timeout = absl::Milliseconds(2345)}).ok());
  Future<std::string> started = engine.Start("slow", "{}");
  const std::string id = started.request_id().ToString();
  const absl::Status status = std::move(started).Get().status();
  CHECK(status.code() == absl::StatusCode::kDeadlineExceeded);
  // "%.2f" of 2.345, which as a double lies a little above.
  CHECK(ErrorOf(status) ==
        FunctionError{"Sandbox.Timedout", "RequestId: " + id + " Error: Task timed out after 2.35 seconds"});
  CHECK(sim.Elapsed() == absl::Milliseconds(2345));

  const absl::Status shortened = engine.Invoke("slow", "{}", {.timeout = absl::Seconds(1)}).status();
  CHECK(ErrorOf(shortened).message.find("timed out after 1.00 seconds") != std::string::npos);
  const absl::Status not_lengthened = engine.Invoke("slow", "{}", {.timeout = absl::Hours(1)}).status();
  CHECK(ErrorOf(not_lengthened).message.find("timed out after 2.35 seconds") != std::string::npos);
}

TEST_CASE("a result at the deadline itself is too late, one before it is in time") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto sleep = [](std::string_view event, Context& ctx) {
    ctx.Sleep(absl::Nanoseconds(std::stoll(std::string(event))));
    return "slept";
  };
  for (const OnOverrun on_overrun : {OnOverrun::kRelease, OnOverrun::kWait}) {
    REQUIRE(engine.Register("sleep", sleep, {.timeout = absl::Seconds(1), .on_overrun = on_overrun}).ok());
    CHECK(engine.Invoke("sleep", "999999999").value() == "slept");
    CHECK(ErrorOf(engine.Invoke("sleep", "1000000000").status()).type == "Sandbox.Timedout");
    REQUIRE(engine.Remove("sleep").ok());
  }
}

TEST_CASE("a failure that a handler passes on from a function it called is an error of its own") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto inner = [](std::string_view, Context& ctx) {
    while (ctx.Sleep(absl::Hours(1))) {
    }
  };
  const auto outer = [&](std::string_view) -> Answer { return engine.Invoke("inner", "{}"); };
  REQUIRE(engine.Register("inner", inner, {.timeout = absl::Seconds(1)}).ok());
  REQUIRE(engine.Register("outer", outer).ok());
  const absl::Status status = engine.Invoke("outer", "{}").status();
  CHECK(ErrorOf(status).type == "DeadlineExceeded");  // not the callee's Sandbox.Timedout
  CHECK(ErrorOf(status).message.find("Task timed out after 1.00 seconds") != std::string::npos);
}

TEST_CASE("a refusal that a handler passes on is an error of its own, and no refusal any more") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto outer = [&](std::string_view name) -> Answer { return engine.Invoke(name, "{}"); };
  REQUIRE(engine.Register("outer", outer).ok());
  REQUIRE(engine.Register("zero", [] { return ""; }, {.reserved_concurrency = 0}).ok());
  const absl::Status throttled = engine.Invoke("outer", "zero").status();
  CHECK(ErrorOf(throttled).type == "ResourceExhausted");
  CHECK(Reason(throttled).empty());
  CHECK(ErrorOf(engine.Invoke("outer", "nobody").status()).type == "NotFound");
}

TEST_CASE("a callee's permanent error is not the caller's: what may be retried is for the caller to say") {
  Simulation sim;
  Engine& engine = sim.engine();
  const auto inner = [](std::string_view) -> absl::Status { return Permanent(absl::InvalidArgumentError("bad")); };
  bool permanent_too = false;
  const auto outer = [&](std::string_view) -> absl::Status {
    absl::Status status = engine.Invoke("inner", "{}").status();
    CHECK(IsPermanent(status));
    return permanent_too ? Permanent(std::move(status)) : status;
  };
  REQUIRE(engine.Register("inner", inner).ok());
  REQUIRE(engine.Register("outer", outer).ok());
  CHECK(!IsPermanent(engine.Invoke("outer", "{}").status()));
  REQUIRE(engine.Post("outer", "{}").ok());
  sim.RunUntilIdle();
  CHECK(sim.DeadLetters().at(0).condition == Condition::kRetriesExhausted);

  permanent_too = true;
  CHECK(IsPermanent(engine.Invoke("outer", "{}").status()));
  REQUIRE(engine.Post("outer", "{}").ok());
  sim.RunUntilIdle();
  CHECK(sim.DeadLetters().at(1).condition == Condition::kNotRetryable);
}

TEST_CASE("Permanent leaves success alone and keeps code and message") {
  CHECK(Permanent(absl::OkStatus()).ok());
  CHECK(!IsPermanent(absl::OkStatus()));
  CHECK(!IsPermanent(absl::DataLossError("gone")));
  const absl::Status status = Permanent(absl::DataLossError("gone"));
  CHECK(IsPermanent(status));
  CHECK(status.code() == absl::StatusCode::kDataLoss);
  CHECK(status.message() == "gone");
  CHECK(!FunctionErrorOf(status).has_value());
}

// ---- refusals ----

TEST_CASE("a refused call has a reason where capacity or room is short, and never a function error") {
  Simulation sim({.engine = {.concurrency = 2, .memory_queue = {.events = 1, .dead_letters = 1}}});
  Engine& engine = sim.engine();
  const auto hold = [](std::string_view, Context& ctx) { ctx.Sleep(absl::Seconds(1)); };
  REQUIRE(engine.Register("reserved", hold, {.reserved_concurrency = 1}).ok());
  REQUIRE(engine.Register("shared", hold).ok());
  Future<std::string> one = engine.Start("reserved", "{}");
  Future<std::string> two = engine.Start("shared", "{}");

  const absl::Status over_own = engine.Invoke("reserved", "{}").status();
  CHECK(Reason(over_own) == reason::kReservedFunctionConcurrentInvocationLimitExceeded);
  CHECK(Unsaid(over_own, absl::StatusCode::kResourceExhausted, {"\"reserved\"", "1 of 1 reserved"}) == "");
  const absl::Status over_all = engine.Invoke("shared", "{}").status();
  CHECK(Reason(over_all) == reason::kConcurrentInvocationLimitExceeded);
  CHECK(Unsaid(over_all, absl::StatusCode::kResourceExhausted, {"\"shared\"", "1 of 1 unreserved"}) == "");
  for (const absl::Status& status : {over_own, over_all}) CHECK(!FunctionErrorOf(status).has_value());
  CHECK(std::move(one).Get().ok());
  CHECK(std::move(two).Get().ok());

  REQUIRE(engine.Post("shared", "{}").ok());
  CHECK(Reason(engine.Post("shared", "{}").status()) == reason::kEventQueueFull);
  sim.FailNext("shared", Permanent(absl::UnavailableError("down")));
  sim.RunUntilIdle();
  CHECK(Reason(engine.Post("shared", "{}").status()) == reason::kDeadLetterQueueFull);

  const absl::Status too_late = engine.Invoke("shared", "{}", {.timeout = absl::ZeroDuration()}).status();
  CHECK(Reason(too_late) == reason::kNoThreadInTime);
  CHECK(Unsaid(too_late, absl::StatusCode::kDeadlineExceeded, {"\"shared\""}) == "");
  CHECK(!FunctionErrorOf(too_late).has_value());

  engine.Drain(absl::ZeroDuration(), absl::ZeroDuration());
  const absl::Status closed = engine.Invoke("shared", "{}").status();
  CHECK(Reason(closed) == reason::kEngineClosed);
  CHECK(closed.code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("a deadline that has passed runs nothing, on any thread") {
  Simulation sim;
  Engine& engine = sim.engine();
  int runs = 0;
  for (const RunOn run_on : {RunOn::kPool, RunOn::kCaller}) {
    REQUIRE(engine.Register("count", [&](std::string_view) { ++runs; }, {.run_on = run_on}).ok());
    for (const absl::Duration timeout : {absl::ZeroDuration(), -absl::Seconds(1), -absl::InfiniteDuration()}) {
      CHECK(Reason(engine.Invoke("count", "{}", {.timeout = timeout}).status()) == reason::kNoThreadInTime);
      CHECK(Reason(engine.Start("count", "{}", {.timeout = timeout}).Get().status()) == reason::kNoThreadInTime);
    }
    CHECK(engine.Invoke("count", "{}", {.timeout = absl::Nanoseconds(1)}).ok());
    REQUIRE(engine.Remove("count").ok());
  }
  CHECK(runs == 2);
}

}  // namespace
}  // namespace runlet
