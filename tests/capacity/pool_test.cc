#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "capacity/elastic_pool.h"
#include "capacity/poll_executor.h"
#include "runlet/base/sync.h"
#include "tests/catch.h"

namespace runlet {
namespace {

class Quiet final : public Alarm {
 public:
  Instant Ring(Instant) override { return Instant::Never(); }
};

// Runs a function, or counts that it was dropped.
class Task final : public Work {
 public:
  explicit Task(std::function<void()> run) : run_(std::move(run)) {}
  void Run() override {
    run_();
    ran.store(1);
  }
  void Drop() override { dropped.store(1); }
  void AwaitRun() const {
    while (ran.load() == 0) std::this_thread::yield();
  }

  std::atomic<int> ran{0}, dropped{0};

 private:
  const std::function<void()> run_;
};

class Latch {
 public:
  void Open() {
    MutexLock lock(&mu_);
    open_ = true;
    opened_.NotifyAll();
  }
  void Wait() {
    MutexLock lock(&mu_);
    while (!open_) opened_.Wait(&mu_);
  }

 private:
  Mutex mu_;
  CondVar opened_;
  bool open_ RUNLET_GUARDED_BY(mu_) = false;
};

TEST_CASE("a pool has no thread until there is work") {
  Quiet alarm;
  ElasticPool pool(SystemClock(), 4);
  pool.Attach(&alarm);
  CHECK(pool.threads() == 0);
  Task task([] {});
  pool.Post(task);
  task.AwaitRun();
  CHECK(pool.threads() == 1);
}

TEST_CASE("a pool grows when work is stuck behind work that waits for it", "[realtime]") {
  Quiet alarm;
  ElasticPool pool(SystemClock(), 2);
  pool.Attach(&alarm);
  Latch latch;
  Task waits([&] { latch.Wait(); });
  Task opens([&] { latch.Open(); });
  pool.Post(waits);
  pool.Post(opens);
  waits.AwaitRun();
  CHECK(pool.threads() == 2);
}

TEST_CASE("work that has not begun is dropped by Detach, and so is work posted later") {
  Quiet alarm;
  PollExecutor executor(SystemClock());
  executor.Attach(&alarm);
  Task before([] {}), after([] {});
  executor.Post(before);
  executor.Detach(Instant{0});
  executor.Post(after);
  CHECK(before.dropped.load() == 1);
  CHECK(after.dropped.load() == 1);
  CHECK(before.ran.load() == 0);
}

TEST_CASE("Detach leaves a stuck thread behind, and what it keeps alive goes when it ends") {
  Quiet alarm;
  Latch begun, go;
  std::atomic<int> gone{0};
  Task stuck([&] {
    begun.Open();
    go.Wait();
  });
  ElasticPool pool(SystemClock(), 2);
  pool.Attach(&alarm);
  pool.set_keep_alive([&gone] { return std::shared_ptr<void>(nullptr, [&gone](void*) { gone.fetch_add(1); }); });
  pool.Post(stuck);
  begun.Wait();
  CHECK(pool.Detach(Instant{0}) == 1);
  CHECK(pool.threads() == 0);
  CHECK(gone.load() == 0);

  go.Open();
  while (gone.load() == 0) std::this_thread::yield();
  CHECK(stuck.ran.load() == 1);
}

}  // namespace
}  // namespace runlet
