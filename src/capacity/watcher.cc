#include "capacity/watcher.h"

#include <algorithm>
#include <utility>

#include "base/asymmetric_fence.h"
#include "capacity/leaving.h"

namespace runlet {

void Watcher::WakeEarlier(Instant when) {
  MutexLock lock(&mu_);
  if (stopped_ || when >= asked_) return;
  asked_ = when;
  planned_.store(when.ns, std::memory_order_seq_cst);
  if (started_) {
    changed_.NotifyOne();
  } else {
    // Without the thread (no resources) the next call tries again; callers of Invoke still release themselves.
    started_ = joinable_ = pthread_create(&thread_, nullptr, &Watcher::Main, this) == 0;
    if (!started_) {
      asked_ = Instant::Never();
      planned_.store(kForeverNs, std::memory_order_seq_cst);
    }
  }
}

bool Watcher::Stop(Instant until, const std::function<std::shared_ptr<void>()>& keep_alive) {
  pthread_t thread;
  {
    MutexLock lock(&mu_);
    stopped_ = true;
    planned_.store(0, std::memory_order_seq_cst);
    changed_.NotifyAll();
    // A thread that waits leaves at once; one that rings may be in the host's code.
    while (started_) {
      const std::int64_t left = until.never() ? kForeverNs : until.Since(SystemClock().Now());
      if (ringing_ && left <= 0) break;
      if (until.never() || left <= 0) {
        changed_.Wait(&mu_);
      } else {
        changed_.WaitFor(&mu_, left);
      }
    }
    if (started_ && keep_alive) keep_alive_ = keep_alive();
    if (!std::exchange(joinable_, false)) return !started_;
    thread = thread_;
    if (started_) {
      pthread_detach(thread);
      return false;
    }
  }
  if (JoinBy(thread, until)) return true;
  pthread_detach(thread);
  return false;
}

void* Watcher::Main(void* self) {
  auto* const watcher = static_cast<Watcher*>(self);
  // Also when the alarm ends the thread (pthread_exit): the stack is unwound through here.
  struct LeaveAtEnd {
    ~LeaveAtEnd() { watcher->Leave(); }
    Watcher* watcher;
  } leave{watcher};
  watcher->Loop();
  return nullptr;
}

void Watcher::Leave() {
  std::shared_ptr<void> last;  // let go after the lock; may destroy the watcher
  MutexLock lock(&mu_);
  started_ = ringing_ = false;
  // Ended by the alarm: the next call starts another thread.
  if (!stopped_) {
    pthread_detach(pthread_self());
    joinable_ = false;
    asked_ = Instant::Never();
    planned_.store(kForeverNs, std::memory_order_seq_cst);
  }
  changed_.NotifyAll();
  last = std::move(keep_alive_);
}

void Watcher::Loop() {
  while (AwaitTime()) {
    HeavyFence();
    Plan(alarm_->Ring(clock_.Now()));
  }
}

bool Watcher::AwaitTime() {
  MutexLock lock(&mu_);
  ringing_ = false;
  while (!stopped_) {
    const Instant now = clock_.Now();
    if (asked_ <= now) {
      asked_ = Instant::Never();
      planned_.store(kForeverNs, std::memory_order_seq_cst);
      ringing_ = true;
      return true;
    }
    if (asked_.never()) {
      changed_.Wait(&mu_);
    } else {
      changed_.WaitFor(&mu_, asked_.Since(now));
    }
  }
  return false;
}

void Watcher::Plan(Instant next) {
  MutexLock lock(&mu_);
  if (stopped_) return;
  asked_ = std::min(asked_, next);
  planned_.store(asked_.ns, std::memory_order_seq_cst);
}

}  // namespace runlet
