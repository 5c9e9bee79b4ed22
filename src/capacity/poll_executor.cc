#include "capacity/poll_executor.h"

#include <algorithm>
#include <utility>

namespace runlet {

// Also when a handler ends the thread (pthread_exit): the stack is unwound through here. A handler may poll: its thread
// counts once.
class PollExecutor::Stay {
 public:
  explicit Stay(PollExecutor& executor) : executor_(executor), outer_(innermost_) {
    for (const Stay* stay = outer_; stay != nullptr; stay = stay->outer_)
      first_ = first_ && &stay->executor_ != &executor;
    innermost_ = this;
    if (!first_) return;
    MutexLock lock(&executor_.mu_);
    ++executor_.inside_;
  }
  ~Stay() {
    innermost_ = outer_;
    // May destroy the executor.
    if (first_) executor_.Leave();
  }
  Stay(const Stay&) = delete;
  Stay& operator=(const Stay&) = delete;

 private:
  static thread_local constinit const Stay* innermost_;  // of this thread, in whatever executor

  PollExecutor& executor_;
  const Stay* const outer_;
  bool first_ = true;
};

thread_local constinit const PollExecutor::Stay* PollExecutor::Stay::innermost_ = nullptr;

void PollExecutor::Leave() {
  std::shared_ptr<void> last;  // let go after the lock
  MutexLock lock(&mu_);
  if (--inside_ != 0) return;
  changed_.NotifyAll();
  last = std::move(left_behind_);
}

int PollExecutor::Detach(Instant until) {
  Work* dropped;
  int inside;
  {
    MutexLock lock(&mu_);
    detached_ = true;
    dropped = std::exchange(head_, nullptr);
    tail_ = nullptr;
    ready_ = 0;
    while (inside_ != 0) {
      if (until.never()) {
        changed_.Wait(&mu_);
        continue;
      }
      const std::int64_t left = until.Since(clock_.Now());
      if (left <= 0) break;
      changed_.WaitFor(&mu_, left);
    }
    inside = inside_;
    if (inside != 0 && keep_alive_) left_behind_ = keep_alive_();
  }
  while (dropped != nullptr) {
    Work* work = std::exchange(dropped, dropped->next);
    work->Drop();
  }
  return inside;
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

void PollExecutor::LookAtPosted(const std::function<void(Work&)>& look) {
  MutexLock lock(&mu_);
  for (Work* work = head_; work != nullptr; work = work->next) look(*work);
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
  const Stay stay(*this);
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

bool PollExecutor::RingAndRunOne() {
  const Stay stay(*this);
  RingIfDue();
  return RunOne();
}

void PollExecutor::Block(const Wait& wait) {
  while (wait.word->load(std::memory_order_acquire) == wait.value) {
    if (!wait.until.never() && clock_.Now() >= wait.until) return;
    if (RingAndRunOne()) continue;
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
