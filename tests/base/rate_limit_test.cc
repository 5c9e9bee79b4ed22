#include "base/rate_limit.h"

#include "tests/catch.h"

namespace runlet {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

int PassAll(RateLimit& limit, Instant now, std::int64_t per_second) {
  int passed = 0;
  while (passed < 1'000'000 && limit.TryPass(now, per_second)) ++passed;
  return passed;
}

TEST_CASE("a second's worth passes at once, and then one an interval later") {
  for (const std::int64_t per_second : {1, 10, 1000}) {
    RateLimit limit;
    CHECK(PassAll(limit, Instant{0}, per_second) == per_second);
    CHECK(PassAll(limit, Instant{kSecond / per_second - 1}, per_second) == 0);
    CHECK(PassAll(limit, Instant{kSecond / per_second}, per_second) == 1);
    CHECK(PassAll(limit, Instant{2 * kSecond}, per_second) == per_second);
  }
}

TEST_CASE("a long rest saves up no more than a second's worth") {
  RateLimit limit;
  CHECK(PassAll(limit, Instant{1000 * kSecond}, 10) == 10);
  CHECK(PassAll(limit, Instant{2000 * kSecond}, 10) == 10);
}

TEST_CASE("in the long run no more pass than the rate") {
  RateLimit limit;
  int passed = 0;
  for (std::int64_t ms = 0; ms < 10'000; ++ms) passed += limit.TryPass(Instant{ms * 1'000'000}, 100) ? 1 : 0;
  CHECK(passed >= 1000);
  CHECK(passed <= 1100);
}

}  // namespace
}  // namespace runlet
