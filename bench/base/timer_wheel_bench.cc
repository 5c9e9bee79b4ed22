// One timer among many: the wheel beside std::multimap. Argument: how many are armed. Due in 1-60 s, as time-outs are.
#include "base/timer_wheel.h"

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "runlet/base/random.h"
#include "runlet/base/time.h"

namespace runlet {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// As large as the node of an event: what the timers' cache misses depend on.
struct alignas(64) Node : TimerLink {
  char rest[128] = {};
};

class Wheel {
 public:
  explicit Wheel(std::size_t count) : nodes_(std::make_unique<Node[]>(count)) {}
  void Arm(std::size_t i, Instant due) { wheel_.Arm(&nodes_[i], due); }
  void Cancel(std::size_t i) { wheel_.Cancel(&nodes_[i]); }
  Instant NextDue() { return wheel_.NextDue(); }
  std::ptrdiff_t PopDue(Instant now) {
    TimerLink* const link = wheel_.PopDue(now);
    return link == nullptr ? -1 : static_cast<Node*>(link) - nodes_.get();
  }

 private:
  std::unique_ptr<Node[]> nodes_;
  TimerWheel wheel_;
};

class Multimap {
 public:
  explicit Multimap(std::size_t count) : where_(count) {}
  void Arm(std::size_t i, Instant due) { where_[i] = timers_.emplace(due, i); }
  void Cancel(std::size_t i) { timers_.erase(where_[i]); }
  Instant NextDue() { return timers_.begin()->first; }
  std::ptrdiff_t PopDue(Instant now) {
    if (timers_.empty() || timers_.begin()->first > now) return -1;
    const std::size_t i = timers_.begin()->second;
    timers_.erase(timers_.begin());
    return static_cast<std::ptrdiff_t>(i);
  }

 private:
  std::multimap<Instant, std::size_t> timers_;
  std::vector<std::multimap<Instant, std::size_t>::iterator> where_;
};

Instant Timeout(Random& random, Instant now) {
  return now.After(kSecond + static_cast<std::int64_t>(random.Below(59 * std::uint64_t{kSecond})));
}

// Dues and a random order are made beforehand: they cost as much as what is measured.
struct Plan {
  explicit Plan(std::size_t count) : dues(count), order(count) {
    Random random(1);
    for (Instant& due : dues) due = Timeout(random, Instant{});
    std::iota(order.begin(), order.end(), std::uint32_t{0});
    for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random.Below(i)]);
  }
  std::vector<Instant> dues;
  std::vector<std::uint32_t> order;
};

template <typename Timers>
void BM_Arm(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const Plan plan(count);
  Timers timers(count);
  while (state.KeepRunningBatch(state.range(0))) {
    for (std::size_t i = 0; i < count; ++i) timers.Arm(i, plan.dues[i]);
    state.PauseTiming();
    for (std::size_t i = 0; i < count; ++i) timers.Cancel(i);
    state.ResumeTiming();
  }
}

template <typename Timers>
void BM_CancelInRandomOrder(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const Plan plan(count);
  Timers timers(count);
  while (state.KeepRunningBatch(state.range(0))) {
    state.PauseTiming();
    for (std::size_t i = 0; i < count; ++i) timers.Arm(i, plan.dues[i]);
    state.ResumeTiming();
    for (const std::uint32_t i : plan.order) timers.Cancel(i);
  }
}

// One time-out at a time, among `count` others: what a call that ends in time costs.
template <typename Timers>
void BM_ArmAndCancel(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const Plan plan(count);
  Timers timers(count);
  for (std::size_t i = 0; i < count; ++i) timers.Arm(i, plan.dues[i]);
  std::size_t at = 0;
  for (auto _ : state) {
    const std::uint32_t i = plan.order[at];
    timers.Cancel(i);
    timers.Arm(i, plan.dues[i]);
    if (++at == count) at = 0;
  }
}

// Every timer comes due and is armed again, while time passes in steps of 1 ms and the owner asks when to be woken.
template <typename Timers>
void BM_PopDueAndArmAgain(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const Plan plan(count);
  Timers timers(count);
  for (std::size_t i = 0; i < count; ++i) timers.Arm(i, plan.dues[i]);
  Random random(2);
  Instant now;
  for (auto _ : state) {
    std::ptrdiff_t popped;
    while ((popped = timers.PopDue(now)) < 0) {
      const Instant next = timers.NextDue();
      now = Instant{(next.ns / 1'000'000 + 1) * 1'000'000};
    }
    timers.Arm(static_cast<std::size_t>(popped), Timeout(random, now));
  }
}

void BM_WheelConstruct(benchmark::State& state) {
  for (auto _ : state) {
    TimerWheel wheel;
    benchmark::DoNotOptimize(wheel);
  }
}

#define RUNLET_TIMER_BENCH(name)                                            \
  BENCHMARK_TEMPLATE(name, Wheel)->Arg(1000)->Arg(100'000)->Arg(1'000'000); \
  BENCHMARK_TEMPLATE(name, Multimap)->Arg(1000)->Arg(100'000)->Arg(1'000'000)

RUNLET_TIMER_BENCH(BM_Arm);
RUNLET_TIMER_BENCH(BM_CancelInRandomOrder);
RUNLET_TIMER_BENCH(BM_ArmAndCancel);
RUNLET_TIMER_BENCH(BM_PopDueAndArmAgain);
BENCHMARK(BM_WheelConstruct);

}  // namespace
}  // namespace runlet
