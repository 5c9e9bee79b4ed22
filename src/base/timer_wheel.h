// Everything that shall happen at a time: time-outs, back-off, ages, sleeps. One wheel for a million of them.
#ifndef RUNLET_SRC_BASE_TIMER_WHEEL_H_
#define RUNLET_SRC_BASE_TIMER_WHEEL_H_

#include <cstddef>
#include <cstdint>

#include "runlet/base/time.h"
#include "runlet/base/timer_link.h"

namespace runlet {

// Timers, exact to the nanosecond. Thread-compatible: the owner locks. Never allocates.
//
// Arm() and Cancel() cost the same for ten timers and for a million. A timer costs its comparisons when its time comes
// near, so those that are cancelled in time (nearly all time-outs) never pay for order.
class TimerWheel {
 public:
  // `start`: about the time of the first Arm(). Nothing depends on it but the cost of the first pops.
  explicit TimerWheel(Instant start = {});
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // An armed link moves. Any time will do: a past one is due at once, at Never() only PopDue(Never()) finds it.
  void Arm(TimerLink* link, Instant due);
  // Nothing if `link` is not armed.
  void Cancel(TimerLink* link);

  // The earliest due time, Never() if nothing is armed.
  Instant NextDue();
  // Takes out the link with the smallest (due, order of Arm) of those with due <= now; null if there is none.
  TimerLink* PopDue(Instant now);

  std::size_t size() const { return size_; }

 private:
  // Level 0 has 64 slots of 2^21 ns (2 ms), each further level slots 64 times as long: the seventh ends at Never().
  static constexpr int kTickBits = 21;
  static constexpr int kLevelBits = 6;
  static constexpr int kLevels = 7;
  static constexpr int kSlots = 1 << kLevelBits;

  struct Slot {
    int level;
    int index;
  };

  static constexpr int Shift(int level) { return kTickBits + level * kLevelBits; }

  std::uint64_t Place(Instant due) const;
  Slot SlotOf(std::uint64_t place) const;
  Slot Earliest() const;
  std::uint64_t Start(Slot slot) const;
  void Insert(TimerLink* link);
  void Remove(TimerLink* link);
  void MarkIfEmptied(TimerLink** where);
  void MarkEmpty(Slot slot);
  TimerLink* Settle(Slot slot);
  void Spread(Slot slot);

  std::uint64_t base_;  // the start of a level 0 slot; nothing is placed before it
  std::uint64_t armed_count_ = 0;
  std::size_t size_ = 0;
  std::uint64_t levels_ = 0;              // which levels hold anything
  std::uint64_t occupied_[kLevels] = {};  // which slots of a level hold anything
  TimerLink* slots_[kLevels][kSlots] = {};
};

}  // namespace runlet

#endif  // RUNLET_SRC_BASE_TIMER_WHEEL_H_
