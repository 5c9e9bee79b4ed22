#include "base/timer_wheel.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "runlet/base/random.h"
#include "runlet/base/time.h"
#include "tests/catch.h"

namespace runlet {
namespace {

struct Timer : TimerLink {};

constexpr std::int64_t kYear = std::int64_t{365} * 86'400 * 1'000'000'000;

TEST_CASE("an empty wheel is never due") {
  TimerWheel wheel;
  CHECK(wheel.size() == 0);
  CHECK(wheel.NextDue().never());
  CHECK(wheel.PopDue(Instant{0}) == nullptr);
  CHECK(wheel.PopDue(Instant::Never()) == nullptr);
}

TEST_CASE("a timer is due at its nanosecond and not one before") {
  const std::int64_t due = GENERATE(as<std::int64_t>{}, 0, 1, (1 << 21) - 1, 1 << 21, (1 << 21) + 1, 1 << 27,
                                    59'999'999'999, 60'000'000'000, kYear, 200 * kYear, kForeverNs - 1);
  TimerWheel wheel;
  Timer timer;
  wheel.Arm(&timer, Instant{due});
  CHECK(timer.armed());
  CHECK(wheel.NextDue() == Instant{due});
  CHECK(wheel.PopDue(Instant{due - 1}) == nullptr);
  CHECK(wheel.NextDue() == Instant{due});
  CHECK(wheel.PopDue(Instant{due}) == &timer);
  CHECK_FALSE(timer.armed());
  CHECK(wheel.NextDue().never());
  CHECK(wheel.size() == 0);
}

TEST_CASE("timers of one instant come out in the order in which they were armed") {
  TimerWheel wheel;
  std::vector<Timer> timers(1000);
  for (Timer& timer : timers) wheel.Arm(&timer, Instant{5'000'000'000});
  wheel.Cancel(&timers[500]);
  wheel.Arm(&timers[500], Instant{5'000'000'000});  // now the last
  for (std::size_t i = 0; i < timers.size(); ++i) {
    if (i != 500) REQUIRE(wheel.PopDue(Instant{6'000'000'000}) == &timers[i]);
  }
  CHECK(wheel.PopDue(Instant{6'000'000'000}) == &timers[500]);
}

TEST_CASE("what is armed in the past is due at once and in the order of its due times") {
  TimerWheel wheel;
  Timer far, later, earlier, long_ago;
  wheel.Arm(&far, Instant{2'000'000'000});
  CHECK(wheel.PopDue(Instant{1'000'000'000}) == nullptr);
  wheel.Arm(&later, Instant{999'999'999});
  wheel.Arm(&earlier, Instant{3});
  wheel.Arm(&long_ago, Instant{-7});
  CHECK(wheel.NextDue() == Instant{-7});
  CHECK(wheel.PopDue(Instant{1'000'000'000}) == &long_ago);
  CHECK(wheel.NextDue() == Instant{3});
  CHECK(wheel.PopDue(Instant{1'000'000'000}) == &earlier);
  CHECK(wheel.PopDue(Instant{1'000'000'000}) == &later);
  CHECK(wheel.PopDue(Instant{1'000'000'000}) == nullptr);
  CHECK(wheel.size() == 1);
  wheel.Cancel(&far);
}

TEST_CASE("a timer armed for never comes out only at the end of time") {
  TimerWheel wheel;
  Timer timer;
  wheel.Arm(&timer, Instant::Never());
  CHECK(wheel.size() == 1);
  CHECK(wheel.NextDue().never());
  CHECK(wheel.PopDue(Instant{kForeverNs - 1}) == nullptr);
  CHECK(wheel.PopDue(Instant::Never()) == &timer);
}

TEST_CASE("a timer that is armed again moves, and one that is not armed can be cancelled") {
  TimerWheel wheel;
  Timer timer;
  wheel.Cancel(&timer);
  wheel.Arm(&timer, Instant{10});
  wheel.Arm(&timer, Instant{kYear});
  CHECK(wheel.size() == 1);
  CHECK(wheel.NextDue() == Instant{kYear});
  wheel.Arm(&timer, Instant{20});
  CHECK(wheel.NextDue() == Instant{20});
  wheel.Cancel(&timer);
  wheel.Cancel(&timer);
  CHECK(wheel.size() == 0);
  CHECK(wheel.NextDue().never());
}

TEST_CASE("a time before that of the last pop changes nothing") {
  TimerWheel wheel(Instant{kYear});
  Timer soon, late;
  wheel.Arm(&soon, Instant{kYear + 1});
  wheel.Arm(&late, Instant{2 * kYear});
  CHECK(wheel.PopDue(Instant{kYear + 500}) == &soon);
  CHECK(wheel.PopDue(Instant{5}) == nullptr);
  CHECK(wheel.NextDue() == Instant{2 * kYear});
  CHECK(wheel.PopDue(Instant{2 * kYear}) == &late);
}

// The same as the wheel, by a tree: what the wheel is tested against.
class OrderedTimers {
 public:
  void Arm(Timer* timer, Instant due) {
    Cancel(timer);
    where_[timer] = timers_.emplace(due, timer);  // equal keys stay in the order of insertion
  }
  void Cancel(Timer* timer) {
    const auto found = where_.find(timer);
    if (found == where_.end()) return;
    timers_.erase(found->second);
    where_.erase(found);
  }
  Instant NextDue() const { return timers_.empty() ? Instant::Never() : timers_.begin()->first; }
  Timer* PopDue(Instant now) {
    if (timers_.empty() || timers_.begin()->first > now) return nullptr;
    Timer* timer = timers_.begin()->second;
    Cancel(timer);
    return timer;
  }
  std::size_t size() const { return timers_.size(); }

 private:
  std::multimap<Instant, Timer*> timers_;
  std::map<Timer*, std::multimap<Instant, Timer*>::iterator> where_;
};

// A distance in time, of any order of magnitude up to `bits` bits.
std::int64_t Distance(Random& random, std::uint64_t bits) {
  return static_cast<std::int64_t>(random.Next() >> (64 - 1 - random.Below(bits)));
}

TEST_CASE("the wheel does what an ordered tree does, whatever happens in whatever order") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    const std::uint64_t bits = 4 + random.Below(59);  // the scale of this run: from nanoseconds to centuries
    const std::uint64_t crowd = 1 + random.Below(400);
    const bool asks = random.OneIn(2);  // NextDue sorts as it goes, so some runs do without
    Instant now{random.OneIn(2) ? 0 : Distance(random, 61)};
    TimerWheel wheel(random.OneIn(2) ? now : Instant{});
    OrderedTimers tree;
    std::vector<Timer> timers(crowd);
    for (int step = 0; step < 1500; ++step) {
      Timer* timer = &timers[random.Below(crowd)];
      switch (random.Below(8)) {
        case 0:
        case 1:
        case 2: {
          const Instant due = random.OneIn(50)  ? Instant::Never()
                              : random.OneIn(8) ? Instant{now.ns - Distance(random, bits)}
                              : random.OneIn(4) ? now.After(static_cast<std::int64_t>(random.Below(3)))
                                                : now.After(Distance(random, bits));
          wheel.Arm(timer, due);
          tree.Arm(timer, due);
          break;
        }
        case 3:
        case 4:
          wheel.Cancel(timer);
          tree.Cancel(timer);
          break;
        case 5:
          now = random.OneIn(3) ? tree.NextDue() : now.After(Distance(random, bits));
          if (now.never() || now.ns < 0) now = Instant{kForeverNs / 2};
          break;
        default:
          for (std::uint64_t pops = random.Below(4); pops > 0; --pops) {
            TimerLink* const popped = wheel.PopDue(now);
            REQUIRE(popped == tree.PopDue(now));
            REQUIRE((popped == nullptr || !popped->armed()));
          }
      }
      if (asks) REQUIRE(wheel.NextDue() == tree.NextDue());
      REQUIRE(wheel.size() == tree.size());
    }
    while (Timer* expected = tree.PopDue(Instant::Never())) REQUIRE(wheel.PopDue(Instant::Never()) == expected);
    REQUIRE(wheel.size() == 0);
    REQUIRE(wheel.NextDue().never());
  }
}

TEST_CASE("the same calls give the same order") {
  const auto run = [] {
    Random random(7);
    TimerWheel wheel;
    std::vector<Timer> timers(500);
    for (Timer& timer : timers) wheel.Arm(&timer, Instant{static_cast<std::int64_t>(random.Below(50))});
    std::vector<std::ptrdiff_t> order;
    while (TimerLink* link = wheel.PopDue(Instant{50})) order.push_back(static_cast<Timer*>(link) - timers.data());
    return order;
  };
  CHECK(run() == run());
}

}  // namespace
}  // namespace runlet
