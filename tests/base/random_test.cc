#include "runlet/base/random.h"

#include <cstdint>
#include <limits>
#include <set>

#include "tests/catch.h"

namespace runlet {
namespace {

TEST_CASE("a seed gives the same numbers on every machine") {
  // xoshiro256** 1.0 seeded by SplitMix64, as published by Blackman and Vigna.
  Random zero(0);
  CHECK(zero.Next() == 0x99EC5F36CB75F2B4u);
  CHECK(zero.Next() == 0xBF6E1F784956452Au);
  CHECK(zero.Next() == 0x1A5F849D4933E6E0u);
  Random same(42), again(42), other(43);
  const std::uint64_t first = same.Next();
  CHECK(again.Next() == first);
  CHECK(other.Next() != first);
}

TEST_CASE("numbers below n are below n, and all of them occur") {
  Random random(1);
  CHECK(random.Below(0) == 0);
  CHECK(random.Below(1) == 0);
  const std::uint64_t n = GENERATE(as<std::uint64_t>{}, 2, 3, 10, 64, 100);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 5'000; ++i) {
    const std::uint64_t drawn = random.Below(n);
    REQUIRE(drawn < n);
    seen.insert(drawn);
  }
  CHECK(seen.size() == n);
}

TEST_CASE("numbers below n are uniform, also where n does not divide the range of the generator") {
  Random random(2);
  // Three quarters of the range: a remainder would draw the lower third twice as often as the rest.
  constexpr std::uint64_t kThreeQuarters = std::uint64_t{3} << 62;
  int lower_third = 0;
  for (int i = 0; i < 30'000; ++i) lower_third += random.Below(kThreeQuarters) < std::uint64_t{1} << 62 ? 1 : 0;
  CHECK(lower_third > 9'500);
  CHECK(lower_third < 10'500);
  CHECK(random.Below(std::numeric_limits<std::uint64_t>::max()) < std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("a number of the unit interval is never one") {
  Random random(3);
  double sum = 0;
  for (int i = 0; i < 10'000; ++i) {
    const double drawn = random.Unit();
    REQUIRE(drawn >= 0);
    REQUIRE(drawn < 1);
    sum += drawn;
  }
  CHECK(sum > 4'900);
  CHECK(sum < 5'100);
}

TEST_CASE("one in n happens once in n times") {
  Random random(4);
  int happened = 0;
  for (int i = 0; i < 10'000; ++i) happened += random.OneIn(10) ? 1 : 0;
  CHECK(happened > 900);
  CHECK(happened < 1'100);
  CHECK(random.OneIn(1));
}

TEST_CASE("seeds of the system differ") { CHECK(RandomSeed() != RandomSeed()); }

}  // namespace
}  // namespace runlet
