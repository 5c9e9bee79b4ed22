// The events that a pump has claimed and not begun.
#ifndef RUNLET_SRC_DELIVERY_BATCH_H_
#define RUNLET_SRC_DELIVERY_BATCH_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "runlet/event/event.h"

namespace runlet {

// Filled by its owner; emptied by the owner and by others, so that one slow handler holds up no event behind it.
class Batch {
 public:
  static constexpr std::size_t kMax = 32;

  // Only by the owner, and only when empty.
  void Fill(std::span<EventRef> events) {
    for (std::size_t i = 0; i < events.size(); ++i) places_[i].store(events[i].Release(), std::memory_order_relaxed);
    const std::uint64_t fill = (range_.load(std::memory_order_relaxed) >> 16) + 1;
    range_.store(fill << 16 | events.size(), std::memory_order_release);
  }

  // As of some moment. Thread-safe.
  bool empty() const {
    const std::uint64_t range = range_.load(std::memory_order_acquire);
    return (range >> 8 & 0xFF) == (range & 0xFF);
  }
  // Empty when none is left. Thread-safe.
  EventRef Take() {
    std::uint64_t range = range_.load(std::memory_order_acquire);
    for (;;) {
      const std::uint64_t next = range >> 8 & 0xFF;
      if (next == (range & 0xFF)) return {};
      Event* event = places_[next].load(std::memory_order_relaxed);
      // The number of the fill is part of the word: a place that was filled anew meanwhile is not taken for the old
      // one.
      if (range_.compare_exchange_weak(range, range + 0x100, std::memory_order_acq_rel, std::memory_order_acquire)) {
        return EventRef::Adopt(event);
      }
    }
  }

 private:
  std::atomic<std::uint64_t> range_{0};  // number of the fill << 16 | next << 8 | end
  std::array<std::atomic<Event*>, kMax> places_{};
};

}  // namespace runlet

#endif  // RUNLET_SRC_DELIVERY_BATCH_H_
