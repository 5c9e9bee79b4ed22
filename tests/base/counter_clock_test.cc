#include "base/counter_clock.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "runlet/base/random.h"
#include "tests/catch.h"

namespace runlet {
namespace {

constexpr std::int64_t kMicro = 1'000;
constexpr std::int64_t kMilli = 1'000'000;
constexpr std::int64_t kSecond = 1'000'000'000;

// A machine with a slow clock and a counter. Each look at one of them takes some nanoseconds, as in life.
struct Machine {
  std::int64_t ns = 1'000 * kSecond;
  double ticks = 5e12;
  double ticks_per_ns = 2.6;
  std::uint64_t last_ticks = 0;
  Random random{1};

  void Pass(std::int64_t nanoseconds) {
    ns += nanoseconds;
    ticks += static_cast<double>(nanoseconds) * ticks_per_ns;
  }
  // The machine sleeps: its clock stands still, its counter does not.
  void Suspend(std::int64_t nanoseconds) { ticks += static_cast<double>(nanoseconds) * ticks_per_ns; }
};

struct Source {
  Machine* machine;

  // Early at times, as when another thread draws a line just then; but never before the reading that came before.
  std::uint64_t Ticks() const {
    const std::uint64_t ticks = OrderedTicks();
    const std::uint64_t early = machine->random.OneIn(4) ? machine->random.Below(100) : 0;
    const std::uint64_t last = machine->last_ticks;
    return machine->last_ticks = last > ticks ? ticks : std::max(last, ticks - std::min(early, ticks));
  }
  std::uint64_t OrderedTicks() const {
    machine->Pass(static_cast<std::int64_t>(machine->random.Below(20)));
    return static_cast<std::uint64_t>(machine->ticks);
  }
  std::int64_t Ns() const {
    machine->Pass(static_cast<std::int64_t>(machine->random.Below(40)));
    return machine->ns;
  }
};

using TestClock = CounterClock<Source>;

// Reads the clock now and then until it counts. False: it never does.
bool LearnPace(TestClock& clock, Machine& machine) {
  for (int i = 0; i < 1000 && !clock.counting(); ++i) {
    clock.Now();
    machine.Pass(kMilli);
  }
  return clock.counting();
}

TEST_CASE("until it knows the counter's pace, the clock tells the slow clock's time") {
  Machine machine;
  TestClock clock{Source{&machine}};
  for (int i = 0; i < 15; ++i) {
    const std::int64_t before = machine.ns;
    const std::int64_t now = clock.Now();
    CHECK(now >= before);
    CHECK(now <= machine.ns);
    CHECK_FALSE(clock.counting());
    machine.Pass(kMilli);
  }
}

TEST_CASE("the clock counts after some tens of milliseconds and then stays by the slow clock") {
  Machine machine;
  TestClock clock{Source{&machine}};
  REQUIRE(LearnPace(clock, machine));
  CHECK(machine.ns < 1'000 * kSecond + 50 * kMilli);
  const std::int64_t step = GENERATE(as<std::int64_t>{}, 100, 3 * kMicro, kMilli, 700 * kMilli, 5 * kSecond);
  std::int64_t last = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t now = clock.Now();
    REQUIRE(now >= last);
    REQUIRE(std::abs(now - machine.ns) < kMicro);
    REQUIRE(clock.counting());
    last = now;
    machine.Pass(step);
  }
}

TEST_CASE("the clock follows a slow clock that NTP speeds up and slows down") {
  Machine machine;
  TestClock clock{Source{&machine}};
  REQUIRE(LearnPace(clock, machine));
  std::int64_t last = 0;
  const double steered[] = {-0.0004, 0.0004, 0, 0.0004, -0.0004};
  for (const double steer : steered) {
    machine.ticks_per_ns = 2.6 * (1 + steer);
    for (int i = 0; i < 200'000; ++i) {
      const std::int64_t now = clock.Now();
      REQUIRE(now >= last);
      REQUIRE(std::abs(now - machine.ns) < kMilli);  // within the second in which the pace changes
      if (i > 150'000) REQUIRE(std::abs(now - machine.ns) < kMicro);
      REQUIRE(clock.counting());
      last = now;
      machine.Pass(20 * kMicro);
    }
  }
}

TEST_CASE("a machine that slept is told the slow clock's time, and after a while the counter's again") {
  Machine machine;
  TestClock clock{Source{&machine}};
  REQUIRE(LearnPace(clock, machine));
  machine.Pass(10 * kSecond);
  const std::int64_t before = clock.Now();
  machine.Suspend(3'600 * kSecond);
  machine.Pass(kSecond);
  const std::int64_t after = clock.Now();
  CHECK_FALSE(clock.counting());
  CHECK(after >= before);
  CHECK(std::abs(after - machine.ns) < kMilli);
  CHECK(LearnPace(clock, machine));
}

TEST_CASE("a counter that stands still is not counted on") {
  Machine machine;
  machine.ticks_per_ns = 0;
  TestClock clock{Source{&machine}};
  CHECK_FALSE(LearnPace(clock, machine));
  CHECK(std::abs(clock.Now() - machine.ns) < kMilli);
}

TEST_CASE("a clock nobody asked for a long time tells the right time at once") {
  Machine machine;
  TestClock clock{Source{&machine}};
  REQUIRE(LearnPace(clock, machine));
  machine.Pass(86'400 * kSecond);
  const std::int64_t before = machine.ns;
  const std::int64_t now = clock.Now();
  CHECK(now >= before);
  CHECK(now <= machine.ns + kMicro);
}

TEST_CASE("the clock never goes back, nor far from the slow clock, whatever the counter does") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Machine machine;
    machine.random = Random(seed);
    Random& random = machine.random;
    TestClock clock{Source{&machine}};
    std::int64_t last = 0;
    for (int i = 0; i < 3'000; ++i) {
      if (random.OneIn(300)) {
        switch (random.Below(6)) {
          case 0: machine.ticks_per_ns = 0.5 + 4 * random.Unit(); break;  // moved to another host
          case 1: machine.ticks_per_ns *= 1 + (random.Unit() - 0.5) / 1000; break;
          case 2: machine.ticks = 1e3 * random.Unit(); break;  // set to zero
          case 3: machine.Suspend(static_cast<std::int64_t>(random.Below(100) * kSecond)); break;
          case 4: machine.ticks_per_ns = 0; break;
          default: machine.ticks_per_ns = 2.6;
        }
      }
      const std::int64_t now = clock.Now();
      REQUIRE(now >= last);
      // A line is a second long: so far may a counter lead us that suddenly runs wild.
      REQUIRE(now < machine.ns + kSecond + kMilli);
      last = now;
      machine.Pass(static_cast<std::int64_t>(random.Next() >> (34 + random.Below(30))));
    }
    // Peace returns.
    machine.ticks_per_ns = 2.6;
    machine.Pass(2 * kSecond);
    REQUIRE(LearnPace(clock, machine));
    machine.Pass(2 * kSecond);
    REQUIRE(std::abs(clock.Now() - machine.ns) < kMilli);
  }
}

}  // namespace
}  // namespace runlet
