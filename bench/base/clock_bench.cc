// What it costs to know the time: alone, and amid work that the processor can overlap with it.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "runlet/base/time.h"

namespace runlet {
namespace {

struct Nothing {
  std::int64_t operator()() const { return 0; }
};
struct System {
  const Clock& clock = SystemClock();
  std::int64_t operator()() const { return clock.Now().ns; }
};
struct Steady {
  std::int64_t operator()() const { return std::chrono::steady_clock::now().time_since_epoch().count(); }
};
#if defined(__x86_64__)
struct BareCounter {
  std::int64_t operator()() const { return static_cast<std::int64_t>(__rdtsc()); }
};
struct OrderedCounter {
  std::int64_t operator()() const {
    _mm_lfence();
    return static_cast<std::int64_t>(__rdtsc());
  }
};
#endif

// The system's clock tells the time by the steady clock until it has learned its counter's pace.
void WarmUp() {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  while (std::chrono::steady_clock::now() < until) SystemClock().Now();
}

template <typename Read>
void BM_Alone(benchmark::State& state) {
  WarmUp();
  const Read read;
  for (auto _ : state) benchmark::DoNotOptimize(read());
}

// About 10 ns of multiplications that depend on each other.
template <typename Read>
void BM_AmidWork(benchmark::State& state) {
  WarmUp();
  const Read read;
  std::uint64_t x = 1;
  for (auto _ : state) {
    for (int i = 0; i < 8; ++i) x = x * 6364136223846793005u + 1;
    benchmark::DoNotOptimize(x);
    benchmark::DoNotOptimize(read());
  }
}

#if defined(__x86_64__)
BENCHMARK_TEMPLATE(BM_Alone, BareCounter);
BENCHMARK_TEMPLATE(BM_Alone, OrderedCounter);
#endif
BENCHMARK_TEMPLATE(BM_Alone, Steady);
BENCHMARK_TEMPLATE(BM_Alone, System);
BENCHMARK_TEMPLATE(BM_AmidWork, Nothing);
#if defined(__x86_64__)
BENCHMARK_TEMPLATE(BM_AmidWork, BareCounter);
BENCHMARK_TEMPLATE(BM_AmidWork, OrderedCounter);
#endif
BENCHMARK_TEMPLATE(BM_AmidWork, Steady);
BENCHMARK_TEMPLATE(BM_AmidWork, System);

}  // namespace
}  // namespace runlet
