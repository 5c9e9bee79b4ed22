#include "runlet/base/random.h"

#include <sys/random.h>

#include <chrono>

namespace runlet {
namespace {

__extension__ using Uint128 = unsigned __int128;

// Blackman and Vigna's advice: fill a xoshiro state from another generator, so that close seeds give unlike streams and
// no seed gives the all-zero state (SplitMix64 is a bijection over a counter: at most one of four words is zero).
std::uint64_t SplitMix64(std::uint64_t* state) {
  std::uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

}  // namespace

Random::Random(std::uint64_t seed) {
  for (std::uint64_t& word : state_) word = SplitMix64(&seed);
}

// Lemire's multiplication: the high word of draw * n is uniform once the draws are rejected whose low word falls into
// the 2^64 mod n surplus values. The modulo, which is slow, is computed only when a rejection is possible at all.
std::uint64_t Random::Below(std::uint64_t n) {
  if (n == 0) return 0;
  Uint128 product = Uint128{Next()} * n;
  if (static_cast<std::uint64_t>(product) < n) {
    const std::uint64_t surplus = (0 - n) % n;
    while (static_cast<std::uint64_t>(product) < surplus) product = Uint128{Next()} * n;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

// Not std::random_device: it may throw.
std::uint64_t RandomSeed() {
  std::uint64_t seed = 0;
  if (getrandom(&seed, sizeof(seed), 0) == sizeof(seed)) return seed;
  // A sandbox without the call: the time and the stack's address still differ from run to run.
  seed = reinterpret_cast<std::uintptr_t>(&seed) ^
         static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  return SplitMix64(&seed);
}

}  // namespace runlet
