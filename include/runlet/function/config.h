// What the author of a function decides.
#ifndef RUNLET_FUNCTION_CONFIG_H_
#define RUNLET_FUNCTION_CONFIG_H_

#include <absl/time/time.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "runlet/function/destination.h"

namespace runlet {

class DeadLetterQueue;

// How long an event waits before its next attempt. Value.
class RetryPolicy {
 public:
  // Lambda's: 60 s after the first failed attempt, 120 s after every later one.
  static RetryPolicy Lambda() { return RetryPolicy(Kind::kLambda, absl::ZeroDuration(), absl::ZeroDuration()); }
  // `wait` before every attempt but the first. 0 to 24 h.
  static RetryPolicy Fixed(absl::Duration wait) { return RetryPolicy(Kind::kFixed, wait, wait); }
  // Full jitter: uniform between 0 and min(longest, base * 2^(n-1)) after the n-th failed attempt. Spreads the retries
  // of events that failed together. 1 ns <= base <= longest <= 24 h.
  static RetryPolicy Exponential(absl::Duration base, absl::Duration longest) {
    return RetryPolicy(Kind::kExponential, base, longest);
  }

  enum class Kind { kLambda, kFixed, kExponential };
  Kind kind() const { return kind_; }
  absl::Duration base() const { return base_; }
  absl::Duration longest() const { return longest_; }

  friend bool operator==(const RetryPolicy&, const RetryPolicy&) = default;

 private:
  RetryPolicy(Kind kind, absl::Duration base, absl::Duration longest) : kind_(kind), base_(base), longest_(longest) {}

  Kind kind_;
  absl::Duration base_;
  absl::Duration longest_;
};

// How posted events are delivered. Lambda's FunctionEventInvokeConfig.
struct EventInvokeConfig {
  // Attempts after the first. Lambda's range is 0 to 2; here up to 1,000.
  int maximum_retry_attempts = 2;
  // From acceptance. An event is given up once it is older, or would be at its next attempt. Lambda's range is 60 s to
  // 6 h; here 1 ms to 365 days.
  absl::Duration maximum_event_age = absl::Hours(6);
  RetryPolicy retry_policy = RetryPolicy::Lambda();
  // What is told of events that end in success, and of those that end otherwise, in addition to the dead letter. An
  // event that a handler takes by value and that cannot be copied can have neither.
  Destination on_success = {};
  Destination on_failure = {};
  // Where dead letters go. nullptr: they stay in the engine's own dead-letter queue (Engine::dead_letters).
  std::shared_ptr<DeadLetterQueue> dead_letter_queue = nullptr;
};

enum class RunOn {
  kPool,    // on a thread of the engine's executor; the caller of Invoke is released at the deadline
  kCaller,  // on the thread that waits in Invoke: no hand-off, about a hundredth of the cost; the deadline is
            // cooperative
};

// What happens to a lineage that invokes a function for the 17th time: a handler that invokes, starts or posts to its
// own function, by way of others or not.
enum class RecursiveLoop {
  kTerminate,  // a call is refused (RecursiveInvocation); an event is accepted, and ends as RecursionLimit
  kAllow,
};

enum class OnOverrun {
  kRelease,  // at the deadline the caller gets Sandbox.Timedout and the thread is written off
  kWait,     // the handler is asked to stop; the caller gets Sandbox.Timedout when it returns
};

// Lambda's defaults.
struct FunctionConfig {
  // 1 ms to 15 min. Counts from the call for Invoke and Start, from the start of each attempt for events.
  absl::Duration timeout = absl::Seconds(3);
  // Executions that may run at once, and that nobody else can use up. 0 refuses every call. Unset: the function shares
  // the engine's unreserved concurrency.
  std::optional<int> reserved_concurrency = std::nullopt;
  // In MB, 128 to 10,240: what the function would have on Lambda. Counts for prices and log lines alone; here a
  // function shares the memory of its host.
  int memory_size = 128;
  RunOn run_on = RunOn::kPool;
  // Unset: kRelease where run_on is kPool and the engine owns its threads, else kWait. kRelease cannot be had together
  // with kCaller, with a host executor or with Poll().
  std::optional<OnOverrun> on_overrun = std::nullopt;
  // Lambda's RecursiveLoop. Calls that wait for each other nest to 16 levels in either case.
  RecursiveLoop recursive_loop = RecursiveLoop::kTerminate;
  EventInvokeConfig event_invoke = {};
  // For people. At most 256 characters (of UTF-8).
  std::string description = {};
};

// Settings of a FunctionConfig that can be changed while its handler stays; what is unset stays as it is.
struct ConfigurationChange {
  std::optional<absl::Duration> timeout = std::nullopt;
  std::optional<int> memory_size = std::nullopt;
  std::optional<std::string> description = std::nullopt;
  // For all versions of the function, as on Lambda; the others become part of the next version.
  std::optional<RecursiveLoop> recursive_loop = std::nullopt;
};

// What is registered under a name: a function, a version or an alias. Value.
struct FunctionDescription {
  std::string version;  // whose code it runs: "$LATEST" or a number; of an alias of two, the first
  FunctionConfig config;
  int provisioned_concurrency = 0;
  absl::Time last_modified;    // when code or configuration came, but for reserved concurrency and event_invoke
  std::uint64_t revision = 0;  // another one with each such change, of whatever function of the engine
};

}  // namespace runlet

#endif  // RUNLET_FUNCTION_CONFIG_H_
