// What a function has done so far, in the terms of Lambda's CloudWatch metrics.
#ifndef RUNLET_OBSERVE_METRICS_H_
#define RUNLET_OBSERVE_METRICS_H_

#include <absl/time/time.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace runlet {

// Counts of durations in buckets that are a quarter of a power of two wide: a percentile is at most 19 % too high.
// Value.
class DurationHistogram {
 public:
  static constexpr std::size_t kBuckets = 4 * 42;  // up to 2^43 ns, 146 minutes; the last also holds what is longer

  static constexpr std::size_t BucketOf(std::int64_t ns) {
    if (ns < 4) return static_cast<std::size_t>(std::max<std::int64_t>(ns, 0));
    const auto value = static_cast<std::uint64_t>(ns);
    const auto power = static_cast<std::size_t>(std::bit_width(value) - 1);
    const std::uint64_t scaled = value << (63 - power);
    const std::size_t quarter =
        std::size_t{scaled >= kQuarters[1]} + std::size_t{scaled >= kQuarters[2]} + std::size_t{scaled >= kQuarters[3]};
    return std::min(4 * (power - 1) + quarter, kBuckets - 1);
  }
  // The longest duration that falls into `bucket`.
  static std::int64_t UpperBound(std::size_t bucket);

  void Add(std::size_t bucket, std::uint64_t n) { counts_[bucket] += n; }
  std::uint64_t count() const;
  // The duration that `quantile` (0 to 1) of all do not exceed; zero when there are none.
  absl::Duration Percentile(double quantile) const;

 private:
  // Where the quarters of a power begin: 2^(63 + q / 4). Equal steps would make the first quarter 25 % wide.
  static constexpr std::uint64_t kQuarters[4] = {0x8000000000000000, 0x9837f0518db8a970, 0xb504f333f9de6485,
                                                 0xd744fccad69d6af5};

  std::array<std::uint64_t, kBuckets> counts_{};
};

// Value. Counts are exact when the engine is idle; while it works each is monotone by itself.
struct FunctionMetrics {
  std::uint64_t invocations = 0;      // executions that ended, in success or error; every attempt of an event is one
  std::uint64_t errors = 0;           // those that ended with a function error, timeouts included
  std::uint64_t timeouts = 0;         // those that ended with Sandbox.Timedout
  int max_concurrent_executions = 0;  // the most that ran at once, of the function with all its versions and aliases
  std::uint64_t throttles = 0;        // refused for lack of capacity; not in invocations
  std::uint64_t late_results = 0;     // answers that came after Sandbox.Timedout and were dropped
  std::uint64_t retries = 0;          // attempts after the first, of events
  std::uint64_t async_events_received = 0;          // events accepted, once each
  std::uint64_t async_events_dropped = 0;           // events that ended without success
  std::uint64_t async_attempts = 0;                 // attempts of events; each has an age, from acceptance to its start
  absl::Duration total_async_event_age;             // Lambda's AsyncEventAge: its sum over the attempts,
  absl::Duration max_async_event_age;               // and its maximum
  std::uint64_t dead_letter_errors = 0;             // failed sends to a DeadLetterQueue
  std::uint64_t destination_delivery_failures = 0;  // failed sends to a destination
  std::uint64_t recursive_invocations_dropped = 0;  // calls refused and events ended by loop detection or depth
  std::int64_t billed_milliseconds = 0;             // the sum over invocations of the duration, each rounded up to 1 ms
  std::int64_t mb_milliseconds = 0;                 // the sum over invocations of memory_size times what is billed
  double gb_seconds() const { return static_cast<double>(mb_milliseconds) / (1024.0 * 1000.0); }
  std::uint64_t cold_starts = 0;  // invocations that had to wait for an execution environment: none, a process is warm
  absl::Duration init_duration;   // ... and how long for
  absl::Duration total_duration;
  DurationHistogram durations;
};

}  // namespace runlet

#endif  // RUNLET_OBSERVE_METRICS_H_
