// What a look at a busy engine costs: every worker hangs in a handler, and events wait behind them.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "runlet/base/sync.h"
#include "runlet/runlet.h"

namespace runlet {
namespace {

constexpr int kWorkers = 16;
constexpr int kFunctions = 100;
constexpr int kWaiting = 10'000;

// All its threads are in handlers that wait for its end.
class HangingEngine {
 public:
  HangingEngine() : engine_(MakeEngine()) {
    for (int i = 0; i < kFunctions; ++i) {
      const auto hang = [this](std::string_view) { Hang(); };
      if (!engine_.Register("f" + std::to_string(i), hang, {.timeout = absl::Minutes(15)}).ok()) std::abort();
    }
    for (int i = 0; i < kWaiting; ++i) {
      absl::StatusOr<RequestId> id = engine_.Post("f" + std::to_string(i % kFunctions), "{}");
      if (!id.ok()) std::abort();
      last_ = *id;
    }
    MutexLock lock(&mu_);
    while (hanging_ < kWorkers) changed_.Wait(&mu_);
  }
  ~HangingEngine() {
    MutexLock lock(&mu_);
    released_ = true;
    changed_.NotifyAll();
  }

  Engine& engine() { return engine_; }
  const RequestId& last() const { return last_; }

 private:
  static Engine MakeEngine() {
    absl::StatusOr<Engine> engine = Engine::Create({.threads = OwnThreads{kWorkers}});
    if (!engine.ok()) std::abort();
    return *std::move(engine);
  }
  void Hang() {
    MutexLock lock(&mu_);
    ++hanging_;
    changed_.NotifyAll();
    while (!released_) changed_.Wait(&mu_);
  }

  Mutex mu_;
  CondVar changed_;
  int hanging_ RUNLET_GUARDED_BY(mu_) = 0;
  bool released_ RUNLET_GUARDED_BY(mu_) = false;
  RequestId last_;
  Engine engine_;  // ends before what its handlers use
};

void Inspect(benchmark::State& state) {
  HangingEngine hanging;
  if (hanging.engine().Inspect().running.size() != kWorkers) std::abort();
  for (auto _ : state) benchmark::DoNotOptimize(hanging.engine().Inspect());
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(Inspect)->Name("sight/inspect_16_hanging_of_100_functions")->UseRealTime();

void ExplainLast(benchmark::State& state) {
  HangingEngine hanging;
  for (auto _ : state) {
    if (!hanging.engine().Explain(hanging.last()).ok()) std::abort();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(ExplainLast)->Name("sight/explain_one_of_10000_that_wait")->UseRealTime();

}  // namespace
}  // namespace runlet
