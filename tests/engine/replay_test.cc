// A hundred virtual hours of events, each of whose attempts and whose record is foretold by Lambda's rules.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>
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
  enum class Kind {
    kPlain,
    kPermanent,  // its failures are no use to retry
    kZero,       // it has no concurrency at all
    kBusy,       // a caller may hold all it has
    kLoop,       // each event posts the next one
  } kind;
};
using Kind = Setting::Kind;
const Setting kSettings[] = {
    {2, absl::Hours(6), Kind::kPlain},     {1, absl::Hours(6), Kind::kPlain},     {0, absl::Hours(6), Kind::kPlain},
    {2, absl::Seconds(60), Kind::kPlain},  {2, absl::Seconds(61), Kind::kPlain},  {2, absl::Seconds(180), Kind::kPlain},
    {2, absl::Seconds(181), Kind::kPlain}, {2, absl::Hours(6), Kind::kPermanent}, {2, absl::Hours(6), Kind::kZero},
    {2, absl::Hours(6), Kind::kBusy},      {2, absl::Seconds(100), Kind::kBusy},  {0, absl::Hours(6), Kind::kLoop},
};
constexpr int kLoopRuns = 16;

// When callers held what a function has.
struct Holds {
  struct Hold {
    absl::Duration from, until;
  };
  std::vector<Hold> all;
  bool Hold(absl::Duration at) const {
    return std::any_of(all.begin(), all.end(), [at](const auto& hold) { return hold.from <= at && at < hold.until; });
  }
};

struct Life {
  std::vector<absl::Duration> attempts;  // since the start
  absl::Duration ended;
  Condition condition = Condition::kSuccess;
};

// An event of `setting` that is accepted at `at`, and whose first `failures` attempts fail.
Life Foretell(const Setting& setting, const Holds& holds, absl::Duration at, int failures) {
  Life life;
  life.ended = at;
  if (setting.kind == Kind::kZero) {
    life.condition = Condition::kZeroReservedConcurrency;
    return life;
  }
  for (absl::Duration now = at;;) {
    for (absl::Duration wait = absl::Seconds(1); holds.Hold(now); wait = std::min(wait * 2, absl::Seconds(300))) {
      life.ended = now;
      now += wait;
      if (now - at < setting.age) continue;
      life.condition = Condition::kEventAgeExceeded;
      return life;
    }
    life.attempts.push_back(now);
    life.ended = now;
    const auto attempt = static_cast<int>(life.attempts.size());
    if (attempt > failures) return life;
    now += attempt == 1 ? absl::Seconds(60) : absl::Seconds(120);
    if (setting.kind == Kind::kPermanent) {
      life.condition = Condition::kNotRetryable;
    } else if (attempt > setting.retries) {
      life.condition = Condition::kRetriesExhausted;
    } else if (now - at >= setting.age) {
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
  std::map<std::string, std::string> records;                            // by request id
  std::map<std::string, std::vector<RequestId>, std::less<>> followers;  // by payload: what a loop has posted
  const auto told = Destination::Callback([&](const InvocationRecord& record) {
    const bool first = records.emplace(record.request_id.ToString(), record.Json({}).value()).second;
    return first ? absl::OkStatus() : absl::AlreadyExistsError("told twice");
  });

  int number = 0;
  for (const Setting& setting : kSettings) {
    const std::string name = fmt::format("f{}", number++);
    const auto handler = [&, name, kind = setting.kind](std::string_view event,
                                                        Context& ctx) -> absl::StatusOr<std::string> {
      if (ctx.type() == InvocationType::kRequestResponse) {
        ctx.Sleep(absl::Milliseconds(std::stod(std::string(event))));
        return "\"held\"";
      }
      attempts[std::string(event)].push_back(sim.Elapsed());
      if (kind == Kind::kLoop) followers[std::string(event)].push_back(engine.Post(name, event).value());
      if (ctx.attempt() > failures.find(event)->second) return "\"done\"";
      const absl::Status failed = absl::UnavailableError(fmt::format("attempt {} failed", ctx.attempt()));
      return kind == Kind::kPermanent ? Permanent(failed) : failed;
    };
    FunctionConfig config{.timeout = absl::Minutes(15)};
    if (setting.kind == Kind::kZero) config.reserved_concurrency = 0;
    if (setting.kind == Kind::kBusy) config.reserved_concurrency = 1;
    config.event_invoke = {.maximum_retry_attempts = setting.retries,
                           .maximum_event_age = setting.age,
                           .on_success = told,
                           .on_failure = told};
    REQUIRE(engine.Register(name, handler, config).ok());
  }

  struct Posted {
    RequestId id;
    std::size_t setting;
    std::string payload;
    absl::Duration at;
  };
  std::vector<Posted> posted;
  Holds holds[std::size(kSettings)];
  for (int i = 0; i < kEvents; ++i) {
    sim.AdvanceBy(absl::Milliseconds(static_cast<double>(random.Below(72'000))));
    const auto which = static_cast<std::size_t>(random.Below(std::size(kSettings)));
    const std::string function = fmt::format("f{}", which);
    if (kSettings[which].kind == Kind::kBusy && !holds[which].Hold(sim.Elapsed()) && random.OneIn(2)) {
      // Ends between two milliseconds: no event is due just then.
      const double ms = static_cast<double>(random.Below(400'000)) + 0.5;
      static_cast<void>(engine.Start(function, fmt::format("{}", ms)));
      holds[which].all.push_back({sim.Elapsed(), sim.Elapsed() + absl::Milliseconds(ms)});
    }
    const std::string payload = fmt::format("{{\"event\":{}}}", i);
    failures[payload] = kSettings[which].kind == Kind::kLoop ? 0 : static_cast<int>(random.Below(5));
    posted.push_back({engine.Post(function, payload).value(), which, payload, sim.Elapsed()});
  }
  sim.RunUntilIdle();
  CHECK(sim.Elapsed() > absl::Hours(95));

  std::size_t dead = 0;
  std::size_t ends = 0;
  std::size_t throttled = 0;
  const auto check = [&](const RequestId& id, const Posted& event, const Life& life) {
    const std::string function = fmt::format("f{}", event.setting);
    REQUIRE(records[id.ToString()] == RecordOf(life, id, function, event.payload));
    if (life.condition != Condition::kSuccess) ++dead;
    ++ends;
  };
  for (const Posted& event : posted) {
    INFO('f' << event.setting << ' ' << event.payload);
    const Setting& setting = kSettings[event.setting];
    Life life = Foretell(setting, holds[event.setting], event.at, failures[event.payload]);
    if (life.attempts.empty() || life.attempts.front() > event.at) ++throttled;
    check(event.id, event, life);
    if (setting.kind != Kind::kLoop) {
      REQUIRE(attempts[event.payload] == life.attempts);
      continue;
    }
    REQUIRE(attempts[event.payload] == std::vector<absl::Duration>(kLoopRuns, event.at));
    const std::vector<RequestId>& after = followers[event.payload];
    REQUIRE(after.size() == kLoopRuns);
    for (const RequestId& id : std::span(after).first(kLoopRuns - 1)) check(id, event, life);
    life.attempts.clear();
    life.condition = Condition::kRecursionLimit;
    check(after.back(), event, life);
  }
  CHECK(throttled > 1000);
  CHECK(records.size() == ends);
  CHECK(engine.dead_letters().size() == dead);
}

}  // namespace
}  // namespace runlet
