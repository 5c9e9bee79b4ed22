// What a run would have cost on Lambda.
#ifndef RUNLET_OBSERVE_PRICE_H_
#define RUNLET_OBSERVE_PRICE_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace runlet {

// Lambda's list price for one month, in US dollars. Value.
//
// The presets are the prices of the region us-east-1 (https://aws.amazon.com/lambda/pricing) as others restated them in
// 2025; Arm's third price was not confirmed. Prices change, and other regions have others: a Price of your own is an
// aggregate like these.
//
// Not in it: the extra requests of events of more than 256 KB, ephemeral storage above 512 MB, provisioned concurrency,
// streamed responses beyond 6 MB, and what other services charge (logs, queues, transfer).
struct Price {
  double usd_per_million_requests = 0;
  // A GB-second is 1,024 MB of memory_size for 1,000 ms of billed duration.
  std::array<double, 3> usd_per_gb_second{};
  // GB-seconds of the month that cost the first and the second price; all beyond them cost the third.
  std::array<std::int64_t, 2> tier_gb_seconds{};
  // Not charged, before the tiers are counted.
  std::uint64_t free_requests = 0;
  std::int64_t free_gb_seconds = 0;

  static Price X86() { return {0.20, {0.0000166667, 0.000015, 0.0000133334}, {6'000'000'000, 9'000'000'000}, 0, 0}; }
  static Price Arm() {
    return {0.20, {0.0000133334, 0.0000120001, 0.0000106667}, {7'500'000'000, 11'250'000'000}, 0, 0};
  }
  // The same with what every account has free each month: 1,000,000 requests and 400,000 GB-seconds.
  Price WithFreeTier() const {
    Price price = *this;
    price.free_requests = 1'000'000;
    price.free_gb_seconds = 400'000;
    return price;
  }
};

// What one function did in the month, as FunctionMetrics counts it. Value.
struct FunctionUsage {
  std::string name;
  std::uint64_t invocations = 0;     // each attempt of an event is a request, failed ones too; throttles are none
  std::int64_t mb_milliseconds = 0;  // memory_size * billed duration; up to 9e18 in all: 28,000 years at 10,240 MB
};

// Value. Usage is counted in whole MB-milliseconds, so sums, tiers and what is free
// are exact; costs are these counts times prices, in double precision, and not rounded to cents.
struct Bill {
  struct Line {
    std::string name;
    std::uint64_t requests = 0;
    std::int64_t mb_milliseconds = 0;
    // At list price. Tiers belong to the account: each function bears its share of the GB-seconds at every price.
    double request_cost = 0;
    double compute_cost = 0;

    double gb_seconds() const;
    double cost() const { return request_cost + compute_cost; }
  };

  std::vector<Line> lines;  // in the order of the usage
  std::uint64_t requests = 0;
  std::int64_t mb_milliseconds = 0;
  double request_cost = 0;  // at list price, as all lines together
  double compute_cost = 0;
  double free_tier = 0;  // the part of the two that is not charged

  double gb_seconds() const;
  double total() const { return request_cost + compute_cost - free_tier; }

  // A table for people: one row per function, then the totals, each line ended. Its form may change.
  std::string ToString() const;
};

Bill ComputeBill(const Price& price, std::span<const FunctionUsage> usage);

}  // namespace runlet

#endif  // RUNLET_OBSERVE_PRICE_H_
