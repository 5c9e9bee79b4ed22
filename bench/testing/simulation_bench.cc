// How fast virtual time passes: what a simulated attempt costs, with all promises checked after every step.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>

#include "runlet/testing/simulation.h"

namespace runlet {
namespace {

constexpr Function<std::int64_t, void> kFunction{"function"};

// Each event fails twice, waits 60 s and 120 s, and succeeds: items are attempts.
void Retries(benchmark::State& state) {
  constexpr int kEvents = 100;
  constexpr int kAttempts = 3;
  for (auto _ : state) {
    testing::Simulation sim({.keep_ledger = false});
    int attempts = 0;
    const auto handler = [&](std::int64_t, Context& context) -> absl::Status {
      ++attempts;
      return context.attempt() < kAttempts ? absl::UnavailableError("not yet") : absl::OkStatus();
    };
    if (!sim.engine().Register(kFunction, handler).ok()) std::abort();
    for (int i = 0; i < kEvents; ++i) {
      if (!sim.engine().Post(kFunction, i).ok()) std::abort();
    }
    sim.RunUntilIdle();
    if (attempts != kEvents * kAttempts) std::abort();
  }
  state.SetItemsProcessed(state.iterations() * kEvents * kAttempts);
}
BENCHMARK(Retries)->Name("simulation/retried_attempt");

void Empty(benchmark::State& state) {
  for (auto _ : state) {
    testing::Simulation sim;
    sim.RunUntilIdle();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(Empty)->Name("simulation/create_run_and_destroy");

}  // namespace
}  // namespace runlet
