// Bills, computed by hand from the published prices.
#include "runlet/observe/price.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "tests/catch.h"

namespace runlet {
namespace {

// 1 GB-second is 1,024 MB for 1,000 ms.
constexpr std::int64_t kMbMs = 1024 * 1000;

// A function that ran for so many GB-seconds, and of which no request counts.
FunctionUsage Ran(std::int64_t gb_seconds, std::string name = "f") {
  return {.name = std::move(name), .invocations = 0, .mb_milliseconds = gb_seconds * kMbMs};
}
Bill BillOf(const Price& price, std::vector<FunctionUsage> usage) { return ComputeBill(price, usage); }

// As many cents as make a difference to nobody: the relative error of some additions and multiplications.
void CheckUsd(double usd, double expected) { CHECK(usd == Approx(expected).epsilon(1e-12).margin(1e-15)); }

TEST_CASE("who ran nothing pays nothing") {
  for (const Price& price : {Price::X86(), Price::Arm(), Price::X86().WithFreeTier()}) {
    const Bill none = BillOf(price, {});
    CHECK(none.lines.empty());
    CHECK(none.total() == 0);
    const Bill idle = BillOf(price, {{.name = "idle"}});
    REQUIRE(idle.lines.size() == 1);
    CHECK(idle.lines[0].cost() == 0);
    CHECK(idle.total() == 0);
    CHECK(idle.free_tier == 0);
  }
}

TEST_CASE("the example of the price page: 3 million requests of 120 ms at 1,536 MB") {
  const std::vector<FunctionUsage> usage = {{"orders", 3'000'000, std::int64_t{1536} * 360'000'000}};
  const Bill x86 = BillOf(Price::X86(), usage);
  CHECK(x86.requests == 3'000'000);
  CHECK(x86.gb_seconds() == 540'000);
  CheckUsd(x86.request_cost, 0.60);
  CheckUsd(x86.compute_cost, 540'000 * 0.0000166667);
  CheckUsd(x86.total(), 0.60 + 9.000018);

  const Bill free = BillOf(Price::X86().WithFreeTier(), usage);
  CheckUsd(free.total(), 0.40 + 140'000 * 0.0000166667);  // the page's 2.73 USD
  CheckUsd(free.free_tier, 0.20 + 400'000 * 0.0000166667);
  CheckUsd(free.request_cost, x86.request_cost);
  CheckUsd(free.compute_cost, x86.compute_cost);

  const Bill arm = BillOf(Price::Arm(), usage);
  CheckUsd(arm.total(), 0.60 + 540'000 * 0.0000133334);
}

TEST_CASE("the smallest run is counted exactly") {
  const Bill bill = BillOf(Price::X86(), {{"tiny", 1, 128}});
  CHECK(bill.mb_milliseconds == 128);
  CHECK(bill.gb_seconds() == 0.000125);
  CheckUsd(bill.total(), 0.0000002 + 0.000125 * 0.0000166667);
}

TEST_CASE("the second price begins behind the last GB-second of the first tier, and the third behind the second's") {
  struct Tiers {
    Price price;
    std::int64_t first, second;
    double first_usd, second_usd, third_usd;
  };
  for (const Tiers& t :
       {Tiers{Price::X86(), 6'000'000'000, 9'000'000'000, 0.0000166667, 0.000015, 0.0000133334},
        Tiers{Price::Arm(), 7'500'000'000, 11'250'000'000, 0.0000133334, 0.0000120001, 0.0000106667}}) {
    const auto cost = [&](std::int64_t gb_seconds) { return BillOf(t.price, {Ran(gb_seconds)}).compute_cost; };
    const double first_full = static_cast<double>(t.first) * t.first_usd;
    const double second_full = first_full + static_cast<double>(t.second) * t.second_usd;
    CheckUsd(cost(t.first - 1), first_full - t.first_usd);
    CheckUsd(cost(t.first), first_full);
    CheckUsd(cost(t.first + 1), first_full + t.second_usd);
    CheckUsd(cost(t.first + t.second), second_full);
    CheckUsd(cost(t.first + t.second + 1), second_full + t.third_usd);
    CheckUsd(cost(t.first + t.second + 1'000'000), second_full + 1e6 * t.third_usd);
  }
}

TEST_CASE("tiers are those of all functions together, and each function bears its share") {
  const Bill bill = BillOf(Price::X86(), {Ran(4'500'000'000, "a"), Ran(1'500'000'000, "b"), Ran(1'500'000'000, "c")});
  const double all = 6e9 * 0.0000166667 + 1.5e9 * 0.000015;
  CheckUsd(bill.compute_cost, all);
  CheckUsd(bill.lines[0].compute_cost, all * 0.6);
  CheckUsd(bill.lines[1].compute_cost, all * 0.2);
  CheckUsd(bill.lines[2].compute_cost, all * 0.2);
  CHECK(bill.lines[1].name == "b");
}

TEST_CASE("what is free is free to the last request and the last GB-second") {
  const Price price = Price::X86().WithFreeTier();
  const auto total = [&](std::uint64_t requests, std::int64_t mb_milliseconds) {
    return BillOf(price, {{"f", requests, mb_milliseconds}}).total();
  };
  constexpr std::int64_t kFree = 400'000 * kMbMs;
  CHECK(total(1'000'000, kFree) == 0);
  CHECK(total(999'999, kFree - 1) == 0);
  CheckUsd(total(1'000'001, kFree), 0.0000002);
  // Two numbers of some dollars are subtracted: 1e-9 of a cent is lost.
  CHECK(total(1'000'000, kFree + kMbMs) == Approx(0.0000166667).margin(1e-14));
  CHECK(total(0, kFree + 1) == Approx(0.0000166667 / kMbMs).margin(1e-14));
}

TEST_CASE("the tiers begin behind what is free") {
  const Bill bill = BillOf(Price::X86().WithFreeTier(), {Ran(6'000'400'001)});
  CheckUsd(bill.total(), 6e9 * 0.0000166667 + 0.000015);
}

TEST_CASE("the costs of the lines add up to the costs of the bill") {
  std::vector<FunctionUsage> usage;
  for (int i = 1; i <= 100; ++i) {
    usage.push_back({"f", static_cast<std::uint64_t>(i) * 12'345'678, std::int64_t{128 + i} * i * i * 987'654'321});
  }
  const Bill bill = BillOf(Price::Arm(), usage);
  double requests = 0, compute = 0;
  for (const Bill::Line& line : bill.lines) {
    requests += line.request_cost;
    compute += line.compute_cost;
  }
  CheckUsd(requests, bill.request_cost);
  CheckUsd(compute, bill.compute_cost);
}

TEST_CASE("a tier and a free share may be without end") {
  constexpr std::int64_t kEndless = std::numeric_limits<std::int64_t>::max();
  const Price flat{0, {0.5, 1, 2}, {kEndless, kEndless}, 0, 0};
  CheckUsd(BillOf(flat, {Ran(1'000'000)}).total(), 500'000);
  const Price free{0, {0.5, 1, 2}, {0, 0}, 0, kEndless};
  CheckUsd(BillOf(free, {Ran(1'000'000)}).total(), 0);
}

TEST_CASE("a bill of one's own prices") {
  const Bill bill =
      BillOf({.usd_per_million_requests = 1'000'000, .usd_per_gb_second = {1, 10, 100}, .tier_gb_seconds = {1, 1}},
             {{"f", 3, 1024 * 4000}});
  CHECK(bill.total() == 3 + 1 + 10 + 200);
}

TEST_CASE("people read a bill as a table") {
  const Bill bill = BillOf(Price::X86().WithFreeTier(),
                           {{"resize-images", 2'000'000, std::int64_t{1024} * 500'000'000}, {"ping", 7, 128 * 9}});
  CHECK(bill.ToString() ==
        "function          requests             GB-s            USD\n"
        "resize-images      2000000    500000.000000     8.73335000\n"
        "ping                     7         0.001125     0.00000142\n"
        "all                2000007    500000.001125     8.73335142\n"
        "requests                                        0.40000140\n"
        "compute                                         8.33335002\n"
        "free tier                                      -6.86668000\n"
        "total                                           1.86667142\n");
  CHECK(BillOf(Price::X86(), {}).ToString() ==
        "function     requests             GB-s            USD\n"
        "all                 0         0.000000     0.00000000\n"
        "requests                                   0.00000000\n"
        "compute                                    0.00000000\n"
        "total                                      0.00000000\n");
}

}  // namespace
}  // namespace runlet
