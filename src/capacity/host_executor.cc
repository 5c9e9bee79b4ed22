#include "capacity/host_executor.h"

#include <algorithm>

#include "base/futex.h"
#include "base/host_call.h"
#include "capacity/leaving.h"

namespace runlet {

// Each function given to the host takes the oldest work, if any is left.
struct HostExecutor::Inbox {
  Mutex mu;
  CondVar idle;
  Work* head RUNLET_GUARDED_BY(mu) = nullptr;
  Work* tail RUNLET_GUARDED_BY(mu) = nullptr;
  int running RUNLET_GUARDED_BY(mu) = 0;
  bool detached RUNLET_GUARDED_BY(mu) = false;
  std::shared_ptr<void> keep_alive RUNLET_GUARDED_BY(mu);  // set when work is left behind, until it has come back

  void RunOne() RUNLET_EXCLUDES(mu) {
    Work* work;
    {
      MutexLock lock(&mu);
      if (head == nullptr) return;
      work = std::exchange(head, head->next);
      ++running;
    }
    // Also when a handler ends the thread (pthread_exit): the stack is unwound through here.
    struct LeaveAtEnd {
      ~LeaveAtEnd() { inbox->Leave(); }
      Inbox* inbox;
    } leave{this};
    work->Run();
  }

  void Leave() RUNLET_EXCLUDES(mu) {
    std::shared_ptr<void> last;  // let go after the lock
    MutexLock lock(&mu);
    if (--running != 0) return;
    idle.NotifyAll();
    last = std::move(keep_alive);
  }
};

std::shared_ptr<HostExecutor::Inbox> HostExecutor::MakeInbox() { return std::make_shared<Inbox>(); }

namespace {

constexpr std::int64_t kAskAgainNs = 10'000'000;  // 10 ms

}  // namespace

void HostExecutor::Attach(Alarm* alarm) {
  alarm_ = alarm;
  watcher_ = std::make_unique<Watcher>(clock_, static_cast<Alarm*>(this));
}

bool HostExecutor::AskHost() {
  const auto ask = [this] {
    post_([inbox = inbox_] { inbox->RunOne(); });
    return true;
  };
  return CallHost(ask, [] { return false; });
}

Instant HostExecutor::Ring(Instant now) {
  Instant next = Instant::Never();
  for (int left = unasked_.exchange(0); left > 0; --left) {
    if (AskHost()) continue;
    unasked_.fetch_add(left);
    next = now.After(kAskAgainNs);
    break;
  }
  return std::min(next, alarm_->Ring(now));
}

void HostExecutor::LookAtPosted(const std::function<void(Work&)>& look) {
  MutexLock lock(&inbox_->mu);
  for (Work* work = inbox_->head; work != nullptr; work = work->next) look(*work);
}

void HostExecutor::Post(Work& work) {
  bool accepted;
  {
    MutexLock lock(&inbox_->mu);
    accepted = !inbox_->detached;
    if (accepted) {
      work.next = nullptr;
      (inbox_->head == nullptr ? inbox_->head : inbox_->tail->next) = &work;
      inbox_->tail = &work;
    }
  }
  if (accepted) {
    if (AskHost()) return;
    unasked_.fetch_add(1);
    watcher_->WakeAt(clock_.Now().After(kAskAgainNs));
  } else {
    work.Drop();
  }
}

int HostExecutor::Detach(Instant until) {
  const Instant leave_by = LeaveBy(until, clock_);
  Work* dropped;
  int running;
  {
    MutexLock lock(&inbox_->mu);
    inbox_->detached = true;
    dropped = std::exchange(inbox_->head, nullptr);
    while (inbox_->running != 0) {
      if (until.never()) {
        inbox_->idle.Wait(&inbox_->mu);
        continue;
      }
      const std::int64_t left = until.Since(clock_.Now());
      if (left <= 0) break;
      inbox_->idle.WaitFor(&inbox_->mu, left);
    }
    running = inbox_->running;
    if (running != 0 && keep_alive_) inbox_->keep_alive = keep_alive_();
  }
  if (watcher_ != nullptr && !watcher_->Stop(leave_by, keep_alive_)) ++running;
  while (dropped != nullptr) {
    Work* work = std::exchange(dropped, dropped->next);
    work->Drop();
  }
  return running;
}

void HostExecutor::Block(const Wait& wait) {
  while (wait.word->load(std::memory_order_acquire) == wait.value) {
    std::int64_t left = kForeverNs;
    if (!wait.until.never()) {
      left = wait.until.Since(clock_.Now());
      if (left <= 0) return;
    }
    FutexWait(wait.word, wait.value, left);
  }
}

void HostExecutor::Unblock(const std::atomic<std::uint32_t>* word) { FutexWakeAll(word); }

}  // namespace runlet
