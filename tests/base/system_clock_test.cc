#include <absl/time/clock.h>
#include <absl/time/time.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#include "runlet/base/time.h"
#include "tests/catch.h"

namespace runlet {
namespace {

std::int64_t SteadyNs() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

TEST_CASE("there is one system clock") { CHECK(&SystemClock() == &SystemClock()); }

TEST_CASE("the system clock's calendar shows today") {
  const absl::Time before = absl::Now();
  const absl::Time calendar = SystemClock().Calendar();
  // Wide, because someone may set the machine's time meanwhile.
  CHECK(absl::AbsDuration(calendar - before) < absl::Hours(26));
}

// Long enough for the clock to learn its counter's pace and change over to it, several times over.
TEST_CASE("the system clock keeps to the steady clock's scale and never goes back", "[realtime]") {
  const Clock& clock = SystemClock();
  const std::int64_t start = SteadyNs();
  Instant last;
  for (std::int64_t before = start; before < start + 200'000'000; before = SteadyNs()) {
    const Instant now = clock.Now();
    const std::int64_t after = SteadyNs();
    constexpr std::int64_t kTolerance = 1'000'000;  // NTP may steer the steady clock by 0.5 ms a second
    REQUIRE(now.ns >= before - kTolerance);
    REQUIRE(now.ns <= after + kTolerance);
    REQUIRE(now >= last);
    last = now;
  }
}

TEST_CASE("threads that read the system clock at once each see it go forward") {
  const Clock& clock = SystemClock();
  std::atomic<int> backwards{0};
  const auto read = [&] {
    Instant last;
    for (int i = 0; i < 100'000; ++i) {
      const Instant now = clock.Now();
      if (now < last) ++backwards;
      last = now;
    }
  };
  std::thread other(read);
  read();
  other.join();
  CHECK(backwards == 0);
}

}  // namespace
}  // namespace runlet
