#include "capacity/poll_executor.h"

#include <absl/time/time.h>
#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "tests/capacity/latch.h"
#include "tests/capacity/task.h"
#include "tests/catch.h"

namespace runlet {
namespace {

struct Fixture {
  Fixture() { executor.Attach(&bell); }
  Task& Post(std::function<void()> run = [] {}) {
    tasks.emplace_back(std::move(run));
    executor.Post(tasks.back());
    return tasks.back();
  }

  ManualClock clock;
  Bell bell;
  std::deque<Task> tasks;
  PollExecutor executor{clock};
};

TEST_CASE("work runs only when somebody polls, in the order in which it was posted") {
  Fixture f;
  std::vector<int> order;
  for (int i = 0; i < 3; ++i) f.Post([&, i] { order.push_back(i); });
  CHECK(order.empty());
  CHECK(f.executor.Poll() == 3);
  CHECK(order == std::vector<int>{0, 1, 2});
  CHECK(f.executor.Poll() == 0);
}

TEST_CASE("work that is posted while others poll waits for the next poll") {
  Fixture f;
  Task inner;
  f.Post([&] { f.executor.Post(inner); });
  CHECK(f.executor.Poll() == 1);
  CHECK(inner.ran.count() == 0);
  CHECK(f.executor.NextDue() == f.clock.Now());
  CHECK(f.executor.Poll() == 1);
  CHECK(inner.ran.count() == 1);
}

TEST_CASE("the alarm rings in the poll that comes at its time, and not before") {
  Fixture f;
  f.executor.WakeAt(Instant{100});
  CHECK(f.executor.NextDue() == Instant{100});
  f.clock.AdvanceTo(Instant{99});
  f.executor.Poll();
  CHECK(f.bell.rings.count() == 0);
  f.clock.AdvanceTo(Instant{100});
  f.executor.Poll();
  CHECK(f.bell.rings.count() == 1);
  CHECK(f.executor.NextDue().never());
  f.executor.Poll();
  CHECK(f.bell.rings.count() == 1);
}

TEST_CASE("of two times the earlier one counts") {
  Fixture f;
  f.executor.WakeAt(Instant{100});
  f.executor.WakeAt(Instant{200});
  CHECK(f.executor.NextDue() == Instant{100});
  f.executor.WakeAt(Instant{50});
  CHECK(f.executor.NextDue() == Instant{50});
}

TEST_CASE("what the alarm asks for next, and what is asked for while it rings, is not forgotten") {
  ManualClock clock;
  PollExecutor executor(clock);
  Bell bell([&](Instant) {
    executor.WakeAt(Instant{10});
    return Instant{20};
  });
  executor.Attach(&bell);
  executor.WakeAt(Instant{0});
  executor.Poll();
  CHECK(executor.NextDue() == Instant{10});
}

TEST_CASE("with nothing to do there is no next time") {
  Fixture f;
  CHECK(f.executor.NextDue().never());
  f.Post();
  CHECK(f.executor.NextDue() == f.clock.Now());
  f.executor.Poll();
  CHECK(f.executor.NextDue().never());
}

TEST_CASE("a wait runs the work that comes, until it is over") {
  Fixture f;
  std::atomic<std::uint32_t> word{0};
  Task second([&] {
    word = 1;
    f.executor.Unblock(&word);
  });
  Task& first = f.Post([&] { f.executor.Post(second); });
  f.executor.Block({&word, 0});
  CHECK(first.ran.count() == 1);
  CHECK(second.ran.count() == 1);
}

TEST_CASE("a wait rings the alarm that falls due") {
  ManualClock clock;
  PollExecutor executor(clock);
  std::atomic<std::uint32_t> word{0};
  Bell bell([&](Instant) {
    word = 1;
    return Instant::Never();
  });
  executor.Attach(&bell);
  executor.WakeAt(Instant{0});
  executor.Block({&word, 0});
  CHECK(bell.rings.count() == 1);
}

TEST_CASE("a wait that is over, or whose time has passed, runs nothing") {
  Fixture f;
  std::atomic<std::uint32_t> word{1};
  Task& task = f.Post();
  f.executor.Block({&word, 0});
  f.executor.Block({&word, 1, f.clock.Now()});
  CHECK(task.ran.count() == 0);
}

TEST_CASE("a wait sleeps until another thread changes the word, or brings work") {
  Fixture f;
  std::atomic<std::uint32_t> word{0};
  Counter begun;
  std::thread waiter([&] {
    begun.Add();
    f.executor.Block({&word, 0});
  });
  begun.AwaitAtLeast(1);
  Task task;
  f.executor.Post(task);
  task.ran.AwaitAtLeast(1);  // by the waiter: nobody else polls
  word = 1;
  f.executor.Unblock(&word);
  waiter.join();
}

TEST_CASE("several threads may poll, and each piece of work runs once") {
  constexpr int kMany = 5'000;
  Fixture f;
  std::deque<std::atomic<int>> times(kMany);
  std::deque<Task> tasks;
  for (int i = 0; i < kMany; ++i) {
    tasks.emplace_back([&times, i] { times[static_cast<std::size_t>(i)].fetch_add(1); });
  }
  std::atomic<int> ran{0};
  const auto poll = [&] {
    while (ran.load() < kMany) ran.fetch_add(static_cast<int>(f.executor.Poll()));
  };
  std::thread first(poll), second(poll);
  for (Task& task : tasks) f.executor.Post(task);
  first.join();
  second.join();
  int once = 0;
  for (const std::atomic<int>& each : times) once += each == 1;
  CHECK(once == kMany);
}

TEST_CASE("work that nobody has polled for, and work that comes later, is dropped at the end") {
  Fixture f;
  Task& before = f.Post();
  CHECK(f.executor.Detach(Instant{0}) == 0);
  CHECK(before.dropped.count() == 1);
  Task& after = f.Post();
  CHECK(after.dropped.count() == 1);
  f.executor.WakeAt(Instant{0});
  CHECK(f.executor.Poll() == 0);
  CHECK(f.bell.rings.count() == 0);
}

TEST_CASE("the end waits for those who poll, and says how many threads it had to leave behind") {
  Fixture f;
  Counter gone;
  f.executor.set_keep_alive([&] { return std::shared_ptr<void>(nullptr, [&gone](std::nullptr_t) { gone.Add(); }); });
  Latch go_on;
  Counter in;
  const auto stick = [&] {
    f.executor.Poll();  // this thread is inside already
    in.Add();
    go_on.Wait();
  };
  f.Post(stick);
  std::thread first([&] { f.executor.Poll(); });
  in.AwaitAtLeast(1);
  f.Post(stick);
  std::thread second([&] { f.executor.Poll(); });
  in.AwaitAtLeast(2);
  CHECK(f.executor.Detach(f.clock.Now()) == 2);
  CHECK(gone.count() == 0);
  go_on.Open();
  gone.AwaitAtLeast(1);
  first.join();
  second.join();
  CHECK(f.executor.Detach(Instant::Never()) == 0);
}

#if defined(__cpp_exceptions)
TEST_CASE("work that ends the thread that polls does not hold up the end") {
  Fixture f;
  f.Post([] { pthread_exit(nullptr); });
  std::thread thread([&] { f.executor.Poll(); });
  thread.join();
  CHECK(f.executor.Detach(Instant::Never()) == 0);
}
#endif

TEST_CASE("whoever waits for a call must run it, and nobody can be written off") {
  const Fixture f;
  CHECK(f.executor.runs_on_waiter());
  CHECK(!f.executor.can_write_off());
}

}  // namespace
}  // namespace runlet
