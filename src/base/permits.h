// A number of places, of which some are taken.
#ifndef RUNLET_SRC_BASE_PERMITS_H_
#define RUNLET_SRC_BASE_PERMITS_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace runlet {

// Never blocks; one atomic write to enter and one to leave. Cap and count share a word, so that nobody enters by a cap
// that has been lowered. Thread-safe.
class alignas(64) Permits {
 public:
  explicit Permits(int cap) : word_(Word(cap)) {}

  // False when all places are taken. (Adding first and repairing afterwards would refuse a caller wrongly when two race
  // for the last place.)
  [[nodiscard]] bool TryEnter() {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    do {
      if (Taken(word) >= Cap(word)) return false;
    } while (!word_.compare_exchange_weak(word, word + 1, std::memory_order_seq_cst, std::memory_order_relaxed));
    return true;
  }
  void Leave() { word_.fetch_sub(1, std::memory_order_seq_cst); }

  int taken() const { return Taken(word_.load(std::memory_order_seq_cst)); }
  int cap() const { return Cap(word_.load(std::memory_order_relaxed)); }
  bool has_room() const {
    const std::uint64_t word = word_.load(std::memory_order_seq_cst);
    return Taken(word) < Cap(word);
  }
  // Those inside stay, even if they are more. Returns how many can be inside until someone leaves: the cap, or those.
  int set_cap(int cap) {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while (!word_.compare_exchange_weak(word, Word(cap) | static_cast<std::uint32_t>(word), std::memory_order_seq_cst,
                                        std::memory_order_relaxed)) {
    }
    return std::max(cap, Taken(word));
  }

 private:
  static std::uint64_t Word(int cap) { return std::uint64_t{static_cast<std::uint32_t>(cap)} << 32; }
  static int Taken(std::uint64_t word) { return static_cast<int>(static_cast<std::uint32_t>(word)); }
  static int Cap(std::uint64_t word) { return static_cast<int>(word >> 32); }

  std::atomic<std::uint64_t> word_;  // cap << 32 | taken
};

}  // namespace runlet

#endif  // RUNLET_SRC_BASE_PERMITS_H_
