// Randomness, passed in: an engine draws all of its own from one seed.
#ifndef RUNLET_BASE_RANDOM_H_
#define RUNLET_BASE_RANDOM_H_

#include <bit>
#include <cstdint>

namespace runlet {

// xoshiro256** with a SplitMix64 start: the same numbers from the same seed on every machine, which neither
// absl::BitGen nor the std distributions promise. Not for secrets. Thread-compatible.
class Random {
 public:
  explicit Random(std::uint64_t seed);

  std::uint64_t Next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }
  // Uniform in [0, n); 0 for n = 0.
  std::uint64_t Below(std::uint64_t n);
  // Uniform in [0, 1).
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
  bool OneIn(std::uint64_t n) { return Below(n) == 0; }

 private:
  std::uint64_t state_[4];
};

// A seed that differs from run to run, from the operating system.
std::uint64_t RandomSeed();

}  // namespace runlet

#endif  // RUNLET_BASE_RANDOM_H_
