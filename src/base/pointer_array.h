// An array of owned objects that grows while others read it.
#ifndef RUNLET_SRC_BASE_POINTER_ARRAY_H_
#define RUNLET_SRC_BASE_POINTER_ARRAY_H_

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>

namespace runlet {

// Elements never move. Set() calls must be serialised by the owner; Get() may run at any time, and costs two loads.
template <typename T>
class PointerArray {
 public:
  PointerArray() = default;
  ~PointerArray() {
    for (std::size_t level = 0; level < kLevels; ++level) {
      std::atomic<T*>* places = levels_[level].load(std::memory_order_relaxed);
      if (places == nullptr) continue;
      for (std::size_t i = 0; i < SizeOf(level); ++i) delete places[i].load(std::memory_order_relaxed);
      delete[] places;
    }
  }
  PointerArray(const PointerArray&) = delete;
  PointerArray& operator=(const PointerArray&) = delete;

  // nullptr where nothing was set.
  T* Get(std::size_t index) const {
    const std::size_t level = LevelOf(index);
    const std::atomic<T*>* places = levels_[level].load(std::memory_order_acquire);
    return places == nullptr ? nullptr : places[index + 1 - SizeOf(level)].load(std::memory_order_acquire);
  }

  T& Set(std::size_t index, std::unique_ptr<T> element) {
    const std::size_t level = LevelOf(index);
    std::atomic<T*>* places = levels_[level].load(std::memory_order_relaxed);
    if (places == nullptr) {
      places = new std::atomic<T*>[SizeOf(level)]();
      levels_[level].store(places, std::memory_order_release);
    }
    T* raw = element.release();
    places[index + 1 - SizeOf(level)].store(raw, std::memory_order_release);
    return *raw;
  }

 private:
  // Level k holds 2^k elements: none is copied when the array grows.
  static constexpr std::size_t kLevels = 32;
  static std::size_t LevelOf(std::size_t index) { return static_cast<std::size_t>(std::bit_width(index + 1)) - 1; }
  static std::size_t SizeOf(std::size_t level) { return std::size_t{1} << level; }

  std::array<std::atomic<std::atomic<T*>*>, kLevels> levels_{};
};

}  // namespace runlet

#endif  // RUNLET_SRC_BASE_POINTER_ARRAY_H_
