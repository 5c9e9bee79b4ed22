#include "testing/sim_executor.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "invoke/execution.h"

namespace runlet::testing {

struct SimExecutor::Strand {
  SimExecutor* executor;
  std::unique_ptr<Fiber> fiber;
  Execution* execution = nullptr;  // what was current on this stack when it was left
};

SimExecutor::SimExecutor(ManualClock& clock, std::uint64_t seed, Watchdog& watchdog)
    : clock_(clock), random_(seed), watchdog_(watchdog) {}

SimExecutor::~SimExecutor() { Detach(Instant::Never()); }

int SimExecutor::Detach(Instant) {
  detached_ = true;
  for (Work* work : std::exchange(ready_, {})) work->Drop();
  return static_cast<int>(
      std::count_if(parked_.begin(), parked_.end(), [](const Parked& parked) { return parked.strand != nullptr; }));
}

void SimExecutor::Post(Work& work) {
  if (detached_) return work.Drop();
  ready_.push_back(&work);
}

void SimExecutor::LookAtPosted(const std::function<void(Work&)>& look) {
  for (Work* work : ready_) look(*work);
}

void SimExecutor::WakeAt(Instant when) { alarm_at_ = std::min(alarm_at_, when); }

bool SimExecutor::Done(const Wait& wait) const {
  return wait.word->load(std::memory_order_acquire) != wait.value ||
         (!wait.until.never() && wait.until <= clock_.Now());
}

// ---- stacks ----

void SimExecutor::StrandMain(void* arg) {
  auto* strand = static_cast<Strand*>(arg);
  SimExecutor& executor = *strand->executor;
  for (;;) {
    executor.goal_met_ = executor.RunSteps(executor.limit_);
    // A strand that ends its turn here has no work on it.
    executor.free_.push_back(strand);
    executor.SwitchTo(*executor.strands_.front());
  }
}

SimExecutor::Strand& SimExecutor::FreeStrand() {
  if (strands_.empty()) {
    strands_.push_back(std::make_unique<Strand>(Strand{this, Fiber::Adopt()}));
  }
  if (free_.empty()) {
    strands_.push_back(std::make_unique<Strand>(Strand{this, nullptr}));
    Strand& strand = *strands_.back();
    strand.fiber = std::make_unique<Fiber>(Fiber::kStackBytes, &SimExecutor::StrandMain, &strand);
    return strand;
  }
  Strand* strand = free_.back();
  free_.pop_back();
  return *strand;
}

void SimExecutor::SwitchTo(Strand& strand) {
  Strand& from = current_ == nullptr ? *strands_.front() : *current_;
  current_ = &strand == strands_.front().get() ? nullptr : &strand;
  from.execution = Execution::SetCurrent(strand.execution);
  from.fiber->SwitchTo(*strand.fiber);
}

// ---- the loop ----

bool SimExecutor::Step() {
  // Ready are the posted pieces of work, then the parked strands whose wait is over: one of them, by the seed.
  std::size_t over = 0;
  for (const Parked& parked : parked_) over += Done(parked.wait) ? 1 : 0;
  if (ready_.size() + over == 0) return false;
  std::size_t pick = static_cast<std::size_t>(random_.Below(ready_.size() + over));
  ++steps_;
  watchdog_.NextStep();
  if (pick < ready_.size()) {
    Work* work = ready_[pick];
    ready_.erase(ready_.begin() + static_cast<std::ptrdiff_t>(pick));
    work->Run();
    return true;
  }
  pick -= ready_.size();
  for (auto parked = parked_.begin();; ++parked) {
    if (!Done(parked->wait) || pick-- != 0) continue;
    Strand* strand = parked->strand;
    parked_.erase(parked);
    free_.push_back(current_);
    SwitchTo(*strand);
    return true;
  }
}

bool SimExecutor::AdvanceToNext(Instant limit) {
  const Instant now = clock_.Now();
  alarm_at_ = Instant::Never();
  Instant next = alarm_ == nullptr || detached_ ? Instant::Never() : alarm_->Ring(now);
  // Ringing may have made something ready.
  if (!ready_.empty()) return true;
  next = std::min(next, alarm_at_);
  for (const Parked& parked : parked_) {
    if (Done(parked.wait)) return true;
    next = std::min(next, parked.wait.until);
  }
  if (next.never() || next > limit) return false;
  clock_.AdvanceTo(next);
  if (alarm_ != nullptr && !detached_) alarm_at_ = std::min(alarm_at_, alarm_->Ring(next));
  return true;
}

bool SimExecutor::RunSteps(Instant limit) {
  for (;;) {
    if ((*goal_)()) return true;
    if (alarm_at_ <= clock_.Now() && !detached_) {
      alarm_at_ = Instant::Never();
      alarm_at_ = std::min(alarm_at_, alarm_->Ring(clock_.Now()));
    }
    const bool moved = Step() || AdvanceToNext(limit);
    if (after_step_) after_step_();
    if (!moved) return (*goal_)();
    limit = limit_;
  }
}

bool SimExecutor::RunUntil(const std::function<bool()>& done, Instant limit) {
  const auto* outer_goal = std::exchange(goal_, &done);
  const Instant outer_limit = std::exchange(limit_, limit);
  watchdog_.Begin();
  SwitchTo(FreeStrand());
  watchdog_.End();
  goal_ = outer_goal;
  limit_ = outer_limit;
  return goal_met_;
}

Instant SimExecutor::NextDue() {
  if (!ready_.empty()) return clock_.Now();
  Instant next = alarm_ == nullptr || detached_ ? Instant::Never() : alarm_->Ring(clock_.Now());
  if (!ready_.empty()) return clock_.Now();
  for (const Parked& parked : parked_) next = std::min(next, Done(parked.wait) ? clock_.Now() : parked.wait.until);
  return next;
}

void SimExecutor::Block(const Wait& wait) {
  if (Done(wait)) return;
  if (current_ != nullptr) {
    parked_.push_back({current_, wait});
    SwitchTo(FreeStrand());
    return;
  }
  // The driver: goes on when its own wait is over.
  const std::function<bool()> done = [this, &wait] { return Done(wait); };
  if (RunUntil(done, wait.until)) return;
  if (wait.until.never()) {
    std::fputs("runlet: simulation: the test waits for something that cannot happen any more\n", stderr);
    std::abort();
  }
  clock_.AdvanceTo(wait.until);
}

}  // namespace runlet::testing
