#include "capacity/poll_executor.h"

#include <algorithm>
#include <utility>

namespace runlet {

PollExecutor::~PollExecutor() { Detach(Instant::Never()); }

int PollExecutor::Detach(Instant) {
  Work* dropped;
  {
    MutexLock lock(&mu_);
    detached_ = true;
    dropped = std::exchange(head_, nullptr);
    tail_ = nullptr;
    ready_ = 0;
  }
  while (dropped != nullptr) {
    Work* work = std::exchange(dropped, dropped->next);
    work->Drop();
  }
  return 0;
}

void PollExecutor::Post(Work& work) {
  {
    MutexLock lock(&mu_);
    if (!detached_) {
      work.next = nullptr;
      (head_ == nullptr ? head_ : tail_->next) = &work;
      tail_ = &work;
      ++ready_;
      changed_.NotifyAll();
      return;
    }
  }
  work.Drop();
}

void PollExecutor::WakeAt(Instant when) {
  MutexLock lock(&mu_);
  if (when >= alarm_at_) return;
  alarm_at_ = when;
  changed_.NotifyAll();
}

void PollExecutor::RingIfDue() {
  const Instant now = clock_.Now();
  {
    MutexLock lock(&mu_);
    if (alarm_at_ > now || detached_) return;
    alarm_at_ = Instant::Never();
  }
  const Instant next = alarm_->Ring(now);
  MutexLock lock(&mu_);
  alarm_at_ = std::min(alarm_at_, next);
}

bool PollExecutor::RunOne() {
  Work* work;
  {
    MutexLock lock(&mu_);
    if (head_ == nullptr) return false;
    work = std::exchange(head_, head_->next);
    --ready_;
  }
  work->Run();
  return true;
}

std::size_t PollExecutor::Poll() {
  RingIfDue();
  std::size_t ready;
  {
    MutexLock lock(&mu_);
    ready = ready_;
  }
  std::size_t ran = 0;
  while (ran < ready && RunOne()) ++ran;
  return ran;
}

Instant PollExecutor::NextDue() const {
  MutexLock lock(&mu_);
  return head_ != nullptr ? clock_.Now() : alarm_at_;
}

void PollExecutor::Block(const Wait& wait) {
  while (wait.word->load(std::memory_order_acquire) == wait.value) {
    if (!wait.until.never() && clock_.Now() >= wait.until) return;
    RingIfDue();
    if (RunOne()) continue;
    MutexLock lock(&mu_);
    if (head_ != nullptr || wait.word->load(std::memory_order_acquire) != wait.value) continue;
    const Instant until = std::min(wait.until, alarm_at_);
    if (until.never()) {
      changed_.Wait(&mu_);
    } else if (const std::int64_t left = until.Since(clock_.Now()); left > 0) {
      changed_.WaitFor(&mu_, left);
    }
  }
}

void PollExecutor::Unblock(const std::atomic<std::uint32_t>*) {
  MutexLock lock(&mu_);
  changed_.NotifyAll();
}

}  // namespace runlet
