// A hundred virtual hours of events, each of whose attempts and whose record is foretold by Lambda's rules.
#include <fmt/format.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runlet/base/random.h"
#include "runlet/runlet.h"
#include "runlet/testing/simulation.h"
#include "tests/catch.h"

namespace runlet {
namespace {

using testing::Simulation;

constexpr int kEvents = 10'000;
const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

// How one function is set up, and how its handler fails.
struct Setting {
  int retries;
  absl::Duration age;
  bool permanent;  // its failures are no use to retry
  bool zero;       // it has no concurrency at all
};
const Setting kSettings[] = {
    {2, absl::Hours(6), false, false},     {1, absl::Hours(6), false, false},    {0, absl::Hours(6), false, false},
    {2, absl::Seconds(60), false, false},  {2, absl::Seconds(61), false, false}, {2, absl::Seconds(180), false, false},
    {2, absl::Seconds(181), false, false}, {2, absl::Hours(6), true, false},     {2, absl::Hours(6), false, true},
};

struct Life {
  std::vector<absl::Duration> attempts;  // since the start
  absl::Duration ended;
  Condition condition = Condition::kSuccess;
};

// An event of `setting` that is accepted at `at`, and whose first `failures` attempts fail.
Life Foretell(const Setting& setting, absl::Duration at, int failures) {
  Life life;
  life.ended = at;
  if (setting.zero) {
    life.condition = Condition::kZeroReservedConcurrency;
    return life;
  }
  for (absl::Duration now = at;; now += life.attempts.size() == 1 ? absl::Seconds(60) : absl::Seconds(120)) {
    life.attempts.push_back(now);
    life.ended = now;
    const auto attempt = static_cast<int>(life.attempts.size());
    if (attempt > failures) return life;
    const absl::Duration next = now + (attempt == 1 ? absl::Seconds(60) : absl::Seconds(120));
    if (setting.permanent) {
      life.condition = Condition::kNotRetryable;
    } else if (attempt > setting.retries) {
      life.condition = Condition::kRetriesExhausted;
    } else if (next - at >= setting.age) {
      life.condition = Condition::kEventAgeExceeded;
    } else {
      continue;
    }
    return life;
  }
}

std::string RecordOf(const Life& life, const RequestId& id, std::string_view function, std::string_view payload) {
  std::string record = fmt::format(
      R"({{"version":"1.0","timestamp":"{}","requestContext":{{"requestId":"{}","functionArn":)"
      R"("arn:aws:lambda:us-east-1:000000000000:function:{}:$LATEST","condition":"{}","approximateInvokeCount":{}}},)"
      R"("requestPayload":{})",
      absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", kStart + life.ended, absl::UTCTimeZone()), id.ToString(), function,
      ConditionName(life.condition), life.attempts.size(), payload);
  if (life.condition == Condition::kSuccess) {
    record += R"(,"responseContext":{"statusCode":200,"executedVersion":"$LATEST"},"responsePayload":"done")";
  } else if (!life.attempts.empty()) {
    record += fmt::format(
        R"(,"responseContext":{{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"}},)"
        R"("responsePayload":{{"errorMessage":"attempt {} failed","errorType":"Unavailable","stackTrace":[]}})",
        life.attempts.size());
  }
  return record + '}';
}

TEST_CASE("a hundred virtual hours and ten thousand events go as Lambda's rules foretell") {
  Random random(42);
  Simulation sim({.seed = 42, .start = kStart, .keep_ledger = false});
  Engine& engine = sim.engine();
  std::map<std::string, int, std::less<>> failures;  // by payload
  std::map<std::string, std::vector<absl::Duration>, std::less<>> attempts;
  std::map<std::string, std::string> records;  // by request id
  const auto told = Destination::Callback([&](const InvocationRecord& record) {
    const bool first = records.emplace(record.request_id.ToString(), record.Json({}).value()).second;
    return first ? absl::OkStatus() : absl::AlreadyExistsError("told twice");
  });

  int number = 0;
  for (const Setting& setting : kSettings) {
    const auto handler = [&, permanent = setting.permanent](std::string_view event,
                                                            Context& ctx) -> absl::StatusOr<std::string> {
      attempts[std::string(event)].push_back(sim.Elapsed());
      if (ctx.attempt() > failures.find(event)->second) return "\"done\"";
      const absl::Status failed = absl::UnavailableError(fmt::format("attempt {} failed", ctx.attempt()));
      return permanent ? Permanent(failed) : failed;
    };
    FunctionConfig config;
    if (setting.zero) config.reserved_concurrency = 0;
    config.event_invoke = {.maximum_retry_attempts = setting.retries,
                           .maximum_event_age = setting.age,
                           .on_success = told,
                           .on_failure = told};
    REQUIRE(engine.Register(fmt::format("f{}", number++), handler, config).ok());
  }

  struct Posted {
    RequestId id;
    std::string function;
    std::string payload;
    Life life;
  };
  std::vector<Posted> posted;
  for (int i = 0; i < kEvents; ++i) {
    sim.AdvanceBy(absl::Milliseconds(static_cast<double>(random.Below(72'000))));
    const auto which = static_cast<std::size_t>(random.Below(std::size(kSettings)));
    const std::string payload = fmt::format("{{\"event\":{}}}", i);
    failures[payload] = static_cast<int>(random.Below(5));
    const std::string function = fmt::format("f{}", which);
    const RequestId id = engine.Post(function, payload).value();
    posted.push_back({id, function, payload, Foretell(kSettings[which], sim.Elapsed(), failures[payload])});
  }
  sim.RunUntilIdle();
  CHECK(sim.Elapsed() > absl::Hours(95));

  std::size_t dead = 0;
  for (const Posted& event : posted) {
    INFO(event.function << ' ' << event.payload);
    REQUIRE(attempts[event.payload] == event.life.attempts);
    REQUIRE(records[event.id.ToString()] == RecordOf(event.life, event.id, event.function, event.payload));
    if (event.life.condition != Condition::kSuccess) ++dead;
  }
  CHECK(records.size() == kEvents);
  CHECK(engine.dead_letters().size() == dead);
}

}  // namespace
}  // namespace runlet
