#include "runlet/observe/price.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <limits>
#include <string_view>

#include "base/planted.h"

namespace runlet {
namespace {

constexpr std::int64_t kMbMillisecondsPerGbSecond = 1024 * 1000;

// As many as can be counted, where there are more.
std::int64_t MbMilliseconds(std::int64_t gb_seconds) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  return gb_seconds > kMost / kMbMillisecondsPerGbSecond ? kMost : gb_seconds * kMbMillisecondsPerGbSecond;
}

double GbSeconds(std::int64_t mb_milliseconds) {
  return static_cast<double>(mb_milliseconds) / static_cast<double>(kMbMillisecondsPerGbSecond);
}

double RequestCost(const Price& price, std::uint64_t requests) {
  return static_cast<double>(requests) * price.usd_per_million_requests / 1e6;
}

double ComputeCost(const Price& price, std::int64_t mb_milliseconds) {
  double cost = 0;
  for (std::size_t tier = 0; tier < price.tier_gb_seconds.size(); ++tier) {
    const std::int64_t in_tier = std::min(mb_milliseconds, MbMilliseconds(price.tier_gb_seconds[tier]));
    cost += GbSeconds(in_tier) * price.usd_per_gb_second[tier];
    mb_milliseconds -= in_tier;
  }
  return cost + GbSeconds(mb_milliseconds) * price.usd_per_gb_second.back();
}

}  // namespace

double Bill::Line::gb_seconds() const { return GbSeconds(mb_milliseconds); }
double Bill::gb_seconds() const { return GbSeconds(mb_milliseconds); }

Bill ComputeBill(const Price& price, std::span<const FunctionUsage> usage) {
  Bill bill;
  for (const FunctionUsage& function : usage) {
    Bill::Line& line = bill.lines.emplace_back();
    line.name = function.name;
    line.requests = function.invocations;
    line.mb_milliseconds = function.mb_milliseconds;
    line.request_cost = RequestCost(price, line.requests);
    bill.requests += line.requests;
    bill.mb_milliseconds += line.mb_milliseconds;
  }
  bill.request_cost = RequestCost(price, bill.requests);
  bill.compute_cost = ComputeCost(price, bill.mb_milliseconds);
  for (Bill::Line& line : bill.lines) {
    if (line.mb_milliseconds == 0) continue;
    line.compute_cost =
        bill.compute_cost * (static_cast<double>(line.mb_milliseconds) / static_cast<double>(bill.mb_milliseconds));
  }

  const std::uint64_t charged_requests = bill.requests - std::min(bill.requests, price.free_requests);
  const std::int64_t charged_mb_milliseconds =
      bill.mb_milliseconds -
      (RUNLET_PLANTED("free-tier-charged") ? 0 : std::min(bill.mb_milliseconds, MbMilliseconds(price.free_gb_seconds)));
  // Subtracted the other way round, nothing charged would leave a rounding error to pay.
  const double charged = RequestCost(price, charged_requests) + ComputeCost(price, charged_mb_milliseconds);
  bill.free_tier = bill.request_cost + bill.compute_cost - charged;
  return bill;
}

std::string Bill::ToString() const {
  constexpr std::string_view kFunction = "function";
  std::size_t width = kFunction.size();
  for (const Line& line : lines) width = std::max(width, line.name.size());

  std::string table = fmt::format("{:<{}} {:>12} {:>16} {:>14}\n", kFunction, width, "requests", "GB-s", "USD");
  const auto row = [&](std::string_view name, std::uint64_t count, double compute, double usd) {
    fmt::format_to(std::back_inserter(table), "{:<{}} {:>12} {:>16.6f} {:>14.8f}\n", name, width, count, compute, usd);
  };
  for (const Line& line : lines) row(line.name, line.requests, line.gb_seconds(), line.cost());
  row("all", requests, gb_seconds(), request_cost + compute_cost);
  const auto sum = [&](std::string_view name, double usd) {
    fmt::format_to(std::back_inserter(table), "{:<{}} {:>14.8f}\n", name, width + 30, usd);
  };
  sum("requests", request_cost);
  sum("compute", compute_cost);
  if (free_tier != 0) sum("free tier", -free_tier);
  sum("total", total());
  return table;
}

}  // namespace runlet
