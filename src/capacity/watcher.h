// The one thread of an engine that watches the time.
#ifndef RUNLET_SRC_CAPACITY_WATCHER_H_
#define RUNLET_SRC_CAPACITY_WATCHER_H_

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "runlet/base/executor.h"
#include "runlet/base/sync.h"
#include "runlet/base/time.h"

namespace runlet {

// Starts its thread at the first WakeAt(). Sleeps until the earliest time asked for; an idle engine is never woken.
// Thread-safe.
class Watcher {
 public:
  Watcher(const Clock& clock, Alarm* alarm) : clock_(clock), alarm_(alarm) {}
  ~Watcher() { Stop(); }

  // The hot side of a Dekker pair: a caller stores its deadline, then (after a LightFence) looks here whether the
  // watcher will wake in time; the watcher announces that it will not, then (after a HeavyFence) looks at the
  // deadlines.
  void WakeAt(Instant when) {
    if (when.ns < planned_.load(std::memory_order_seq_cst)) [[unlikely]]
      WakeEarlier(when);
  }
  // Joins the thread. No alarm rings afterwards. False: it is still in the alarm, or in the end of the host's
  // thread-local objects, at `until` of the system's clock. It is left behind: what `keep_alive` has made, if it is
  // set, lives until the alarm has returned, and no alarm rings again.
  bool Stop(Instant until = Instant::Never(), const std::function<std::shared_ptr<void>()>& keep_alive = nullptr)
      RUNLET_EXCLUDES(mu_);

 private:
  void WakeEarlier(Instant when) RUNLET_EXCLUDES(mu_);
  static void* Main(void* self);
  void Loop() RUNLET_EXCLUDES(mu_);
  // False: the thread ends.
  bool AwaitTime() RUNLET_EXCLUDES(mu_);
  void Plan(Instant next) RUNLET_EXCLUDES(mu_);
  void Leave() RUNLET_EXCLUDES(mu_);

  const Clock& clock_;
  Alarm* const alarm_;
  std::atomic<std::int64_t> planned_{kForeverNs};
  Mutex mu_;
  CondVar changed_;
  Instant asked_ RUNLET_GUARDED_BY(mu_) = Instant::Never();
  bool started_ RUNLET_GUARDED_BY(mu_) = false;
  bool stopped_ RUNLET_GUARDED_BY(mu_) = false;
  bool ringing_ RUNLET_GUARDED_BY(mu_) = false;
  bool joinable_ RUNLET_GUARDED_BY(mu_) = false;
  std::shared_ptr<void> keep_alive_ RUNLET_GUARDED_BY(mu_);
  pthread_t thread_ RUNLET_GUARDED_BY(mu_) = {};
};

}  // namespace runlet

#endif  // RUNLET_SRC_CAPACITY_WATCHER_H_
