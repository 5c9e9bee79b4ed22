#include "capacity/slot.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

namespace runlet {
namespace {

constexpr int kLooks = 1000;

std::atomic<std::uint64_t> next_serial{1};

}  // namespace

Meter& Slot::AddMeter(const FunctionEntry& entry) {
  entry.function.metered_slots.fetch_add(1, std::memory_order_relaxed);
  return meters_.Set(entry.index, std::make_unique<Meter>());
}

void Slot::AwaitTakenAway() {
  // A few dozen instructions of the watcher's, which never waits for us; but it may have lost its processor to us.
  for (int look = 0; (run_.load(std::memory_order_acquire) & 3) != kTakenAway; ++look) {
    if (look >= kLooks) std::this_thread::yield();
  }
  run_.store(0, std::memory_order_release);
}

void Slot::KnowThread() {
  const pthread_t self = pthread_self();
  if (owner_ == self) return;
  owner_ = self;
  thread_.store(static_cast<int>(::syscall(SYS_gettid)), std::memory_order_relaxed);
}

void Slot::AwaitLooks() {
  for (int look = 0; looks_.load(std::memory_order_acquire) != 0; ++look) {
    if (look >= kLooks) std::this_thread::yield();
  }
}

Instant Slot::ExpireOverrun(Instant now, Instant limit) {
  std::uint64_t run = run_.load(std::memory_order_seq_cst);
  if ((run & 3) != kRunning) return Instant::Never();
  const Instant deadline{deadline_.load(std::memory_order_relaxed)};
  if (deadline > limit) return deadline;
  // Fails when the run has ended, also when another has begun since: the generation differs.
  if (!run_.compare_exchange_strong(run, (run & ~std::uint64_t{3}) | kBeingTaken, std::memory_order_acq_rel)) {
    return run_.load(std::memory_order_relaxed) == 0 ? Instant::Never() : now;
  }
  watched_->OnOverrun(now);
  run_.store((run & ~std::uint64_t{3}) | kTakenAway, std::memory_order_release);
  return Instant::Never();
}

Slots::Slots(std::uint64_t seed) : serial_(next_serial.fetch_add(1, std::memory_order_relaxed)), seed_(seed) {}

Slots::~Slots() {
  MutexLock lock(&mu_);
  for (const Code* code : retired_) delete code;
}

template <typename F>
void Slots::ForEach(F f) const {
  const std::size_t count = count_.load(std::memory_order_seq_cst);
  for (std::size_t i = 0; i < count; ++i) f(*slots_.Get(i));
}

thread_local constinit Slots::Hint Slots::hint_{0, nullptr};

Slot& Slots::TakeAnother() {
  Slot* slot = FindFree();
  slot->KnowThread();
  hint_ = {serial_, slot};
  return *slot;
}

Slot* Slots::FindFree() {
  const auto try_take = [](Slot& slot) {
    return slot.taken_.load(std::memory_order_relaxed) == 0 && slot.taken_.exchange(1, std::memory_order_acquire) == 0;
  };
  const std::size_t count = count_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < count; ++i) {
    Slot* slot = slots_.Get(i);
    if (try_take(*slot)) return slot;
  }
  MutexLock lock(&mu_);
  const std::size_t index = count_.load(std::memory_order_relaxed);
  auto slot = std::make_unique<Slot>(seed_ ^ 0xD1B54A32D192ED03ULL * (index + 1));
  slot->taken_.store(1, std::memory_order_relaxed);
  Slot& added = slots_.Set(index, std::move(slot));
  count_.store(index + 1, std::memory_order_seq_cst);
  return &added;
}

Instant Slots::ExpireOverruns(Instant now) {
  Instant next = Instant::Never();
  ForEach([&](Slot& slot) { next = std::min(next, slot.ExpireOverrun(now, now)); });
  return next;
}

void Slots::TakeAwayRuns(Instant now) {
  ForEach([&](Slot& slot) { slot.ExpireOverrun(now, Instant::Never()); });
}

bool Slots::accepting() const {
  bool any = false;
  ForEach([&](const Slot& slot) { any = any || slot.accepting_.load(std::memory_order_seq_cst) != 0; });
  return any;
}

void Slots::StopAll(std::uint32_t reason, void (*unblock)(void* arg, const std::atomic<std::uint32_t>*), void* arg) {
  ForEach([&](Slot& slot) {
    slot.stop_.store(reason, std::memory_order_seq_cst);
    unblock(arg, &slot.stop_);
  });
}

void Slots::Retire(const Code* code) {
  std::vector<const Code*> unused;
  {
    MutexLock lock(&mu_);
    if (code != nullptr) retired_.push_back(code);
    if (retired_.empty()) return;
    HeavyFence();
    std::vector<const Code*> used;
    ForEach([&](const Slot& slot) {
      if (const Code* in_use = slot.protected_code(); in_use != nullptr) used.push_back(in_use);
    });
    const auto first_unused = std::partition(retired_.begin(), retired_.end(), [&](const Code* each) {
      return std::find(used.begin(), used.end(), each) != used.end();
    });
    unused.assign(first_unused, retired_.end());
    retired_.erase(first_unused, retired_.end());
  }
  // The user's captures: their destructors may do anything.
  for (const Code* each : unused) delete each;
}

int Slots::CountRuns(const FunctionEntry& function) const {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  int runs = 0;
  ForEach([&](const Slot& slot) {
    if (slot.shown_of_.load(std::memory_order_acquire) == &function && !slot.taken_away()) ++runs;
  });
  return runs;
}

FunctionMetrics Slots::Sum(const FunctionIdentity& function) const {
  FunctionMetrics sum;
  AddTo(function, sum);
  return sum;
}

void Slots::AddTo(const FunctionIdentity& function, FunctionMetrics& sum) const {
  ForEach([&](const Slot& slot) { slot.AddTo(function, sum); });
}

}  // namespace runlet
