#include "runlet/function/config.h"

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "function/config_check.h"
#include "runlet/base/time.h"
#include "tests/catch.h"

namespace runlet {
namespace {

std::string Check(const FunctionConfig& config) {
  const absl::Status status = CheckConfig("resize", config);
  CHECK((status.ok() || status.code() == absl::StatusCode::kInvalidArgument));
  return std::string(status.message());
}
bool Allowed(const FunctionConfig& config) { return CheckConfig("resize", config).ok(); }
bool AllowedPolicy(const RetryPolicy& policy) { return Allowed({.event_invoke = {.retry_policy = policy}}); }

constexpr absl::Duration kNs = absl::Nanoseconds(1);

TEST_CASE("the defaults are Lambda's") {
  const FunctionConfig config;
  CHECK(Allowed(config));
  CHECK(config.timeout == absl::Seconds(3));
  CHECK(!config.reserved_concurrency.has_value());
  CHECK(config.memory_size == 128);
  CHECK(config.run_on == RunOn::kPool);
  CHECK(!config.on_overrun.has_value());
  CHECK(config.event_invoke.maximum_retry_attempts == 2);
  CHECK(config.event_invoke.maximum_event_age == absl::Hours(6));
  CHECK(config.event_invoke.retry_policy.kind() == RetryPolicy::Kind::kLambda);
  CHECK(config.event_invoke.dead_letter_queue == nullptr);
}

TEST_CASE("a timeout is 1 ms to 15 minutes, to the nanosecond") {
  CHECK(Allowed({.timeout = absl::Milliseconds(1)}));
  CHECK(!Allowed({.timeout = absl::Milliseconds(1) - kNs}));
  CHECK(Allowed({.timeout = absl::Minutes(15)}));
  CHECK(!Allowed({.timeout = absl::Minutes(15) + kNs}));
  CHECK(!Allowed({.timeout = absl::ZeroDuration()}));
  CHECK(!Allowed({.timeout = -absl::Seconds(1)}));
  CHECK(!Allowed({.timeout = absl::InfiniteDuration()}));
}

TEST_CASE("an event age is 1 ms to 365 days, to the nanosecond") {
  const auto allowed = [](absl::Duration age) { return Allowed({.event_invoke = {.maximum_event_age = age}}); };
  CHECK(allowed(absl::Milliseconds(1)));
  CHECK(!allowed(absl::Milliseconds(1) - kNs));
  CHECK(allowed(absl::Hours(24 * 365)));
  CHECK(!allowed(absl::Hours(24 * 365) + kNs));
  CHECK(!allowed(absl::InfiniteDuration()));
}

TEST_CASE("retries are 0 to 1,000") {
  const auto allowed = [](int retries) { return Allowed({.event_invoke = {.maximum_retry_attempts = retries}}); };
  CHECK(!allowed(-1));
  CHECK(allowed(0));
  CHECK(allowed(1000));
  CHECK(!allowed(1001));
}

TEST_CASE("reserved concurrency is nothing or more") {
  CHECK(!Allowed({.reserved_concurrency = -1}));
  CHECK(Allowed({.reserved_concurrency = 0}));
}

TEST_CASE("a memory size is 128 MB to 10 GB") {
  CHECK(!Allowed({.memory_size = 127}));
  CHECK(Allowed({.memory_size = 128}));
  CHECK(Allowed({.memory_size = 10'240}));
  CHECK(!Allowed({.memory_size = 10'241}));
}

TEST_CASE("a retry policy's waits are 0 to 24 h, in order") {
  CHECK(AllowedPolicy(RetryPolicy::Lambda()));
  CHECK(AllowedPolicy(RetryPolicy::Fixed(absl::ZeroDuration())));
  CHECK(AllowedPolicy(RetryPolicy::Fixed(absl::Hours(24))));
  CHECK(!AllowedPolicy(RetryPolicy::Fixed(absl::Hours(24) + kNs)));
  CHECK(!AllowedPolicy(RetryPolicy::Fixed(-kNs)));
  CHECK(AllowedPolicy(RetryPolicy::Exponential(kNs, kNs)));
  CHECK(!AllowedPolicy(RetryPolicy::Exponential(absl::ZeroDuration(), kNs)));
  CHECK(!AllowedPolicy(RetryPolicy::Exponential(kNs / 2, kNs)));
  CHECK(!AllowedPolicy(RetryPolicy::Exponential(absl::Seconds(2), absl::Seconds(1))));
  CHECK(AllowedPolicy(RetryPolicy::Exponential(absl::Seconds(1), absl::Hours(24))));
  CHECK(!AllowedPolicy(RetryPolicy::Exponential(absl::Seconds(1), absl::InfiniteDuration())));
}

TEST_CASE("the caller's thread cannot be released at the deadline") {
  CHECK(!Allowed({.run_on = RunOn::kCaller, .on_overrun = OnOverrun::kRelease}));
  CHECK(Allowed({.run_on = RunOn::kCaller, .on_overrun = OnOverrun::kWait}));
  CHECK(Allowed({.run_on = RunOn::kPool, .on_overrun = OnOverrun::kRelease}));
  CHECK(Check({.run_on = RunOn::kCaller, .on_overrun = OnOverrun::kRelease}).find("\"resize\"") != std::string::npos);
}

TEST_CASE("what is out of range is named, with its value and its range") {
  CHECK(Check({.timeout = absl::Minutes(16)}) ==
        "function \"resize\": timeout is 16m, outside its range of 1ms to 15m");
  CHECK(Check({.reserved_concurrency = -3}) ==
        "function \"resize\": reserved_concurrency is -3, outside its range of 0 to the engine's concurrency");
  CHECK(Check({.memory_size = 64}) == "function \"resize\": memory_size is 64 MB, outside its range of 128 to 10240");
  CHECK(Check({.event_invoke = {.maximum_retry_attempts = 1001}}) ==
        "function \"resize\": maximum_retry_attempts is 1001, outside its range of 0 to 1000");
  CHECK(Check({.event_invoke = {.maximum_event_age = absl::ZeroDuration()}}) ==
        "function \"resize\": maximum_event_age is 0, outside its range of 1ms to 8760h");
  CHECK(Check({.event_invoke = {.retry_policy = RetryPolicy::Fixed(absl::Hours(25))}}) ==
        "function \"resize\": retry_policy's wait is 25h, outside its range of 0 to 24h");
  CHECK(Check({.event_invoke = {.retry_policy = RetryPolicy::Fixed(-absl::Seconds(1))}}) ==
        "function \"resize\": retry_policy's wait is -1s, outside its range of 0 to 24h");
}

// ---- the waits ----

std::int64_t WaitNs(const RetryPolicy& policy, int attempt) {
  Random random(1);
  return RetryWaitNs(policy, attempt, random);
}

TEST_CASE("Lambda waits 60 s after the first failure and 120 s after every other") {
  const RetryPolicy policy = RetryPolicy::Lambda();
  CHECK(WaitNs(policy, 1) == Nanos(absl::Seconds(60)));
  for (const int attempt : {2, 3, 1000}) CHECK(WaitNs(policy, attempt) == Nanos(absl::Seconds(120)));
}

TEST_CASE("a fixed policy always waits the same") {
  for (const int attempt : {1, 2, 1000}) {
    CHECK(WaitNs(RetryPolicy::Fixed(absl::Seconds(7)), attempt) == Nanos(absl::Seconds(7)));
    CHECK(WaitNs(RetryPolicy::Fixed(absl::ZeroDuration()), attempt) == 0);
  }
}

TEST_CASE("an exponential policy waits anything from nothing to a ceiling that doubles until the longest wait") {
  const RetryPolicy policy = RetryPolicy::Exponential(absl::Nanoseconds(4), absl::Nanoseconds(20));
  const std::vector<std::int64_t> ceilings = {4, 8, 16, 20, 20};
  Random random(3);
  for (std::size_t i = 0; i < ceilings.size(); ++i) {
    std::int64_t shortest = 1000, longest = -1;
    for (int draw = 0; draw < 2000; ++draw) {
      const std::int64_t wait = RetryWaitNs(policy, static_cast<int>(i) + 1, random);
      shortest = std::min(shortest, wait);
      longest = std::max(longest, wait);
    }
    CHECK(shortest == 0);
    CHECK(longest == ceilings[i]);
  }
}

TEST_CASE("an exponential policy never waits longer than its longest, after however many attempts") {
  Random random(3);
  for (const absl::Duration longest : {absl::Hours(24), absl::Hours(24) - kNs, absl::Seconds(1)}) {
    const RetryPolicy policy = RetryPolicy::Exponential(kNs, longest);
    for (int attempt = 1; attempt <= 1001; ++attempt) {
      const std::int64_t wait = RetryWaitNs(policy, attempt, random);
      CHECK((wait >= 0 && wait <= Nanos(longest)));
    }
  }
}

}  // namespace
}  // namespace runlet
