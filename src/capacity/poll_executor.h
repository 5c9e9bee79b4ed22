// No thread at all: work runs inside Poll(), on the thread that calls it.
#ifndef RUNLET_SRC_CAPACITY_POLL_EXECUTOR_H_
#define RUNLET_SRC_CAPACITY_POLL_EXECUTOR_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "runlet/base/executor.h"
#include "runlet/base/sync.h"

namespace runlet {

// Thread-safe: several threads may poll.
class PollExecutor final : public Executor {
 public:
  explicit PollExecutor(const Clock& clock) : clock_(clock) {}
  ~PollExecutor() override { Detach(Instant::Never()); }

  // What threads that Detach() had to leave behind still need. Before any other call.
  void set_keep_alive(std::function<std::shared_ptr<void>()> keep_alive) { keep_alive_ = std::move(keep_alive); }

  // Rings the alarm if it is due, then runs the work that is ready now, and says how many pieces that was.
  std::size_t Poll() RUNLET_EXCLUDES(mu_);
  // When Poll() will have something to do; Never() when only a new call will give it something.
  Instant NextDue() const RUNLET_EXCLUDES(mu_);

  void Attach(Alarm* alarm) override { alarm_ = alarm; }
  int Detach(Instant until) override RUNLET_EXCLUDES(mu_);
  void Post(Work& work) override RUNLET_EXCLUDES(mu_);
  void LookAtPosted(const std::function<void(Work&)>& look) override RUNLET_EXCLUDES(mu_);
  void WakeAt(Instant when) override RUNLET_EXCLUDES(mu_);
  // Polls until the wait is done, and sleeps while there is nothing to do.
  void Block(const Wait& wait) override RUNLET_EXCLUDES(mu_);
  void Unblock(const std::atomic<std::uint32_t>* word) override RUNLET_EXCLUDES(mu_);
  bool runs_on_waiter() const override { return true; }

 private:
  // A thread's stay inside, while it runs work or rings the alarm.
  class Stay;

  void Leave() RUNLET_EXCLUDES(mu_);
  void RingIfDue() RUNLET_EXCLUDES(mu_);
  bool RunOne() RUNLET_EXCLUDES(mu_);
  bool RingAndRunOne() RUNLET_EXCLUDES(mu_);

  const Clock& clock_;
  std::function<std::shared_ptr<void>()> keep_alive_;
  Alarm* alarm_ = nullptr;
  mutable Mutex mu_;
  CondVar changed_;
  Work* head_ RUNLET_GUARDED_BY(mu_) = nullptr;
  Work* tail_ RUNLET_GUARDED_BY(mu_) = nullptr;
  std::size_t ready_ RUNLET_GUARDED_BY(mu_) = 0;
  Instant alarm_at_ RUNLET_GUARDED_BY(mu_) = Instant::Never();
  bool detached_ RUNLET_GUARDED_BY(mu_) = false;
  int inside_ RUNLET_GUARDED_BY(mu_) = 0;                     // threads
  std::shared_ptr<void> left_behind_ RUNLET_GUARDED_BY(mu_);  // what they need, until the last of them has left
};

}  // namespace runlet

#endif  // RUNLET_SRC_CAPACITY_POLL_EXECUTOR_H_
