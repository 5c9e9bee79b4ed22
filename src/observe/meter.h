// Counts what executions do, without a lock: each meter has one writer at a time.
#ifndef RUNLET_SRC_OBSERVE_METER_H_
#define RUNLET_SRC_OBSERVE_METER_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "runlet/observe/metrics.h"

namespace runlet {

// A counter of one writer and any readers: a plain load and store, no atomic read-modify-write.
class OwnedCounter {
 public:
  void Add(std::uint64_t n) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// The counts of one function, from one slot. Written by the slot's holder, read by anyone.
class Meter {
 public:
  // `memory_size` in MB.
  void AddExecution(std::int64_t duration_ns, int memory_size) {
    invocations_.Add(1);
    const auto ns = static_cast<std::uint64_t>(duration_ns < 0 ? 0 : duration_ns);
    total_ns_.Add(ns);
    const std::uint64_t billed_ms = ns == 0 ? 1 : (ns + 999'999) / 1'000'000;
    billed_ms_.Add(billed_ms);
    mb_ms_.Add(billed_ms * static_cast<std::uint64_t>(memory_size));
    durations_[DurationHistogram::BucketOf(duration_ns)].Add(1);
  }

  // An event's attempt begins so long after the event was accepted.
  void AddAsyncAge(std::int64_t age_ns) {
    const auto ns = static_cast<std::uint64_t>(age_ns < 0 ? 0 : age_ns);
    async_attempts_.Add(1);
    async_age_ns_.Add(ns);
    if (ns > async_age_max_ns_.get()) async_age_max_ns_.Add(ns - async_age_max_ns_.get());
  }

  OwnedCounter errors, timeouts, throttles, late_results, retries, received, dropped, dead_letter_errors,
      destination_delivery_failures, recursive_invocations_dropped;

  void AddTo(FunctionMetrics& sum) const {
    sum.invocations += invocations_.get();
    sum.errors += errors.get();
    sum.timeouts += timeouts.get();
    sum.throttles += throttles.get();
    sum.late_results += late_results.get();
    sum.retries += retries.get();
    sum.async_events_received += received.get();
    sum.async_events_dropped += dropped.get();
    sum.async_attempts += async_attempts_.get();
    sum.total_async_event_age += absl::Nanoseconds(static_cast<std::int64_t>(async_age_ns_.get()));
    sum.max_async_event_age =
        std::max(sum.max_async_event_age, absl::Nanoseconds(static_cast<std::int64_t>(async_age_max_ns_.get())));
    sum.dead_letter_errors += dead_letter_errors.get();
    sum.destination_delivery_failures += destination_delivery_failures.get();
    sum.recursive_invocations_dropped += recursive_invocations_dropped.get();
    sum.billed_milliseconds += static_cast<std::int64_t>(billed_ms_.get());
    sum.mb_milliseconds += static_cast<std::int64_t>(mb_ms_.get());
    sum.total_duration += absl::Nanoseconds(static_cast<std::int64_t>(total_ns_.get()));
    for (std::size_t i = 0; i < DurationHistogram::kBuckets; ++i) sum.durations.Add(i, durations_[i].get());
  }

 private:
  OwnedCounter invocations_, total_ns_, billed_ms_, mb_ms_;
  OwnedCounter async_attempts_, async_age_ns_, async_age_max_ns_;
  OwnedCounter durations_[DurationHistogram::kBuckets];
};

}  // namespace runlet

#endif  // RUNLET_SRC_OBSERVE_METER_H_
