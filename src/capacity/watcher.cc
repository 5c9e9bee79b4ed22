#include "capacity/watcher.h"

#include <algorithm>
#include <utility>

#include "base/asymmetric_fence.h"

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
    started_ = pthread_create(&thread_, nullptr, &Watcher::Main, this) == 0;
    if (!started_) {
      asked_ = Instant::Never();
      planned_.store(kForeverNs, std::memory_order_seq_cst);
    }
  }
}

void Watcher::Stop() {
  pthread_t thread;
  {
    MutexLock lock(&mu_);
    stopped_ = true;
    planned_.store(0, std::memory_order_seq_cst);
    if (!std::exchange(started_, false)) return;
    thread = thread_;
    changed_.NotifyOne();
  }
  pthread_join(thread, nullptr);
}

void* Watcher::Main(void* self) {
  static_cast<Watcher*>(self)->Loop();
  return nullptr;
}

void Watcher::Loop() {
  MutexLock lock(&mu_);
  while (!stopped_) {
    const Instant now = clock_.Now();
    if (asked_ > now) {
      if (asked_.never()) {
        changed_.Wait(&mu_);
      } else {
        changed_.WaitFor(&mu_, asked_.Since(now));
      }
      continue;
    }
    asked_ = Instant::Never();
    planned_.store(kForeverNs, std::memory_order_seq_cst);
    mu_.Unlock();
    HeavyFence();
    const Instant next = alarm_->Ring(clock_.Now());
    mu_.Lock();
    if (stopped_) break;
    asked_ = std::min(asked_, next);
    planned_.store(asked_.ns, std::memory_order_seq_cst);
  }
}

}  // namespace runlet
