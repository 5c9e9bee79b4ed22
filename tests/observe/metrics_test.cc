// The histogram of durations, and the meter that feeds it.
#include "runlet/observe/metrics.h"

#include <absl/time/time.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "observe/meter.h"
#include "runlet/base/random.h"
#include "tests/catch.h"

namespace runlet {
namespace {

constexpr std::size_t kLast = DurationHistogram::kBuckets - 1;

constexpr std::size_t BucketOf(std::int64_t ns) { return DurationHistogram::BucketOf(ns); }
std::int64_t UpperBound(std::size_t bucket) { return DurationHistogram::UpperBound(bucket); }

// Powers of two and their neighbours, the ends of all buckets and theirs, and random durations of every size.
std::vector<std::int64_t> Durations() {
  std::vector<std::int64_t> all;
  for (int power = 0; power < 43; ++power) {
    for (const int more : {-1, 0, 1}) all.push_back((std::int64_t{1} << power) + more);
  }
  for (std::size_t bucket = 0; bucket < kLast; ++bucket) {
    for (const int more : {-1, 0, 1}) all.push_back(UpperBound(bucket) + more);
  }
  Random random(1);
  for (int i = 0; i < 100'000; ++i) all.push_back(static_cast<std::int64_t>(random.Next() >> (21 + random.Below(43))));
  std::erase_if(all, [](std::int64_t ns) { return ns < 0; });
  return all;
}

// ---- buckets ----

TEST_CASE("no duration, and less than none, is in the first bucket") {
  CHECK(BucketOf(0) == 0);
  CHECK(BucketOf(-1) == 0);
  CHECK(BucketOf(std::numeric_limits<std::int64_t>::min()) == 0);
}

TEST_CASE("the shortest durations have a bucket each") {
  for (std::int64_t ns = 0; ns < 8; ++ns) {
    CHECK(BucketOf(ns) == static_cast<std::size_t>(ns));
    CHECK(UpperBound(static_cast<std::size_t>(ns)) == ns);
  }
}

TEST_CASE("a longer duration is in no earlier bucket, and in no bucket beyond the last") {
  CHECK(BucketOf(std::numeric_limits<std::int64_t>::max()) == kLast);
  CHECK(BucketOf((std::int64_t{1} << 43) - 1) == kLast);
  CHECK(BucketOf(std::int64_t{1} << 43) == kLast);
  CHECK(BucketOf(UpperBound(kLast - 1)) == kLast - 1);
  CHECK(BucketOf(UpperBound(kLast - 1) + 1) == kLast);
  for (std::int64_t ns = 0; ns < 100'000; ++ns) {
    if (BucketOf(ns + 1) - BucketOf(ns) > 1) FAIL(ns);  // unsigned: going down is a leap too
  }
}

TEST_CASE("the upper bounds rise from bucket to bucket, and each is the last of its own") {
  for (std::size_t bucket = 0; bucket <= kLast; ++bucket) {
    INFO(bucket);
    CHECK(BucketOf(UpperBound(bucket)) == bucket);
    if (bucket < kLast) CHECK(UpperBound(bucket) < UpperBound(bucket + 1));
    if (bucket < kLast) CHECK(BucketOf(UpperBound(bucket) + 1) == bucket + 1);
  }
  CHECK(UpperBound(kLast) == (std::int64_t{1} << 43) - 1);
}

TEST_CASE("each power of two begins a bucket") {
  for (int power = 2; power < 43; ++power) {
    const std::int64_t ns = std::int64_t{1} << power;
    INFO(ns);
    CHECK(BucketOf(ns) == 4 * static_cast<std::size_t>(power - 1));
    CHECK(BucketOf(ns - 1) == BucketOf(ns) - 1);
  }
}

TEST_CASE("a bucket's upper bound is no less than what is in it, and 19 % more at most") {
  for (const std::int64_t ns : Durations()) {
    const std::int64_t upper = UpperBound(BucketOf(ns));
    if (upper < ns || static_cast<double>(upper) > 1.19 * static_cast<double>(ns)) FAIL(ns << " gives " << upper);
  }
  SUCCEED();
}

TEST_CASE("buckets may be computed where constants are made") {
  static_assert(BucketOf(0) == 0);
  static_assert(BucketOf(3) == 3);
  static_assert(BucketOf(4) == 4);
  static_assert(BucketOf(std::numeric_limits<std::int64_t>::max()) == kLast);
}

// ---- percentiles ----

TEST_CASE("of no durations every percentile is zero") {
  const DurationHistogram none;
  CHECK(none.count() == 0);
  for (const double quantile : {0.0, 0.5, 1.0}) CHECK(none.Percentile(quantile) == absl::ZeroDuration());
}

TEST_CASE("of one duration every percentile is that duration's bucket") {
  DurationHistogram one;
  one.Add(BucketOf(1000), 1);
  CHECK(one.count() == 1);
  const absl::Duration upper = absl::Nanoseconds(UpperBound(BucketOf(1000)));
  for (const double quantile : {0.0, 0.001, 0.5, 0.999, 1.0}) CHECK(one.Percentile(quantile) == upper);
}

TEST_CASE("a percentile is the first duration that enough others do not exceed") {
  DurationHistogram four;
  for (const std::int64_t ns : {1, 2, 3, 4}) four.Add(BucketOf(ns), 1);
  CHECK(four.Percentile(0.0) == absl::Nanoseconds(1));
  CHECK(four.Percentile(0.25) == absl::Nanoseconds(1));
  CHECK(four.Percentile(0.251) == absl::Nanoseconds(2));
  CHECK(four.Percentile(0.5) == absl::Nanoseconds(2));
  CHECK(four.Percentile(0.75) == absl::Nanoseconds(3));
  CHECK(four.Percentile(0.751) == absl::Nanoseconds(4));
  CHECK(four.Percentile(1.0) == absl::Nanoseconds(4));
  // 0.07 * 100 is a little over 7 where numbers are binary.
  DurationHistogram hundred;
  hundred.Add(BucketOf(1), 7);
  hundred.Add(BucketOf(2), 93);
  CHECK(hundred.Percentile(0.07) == absl::Nanoseconds(1));
  CHECK(hundred.Percentile(0.0701) == absl::Nanoseconds(2));
}

TEST_CASE("a percentile of many durations is no less than the truth, and 19 % more at most") {
  Random random(2);
  std::vector<std::int64_t> durations;
  DurationHistogram histogram;
  for (int i = 0; i < 10'000; ++i) {
    durations.push_back(static_cast<std::int64_t>(1000 + random.Below(std::uint64_t{1} << (10 + random.Below(25)))));
    histogram.Add(BucketOf(durations.back()), 1);
  }
  std::sort(durations.begin(), durations.end());
  CHECK(histogram.count() == durations.size());
  for (const double quantile : {0.0625, 0.25, 0.5, 0.75, 0.875, 0.9375, 1.0}) {
    INFO(quantile);
    const auto rank = static_cast<std::size_t>(quantile * 10'000);
    const absl::Duration truth = absl::Nanoseconds(durations[rank - 1]);
    CHECK(histogram.Percentile(quantile) >= truth);
    CHECK(histogram.Percentile(quantile) <= 1.19 * truth);
  }
}

TEST_CASE("durations may be added in heaps") {
  DurationHistogram histogram;
  histogram.Add(1, 99);
  histogram.Add(7, 1);
  histogram.Add(5, 0);
  CHECK(histogram.count() == 100);
  CHECK(histogram.Percentile(0.75) == absl::Nanoseconds(1));
  CHECK(histogram.Percentile(1.0) == absl::Nanoseconds(7));
}

// ---- the meter ----

FunctionMetrics MetricsOf(const std::vector<std::int64_t>& durations) {
  Meter meter;
  for (const std::int64_t ns : durations) meter.AddExecution(ns, 128);
  FunctionMetrics metrics;
  meter.AddTo(metrics);
  return metrics;
}

TEST_CASE("an execution is billed by the millisecond begun, and for one at least") {
  const auto billed = [](std::int64_t ns) { return MetricsOf({ns}).billed_milliseconds; };
  CHECK(billed(0) == 1);
  CHECK(billed(1) == 1);
  CHECK(billed(999'999) == 1);
  CHECK(billed(1'000'000) == 1);
  CHECK(billed(1'000'001) == 2);
  CHECK(billed(2'000'000) == 2);
  CHECK(billed(900'000'000'000) == 900'000);
  CHECK(billed(900'000'000'001) == 900'001);
}

TEST_CASE("each execution is rounded up by itself") {
  const FunctionMetrics metrics = MetricsOf({1, 1, 1'000'001, 0});
  CHECK(metrics.invocations == 4);
  CHECK(metrics.billed_milliseconds == 5);
  CHECK(metrics.total_duration == absl::Nanoseconds(1'000'003));
  CHECK(metrics.durations.count() == 4);
}

TEST_CASE("a clock that a thread sees going back costs nothing, and is billed like no time") {
  const FunctionMetrics metrics = MetricsOf({-20});
  CHECK(metrics.invocations == 1);
  CHECK(metrics.billed_milliseconds == 1);
  CHECK(metrics.total_duration == absl::ZeroDuration());
  CHECK(metrics.durations.Percentile(1.0) == absl::ZeroDuration());
}

TEST_CASE("a new meter has counted nothing") {
  const FunctionMetrics metrics = MetricsOf({});
  CHECK(metrics.invocations == 0);
  CHECK(metrics.billed_milliseconds == 0);
  CHECK(metrics.total_duration == absl::ZeroDuration());
  CHECK(metrics.durations.count() == 0);
}

TEST_CASE("the counts of several meters add up, each under its own name") {
  Meter first, second;
  first.AddExecution(10, 128);
  second.AddExecution(20, 256);
  second.AddExecution(2'000'000, 1024);
  first.errors.Add(1);
  first.timeouts.Add(2);
  second.timeouts.Add(1);
  first.throttles.Add(4);
  first.late_results.Add(5);
  first.retries.Add(6);
  first.received.Add(7);
  first.dropped.Add(8);
  second.dead_letter_errors.Add(9);
  FunctionMetrics sum;
  first.AddTo(sum);
  second.AddTo(sum);
  CHECK(sum.invocations == 3);
  CHECK(sum.errors == 1);
  CHECK(sum.timeouts == 3);
  CHECK(sum.throttles == 4);
  CHECK(sum.late_results == 5);
  CHECK(sum.retries == 6);
  CHECK(sum.async_events_received == 7);
  CHECK(sum.async_events_dropped == 8);
  CHECK(sum.dead_letter_errors == 9);
  CHECK(sum.billed_milliseconds == 4);
  CHECK(sum.mb_milliseconds == 128 + 256 + 2 * 1024);
  CHECK(sum.gb_seconds() == 2432 / 1'024'000.0);
  CHECK(sum.total_duration == absl::Nanoseconds(2'000'030));
  CHECK(sum.durations.count() == 3);
  first.AddTo(sum);  // a meter is read, not emptied
  CHECK(sum.invocations == 4);
}

}  // namespace
}  // namespace runlet
