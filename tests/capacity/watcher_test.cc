#include "capacity/watcher.h"

#include <absl/time/time.h>
#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>

#include "tests/capacity/latch.h"
#include "tests/capacity/task.h"
#include "tests/catch.h"

namespace runlet {
namespace {

constexpr Instant kNow{0};
constexpr Instant kMuchLater{3'600'000'000'000};

// Counts how often it is read: the watcher reads it whenever it has woken.
class CountingClock final : public Clock {
 public:
  explicit CountingClock(const Clock& clock) : clock_(clock) {}
  Instant Now() const override {
    reads.Add();
    return clock_.Now();
  }
  absl::Time Calendar() const override { return clock_.Calendar(); }

  mutable Counter reads;

 private:
  const Clock& clock_;
};

TEST_CASE("a watcher that nobody asked for anything has not rung") {
  ManualClock clock;
  Bell bell;
  {
    Watcher watcher(clock, &bell);
    watcher.WakeAt(Instant::Never());
  }
  CHECK(bell.rings.count() == 0);
}

TEST_CASE("a watcher rings at once for a time that has come") {
  ManualClock clock;
  Bell bell;
  Watcher watcher(clock, &bell);
  watcher.WakeAt(kNow);
  bell.rings.AwaitAtLeast(1);
  watcher.WakeAt(kNow);
  bell.rings.AwaitAtLeast(2);
}

TEST_CASE("a watcher does not ring before its time, though it wakes") {
  ManualClock manual;
  const CountingClock clock(manual);
  std::atomic<std::int64_t> rung_at{-1};
  Bell bell([&](Instant now) {
    rung_at = now.ns;
    return Instant::Never();
  });
  Watcher watcher(clock, &bell);
  watcher.WakeAt(Instant{1'000'000});
  // Real time goes on while the manual clock stands: the watcher wakes, finds that it is too early, and sleeps again.
  clock.reads.AwaitAtLeast(5);
  CHECK(bell.rings.count() == 0);
  manual.AdvanceBy(absl::Milliseconds(1));
  bell.rings.AwaitAtLeast(1);
  CHECK(rung_at == 1'000'000);
}

TEST_CASE("an earlier time than the one asked for before is the one that counts") {
  ManualClock clock;
  Bell bell;
  Watcher watcher(clock, &bell);
  watcher.WakeAt(kMuchLater);
  watcher.WakeAt(kNow);
  bell.rings.AwaitAtLeast(1);
}

TEST_CASE("a later time than the one asked for before changes nothing") {
  ManualClock clock;
  Bell bell([](Instant) { return kMuchLater; });
  Watcher watcher(clock, &bell);
  watcher.WakeAt(kNow);
  watcher.WakeAt(kMuchLater);
  bell.rings.AwaitAtLeast(1);
  watcher.WakeAt(kNow);
  bell.rings.AwaitAtLeast(2);
}

TEST_CASE("a watcher rings again when the alarm has said so") {
  ManualClock clock;
  std::atomic<int> left{3};
  Bell bell([&](Instant now) { return --left >= 0 ? now : Instant::Never(); });
  Watcher watcher(clock, &bell);
  watcher.WakeAt(kNow);
  bell.rings.AwaitAtLeast(4);
  watcher.Stop();
  CHECK(bell.rings.count() == 4);
}

TEST_CASE("a time that is asked for while the alarm rings is not forgotten") {
  ManualClock clock;
  std::optional<Watcher> watcher;
  Counter asked;
  Bell bell([&](Instant) {
    if (asked.count() < 3) {
      asked.Add();
      watcher->WakeAt(kNow);
    }
    return Instant::Never();
  });
  watcher.emplace(clock, &bell);
  watcher->WakeAt(kNow);
  bell.rings.AwaitAtLeast(4);
}

TEST_CASE("a stopped watcher does not ring any more, and may be stopped again") {
  ManualClock clock;
  Bell bell;
  Watcher watcher(clock, &bell);
  watcher.WakeAt(kMuchLater);
  watcher.Stop();
  watcher.WakeAt(kNow);
  watcher.Stop();
  CHECK(bell.rings.count() == 0);
}

TEST_CASE("stopping waits for the alarm that rings") {
  ManualClock clock;
  Latch in_ring, go_on;
  std::atomic<bool> over{false};
  Bell bell([&](Instant) {
    in_ring.Open();
    go_on.Wait();
    over = true;
    return kNow;  // would ring at once again
  });
  Watcher watcher(clock, &bell);
  watcher.WakeAt(kNow);
  in_ring.Wait();
  std::thread stopper([&] {
    watcher.Stop();
    CHECK(over);
    const int rings = bell.rings.count();
    watcher.WakeAt(kNow);
    CHECK(bell.rings.count() == rings);
  });
  go_on.Open();
  stopper.join();
}

TEST_CASE("an alarm that does not return is left behind, with what it needs, and does not ring again") {
  struct Host {
    ManualClock clock;
    std::optional<Bell> bell;
    std::optional<Watcher> watcher;
  };
  Latch in_ring, go_on;
  Counter gone;
  std::atomic<int> rings{0};
  std::shared_ptr<Host> host(new Host, [&gone](Host* ended) {
    delete ended;
    gone.Add();
  });
  host->bell.emplace([&](Instant) {
    ++rings;
    in_ring.Open();
    go_on.Wait();
    return kNow;  // would ring at once again
  });
  host->watcher.emplace(host->clock, &*host->bell);
  host->watcher->WakeAt(kNow);
  in_ring.Wait();
  CHECK(!host->watcher->Stop(SystemClock().Now(), [&] { return host; }));
  host.reset();
  CHECK(gone.count() == 0);
  go_on.Open();
  gone.AwaitAtLeast(1);
  CHECK(rings == 1);
}

TEST_CASE("a watcher that waits for its time is no trouble to stop, however late it is") {
  ManualClock clock;
  Bell bell;
  Watcher watcher(clock, &bell);
  watcher.WakeAt(kNow);
  bell.rings.AwaitAtLeast(1);
  watcher.WakeAt(kMuchLater);
  CHECK(watcher.Stop(SystemClock().Now().After(Nanos(absl::Minutes(1)))));
}

#if defined(__cpp_exceptions)
TEST_CASE("an alarm that ends the watcher's thread rings again when it is asked to") {
  ManualClock clock;
  Counter rung;
  std::atomic<bool> first{true};
  Bell bell([&](Instant) {
    rung.Add();
    if (first.exchange(false)) pthread_exit(nullptr);
    return Instant::Never();
  });
  Watcher watcher(clock, &bell);
  watcher.WakeAt(kNow);
  rung.AwaitAtLeast(1);
  while (rung.count() < 2) {
    watcher.WakeAt(kNow);
    std::this_thread::yield();
  }
}
#endif

TEST_CASE("of many threads that ask, each gets its ring") {
  ManualClock clock;
  std::atomic<int> due{0}, seen{0};
  Bell bell([&](Instant) {
    seen = due.load();
    return Instant::Never();
  });
  Watcher watcher(clock, &bell);
  const auto ask = [&] {
    for (int i = 0; i < 2'000; ++i) {
      const int mine = due.fetch_add(1) + 1;
      watcher.WakeAt(kNow);
      while (seen.load() < mine) std::this_thread::yield();
    }
  };
  std::thread other(ask);
  ask();
  other.join();
  CHECK(seen == 4'000);
}

TEST_CASE("a watcher sleeps until the time it was asked for, and an idle one sleeps on", "[realtime]") {
  const CountingClock clock(SystemClock());
  std::atomic<std::int64_t> rung_at{0};
  Bell bell([&](Instant now) {
    rung_at = now.ns;
    return Instant::Never();
  });
  Bell never;
  Watcher idle(clock, &never);
  idle.WakeAt(SystemClock().Now().After(Nanos(absl::Hours(1))));
  Watcher watcher(clock, &bell);
  const Instant when = SystemClock().Now().After(Nanos(absl::Milliseconds(50)));
  watcher.WakeAt(when);
  bell.rings.AwaitAtLeast(1);
  CHECK(rung_at >= when.ns);
  CHECK(never.rings.count() == 0);
  CHECK(clock.reads.count() <= 8);  // a handful for two starts and one ring, however long that took
}

}  // namespace
}  // namespace runlet
