#include "capacity/elastic_pool.h"

#include <absl/time/time.h>
#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "runlet/base/time.h"
#include "tests/capacity/latch.h"
#include "tests/capacity/task.h"
#include "tests/catch.h"

namespace runlet {
namespace {

// Stands until it is told to move, and tells which threads have read it: one of the pool's does when it has nothing to
// do.
class WitnessClock final : public Clock {
 public:
  Instant Now() const override {
    MutexLock lock(&mu_);
    readers_.insert(std::this_thread::get_id());
    read_.NotifyAll();
    return clock_.Now();
  }
  absl::Time Calendar() const override { return clock_.Calendar(); }
  void AdvanceBy(absl::Duration duration) { clock_.AdvanceBy(duration); }
  void AwaitReader(std::thread::id id) const {
    MutexLock lock(&mu_);
    while (!readers_.contains(id)) read_.Wait(&mu_);
  }

 private:
  ManualClock clock_;
  mutable Mutex mu_;
  mutable CondVar read_;
  mutable std::set<std::thread::id> readers_ RUNLET_GUARDED_BY(mu_);
};

// A pool on a clock that stands: it grows when the test says that a millisecond has passed.
struct Fixture {
  explicit Fixture(int max_threads) : pool(clock, max_threads) {
    pool.Attach(&bell);
    pool.set_keep_alive([this] {
      kept.Add();
      return std::shared_ptr<void>(nullptr, [this](std::nullptr_t) { let_go.Add(); });
    });
  }
  // Threads that were written off have to be gone before what they use is.
  ~Fixture() { let_go.AwaitAtLeast(kept.count()); }

  Task& Add(std::function<void()> run) {
    tasks.emplace_back(std::move(run));
    return tasks.back();
  }
  Task& Post(std::function<void()> run, bool reserved = false) {
    Task& task = Add(std::move(run));
    task.reserved = reserved;
    pool.Post(task);
    return task;
  }
  // Has one thread, which waits for work.
  void StartIdleThread() {
    std::thread::id id;
    Post([&] { id = std::this_thread::get_id(); }).ran.AwaitAtLeast(1);
    clock.AwaitReader(id);
    // The watcher looks after the work that has just run, and then sleeps.
    const int rings = bell.rings.count();
    clock.AdvanceBy(absl::Milliseconds(1));
    bell.rings.AwaitAtLeast(rings + 1);
  }
  // Lets so much time pass that waiting work is seen to wait, over and over, until `counter` has reached `count`.
  void PassTimeUntil(Counter& counter, int count) {
    std::atomic<bool> reached{false};
    std::thread passing([&] {
      while (!reached) {
        clock.AdvanceBy(absl::Milliseconds(1));
        std::this_thread::yield();
      }
    });
    counter.AwaitAtLeast(count);
    reached = true;
    passing.join();
  }

  WitnessClock clock;
  Bell bell;
  std::deque<Task> tasks;
  Counter kept;    // threads that were written off
  Counter let_go;  // ... and have come back
  ElasticPool pool;
};

TEST_CASE("a pool starts with no thread, and the first work starts one") {
  Fixture f(4);
  CHECK(f.pool.threads() == 0);
  f.Post([] {}).ran.AwaitAtLeast(1);
  CHECK(f.pool.threads() == 1);
}

TEST_CASE("work runs on a thread of the pool's, never inside Post") {
  Latch go_on;
  Fixture f(1);
  std::thread::id id;
  Task& task = f.Post([&] {
    go_on.Wait();
    id = std::this_thread::get_id();
  });
  go_on.Open();
  task.ran.AwaitAtLeast(1);
  CHECK(id != std::this_thread::get_id());
}

TEST_CASE("all work that two threads post runs, once") {
  Fixture f(3);
  constexpr int kEach = 5'000;
  Counter ran;
  std::atomic<int> times{0};
  std::vector<std::unique_ptr<Task>> tasks;
  for (int i = 0; i < 2 * kEach; ++i) {
    tasks.push_back(std::make_unique<Task>([&] {
      if (times.fetch_add(1) + 1 == 2 * kEach) ran.Add();
    }));
  }
  const auto post = [&](int from) {
    for (int i = from; i < from + kEach; ++i) f.pool.Post(*tasks[static_cast<std::size_t>(i)]);
  };
  std::thread other(post, kEach);
  post(0);
  other.join();
  ran.AwaitAtLeast(1);
  f.pool.Detach(Instant::Never());
  for (const auto& task : tasks) CHECK(task->ran.count() == 1);
}

TEST_CASE("a pool grows while work waits and no thread comes free, to its maximum and no further") {
  constexpr int kMax = 4;
  Latch go_on;
  Counter running;
  Fixture f(kMax);
  for (int i = 0; i < kMax + 2; ++i) {
    f.Post([&] {
      running.Add();
      go_on.Wait();
    });
  }
  f.PassTimeUntil(running, kMax);
  CHECK(f.pool.threads() == kMax);
  for (int i = 0; i < 10; ++i) f.clock.AdvanceBy(absl::Milliseconds(1));
  CHECK(f.pool.threads() == kMax);
  CHECK(running.count() == kMax);
  go_on.Open();
  running.AwaitAtLeast(kMax + 2);
}

TEST_CASE("extra threads come on top of the maximum, for reserved work alone") {
  Latch go_on;
  Counter others, reserved;
  Fixture f(1);
  f.pool.set_extra_threads(1);
  const auto hold = [&](Counter& running) {
    return [&] {
      running.Add();
      go_on.Wait();
    };
  };
  for (int i = 0; i < 3; ++i) f.Post(hold(others));
  others.AwaitAtLeast(1);
  for (int i = 0; i < 10; ++i) f.clock.AdvanceBy(absl::Milliseconds(1));
  CHECK(f.pool.threads() == 1);
  for (int i = 0; i < 2; ++i) f.Post(hold(reserved), true);
  f.PassTimeUntil(reserved, 1);
  for (int i = 0; i < 10; ++i) f.clock.AdvanceBy(absl::Milliseconds(1));
  CHECK(f.pool.threads() == 2);
  CHECK(others.count() == 1);
  CHECK(reserved.count() == 1);
  go_on.Open();
  others.AwaitAtLeast(3);
  reserved.AwaitAtLeast(2);
}

TEST_CASE("reserved work that still runs when nothing is reserved any more takes no thread from others") {
  Latch go_on;
  Counter reserved;
  Fixture f(1);
  f.pool.set_extra_threads(3);
  for (int i = 0; i < 3; ++i) {
    f.Post(
        [&] {
          reserved.Add();
          go_on.Wait();
        },
        true);
  }
  f.PassTimeUntil(reserved, 3);
  f.pool.set_extra_threads(0);
  Task& other = f.Post([] {});
  f.PassTimeUntil(other.ran, 1);
  go_on.Open();
}

TEST_CASE("reserved work goes before what waits already") {
  Latch go_on;
  Counter begun, done;
  std::vector<int> order;  // one thread writes it
  Fixture f(1);
  f.Post([&] {
    begun.Add();
    go_on.Wait();
  });
  f.PassTimeUntil(begun, 1);
  for (int i = 0; i < 2; ++i) f.Post([&, i] { order.push_back(i); });
  f.Post([&] { order.push_back(9); }, true);
  f.Post([&] { done.Add(); });
  go_on.Open();
  done.AwaitAtLeast(1);
  CHECK(order == std::vector<int>{9, 0, 1});
}

TEST_CASE("a pool does not grow before work has waited for 1 ms") {
  Latch go_on;
  Counter running;
  Fixture f(4);
  const auto block = [&] {
    running.Add();
    go_on.Wait();
  };
  f.Post(block);
  running.AwaitAtLeast(1);
  f.Post(block);
  f.clock.AdvanceBy(absl::Milliseconds(1) - absl::Nanoseconds(1));
  f.pool.WakeAt(Instant{0});
  f.bell.rings.AwaitAtLeast(1);
  CHECK(f.pool.threads() == 1);
  f.PassTimeUntil(running, 2);
  CHECK(f.pool.threads() >= 2);
  go_on.Open();
}

TEST_CASE("a pool does not grow while its threads keep taking work") {
  // One piece of work at a time, posted by the one before: there is always work, and it never waits.
  std::deque<Task> chain;
  Fixture f(4);
  for (int i = 0; i < 2'000; ++i) {
    chain.emplace_back([&, i] {
      f.clock.AdvanceBy(absl::Milliseconds(5));
      if (i + 1 < 2'000) f.pool.Post(chain[static_cast<std::size_t>(i) + 1]);
    });
  }
  f.pool.Post(chain.front());
  chain.back().ran.AwaitAtLeast(1);
  CHECK(f.pool.threads() == 1);
}

TEST_CASE("work that is posted while an idle thread wakes up is not left behind the work that thread takes") {
  for (int round = 0; round < 20; ++round) {
    Fixture f(2);
    f.StartIdleThread();
    Latch opened;
    Task& first = f.Add([&] { opened.Wait(); });
    Task& second = f.Add([&] { opened.Open(); });
    f.pool.Post(first);  // wakes the idle thread
    f.pool.Post(second);
    f.PassTimeUntil(first.ran, 1);
    second.ran.AwaitAtLeast(1);
  }
}

TEST_CASE("work may post work and wait for it") {
  Latch done;
  Fixture f(2);
  Task& inner = f.Add([&] { done.Open(); });
  Task& outer = f.Post([&] {
    f.pool.Post(inner);
    done.Wait();
  });
  f.PassTimeUntil(outer.ran, 1);
}

// A clock that goes on by itself, so much with each reading.
class StepClock final : public Clock {
 public:
  explicit StepClock(absl::Duration step) : step_(step) {}
  Instant Now() const override {
    clock_.AdvanceBy(step_);
    return clock_.Now();
  }
  absl::Time Calendar() const override { return clock_.Calendar(); }

 private:
  const absl::Duration step_;
  mutable ManualClock clock_;
};

TEST_CASE("a thread that has been idle for 10 s ends, and the next work starts another") {
  const StepClock clock(absl::Seconds(10));
  Bell bell;
  ElasticPool pool(clock, 4);
  pool.Attach(&bell);
  for (int i = 0; i < 3; ++i) {
    Task task;
    pool.Post(task);
    task.ran.AwaitAtLeast(1);
    while (pool.threads() != 0) std::this_thread::yield();
  }
}

// ---- threads that are written off ----

TEST_CASE("a thread that is written off is replaced, and does not count") {
  Latch go_on, in;
  Fixture f(1);
  Worker* worker = nullptr;
  Task& stuck = f.Post([&] {
    worker = f.pool.CurrentWorker();
    in.Open();
    go_on.Wait();
  });
  in.Wait();
  REQUIRE(worker != nullptr);
  Task& next = f.Post([] {});
  f.pool.WriteOff(worker);
  next.ran.AwaitAtLeast(1);
  CHECK(f.pool.threads() == 1);
  f.pool.WriteOff(worker);  // once is enough
  CHECK(f.pool.threads() == 1);
  go_on.Open();
  stuck.ran.AwaitAtLeast(1);
  f.let_go.AwaitAtLeast(1);
  CHECK(f.pool.Detach(Instant::Never()) == 0);
}

TEST_CASE("a thread that is written off takes no more work") {
  static thread_local bool written_off = false;
  Latch go_on, in;
  Fixture f(1);
  Worker* worker = nullptr;
  f.Post([&] {
    written_off = true;
    worker = f.pool.CurrentWorker();
    in.Open();
    go_on.Wait();
  });
  in.Wait();
  f.pool.WriteOff(worker);
  go_on.Open();
  for (int i = 0; i < 100; ++i) {
    bool same = true;
    f.Post([&] { same = written_off; }).ran.AwaitAtLeast(1);
    CHECK(!same);
  }
}

TEST_CASE("what a thread that was written off still needs lives until that thread has ended, and no longer") {
  Latch go_on, in;
  Fixture f(1);
  Worker* worker = nullptr;
  f.Post([&] {
    worker = f.pool.CurrentWorker();
    in.Open();
    go_on.Wait();
  });
  in.Wait();
  CHECK(f.kept.count() == 0);
  f.pool.WriteOff(worker);
  CHECK(f.kept.count() == 1);
  CHECK(f.let_go.count() == 0);
  go_on.Open();
  f.let_go.AwaitAtLeast(1);
}

TEST_CASE("the worker of a thread is known inside its work only, and only to its own pool") {
  Fixture f(1), g(1);
  CHECK(f.pool.CurrentWorker() == nullptr);
  Worker* own = nullptr;
  Worker* others = nullptr;
  f.Post([&] {
     own = f.pool.CurrentWorker();
     others = g.pool.CurrentWorker();
   }).ran.AwaitAtLeast(1);
  CHECK(own != nullptr);
  CHECK(others == nullptr);
}

// ---- the end ----

TEST_CASE("work that has not begun when the pool is detached is dropped, and what runs ends") {
  Latch go_on, in;
  Fixture f(1);
  Task& running = f.Post([&] {
    in.Open();
    go_on.Wait();
  });
  in.Wait();
  Task& waiting = f.Post([] {});
  std::deque<Task> probes;
  std::thread opener([&] {
    do {
      std::this_thread::yield();
      f.pool.Post(probes.emplace_back());
    } while (probes.back().dropped.count() == 0);
    go_on.Open();  // by now the pool is being detached
  });
  CHECK(f.pool.Detach(Instant::Never()) == 0);
  opener.join();
  CHECK(running.ran.count() == 1);
  CHECK(waiting.ran.count() == 0);
  CHECK(waiting.dropped.count() == 1);
}

TEST_CASE("work that is posted after the end is dropped") {
  Fixture f(1);
  CHECK(f.pool.Detach(Instant::Never()) == 0);
  Task& late = f.Post([] {});
  CHECK(late.dropped.count() == 1);
  CHECK(late.ran.count() == 0);
  CHECK(f.pool.threads() == 0);
}

TEST_CASE("after the end no alarm rings") {
  Fixture f(1);
  f.pool.WakeAt(Instant{0});
  f.bell.rings.AwaitAtLeast(1);
  f.pool.Detach(Instant::Never());
  const int rings = f.bell.rings.count();
  f.pool.WakeAt(Instant{0});
  CHECK(f.bell.rings.count() == rings);
}

TEST_CASE("idle threads do not hold up the end, even if no time is left for it") {
  Fixture f(4);
  f.StartIdleThread();
  CHECK(f.pool.Detach(Instant{-1}) == 0);
  CHECK(f.pool.threads() == 0);
}

TEST_CASE("a stuck thread is left behind when the time is up, and keeps the pool until it returns") {
  ManualClock clock;
  Bell bell;
  Counter gone;
  std::shared_ptr<ElasticPool> owned(new ElasticPool(clock, 2), [&](ElasticPool* pool) {
    delete pool;
    gone.Add();
  });
  owned->set_keep_alive([pool = std::weak_ptr<ElasticPool>(owned)]() -> std::shared_ptr<void> { return pool.lock(); });
  owned->Attach(&bell);
  Latch in, go_on;
  Task stuck([&] {
    in.Open();
    go_on.Wait();
  });
  owned->Post(stuck);
  in.Wait();
  CHECK(owned->Detach(clock.Now()) == 1);
  owned.reset();
  CHECK(gone.count() == 0);
  go_on.Open();
  gone.AwaitAtLeast(1);
  CHECK(stuck.ran.count() == 1);
}

TEST_CASE("threads written off before the end count as left behind until they have come back") {
  Latch in, go_on;
  Fixture f(1);
  Worker* worker = nullptr;
  f.Post([&] {
    worker = f.pool.CurrentWorker();
    in.Open();
    go_on.Wait();
  });
  in.Wait();
  f.pool.WriteOff(worker);
  CHECK(f.pool.Detach(f.clock.Now()) == 1);
  go_on.Open();
  f.let_go.AwaitAtLeast(1);
  CHECK(f.pool.Detach(f.clock.Now()) == 0);
}

#if defined(__cpp_exceptions)
TEST_CASE("work that ends its thread costs the pool no thread, a thousand times over") {
  Counter exits;
  Fixture f(1);
  for (int i = 0; i < 1'000; ++i) {
    f.Post([&] {
      exits.Add();
      pthread_exit(nullptr);
    });
    exits.AwaitAtLeast(i + 1);
  }
  f.Post([] {}).ran.AwaitAtLeast(1);
  CHECK(f.pool.threads() == 1);
  CHECK(f.pool.Detach(Instant::Never()) == 0);
}

TEST_CASE("work behind work that ends its thread runs") {
  Latch in, go_on;
  Fixture f(1);
  f.Post([&] {
    in.Open();
    go_on.Wait();
    pthread_exit(nullptr);
  });
  in.Wait();
  Task& behind = f.Post([] {});
  go_on.Open();
  behind.ran.AwaitAtLeast(1);
}

// A host's thread-local object, say a connection that posts when it closes.
struct AtThreadEnd {
  ~AtThreadEnd() {
    if (pool == nullptr) return;
    go_on->Wait();
    pool->Post(*task);
  }
  ElasticPool* pool = nullptr;
  Task* task = nullptr;
  Latch* go_on = nullptr;
};
thread_local AtThreadEnd at_end;

TEST_CASE("what a thread leaves behind for its end may take its time and call the pool") {
  Latch go_on, in;
  Fixture f(2);
  Task& last = f.Add([] {});
  f.Post([&] {
    at_end.pool = &f.pool;
    at_end.task = &last;
    at_end.go_on = &go_on;
    in.Open();
    pthread_exit(nullptr);
  });
  in.Wait();
  while (f.pool.threads() != 0) std::this_thread::yield();
  // Starts a thread, and would wait for the one that is ending.
  f.Post([] {}).ran.AwaitAtLeast(1);
  go_on.Open();
  last.ran.AwaitAtLeast(1);
}

TEST_CASE("a thread that takes its time to end is left behind, and not waited for beyond the time given") {
  Latch go_on, in;
  Fixture f(1);
  Task& last = f.Add([] {});
  f.Post([&] {
    at_end.pool = &f.pool;
    at_end.task = &last;
    at_end.go_on = &go_on;
    in.Open();
  });
  in.Wait();
  CHECK(f.pool.Detach(f.clock.Now()) == 1);
  go_on.Open();
  last.dropped.AwaitAtLeast(1);
}
#endif

// ---- waiting ----

TEST_CASE("a wait is over when the word has changed, and at once when it has changed before") {
  Fixture f(1);
  std::atomic<std::uint32_t> word{0};
  Task& waiter = f.Post([&] { f.pool.Block({&word, 0}); });
  word = 1;
  f.pool.Unblock(&word);
  waiter.ran.AwaitAtLeast(1);
  f.pool.Block({&word, 0});
}

TEST_CASE("a wait whose time has passed is over") {
  Fixture f(1);
  const std::atomic<std::uint32_t> word{0};
  f.pool.Block({&word, 0, f.clock.Now()});
  f.pool.Block({&word, 0, Instant{-1}});
}

}  // namespace
}  // namespace runlet
