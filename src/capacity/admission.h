// Who may run: the engine's concurrency, what functions have set aside of it, and the executions that overran.
#ifndef RUNLET_SRC_CAPACITY_ADMISSION_H_
#define RUNLET_SRC_CAPACITY_ADMISSION_H_

#include <absl/status/status.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/permits.h"
#include "function/entry.h"
#include "runlet/base/executor.h"
#include "runlet/base/sync.h"

namespace runlet {

// Told that an execution which was turned away might be admitted now. Called on the thread that gave a permit back.
class CapacityListener {
 public:
  virtual void OnCapacity() = 0;

 protected:
  ~CapacityListener() = default;
};

struct AdmissionLimits {
  int concurrency = 1000;
  int max_abandoned = 16;
  int unreserved_minimum = 0;
  int requests_per_permit = 0;  // a second; 0: any number
};

// The admission order of Lambda. A call takes one permit: of those that are provisioned for the version or alias it
// names, else its function's if that has reserved concurrency, else one of the unreserved. Thread-safe.
class Admission {
 public:
  Admission(const AdmissionLimits& limits, const Clock& clock, Executor& executor)
      : limits_(limits), clock_(clock), executor_(executor), unreserved_(limits.concurrency) {}

  // The permit of one execution; without `permits` where the call borrows its caller's.
  struct Permit {
    bool admitted = false;
    Permits* permits = nullptr;
  };

  // Before any other call.
  void set_listener(CapacityListener* listener) { listener_ = listener; }
  // Before any other call for `entry`, whenever it is registered.
  void Add(FunctionEntry& entry) RUNLET_EXCLUDES(mu_);

  // Never waits. `nested`: a handler is the caller, and is suspended meanwhile; its own permit stands for one of the
  // unreserved.
  [[nodiscard]] Permit TryAdmit(const FunctionEntry& entry, bool nested) {
    if (entry.function.abandoned.load(std::memory_order_relaxed) != 0 && AtAbandonedLimit()) return {};
    Permits* const permits = entry.permits.load(std::memory_order_relaxed);
    if (nested && permits == &unreserved_.permits) return {true, nullptr};
    if (!permits->TryEnter()) [[unlikely]]
      return SpillOver(entry, *permits, nested);
    return {true, permits};
  }
  // Whether a call that was admitted with `permit` keeps to the rate. Else RateRefusal() says why not.
  [[nodiscard]] bool KeepsRate(FunctionEntry& entry, Permit permit) {
    if (limits_.requests_per_permit == 0 || permit.permits == nullptr) [[likely]]
      return true;
    return WithinRate(entry, permit);
  }
  absl::Status RateRefusal(const FunctionEntry& entry, Permit permit) const;
  // In exchange for a provisioned permit whose rate is used up: one of those on demand, within their rate. False: the
  // permit stays as it is.
  [[nodiscard]] bool TryOnDemandInstead(FunctionEntry& entry, bool nested, Permit* permit);
  // Whether TryAdmit would admit a call that is not nested.
  bool HasRoom(const FunctionEntry& entry) const {
    return (entry.function.abandoned.load(std::memory_order_relaxed) == 0 || !AtAbandonedLimit()) &&
           (HasProvisionedRoom(entry) || OnDemand(entry).permits.has_room());
  }
  bool HasProvisionedRoom(const FunctionEntry& entry) const { return entry.provisioned.permits.has_room(); }
  // Whether calls try permits first that are set aside, and so have threads set aside for them.
  bool HasSetAside(const FunctionEntry& entry) const {
    return entry.permits.load(std::memory_order_relaxed) != &unreserved_.permits;
  }
  // Waits for a permit until `until`.
  [[nodiscard]] Permit AdmitBefore(const FunctionEntry& entry, bool nested, Instant until);
  void Leave(Permit permit) {
    if (permit.permits != nullptr) permit.permits->Leave();
    ChangedIfAwaited();
  }
  // Leave() in two steps. Between them the caller may find that another execution is about to be admitted, which will
  // tell in its turn: early enough for those who wait for quiet.
  void GiveBack(Permit permit) {
    if (permit.permits != nullptr) permit.permits->Leave();
  }
  void TellOfRoom() {
    if (waiters_.load(std::memory_order_seq_cst) >= kForAnything) [[unlikely]]
      Changed();
  }
  void ChangedIfAwaited() {
    if (waiters_.load(std::memory_order_seq_cst) != 0) [[unlikely]]
      TellWaiters();
  }
  // Something came to its end that held no permit. Who waits for a permit must not be told: he would only come, be
  // turned away, and tell again.
  void TellOfQuiet() {
    if ((waiters_.load(std::memory_order_seq_cst) & kAllForQuiet) != 0) [[unlikely]]
      WakeForQuiet();
  }
  // From the first to the last call the listener is told. After StartListening() look whether there HasRoom() already.
  void StartListening() { waiters_.fetch_add(kForAnything, std::memory_order_seq_cst); }
  void StopListening() { waiters_.fetch_sub(kForAnything, std::memory_order_seq_cst); }
  // Why a call that TryAdmit turned away was turned away.
  absl::Status Refusal(const FunctionEntry& entry) const;

  // Sets or clears what a function reserves. InvalidArgument where the sum would exceed the engine's concurrency, or
  // less is reserved than is provisioned for its versions and aliases. Nobody who has been admitted is turned out: what
  // others still hold of the permits is handed over as it comes back.
  absl::Status Reserve(FunctionEntry& function, std::optional<int> reserved) RUNLET_EXCLUDES(mu_);
  // The same for what is provisioned for a version or an alias: part of what its function reserves, if that does.
  absl::Status Provision(FunctionEntry& entry, int provisioned) RUNLET_EXCLUDES(mu_);

  // An execution overran. True when its thread is to be written off and its permit is free; at the limit it keeps both.
  bool Abandon(FunctionEntry& entry);
  // ... and its thread has come back.
  void ComeBack(FunctionEntry& entry, bool written_off);
  int abandoned() const { return abandoned_.load(std::memory_order_relaxed); }

  // Blocks until `condition` holds or `until` has passed; looks again after every Leave(), Changed() and TellOfQuiet().
  template <typename Condition>
  bool WaitUntil(Instant until, Condition condition) {
    return WaitUntil(until, kForAnything, condition);
  }
  // The same for a condition that holds only while no unreserved permit is taken: the others who leave meanwhile wake
  // nobody.
  template <typename Condition>
  bool WaitUntilQuiet(Instant until, Condition condition) {
    return WaitUntil(until, kForQuiet, condition);
  }
  void Changed() RUNLET_EXCLUDES(mu_);
  const Permits& unreserved() const { return unreserved_.permits; }
  // How many permits are set aside for some.
  int set_aside() const RUNLET_EXCLUDES(mu_) {
    MutexLock lock(&mu_);
    return set_aside_sum_;
  }
  // Those of which a call of `entry` takes one where nothing is provisioned for it, or all of that is in use.
  const Permits& OnDemandFor(const FunctionEntry& entry) const { return OnDemand(entry).permits; }
  // Whether those are the unreserved ones.
  bool IsUnreserved(const FunctionEntry& entry) const { return &OnDemand(entry) == &unreserved_; }
  bool IsUnreserved(Permit permit) const { return permit.permits == &unreserved_.permits; }
  // Of those that are set aside.
  bool IsReserved(Permit permit) const { return permit.permits != nullptr && !IsUnreserved(permit); }

 private:
  // What is added to waiters_.
  enum WaitsFor : std::uint64_t { kForAnything = std::uint64_t{1} << 32, kForQuiet = 1 };
  static constexpr std::uint64_t kAllForQuiet = kForAnything - 1;

  template <typename Condition>
  bool WaitUntil(Instant until, WaitsFor what, Condition condition) {
    waiters_.fetch_add(what, std::memory_order_seq_cst);
    bool holds = false;
    for (;;) {
      const std::uint32_t seen = changes_.load(std::memory_order_seq_cst);
      holds = condition();
      if (holds || clock_.Now() >= until) break;
      executor_.Block({&changes_, seen, until});
    }
    waiters_.fetch_sub(what, std::memory_order_seq_cst);
    return holds;
  }
  // All that was provisioned for `entry` is in use, or nothing is.
  [[gnu::cold]] Permit SpillOver(const FunctionEntry& entry, const Permits& full, bool nested);
  // InvalidArgument where `more` permits than are free would be set aside for `entry`.
  absl::Status CheckFree(const FunctionEntry& entry, std::string_view setting, int wanted, int others) const
      RUNLET_REQUIRES(mu_);
  void SetAside(Allotment& allotment, int share) RUNLET_REQUIRES(mu_);
  // Which permits the calls of `entry` try first.
  void Direct(FunctionEntry& entry) const RUNLET_REQUIRES(mu_);
  void BeginHandingOver() RUNLET_REQUIRES(mu_);
  // Gives each its share as far as the permits are not held by others. True: some are yet to come.
  bool HandOver() RUNLET_REQUIRES(mu_);
  void EndHandingOver() RUNLET_REQUIRES(mu_);
  [[gnu::cold]] void TellWaiters();
  [[gnu::cold]] void WakeForQuiet();
  void WakeBlocked();
  [[gnu::cold]] bool WithinRate(FunctionEntry& entry, Permit permit);
  bool AtAbandonedLimit() const { return abandoned_.load(std::memory_order_relaxed) >= limits_.max_abandoned; }
  Allotment& OnDemand(const FunctionEntry& entry) const {
    const bool reserved = entry.function.reserved.load(std::memory_order_relaxed) != kUnreserved;
    return reserved ? entry.function.reserved_part : const_cast<Allotment&>(unreserved_);
  }

  const AdmissionLimits limits_;
  const Clock& clock_;
  Executor& executor_;
  Allotment unreserved_;
  std::atomic<int> abandoned_{0};
  CapacityListener* listener_ = nullptr;
  std::atomic<std::uint64_t> waiters_{0};
  std::atomic<std::uint32_t> changes_{0};
  std::atomic<bool> handing_over_{false};
  mutable Mutex mu_;
  int set_aside_sum_ RUNLET_GUARDED_BY(mu_) = 0;
  // Those that have permits set aside, or had and have not been given them all back.
  std::vector<Allotment*> set_aside_ RUNLET_GUARDED_BY(mu_);
};

}  // namespace runlet

#endif  // RUNLET_SRC_CAPACITY_ADMISSION_H_
