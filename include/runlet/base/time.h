// Time, passed in. Nobody in runlet reads the system's time but the clock made by SystemClock().
#ifndef RUNLET_BASE_TIME_H_
#define RUNLET_BASE_TIME_H_

#include <absl/time/time.h>

#include <atomic>
#include <compare>
#include <cstdint>
#include <limits>

namespace runlet {

// Nanoseconds of `d`, cut to what 64 bits hold.
constexpr std::int64_t kForeverNs = std::numeric_limits<std::int64_t>::max();
inline std::int64_t Nanos(absl::Duration d) { return absl::ToInt64Nanoseconds(d); }

// A point on a clock's monotonic scale. Value. Compare only instants of the same clock.
struct Instant {
  std::int64_t ns = 0;

  static constexpr Instant Never() { return {kForeverNs}; }
  constexpr bool never() const { return ns == kForeverNs; }

  // Saturates: nothing lies after Never().
  constexpr Instant After(std::int64_t nanoseconds) const {
    if (never() || (nanoseconds > 0 && ns > kForeverNs - nanoseconds)) return Never();
    return Instant{ns + nanoseconds};
  }
  constexpr std::int64_t Since(Instant earlier) const { return ns - earlier.ns; }

  friend constexpr auto operator<=>(const Instant&, const Instant&) = default;
};

// The time of an engine. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Never goes back for one thread; between threads a reading may be some 20 ns behind what another has seen, because a
  // processor reads its counter ahead of time. Deadlines, back-off and durations are measured on it.
  virtual Instant Now() const = 0;
  // What a calendar shows. May jump; used only for what people and other programs read.
  virtual absl::Time Calendar() const = 0;
};

// The machine's clock: lives as long as the process, safe to use from any thread.
// Reads the processor's time-stamp counter where the kernel itself keeps time by it (clock source `tsc`, constant and
// nonstop), else the steady clock; the scale is the steady clock's in both cases.
const Clock& SystemClock();

// A clock that moves when told: for tests, and for the simulation. Thread-safe.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(absl::Time calendar_start = absl::FromUnixSeconds(1'700'000'000)) : start_(calendar_start) {}

  Instant Now() const override { return {now_.load(std::memory_order_acquire)}; }
  absl::Time Calendar() const override { return start_ + absl::Nanoseconds(now_.load(std::memory_order_acquire)); }

  void AdvanceBy(absl::Duration d) { now_.fetch_add(Nanos(d), std::memory_order_acq_rel); }
  // Ignored if `instant` has passed.
  void AdvanceTo(Instant instant);

 private:
  const absl::Time start_;
  std::atomic<std::int64_t> now_{0};
};

}  // namespace runlet

#endif  // RUNLET_BASE_TIME_H_
