#include "runlet/function/config.h"

#include <absl/time/time.h>
#include <fmt/format.h>

#include <algorithm>

#include "event/characters.h"
#include "function/config_check.h"
#include "runlet/base/time.h"
#include "runlet/event/function_name.h"

namespace runlet {
namespace {

constexpr absl::Duration kTimeoutMin = absl::Milliseconds(1);
constexpr absl::Duration kTimeoutMax = absl::Minutes(15);
constexpr absl::Duration kAgeMin = absl::Milliseconds(1);
constexpr absl::Duration kAgeMax = absl::Hours(24 * 365);
constexpr absl::Duration kRetryWaitMax = absl::Hours(24);
constexpr int kRetryAttemptsMax = 1000;
constexpr int kMemoryMin = 128;
constexpr int kMemoryMax = 10'240;
constexpr std::size_t kDescriptionMax = 256;

absl::Status OutOfRange(std::string_view function, std::string_view setting, const std::string& value,
                        std::string_view range) {
  return absl::InvalidArgumentError(
      fmt::format("function \"{}\": {} is {}, outside its range of {}", function, setting, value, range));
}

absl::Status CheckRetryPolicy(std::string_view function, const RetryPolicy& policy) {
  if (policy.kind() == RetryPolicy::Kind::kLambda) return absl::OkStatus();
  if (policy.kind() == RetryPolicy::Kind::kExponential && policy.base() < absl::Nanoseconds(1)) {
    return OutOfRange(function, "retry_policy's base", absl::FormatDuration(policy.base()), "1ns to 24h");
  }
  if (policy.longest() < policy.base()) {
    return absl::InvalidArgumentError(
        fmt::format("function \"{}\": retry_policy's longest wait {} is shorter than its base {}", function,
                    absl::FormatDuration(policy.longest()), absl::FormatDuration(policy.base())));
  }
  if (policy.base() < absl::ZeroDuration() || policy.longest() > kRetryWaitMax) {
    return OutOfRange(function, "retry_policy's wait",
                      absl::FormatDuration(policy.base() < absl::ZeroDuration() ? policy.base() : policy.longest()),
                      "0 to 24h");
  }
  return absl::OkStatus();
}

absl::Status CheckDestination(std::string_view function, std::string_view setting, const Destination& destination) {
  const Destination::Target& target = destination.target();
  if (const auto* other = std::get_if<Destination::FunctionName>(&target)) {
    if (absl::Status name = CheckQualifiedName(other->name); !name.ok()) return name;
    if (QualifiedName(other->name).function != QualifiedName(function).function) return absl::OkStatus();
    return absl::InvalidArgumentError(fmt::format("function \"{}\": {} is the function itself", function, setting));
  }
  const auto* callback = std::get_if<std::function<absl::Status(const InvocationRecord&)>>(&target);
  const auto* sink = std::get_if<std::shared_ptr<DestinationSink>>(&target);
  if ((callback != nullptr && *callback == nullptr) || (sink != nullptr && *sink == nullptr)) {
    return absl::InvalidArgumentError(fmt::format("function \"{}\": {} is null", function, setting));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckDescription(std::string_view function, std::string_view description) {
  const std::size_t characters = Characters(description);
  if (characters <= kDescriptionMax) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("function \"{}\": description has {} characters: the limit is {}",
                                                function, characters, kDescriptionMax));
}

absl::Status CheckConfig(std::string_view function, const FunctionConfig& config) {
  if (absl::Status text = CheckDescription(function, config.description); !text.ok()) return text;
  if (config.timeout < kTimeoutMin || config.timeout > kTimeoutMax) {
    return OutOfRange(function, "timeout", absl::FormatDuration(config.timeout), "1ms to 15m");
  }
  if (config.reserved_concurrency.has_value() && *config.reserved_concurrency < 0) {
    return OutOfRange(function, "reserved_concurrency", std::to_string(*config.reserved_concurrency),
                      "0 to the engine's concurrency");
  }
  if (config.memory_size < kMemoryMin || config.memory_size > kMemoryMax) {
    return OutOfRange(function, "memory_size", fmt::format("{} MB", config.memory_size),
                      fmt::format("{} to {}", kMemoryMin, kMemoryMax));
  }
  if (config.run_on == RunOn::kCaller && config.on_overrun == OnOverrun::kRelease) {
    return absl::InvalidArgumentError(fmt::format(
        "function \"{}\": on_overrun = kRelease needs run_on = kPool: with kCaller the caller's own thread runs "
        "the handler, and cannot leave it",
        function));
  }
  const EventInvokeConfig& event = config.event_invoke;
  if (event.maximum_retry_attempts < 0 || event.maximum_retry_attempts > kRetryAttemptsMax) {
    return OutOfRange(function, "maximum_retry_attempts", std::to_string(event.maximum_retry_attempts),
                      fmt::format("0 to {}", kRetryAttemptsMax));
  }
  if (event.maximum_event_age < kAgeMin || event.maximum_event_age > kAgeMax) {
    return OutOfRange(function, "maximum_event_age", absl::FormatDuration(event.maximum_event_age), "1ms to 8760h");
  }
  if (absl::Status status = CheckDestination(function, "on_success", event.on_success); !status.ok()) return status;
  if (absl::Status status = CheckDestination(function, "on_failure", event.on_failure); !status.ok()) return status;
  return CheckRetryPolicy(function, event.retry_policy);
}

std::int64_t RetryWaitNs(const RetryPolicy& policy, int attempt, Random& random) {
  switch (policy.kind()) {
    case RetryPolicy::Kind::kLambda: return Nanos(absl::Seconds(attempt <= 1 ? 60 : 120));
    case RetryPolicy::Kind::kFixed: return Nanos(policy.base());
    case RetryPolicy::Kind::kExponential: {
      std::int64_t ceiling = Nanos(policy.base());
      const std::int64_t longest = Nanos(policy.longest());
      for (int i = 1; i < attempt && ceiling < longest; ++i) ceiling = ceiling > longest / 2 ? longest : 2 * ceiling;
      return static_cast<std::int64_t>(random.Below(static_cast<std::uint64_t>(std::min(ceiling, longest)) + 1));
    }
  }
  return 0;
}

}  // namespace runlet
