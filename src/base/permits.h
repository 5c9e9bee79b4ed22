// A number of places, of which some are taken.
#ifndef RUNLET_SRC_BASE_PERMITS_H_
#define RUNLET_SRC_BASE_PERMITS_H_

#include <atomic>

namespace runlet {

// Never blocks; one atomic write to enter and one to leave. Thread-safe.
class alignas(64) Permits {
 public:
  explicit Permits(int cap) : cap_(cap) {}

  // False when all places are taken. (Adding first and repairing afterwards would refuse a caller wrongly when two race
  // for the last place.)
  [[nodiscard]] bool TryEnter() {
    int taken = taken_.load(std::memory_order_relaxed);
    do {
      if (taken >= cap_.load(std::memory_order_relaxed)) return false;
    } while (!taken_.compare_exchange_weak(taken, taken + 1, std::memory_order_seq_cst, std::memory_order_relaxed));
    return true;
  }
  void Leave() { taken_.fetch_sub(1, std::memory_order_seq_cst); }

  int taken() const { return taken_.load(std::memory_order_seq_cst); }
  int cap() const { return cap_.load(std::memory_order_relaxed); }
  // Those inside stay, even if they are more.
  void set_cap(int cap) { cap_.store(cap, std::memory_order_relaxed); }

 private:
  std::atomic<int> taken_{0};
  std::atomic<int> cap_;
};

}  // namespace runlet

#endif  // RUNLET_SRC_BASE_PERMITS_H_
