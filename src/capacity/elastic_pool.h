// The engine's own threads.
#ifndef RUNLET_SRC_CAPACITY_ELASTIC_POOL_H_
#define RUNLET_SRC_CAPACITY_ELASTIC_POOL_H_

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "capacity/watcher.h"
#include "runlet/base/executor.h"
#include "runlet/base/sync.h"

namespace runlet {

// Starts with no thread. Adds the first at once, and one more whenever work has waited 1 ms while no worker came free,
// up to a maximum; a thread that has been idle for 10 s ends. Beyond the maximum there are threads for reserved work
// alone, which also goes first: its permits bound how much there is. A thread that is written off stays behind, and
// nobody waits for it: `keep_alive` is what such a thread still needs. Thread-safe.
class ElasticPool final : public Executor, private Alarm {
 public:
  ElasticPool(const Clock& clock, int max_threads);
  ~ElasticPool() override;

  // How many threads may exist now beyond the maximum, for reserved work: as much of it as may run at once.
  void set_extra_threads(int extra) { extra_threads_.store(extra, std::memory_order_relaxed); }
  // Called for each thread that is written off or left behind; the result lives until that has ended.
  void set_keep_alive(std::function<std::shared_ptr<void>()> keep_alive) { keep_alive_ = std::move(keep_alive); }

  void Attach(Alarm* alarm) override;
  int Detach(Instant until) override RUNLET_EXCLUDES(mu_);
  void Post(Work& work) override RUNLET_EXCLUDES(mu_);
  void LookAtPosted(const std::function<void(Work&)>& look) override RUNLET_EXCLUDES(mu_);
  void WakeAt(Instant when) override { watcher_->WakeAt(when); }
  void Block(const Wait& wait) override;
  void Unblock(const std::atomic<std::uint32_t>* word) override;
  bool can_write_off() const override { return true; }
  Worker* CurrentWorker() override;
  void WriteOff(Worker* worker) override RUNLET_EXCLUDES(mu_);

  int threads() const RUNLET_EXCLUDES(mu_);

 private:
  struct Thread;

  // Rung by the watcher: looks after work that waits, then rings the engine.
  Instant Ring(Instant now) override;
  Instant GrowIfStuck() RUNLET_EXCLUDES(mu_);
  // Has the watcher look whether work is stuck: at the time that is returned, Never() if it does already.
  Instant WatchForStuck() RUNLET_REQUIRES(mu_);
  bool MayGrow() const RUNLET_REQUIRES(mu_);
  void AddThread() RUNLET_REQUIRES(mu_);
  static void* Main(void* thread);
  void Loop(Thread& thread) RUNLET_EXCLUDES(mu_);
  // nullptr: the thread ends.
  Work* NextWork(Thread& thread) RUNLET_EXCLUDES(mu_);
  Work* AwaitWork(Thread& thread) RUNLET_REQUIRES(mu_);
  // Whether there is work that an idle thread may take now.
  bool HasWork() const RUNLET_REQUIRES(mu_) {
    return reserved_.head != nullptr || (others_.head != nullptr && running_others_ < max_threads_);
  }
  Work* Take(Thread& thread) RUNLET_REQUIRES(mu_);
  void EndWork(Thread& thread) RUNLET_REQUIRES(mu_);
  void Leave(Thread& thread) RUNLET_EXCLUDES(mu_);
  void StopCounting(Thread& thread) RUNLET_REQUIRES(mu_);

  const Clock& clock_;
  const int max_threads_;
  std::atomic<int> extra_threads_{0};
  std::function<std::shared_ptr<void>()> keep_alive_;
  Alarm* alarm_ = nullptr;
  std::unique_ptr<Watcher> watcher_;

  mutable Mutex mu_;
  CondVar work_or_end_;
  CondVar thread_left_;
  struct Line {
    Work* head = nullptr;
    Work* tail = nullptr;
  };
  Line reserved_ RUNLET_GUARDED_BY(mu_);
  Line others_ RUNLET_GUARDED_BY(mu_);
  int running_reserved_ RUNLET_GUARDED_BY(mu_) = 0;  // threads busy with reserved work,
  int running_others_ RUNLET_GUARDED_BY(mu_) = 0;    // ... with other
  int idle_ RUNLET_GUARDED_BY(mu_) = 0;
  bool waking_ RUNLET_GUARDED_BY(mu_) = false;  // one idle thread is on its way: no need to wake another yet
  bool detached_ RUNLET_GUARDED_BY(mu_) = false;
  bool watched_ RUNLET_GUARDED_BY(mu_) = false;  // the watcher will look whether work is stuck
  std::uint64_t taken_ RUNLET_GUARDED_BY(mu_) = 0;
  std::uint64_t taken_before_ RUNLET_GUARDED_BY(mu_) = 0;
  Instant look_at_ RUNLET_GUARDED_BY(mu_);
  std::list<std::unique_ptr<Thread>> threads_ RUNLET_GUARDED_BY(mu_);  // those that count
  std::vector<pthread_t> ended_ RUNLET_GUARDED_BY(mu_);                // have left the pool, and are to be joined
  bool joined_ RUNLET_GUARDED_BY(mu_) = false;                         // by Detach: nobody joins who leaves later
  int left_behind_ RUNLET_GUARDED_BY(mu_) = 0;
};

}  // namespace runlet

#endif  // RUNLET_SRC_CAPACITY_ELASTIC_POOL_H_
