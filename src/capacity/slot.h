// The places where executions run: one slot for each execution that runs at this moment.
#ifndef RUNLET_SRC_CAPACITY_SLOT_H_
#define RUNLET_SRC_CAPACITY_SLOT_H_

#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/asymmetric_fence.h"
#include "base/pointer_array.h"
#include "function/entry.h"
#include "observe/meter.h"
#include "runlet/base/random.h"
#include "runlet/base/sync.h"
#include "runlet/base/time.h"
#include "runlet/event/request_id.h"

namespace runlet {

class Slot;

// An execution that can be ended by others than its own thread, once its deadline has passed.
class Watched {
 public:
  // Called at most once, by whoever won the run from the thread that is in it.
  virtual void OnOverrun(Instant now) = 0;

 protected:
  ~Watched() = default;
};

// Held by one execution, or for a moment by who needs an id or a counter. All that an execution writes often is here,
// so that it shares no cache line with another.
class alignas(64) Slot {
 public:
  explicit Slot(std::uint64_t seed) : random_(seed) {}

  // Publishes the code that `entry` runs now, so that it stays until Unprotect(). nullptr: nothing is registered.
  const Code* Protect(const FunctionEntry& entry) {
    const Code* code = entry.code.load(std::memory_order_acquire);
    for (;;) {
      code_.store(code, kLightStoreOrder);
      LightFence();
      const Code* again = entry.code.load(kLightLoadOrder);
      if (again == code) return code;
      code = again;
    }
  }
  // True when the code was replaced meanwhile: then somebody must look for code that is no longer used.
  [[nodiscard]] bool Unprotect(const FunctionEntry& entry) {
    const Code* code = code_.load(std::memory_order_relaxed);
    code_.store(nullptr, kLightStoreOrder);
    LightFence();
    return entry.code.load(kLightLoadOrder) != code;
  }
  // Whether the code that is protected here has been replaced.
  bool outdated(const FunctionEntry& entry) const {
    return code_.load(std::memory_order_relaxed) != entry.code.load(std::memory_order_acquire);
  }
  const Code* protected_code() const { return code_.load(std::memory_order_seq_cst); }

  // While the holder accepts an event. Between the two it looks whether the engine is open, and accepts only then;
  // whoever closes the engine looks at Slots::accepting() afterwards, and waits.
  void BeginAccepting() {
    accepting_.store(1, kLightStoreOrder);
    LightFence();
  }
  void EndAccepting() {
    accepting_.store(0, kLightStoreOrder);
    LightFence();
  }

  // A run that the watcher may end. Followed by Executor::WakeAt(deadline).
  void BeginWatched(Watched* run, Instant deadline) {
    watched_ = run;
    deadline_.store(deadline.ns, std::memory_order_relaxed);
    run_.store((++generation_ << 2) | kRunning, kLightStoreOrder);
    LightFence();
  }
  // False: the run was taken away; returns only once whoever took it is done with it.
  [[nodiscard]] bool EndWatched() {
    std::uint64_t running = (generation_ << 2) | kRunning;
    if (run_.compare_exchange_strong(running, 0, std::memory_order_acq_rel)) [[likely]]
      return true;
    AwaitTakenAway();
    return false;
  }
  // Ends the run if its deadline has passed at `limit`. Returns the deadline of a run that goes on.
  Instant ExpireOverrun(Instant now, Instant limit);

  // The run that is here, for who looks from outside. Its facts do not change until Hide().
  void Show(Watched& run, const FunctionEntry& function) {
    shown_.store(&run, kLightStoreOrder);
    shown_of_.store(&function, std::memory_order_release);
  }
  // Returns once nobody looks any more.
  void Hide() {
    shown_of_.store(nullptr, std::memory_order_relaxed);
    shown_.store(nullptr, kLightStoreOrder);
    LightFence();
    if (looks_.load(kLightLoadOrder) != 0) [[unlikely]]
      AwaitLooks();
  }

  // Whether the run was ended by others than its own thread, which is still in it.
  bool taken_away() const { return (run_.load(std::memory_order_acquire) & 3) >= kBeingTaken; }

  // The thread that had the slot last, as the system numbers it.
  int thread() const { return thread_.load(std::memory_order_relaxed); }

  std::atomic<std::uint32_t>& stop() { return stop_; }
  Random& random() { return random_; }
  RequestId NewId() {
    const std::uint64_t high = random_.Next();
    return RequestId::FromBits(high, random_.Next());
  }
  Meter& meter(const FunctionEntry& entry) {
    Meter* meter = meters_.Get(entry.index);
    return meter != nullptr ? *meter : AddMeter(entry);
  }
  void AddTo(const FunctionIdentity& function, FunctionMetrics& sum) const {
    if (const Meter* meter = meters_.Get(function.index); meter != nullptr) meter->AddTo(sum);
  }

 private:
  friend class Slots;
  [[gnu::cold]] Meter& AddMeter(const FunctionEntry& entry);
  [[gnu::cold]] void AwaitTakenAway();
  [[gnu::cold]] void AwaitLooks();
  // To ask the system takes twice as long as all the rest of a call.
  void KnowThread();
  enum : std::uint64_t { kIdle = 0, kRunning = 1, kBeingTaken = 2, kTakenAway = 3 };

  std::atomic<std::uint32_t> taken_{0};
  std::atomic<std::uint32_t> stop_{0};
  std::atomic<std::uint32_t> accepting_{0};
  std::atomic<const Code*> code_{nullptr};
  std::atomic<std::uint64_t> run_{kIdle};  // generation << 2 | phase
  std::atomic<std::int64_t> deadline_{kForeverNs};
  std::atomic<Watched*> shown_{nullptr};
  std::atomic<const FunctionEntry*> shown_of_{nullptr};  // whose run that is
  std::atomic<int> thread_{0};
  pthread_t owner_ = {};  // whose number that is
  std::atomic<std::uint32_t> looks_{0};
  Watched* watched_ = nullptr;  // read only by who won kBeingTaken
  std::uint64_t generation_ = 0;
  Random random_;
  PointerArray<Meter> meters_;  // by function index; set by the slot's holder
};

// The slots of one engine. As many are made as executions ever ran at once. Thread-safe.
class Slots {
 public:
  explicit Slots(std::uint64_t seed);
  ~Slots();

  // Never fails and never waits. A thread gets the slot that it had last, when that is free.
  Slot& Take() {
    if (hint_.serial == serial_ && hint_.slot->taken_.exchange(1, std::memory_order_acquire) == 0) [[likely]]
      return *hint_.slot;
    return TakeAnother();
  }
  void Give(Slot& slot) { slot.taken_.store(0, std::memory_order_release); }

  // Ends every run whose deadline has passed, and returns the earliest deadline of the others.
  Instant ExpireOverruns(Instant now);
  // Ends every watched run.
  void TakeAwayRuns(Instant now);
  // Whether an event is being accepted; to be asked after a HeavyFence().
  bool accepting() const;
  // How many runs of `function` are shown, those taken away left out. Of two that begin at once, one at least sees
  // both.
  int CountRuns(const FunctionEntry& function) const;
  // Calls `look` with every run that is shown. It must be short: a run that ends meanwhile waits for it.
  template <typename F>
  void Look(F look) const;
  // Asks every execution to stop.
  void StopAll(std::uint32_t reason, void (*unblock)(void* arg, const std::atomic<std::uint32_t>*), void* arg);
  // Keeps `code` until no slot protects it, then destroys it on the thread that sees that first. nullptr: only look.
  void Retire(const Code* code) RUNLET_EXCLUDES(mu_);
  FunctionMetrics Sum(const FunctionIdentity& function) const;
  void AddTo(const FunctionIdentity& function, FunctionMetrics& sum) const;

 private:
  struct Hint {
    std::uint64_t serial;
    Slot* slot;
  };

  Slot& TakeAnother() RUNLET_EXCLUDES(mu_);
  Slot* FindFree() RUNLET_EXCLUDES(mu_);
  template <typename F>
  void ForEach(F f) const;

  static thread_local constinit Hint hint_;  // the slot that this thread had last
  const std::uint64_t serial_;  // names this object among all that ever lived: a thread's hint may be of a dead one
  const std::uint64_t seed_;
  std::atomic<std::size_t> count_{0};
  PointerArray<Slot> slots_;
  Mutex mu_;  // for adding slots, and for retired_
  std::vector<const Code*> retired_ RUNLET_GUARDED_BY(mu_);
};

template <typename F>
void Slots::Look(F look) const {
  const std::size_t count = count_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < count; ++i) slots_.Get(i)->looks_.fetch_add(1, std::memory_order_seq_cst);
  HeavyFence();
  for (std::size_t i = 0; i < count; ++i) {
    Slot& slot = *slots_.Get(i);
    if (Watched* const run = slot.shown_.load(std::memory_order_acquire); run != nullptr) look(slot, *run);
    slot.looks_.fetch_sub(1, std::memory_order_release);
  }
}

// Holds a slot for a scope.
class SlotHold {
 public:
  explicit SlotHold(Slots& slots) : slots_(slots), slot_(slots.Take()) {}
  ~SlotHold() { slots_.Give(slot_); }
  SlotHold(const SlotHold&) = delete;
  SlotHold& operator=(const SlotHold&) = delete;

  Slot& operator*() const { return slot_; }
  Slot* operator->() const { return &slot_; }

 private:
  Slots& slots_;
  Slot& slot_;
};

// Holds a slot, and the code that `entry` runs now, for a scope.
class CodeHold {
 public:
  CodeHold(Slots& slots, const FunctionEntry& entry)
      : slots_(slots), entry_(entry), slot_(slots.Take()), code_(slot_.Protect(entry)) {}
  ~CodeHold() {
    const bool replaced = slot_.Unprotect(entry_);
    slots_.Give(slot_);
    if (replaced) [[unlikely]]
      slots_.Retire(nullptr);
  }
  CodeHold(const CodeHold&) = delete;
  CodeHold& operator=(const CodeHold&) = delete;

  Slot& slot() const { return slot_; }
  // nullptr: nothing is registered.
  const Code* code() const { return code_; }

 private:
  Slots& slots_;
  const FunctionEntry& entry_;
  Slot& slot_;
  const Code* const code_;
};

}  // namespace runlet

#endif  // RUNLET_SRC_CAPACITY_SLOT_H_
