#include "delivery/backoff.h"

#include <climits>
#include <cstdint>

#include "tests/catch.h"

namespace runlet {
namespace {

TEST_CASE("the back-off is 1 s, doubling to 300 s, and stays there") {
  constexpr std::int64_t kSecond = 1'000'000'000;
  std::int64_t expected = kSecond;
  for (int failures = 0; failures < 9; ++failures, expected *= 2) CHECK(BackoffNs(failures) == expected);
  CHECK(BackoffNs(8) == 256 * kSecond);
  for (const int failures : {9, 10, 63, 64, 1000, INT_MAX}) CHECK(BackoffNs(failures) == 300 * kSecond);
}

}  // namespace
}  // namespace runlet
