// What becomes of one posted event, row by row: Lambda's state machine of asynchronous invocation, in virtual time.
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"

namespace runlet {
namespace {

using testing::LedgerEntry;
using testing::Simulation;
using Answer = absl::StatusOr<std::string>;
using Script = std::function<Answer(Context&)>;

constexpr std::string_view kName = "subject";
const std::string kPayload("{\"n\": 1}\0\xff end", 13);

struct Row {
  std::string_view name;
  FunctionConfig config = {};
  Script handler;
  std::function<void(Simulation&)> before = nullptr;  // the event is posted
  std::function<void(Simulation&)> after = nullptr;

  std::vector<double> attempts_at = {};  // s since acceptance
  Condition end = Condition::kSuccess;
  double ends_at = 0;
  int attempts = 0;
  std::vector<FunctionError> errors = {};  // "{id}" stands for the request id
  std::vector<double> throttled_at = {};
};

// ---- what handlers do ----

Answer Succeed(Context&) { return "done"; }
Answer Fail(Context&) { return absl::UnavailableError("down"); }
const FunctionError kDown{"Unavailable", "down"};

Script FailTimes(int count) {
  return [count](Context& ctx) { return ctx.attempt() <= count ? Fail(ctx) : Succeed(ctx); };
}
Script PermanentAt(int attempt) {
  return [attempt](Context& ctx) {
    return ctx.attempt() == attempt ? Answer(Permanent(absl::InvalidArgumentError("bad event"))) : Fail(ctx);
  };
}
Answer SleepOn(Context& ctx) {
  while (ctx.Sleep(absl::Hours(1))) {
  }
  return "nobody waits for this";
}
FunctionError TimedOutAfter(std::string_view seconds) {
  return {"Sandbox.Timedout", "RequestId: {id} Error: Task timed out after " + std::string(seconds) + " seconds"};
}
Script Take(absl::Duration duration, Script then) {
  return [duration, then](Context& ctx) {
    ctx.Sleep(duration);
    return then(ctx);
  };
}

// A call from outside holds the only reserved permit for `held`; events succeed.
Script HoldWhenCalled(absl::Duration held) {
  return [held](Context& ctx) {
    if (ctx.type() == InvocationType::kRequestResponse) ctx.Sleep(held);
    return Succeed(ctx);
  };
}
void HoldThePermit(Simulation& sim) { (void)sim.engine().Start(kName, "{}"); }

FunctionConfig Retries(int count, RetryPolicy policy = RetryPolicy::Lambda()) {
  return {.event_invoke = {.maximum_retry_attempts = count, .retry_policy = policy}};
}
FunctionConfig Age(absl::Duration age, RetryPolicy policy = RetryPolicy::Lambda()) {
  return {.event_invoke = {.maximum_event_age = age, .retry_policy = policy}};
}
FunctionConfig OneReserved(absl::Duration age = absl::Hours(6)) {
  return {.timeout = absl::Minutes(15), .reserved_concurrency = 1, .event_invoke = {.maximum_event_age = age}};
}

std::function<void(Simulation&)> At(absl::Duration when, std::function<void(Engine&)> action) {
  return [when, action](Simulation& sim) {
    sim.AdvanceBy(when);
    action(sim.engine());
  };
}
void ReplaceBySuccess(Engine& engine) {
  REQUIRE(engine.Replace(kName, [](std::string_view, Context& ctx) { return Succeed(ctx); }).ok());
}
void ReplaceByZeroReserved(Engine& engine) {
  REQUIRE(
      engine.Replace(kName, [](std::string_view, Context& ctx) { return Succeed(ctx); }, {.reserved_concurrency = 0})
          .ok());
}
void ReplaceByFewerRetries(Engine& engine) {
  REQUIRE(engine
              .Replace(
                  kName, [](std::string_view, Context& ctx) { return Fail(ctx); }, Retries(1))
              .ok());
}
void ReplaceByMoreRetries(Engine& engine) {
  REQUIRE(engine
              .Replace(
                  kName, [](std::string_view, Context& ctx) { return Fail(ctx); }, Retries(3))
              .ok());
}
void Remove(Engine& engine) { REQUIRE(engine.Remove(kName).ok()); }

// ---- the table ----

std::vector<Row> Rows() {
  const absl::Duration ns = absl::Nanoseconds(1);
  const std::vector<FunctionError> down1 = {kDown};
  const std::vector<FunctionError> down2 = {kDown, kDown};
  const std::vector<FunctionError> down3 = {kDown, kDown, kDown};
  const FunctionError too_large{"Function.ResponseSizeTooLarge",
                                "Response payload size exceeded maximum allowed payload size (6291556 bytes)."};
  std::vector<Row> rows = {
      {.name = "success at once", .handler = Succeed, .attempts_at = {0}, .attempts = 1},
      {.name = "one failure, then success",
       .handler = FailTimes(1),
       .attempts_at = {0, 60},
       .ends_at = 60,
       .attempts = 2},
      {.name = "two failures, then success",
       .handler = FailTimes(2),
       .attempts_at = {0, 60, 180},
       .ends_at = 180,
       .attempts = 3},
      {.name = "failure for ever",
       .handler = Fail,
       .attempts_at = {0, 60, 180},
       .end = Condition::kRetriesExhausted,
       .ends_at = 180,
       .attempts = 3,
       .errors = down3},
      {.name = "no retries",
       .config = Retries(0),
       .handler = Fail,
       .attempts_at = {0},
       .end = Condition::kRetriesExhausted,
       .attempts = 1,
       .errors = down1},
      {.name = "one retry",
       .config = Retries(1),
       .handler = Fail,
       .attempts_at = {0, 60},
       .end = Condition::kRetriesExhausted,
       .ends_at = 60,
       .attempts = 2,
       .errors = down2},
      {.name = "more retries than Lambda allows wait 120 s each",
       .config = Retries(5),
       .handler = Fail,
       .attempts_at = {0, 60, 180, 300, 420, 540},
       .end = Condition::kRetriesExhausted,
       .ends_at = 540,
       .attempts = 6,
       .errors = {kDown, kDown, kDown, kDown, kDown, kDown}},
      {.name = "a fixed wait",
       .config = Retries(3, RetryPolicy::Fixed(absl::Seconds(10))),
       .handler = Fail,
       .attempts_at = {0, 10, 20, 30},
       .end = Condition::kRetriesExhausted,
       .ends_at = 30,
       .attempts = 4,
       .errors = {kDown, kDown, kDown, kDown}},
      {.name = "no wait at all",
       .config = Retries(2, RetryPolicy::Fixed(absl::ZeroDuration())),
       .handler = Fail,
       .attempts_at = {0, 0, 0},
       .end = Condition::kRetriesExhausted,
       .attempts = 3,
       .errors = down3},
      {.name = "back-off counts from the end of the attempt",
       .handler = Take(absl::Seconds(2), Fail),
       .attempts_at = {0, 62, 184},
       .end = Condition::kRetriesExhausted,
       .ends_at = 186,
       .attempts = 3,
       .errors = down3},

      // Function errors of every kind are attempts.
      {.name = "a timeout is an attempt",
       .handler = SleepOn,
       .attempts_at = {0, 63, 186},
       .end = Condition::kRetriesExhausted,
       .ends_at = 189,
       .attempts = 3,
       .errors = {TimedOutAfter("3.00"), TimedOutAfter("3.00"), TimedOutAfter("3.00")}},
      {.name = "a timeout where the handler cannot be left is an attempt",
       .config = {.timeout = absl::Milliseconds(1500), .on_overrun = OnOverrun::kWait},
       .handler = SleepOn,
       .attempts_at = {0, 61.5, 183},
       .end = Condition::kRetriesExhausted,
       .ends_at = 184.5,
       .attempts = 3,
       .errors = {TimedOutAfter("1.50"), TimedOutAfter("1.50"), TimedOutAfter("1.50")}},
      {.name = "a result of one byte too many is an attempt",
       .config = Retries(1),
       .handler = [](Context&) -> Answer { return std::string(6'291'557, 'x'); },
       .attempts_at = {0, 60},
       .end = Condition::kRetriesExhausted,
       .ends_at = 60,
       .attempts = 2,
       .errors = {too_large, too_large}},
      {.name = "the largest result is a success",
       .handler = [](Context&) -> Answer { return std::string(6'291'556, 'x'); },
       .attempts_at = {0},
       .attempts = 1},
      {.name = "a permanent error ends the event at once",
       .handler = PermanentAt(1),
       .attempts_at = {0},
       .end = Condition::kNotRetryable,
       .attempts = 1,
       .errors = {{"InvalidArgument", "bad event"}}},
      {.name = "a permanent error ends the event at a retry",
       .handler = PermanentAt(2),
       .attempts_at = {0, 60},
       .end = Condition::kNotRetryable,
       .ends_at = 60,
       .attempts = 2,
       .errors = {kDown, {"InvalidArgument", "bad event"}}},

      // Age looks ahead to the next attempt. Recorded of Lambda: limit 60 s, invoke count 1; a larger one, 2.
      {.name = "an age of 60 s leaves no time for a retry at 60 s",
       .config = Age(absl::Seconds(60)),
       .handler = Fail,
       .attempts_at = {0},
       .end = Condition::kEventAgeExceeded,
       .attempts = 1,
       .errors = down1},
      {.name = "an age just over 60 s does",
       .config = Age(absl::Seconds(60) + ns),
       .handler = Fail,
       .attempts_at = {0, 60},
       .end = Condition::kEventAgeExceeded,
       .ends_at = 60,
       .attempts = 2,
       .errors = down2},
      {.name = "an age of 180 s leaves no time for the second retry",
       .config = Age(absl::Seconds(180)),
       .handler = Fail,
       .attempts_at = {0, 60},
       .end = Condition::kEventAgeExceeded,
       .ends_at = 60,
       .attempts = 2,
       .errors = down2},
      {.name = "an age just over 180 s does",
       .config = Age(absl::Seconds(180) + ns),
       .handler = Fail,
       .attempts_at = {0, 60, 180},
       .end = Condition::kRetriesExhausted,
       .ends_at = 180,
       .attempts = 3,
       .errors = down3},
      {.name = "the age passes during the attempt",
       .config = Age(absl::Seconds(2), RetryPolicy::Fixed(absl::ZeroDuration())),
       .handler = Take(absl::Seconds(2), Fail),
       .attempts_at = {0},
       .end = Condition::kEventAgeExceeded,
       .ends_at = 2,
       .attempts = 1,
       .errors = down1},
      {.name = "an attempt that outlives the age may succeed",
       .config = Age(absl::Seconds(1)),
       .handler = Take(absl::Seconds(2), Succeed),
       .attempts_at = {0},
       .ends_at = 2,
       .attempts = 1},

      // Throttles have their own back-off and are no attempts.
      {.name = "throttled by a caller: tried at 1, 3, 7 and 15 s",
       .config = OneReserved(),
       .handler = HoldWhenCalled(absl::Seconds(10)),
       .before = HoldThePermit,
       .attempts_at = {15},
       .ends_at = 15,
       .attempts = 1,
       .throttled_at = {0, 1, 3, 7}},
      {.name = "a throttled event runs when the permit comes free at that very time",
       .config = OneReserved(),
       .handler = HoldWhenCalled(absl::Seconds(7) - ns),
       .before = HoldThePermit,
       .attempts_at = {7},
       .ends_at = 7,
       .attempts = 1,
       .throttled_at = {0, 1, 3}},
      {.name = "the back-off of throttles ends at 300 s",
       .config = OneReserved(),
       .handler = HoldWhenCalled(absl::Minutes(14)),
       .before = HoldThePermit,
       .attempts_at = {1111},
       .ends_at = 1111,
       .attempts = 1,
       .throttled_at = {0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811}},
      {.name = "throttled until it is too old",
       .config = OneReserved(absl::Seconds(60)),
       .handler = HoldWhenCalled(absl::Minutes(14)),
       .before = HoldThePermit,
       .end = Condition::kEventAgeExceeded,
       .ends_at = 31,  // the next try would be at 63 s
       .attempts = 0,
       .throttled_at = {0, 1, 3, 7, 15}},
      {.name = "no try at the age itself",
       .config = OneReserved(absl::Seconds(15)),
       .handler = HoldWhenCalled(absl::Minutes(14)),
       .before = HoldThePermit,
       .end = Condition::kEventAgeExceeded,
       .ends_at = 7,
       .attempts = 0,
       .throttled_at = {0, 1, 3}},
      {.name = "reserved concurrency 0 ends the event without an attempt",
       .config = {.reserved_concurrency = 0},
       .handler = Succeed,
       .end = Condition::kZeroReservedConcurrency,
       .attempts = 0},

      // The function changes while the event waits.
      {.name = "replaced while the event waits: runs on the new code",
       .handler = Fail,
       .after = At(absl::Seconds(30), ReplaceBySuccess),
       .attempts_at = {0, 60},
       .ends_at = 60,
       .attempts = 2},
      {.name = "replaced by reserved concurrency 0 while the event waits",
       .handler = Fail,
       .after = At(absl::Seconds(30), ReplaceByZeroReserved),
       .attempts_at = {0},
       .end = Condition::kZeroReservedConcurrency,
       .ends_at = 60,
       .attempts = 1,
       .errors = down1},
      {.name = "replaced by fewer retries",
       .handler = Fail,
       .after = At(absl::Seconds(30), ReplaceByFewerRetries),
       .attempts_at = {0, 60},
       .end = Condition::kRetriesExhausted,
       .ends_at = 60,
       .attempts = 2,
       .errors = down2},
      {.name = "replaced by more retries",
       .handler = Fail,
       .after = At(absl::Seconds(30), ReplaceByMoreRetries),
       .attempts_at = {0, 60, 180, 300},
       .end = Condition::kRetriesExhausted,
       .ends_at = 300,
       .attempts = 4,
       .errors = {kDown, kDown, kDown, kDown}},
  };
  rows.push_back({.name = "removed before the event began",
                  .handler = Succeed,
                  .after = [](Simulation& sim) { Remove(sim.engine()); },
                  .end = Condition::kFunctionRemoved,
                  .attempts = 0});
  rows.push_back({.name = "removed while the event waits",
                  .handler = Fail,
                  .after = At(absl::Seconds(30), Remove),
                  .attempts_at = {0},
                  .end = Condition::kFunctionRemoved,
                  .ends_at = 30,
                  .attempts = 1,
                  .errors = down1});
  rows.push_back({.name = "removed while the event runs, which then fails",
                  .handler = Take(absl::Seconds(2), Fail),
                  .after = At(absl::Seconds(1), Remove),
                  .attempts_at = {0},
                  .end = Condition::kFunctionRemoved,
                  .ends_at = 2,
                  .attempts = 1,
                  .errors = down1});
  rows.push_back({.name = "removed while the event runs, which then succeeds",
                  .handler = Take(absl::Seconds(2), Succeed),
                  .after = At(absl::Seconds(1), Remove),
                  .attempts_at = {0},
                  .ends_at = 2,
                  .attempts = 1});
#if defined(__cpp_exceptions)
  rows.push_back({.name = "an exception is an attempt, told by type and message",
                  .config = Retries(1),
                  .handler = [](Context&) -> Answer { throw std::out_of_range("no such row"); },
                  .attempts_at = {0, 60},
                  .end = Condition::kRetriesExhausted,
                  .ends_at = 60,
                  .attempts = 2,
                  .errors = {{"std::out_of_range", "no such row"}, {"std::out_of_range", "no such row"}}});
  rows.push_back({.name = "anything thrown is an attempt",
                  .config = Retries(0),
                  .handler = [](Context&) -> Answer { throw 7; },
                  .attempts_at = {0},
                  .end = Condition::kRetriesExhausted,
                  .attempts = 1,
                  .errors = {{"int", "int"}}});
#endif
  return rows;
}

// ---- reading it ----

std::vector<double> TimesOf(const std::vector<LedgerEntry>& entries) {
  std::vector<double> times;
  for (const LedgerEntry& entry : entries) {
    if (entry.type == InvocationType::kEvent) times.push_back(absl::ToDoubleSeconds(entry.at));
  }
  return times;
}

std::vector<FunctionError> WithId(std::vector<FunctionError> errors, const RequestId& id) {
  for (FunctionError& error : errors) {
    const std::size_t at = error.message.find("{id}");
    if (at != std::string::npos) error.message.replace(at, 4, id.ToString());
  }
  return errors;
}

void CheckDeadLetter(const Row& row, const DeadLetter& letter, const RequestId& id, absl::Time start) {
  CHECK(letter.request_id == id);
  CHECK(letter.function == kName);
  CHECK(letter.condition == row.end);
  CHECK(letter.attempts == row.attempts);
  CHECK(letter.Bytes().value() == kPayload);
  CHECK(letter.accepted_at == start);
  CHECK(letter.died_at == start + absl::Seconds(row.ends_at));
  const std::vector<FunctionError> expected = WithId(row.errors, id);
  REQUIRE(letter.errors.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(letter.errors[i].attempt == static_cast<int>(i) + 1);
    CHECK(letter.errors[i].error.type == expected[i].type);
    CHECK(letter.errors[i].error.message == expected[i].message);
  }
}

void Play(const Row& row) {
  const absl::Time start = absl::FromUnixSeconds(1'600'000'000);
  Simulation sim({.start = start});
  const auto handler = [&](std::string_view event, Context& ctx) {
    if (ctx.type() == InvocationType::kEvent) {
      CHECK(event == kPayload);
      CHECK(ctx.client_context().empty());
    }
    return row.handler(ctx);
  };
  REQUIRE(sim.engine().Register(kName, handler, row.config).ok());
  if (row.before) row.before(sim);
  const RequestId id = sim.engine().Post(kName, kPayload).value();
  if (row.after) row.after(sim);
  sim.RunUntilIdle();

  const testing::Ledger& ledger = sim.Ledger();
  CHECK(TimesOf(ledger.Of(Activity::Kind::kStarted)) == row.attempts_at);
  CHECK(TimesOf(ledger.Of(Activity::Kind::kThrottled)) == row.throttled_at);
  for (const LedgerEntry& entry : ledger.Of(Activity::Kind::kStarted)) {
    if (entry.type == InvocationType::kEvent) CHECK(entry.request_id == id);
  }
  const std::vector<LedgerEntry> ends = ledger.Of(Activity::Kind::kEnded);
  REQUIRE(ends.size() == 1);
  CHECK(ends[0].request_id == id);
  CHECK(ends[0].condition == row.end);
  CHECK(absl::ToDoubleSeconds(ends[0].at) == row.ends_at);
  CHECK(ends[0].attempt == row.attempts);

  const bool died = row.end != Condition::kSuccess;
  const FunctionMetrics metrics = sim.engine().Metrics(kName).value();
  CHECK(metrics.async_events_received == 1);
  CHECK(metrics.async_events_dropped == (died ? 1U : 0U));
  CHECK(metrics.throttles >= row.throttled_at.size());
  CHECK(metrics.retries == static_cast<std::uint64_t>(row.attempts > 1 ? row.attempts - 1 : 0));
  const std::vector<DeadLetter> letters = sim.DeadLetters();
  REQUIRE(letters.size() == (died ? 1U : 0U));
  if (died) CheckDeadLetter(row, letters[0], id, start);
}

TEST_CASE("an event goes through attempts, throttles and age to its end as Lambda's table says") {
  for (const Row& row : Rows()) {
    INFO(row.name);
    Play(row);
  }
}

}  // namespace
}  // namespace runlet
