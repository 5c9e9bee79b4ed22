// What calls and events cost that change threads, beside a mutex+condvar pool, bare and with equal work, and beside a
// raw futex. Two workers everywhere; producers and the waiting caller are extra threads. The first row of a group is
// what the others are compared with.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/futex.h"
#include "bench/engine/mutex_pool.h"
#include "runlet/runlet.h"

namespace runlet {
namespace {

using bench::EqualWorkPool;
using bench::MutexPool;

constexpr Function<std::int64_t, std::int64_t> kAddOne{"add-one"};
constexpr int kWorkers = 2;
constexpr int kOutstanding = 1000;
constexpr int kEvents = 10'000;

std::unique_ptr<Engine> MakeEngine(EngineOptions options = {.threads = OwnThreads{kWorkers}}) {
  absl::StatusOr<Engine> engine = Engine::Create(std::move(options));
  if (!engine.ok() || !engine->Register(kAddOne, [](std::int64_t n) { return n + 1; }).ok()) std::abort();
  if (!engine->Register("bytes", [](std::string_view) {}).ok()) std::abort();
  return std::make_unique<Engine>(*std::move(engine));
}

std::unique_ptr<EqualWorkPool> MakeEqualWorkPool() {
  auto pool = std::make_unique<EqualWorkPool>(kWorkers, 1'000'000);
  pool->Register(std::string(kAddOne.name()), [](std::int64_t n) { return n + 1; });
  return pool;
}

// ---- a round trip, one at a time ----

void FutexPingPong(benchmark::State& state) {
  std::atomic<std::uint32_t> turn{0};
  std::atomic<bool> ended{false};
  std::thread other([&] {
    for (;;) {
      while (turn.load() == 0) FutexWait(&turn, 0, kForeverNs);
      if (ended.load()) return;
      turn.store(0);
      FutexWakeOne(&turn);
    }
  });
  for (auto _ : state) {
    turn.store(1);
    FutexWakeOne(&turn);
    while (turn.load() == 1) FutexWait(&turn, 1, kForeverNs);
  }
  ended.store(true);
  turn.store(1);
  FutexWakeOne(&turn);
  other.join();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(FutexPingPong)->Name("round_trip/futex_ping_pong")->UseRealTime();

void RoundTripPool(benchmark::State& state) {
  MutexPool pool(kWorkers);
  for (auto _ : state) {
    std::promise<std::int64_t> promise;
    std::future<std::int64_t> future = promise.get_future();
    pool.Post([promise = std::move(promise)]() mutable { promise.set_value(1); });
    benchmark::DoNotOptimize(future.get());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(RoundTripPool)->Name("round_trip/mutex_pool_bare")->UseRealTime();

void RoundTripEqualWork(benchmark::State& state) {
  const auto pool = MakeEqualWorkPool();
  for (auto _ : state) benchmark::DoNotOptimize(pool->Start(kAddOne.name(), 1).get());
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(RoundTripEqualWork)->Name("round_trip/mutex_pool_equal_work")->UseRealTime();

void RoundTripInvoke(benchmark::State& state) {
  const auto engine = MakeEngine();
  for (auto _ : state) benchmark::DoNotOptimize(engine->Invoke(kAddOne, 1));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(RoundTripInvoke)->Name("round_trip/invoke")->UseRealTime();

// ---- 1000 outstanding results ----

void StartPool(benchmark::State& state) {
  MutexPool pool(kWorkers);
  std::vector<std::future<std::int64_t>> futures(kOutstanding);
  for (auto _ : state) {
    for (std::future<std::int64_t>& future : futures) {
      std::promise<std::int64_t> promise;
      future = promise.get_future();
      pool.Post([promise = std::move(promise)]() mutable { promise.set_value(1); });
    }
    for (std::future<std::int64_t>& future : futures) benchmark::DoNotOptimize(future.get());
  }
  state.SetItemsProcessed(state.iterations() * kOutstanding);
}
BENCHMARK(StartPool)->Name("start_1000/mutex_pool_bare")->UseRealTime();

void StartEqualWork(benchmark::State& state) {
  const auto pool = MakeEqualWorkPool();
  std::vector<std::future<absl::StatusOr<std::int64_t>>> futures(kOutstanding);
  for (auto _ : state) {
    for (auto& future : futures) future = pool->Start(kAddOne.name(), 1);
    for (auto& future : futures) benchmark::DoNotOptimize(future.get());
  }
  state.SetItemsProcessed(state.iterations() * kOutstanding);
}
BENCHMARK(StartEqualWork)->Name("start_1000/mutex_pool_equal_work")->UseRealTime();

void StartEngine(benchmark::State& state) {
  const auto engine = MakeEngine();
  std::vector<Future<std::int64_t>> futures;
  futures.reserve(kOutstanding);
  for (auto _ : state) {
    futures.clear();
    for (int i = 0; i < kOutstanding; ++i) futures.push_back(engine->Start(kAddOne, i));
    for (Future<std::int64_t>& future : futures) {
      if (!std::move(future).Get().ok()) state.SkipWithError("a call was refused");
    }
  }
  state.SetItemsProcessed(state.iterations() * kOutstanding);
}
BENCHMARK(StartEngine)->Name("start_1000/start")->UseRealTime();

// ---- events until all have run ----

void PostPool(benchmark::State& state) {
  MutexPool pool(kWorkers);
  std::atomic<std::int64_t> sum{0};
  for (auto _ : state) {
    for (int i = 0; i < kEvents; ++i) pool.Post([&sum, i] { benchmark::DoNotOptimize(i + 1); });
    pool.WaitIdle();
  }
  state.SetItemsProcessed(state.iterations() * kEvents);
}
BENCHMARK(PostPool)->Name("post/mutex_pool_bare")->UseRealTime();

void PostEqualWork(benchmark::State& state) {
  const auto pool = MakeEqualWorkPool();
  for (auto _ : state) {
    for (int i = 0; i < kEvents; ++i) pool->Post(kAddOne.name(), i);
    pool->WaitIdle();
  }
  state.SetItemsProcessed(state.iterations() * kEvents);
}
BENCHMARK(PostEqualWork)->Name("post/mutex_pool_equal_work")->UseRealTime();

void PostMany(Engine& engine, int count) {
  for (int i = 0; i < count; ++i) {
    if (!engine.Post(kAddOne, i).ok()) std::abort();
  }
}

void PostEngine(benchmark::State& state) {
  const auto engine = MakeEngine();
  for (auto _ : state) {
    PostMany(*engine, kEvents);
    if (!engine->WaitIdle().ok()) std::abort();
  }
  state.SetItemsProcessed(state.iterations() * kEvents);
}
BENCHMARK(PostEngine)->Name("post/post")->UseRealTime();

void PostEngineBytes(benchmark::State& state) {
  const auto engine = MakeEngine();
  for (auto _ : state) {
    for (int i = 0; i < kEvents; ++i) {
      if (!engine->Post("bytes", "0123456789").ok()) std::abort();
    }
    if (!engine->WaitIdle().ok()) std::abort();
  }
  state.SetItemsProcessed(state.iterations() * kEvents);
}
BENCHMARK(PostEngineBytes)->Name("post/post_bytes")->UseRealTime();

void PostAllEngine(benchmark::State& state) {
  constexpr int kBatch = 10;
  const auto engine = MakeEngine();
  for (auto _ : state) {
    for (int i = 0; i < kEvents; i += kBatch) {
      if (!engine->PostAll(kAddOne, std::vector<std::int64_t>(kBatch, i)).ok()) std::abort();
    }
    if (!engine->WaitIdle().ok()) std::abort();
  }
  state.SetItemsProcessed(state.iterations() * kEvents);
}
BENCHMARK(PostAllEngine)->Name("post/post_all_of_10")->UseRealTime();

void TwoProducersPool(benchmark::State& state) {
  MutexPool pool(kWorkers);
  const auto post = [&] {
    for (int i = 0; i < kEvents; ++i) pool.Post([i] { benchmark::DoNotOptimize(i + 1); });
  };
  for (auto _ : state) {
    std::thread other(post);
    post();
    other.join();
    pool.WaitIdle();
  }
  state.SetItemsProcessed(state.iterations() * kEvents * 2);
}
BENCHMARK(TwoProducersPool)->Name("post/mutex_pool_bare_2_producers")->UseRealTime();

void TwoProducers(benchmark::State& state) {
  const auto engine = MakeEngine();
  for (auto _ : state) {
    std::thread other([&] { PostMany(*engine, kEvents); });
    PostMany(*engine, kEvents);
    other.join();
    if (!engine->WaitIdle().ok()) std::abort();
  }
  state.SetItemsProcessed(state.iterations() * kEvents * 2);
}
BENCHMARK(TwoProducers)->Name("post/post_2_producers")->UseRealTime();

// One thread does all of it: what an event costs without contention and without the kernel.
void PostAndPoll(benchmark::State& state) {
  const auto engine = MakeEngine({.threads = NoThreads{}});
  for (auto _ : state) {
    PostMany(*engine, kEvents);
    while (engine->Poll() != 0) {
    }
  }
  state.SetItemsProcessed(state.iterations() * kEvents);
}
BENCHMARK(PostAndPoll)->Name("post/post_and_poll")->UseRealTime();

// ---- bytes of heap for an event that waits ----

std::size_t HeapInUse() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

void BytesPerWaiting(benchmark::State& state) {
  constexpr int kWaiting = 50'000;
  const auto engine = MakeEngine({.threads = NoThreads{}});
  std::deque<absl::AnyInvocable<void()>> tasks;
  std::size_t event = 0, task = 0;
  for (auto _ : state) {
    const std::size_t before = HeapInUse();
    PostMany(*engine, kWaiting);
    const std::size_t posted = HeapInUse();
    for (int i = 0; i < kWaiting; ++i) tasks.emplace_back([i] { benchmark::DoNotOptimize(i); });
    task = HeapInUse() - posted;
    event = posted - before;
    tasks.clear();
    while (engine->Poll() != 0) {
    }
  }
  state.SetLabel(std::to_string(event / kWaiting) +
                 " bytes; an AnyInvocable in a deque: " + std::to_string(task / kWaiting));
  state.SetItemsProcessed(state.iterations() * kWaiting);
}
BENCHMARK(BytesPerWaiting)->Name("memory/event_that_waits")->Iterations(2)->UseRealTime();

// ---- engines ----

void CreateAndDestroy(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Engine::Create({.threads = NoThreads{}}));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(CreateAndDestroy)->Name("engine/create_and_destroy_without_threads");

void Register10000(benchmark::State& state) {
  constexpr int kFunctions = 10'000;
  std::vector<std::string> names;
  for (int i = 0; i < kFunctions; ++i) names.push_back("function-" + std::to_string(i));
  for (auto _ : state) {
    absl::StatusOr<Engine> engine = Engine::Create({.threads = NoThreads{}});
    for (const std::string& name : names) {
      if (!engine->Register(name, [](std::string_view) {}).ok()) std::abort();
    }
  }
  state.SetItemsProcessed(state.iterations() * kFunctions);
}
BENCHMARK(Register10000)->Name("engine/register_one_of_10000");

}  // namespace
}  // namespace runlet
