#include "runlet/base/time.h"

#include <absl/time/time.h>

#include <cstdint>
#include <limits>
#include <thread>

#include "tests/catch.h"

namespace runlet {
namespace {

TEST_CASE("nothing lies after never") {
  CHECK(Instant::Never().never());
  CHECK(Instant::Never().After(0).never());
  CHECK(Instant::Never().After(1).never());
  CHECK(Instant{5}.After(kForeverNs).never());
  CHECK(Instant{5}.After(kForeverNs - 5).never());
  CHECK_FALSE(Instant{5}.After(kForeverNs - 6).never());
  CHECK(Instant{kForeverNs - 1} < Instant::Never());
}

TEST_CASE("an instant and a distance give an instant, in both directions") {
  CHECK(Instant{5}.After(7) == Instant{12});
  CHECK(Instant{5}.After(0) == Instant{5});
  CHECK(Instant{5}.After(-7) == Instant{-2});
  CHECK(Instant{12}.Since(Instant{5}) == 7);
  CHECK(Instant{5}.Since(Instant{12}) == -7);
  CHECK(Instant{5} < Instant{12});
}

TEST_CASE("a duration is cut to what 64 bits of nanoseconds hold") {
  CHECK(Nanos(absl::Milliseconds(3)) == 3'000'000);
  CHECK(Nanos(absl::InfiniteDuration()) == kForeverNs);
  CHECK(Nanos(-absl::InfiniteDuration()) == std::numeric_limits<std::int64_t>::min());
  CHECK(Instant{}.After(Nanos(absl::InfiniteDuration())).never());
}

TEST_CASE("a manual clock moves when told, and its calendar with it") {
  const absl::Time start = absl::FromUnixSeconds(42);
  ManualClock clock(start);
  CHECK(clock.Now() == Instant{0});
  CHECK(clock.Calendar() == start);
  clock.AdvanceBy(absl::Minutes(3));
  CHECK(clock.Now() == Instant{180'000'000'000});
  CHECK(clock.Calendar() == start + absl::Minutes(3));
}

TEST_CASE("a manual clock is advanced to a later time and never back") {
  ManualClock clock;
  clock.AdvanceTo(Instant{100});
  CHECK(clock.Now() == Instant{100});
  clock.AdvanceTo(Instant{99});
  CHECK(clock.Now() == Instant{100});
  clock.AdvanceTo(Instant{101});
  CHECK(clock.Now() == Instant{101});
}

TEST_CASE("of several threads that advance a manual clock, the one that goes furthest wins") {
  ManualClock clock;
  const auto advance = [&](std::int64_t first) {
    for (std::int64_t ns = first; ns <= 10'000; ns += 2) clock.AdvanceTo(Instant{ns});
  };
  std::thread odd(advance, 1);
  advance(0);
  odd.join();
  CHECK(clock.Now() == Instant{10'000});
}

}  // namespace
}  // namespace runlet
