// What Invoke costs where no thread changes hands (RunOn::kCaller): a ladder, each row with one more part of the path,
// from a plain call to all that an invocation can carry. The first row of a group is what the others are compared with.
#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>
#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runlet/runlet.h"

namespace runlet {
namespace {

constexpr Function<std::int64_t, std::int64_t> kAddOne{"add-one"};
constexpr Function<std::int64_t, std::int64_t> kOuter{"outer"};
constexpr Function<std::int64_t, void> kFailing{"failing"};

[[gnu::noinline]] std::int64_t AddOne(std::int64_t n) {
  benchmark::DoNotOptimize(n);
  return n + 1;
}

class CountingObserver final : public Observer {
 public:
  void OnActivity(const Activity&) override { count_.store(count_.load(kRelaxed) + 1, kRelaxed); }

 private:
  static constexpr std::memory_order kRelaxed = std::memory_order_relaxed;
  std::atomic<std::uint64_t> count_{0};
};

class NoInterceptor final : public Interceptor {
 public:
  absl::Status BeforeHandler(Context&) override { return absl::OkStatus(); }
};

class PlainSteadyClock final : public Clock {
 public:
  Instant Now() const override {
    return {std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1)};
  }
  absl::Time Calendar() const override { return absl::Now(); }
};

// The threads are the pool's as in production; a call in caller mode never meets them.
Engine MakeEngine(EngineOptions options = {}, FunctionConfig config = {}) {
  absl::StatusOr<Engine> engine = Engine::Create(std::move(options));
  config.run_on = RunOn::kCaller;
  if (!engine.ok() || !engine
                           ->Register(
                               kAddOne, [](std::int64_t n) { return AddOne(n); }, config)
                           .ok())
    std::abort();
  return *std::move(engine);
}

template <typename Call>
void Measure(benchmark::State& state, Call call) {
  std::int64_t n = 0;
  for (auto _ : state) n = call(n);
  benchmark::DoNotOptimize(n);
  state.SetItemsProcessed(state.iterations());
}

// ---- caller: without an engine ----

void AnyInvocable(benchmark::State& state) {
  absl::AnyInvocable<std::int64_t(std::int64_t) const> f = [](std::int64_t n) { return AddOne(n); };
  benchmark::DoNotOptimize(f);
  Measure(state, [&](std::int64_t n) { return f(n); });
}
BENCHMARK(AnyInvocable)->Name("caller/any_invocable");

void DirectCall(benchmark::State& state) { Measure(state, &AddOne); }
BENCHMARK(DirectCall)->Name("caller/direct_call");

void FunctionPointer(benchmark::State& state) {
  std::int64_t (*f)(std::int64_t) = &AddOne;
  benchmark::DoNotOptimize(f);
  Measure(state, [&](std::int64_t n) { return f(n); });
}
BENCHMARK(FunctionPointer)->Name("caller/function_pointer");

// With the try block, the result's storage and a Status.
void ErasedHandler(benchmark::State& state) {
  struct Port final : ContextPort {
    void Log(const Invocation&, std::string_view) override {}
    void SleepUntil(Instant, const std::atomic<std::uint32_t>&) override {}
    std::unique_ptr<ResponseStream> OpenStream(const Invocation&, std::string_view) override { return nullptr; }
    void OnForcedUnwind() override {}
  } port;
  const Handler handler = Handler::Make<std::int64_t, std::int64_t>([](std::int64_t n) { return AddOne(n); });
  const Invocation invocation;
  const std::atomic<std::uint32_t> stop{0};
  Context context(invocation, SystemClock(), stop, port);
  Measure(state, [&](std::int64_t n) {
    std::int64_t result = 0;
    if (!handler.Call({&n, true, context, &result}).ok()) std::abort();
    return result;
  });
}
BENCHMARK(ErasedHandler)->Name("caller/erased_handler");

// ---- caller: with the engine ----

void ByHandle(benchmark::State& state) {
  Engine engine = MakeEngine();
  const auto add_one = engine.Bind(kAddOne).value();
  Measure(state, [&](std::int64_t n) { return *add_one.Invoke(n); });
}
BENCHMARK(ByHandle)->Name("caller/by_handle");

void ByName(benchmark::State& state) {
  Engine engine = MakeEngine();
  Measure(state, [&](std::int64_t n) { return *engine.Invoke(kAddOne, n); });
}
BENCHMARK(ByName)->Name("caller/by_name");

void ByNameAmong10000(benchmark::State& state) {
  Engine engine = MakeEngine();
  std::vector<std::string> names;
  for (int i = 0; i < 10'000; ++i) {
    names.push_back("function-" + std::to_string(i));
    if (!engine.Register(names.back(), [](std::string_view) { return std::string(); }).ok()) std::abort();
  }
  Measure(state, [&](std::int64_t n) { return *engine.Invoke(kAddOne, n); });
}
BENCHMARK(ByNameAmong10000)->Name("caller/by_name_among_10000");

void WithObserver(benchmark::State& state) {
  CountingObserver observer;
  Engine engine = MakeEngine({.observer = &observer});
  Measure(state, [&](std::int64_t n) { return *engine.Invoke(kAddOne, n); });
}
BENCHMARK(WithObserver)->Name("caller/by_name_observer");

void WithInterceptor(benchmark::State& state) {
  NoInterceptor interceptor;
  Engine engine = MakeEngine({.interceptor = &interceptor});
  Measure(state, [&](std::int64_t n) { return *engine.Invoke(kAddOne, n); });
}
BENCHMARK(WithInterceptor)->Name("caller/by_name_interceptor");

void WithReservedConcurrency(benchmark::State& state) {
  Engine engine = MakeEngine({}, {.reserved_concurrency = 4});
  Measure(state, [&](std::int64_t n) { return *engine.Invoke(kAddOne, n); });
}
BENCHMARK(WithReservedConcurrency)->Name("caller/by_name_reserved");

void WithSteadyClock(benchmark::State& state) {
  const PlainSteadyClock clock;
  Engine engine = MakeEngine({.clock = &clock});
  Measure(state, [&](std::int64_t n) { return *engine.Invoke(kAddOne, n); });
}
BENCHMARK(WithSteadyClock)->Name("caller/by_name_steady_clock");

// Two invocations: the inner one is made by the handler of the outer one.
void Nested(benchmark::State& state) {
  Engine engine = MakeEngine();
  const FunctionConfig config = {.run_on = RunOn::kCaller};
  if (!engine
           .Register(
               kOuter, [&](std::int64_t n) { return engine.Invoke(kAddOne, n); }, config)
           .ok())
    std::abort();
  Measure(state, [&](std::int64_t n) { return *engine.Invoke(kOuter, n); });
}
BENCHMARK(Nested)->Name("caller/by_name_nested_in_another");

void Bytes(benchmark::State& state) {
  Engine engine = MakeEngine();
  const FunctionConfig config = {.run_on = RunOn::kCaller};
  if (!engine
           .Register(
               "echo", [](std::string_view text) { return text; }, config)
           .ok())
    std::abort();
  for (auto _ : state) benchmark::DoNotOptimize(engine.Invoke("echo", "0123456789"));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(Bytes)->Name("caller/bytes_by_name");

// Two threads, one function. Time is per call and thread.
void TwoCallers(benchmark::State& state) {
  static Engine* engine = nullptr;
  if (state.thread_index() == 0) engine = new Engine(MakeEngine());
  std::int64_t n = 0;
  for (auto _ : state) n = *engine->Invoke(kAddOne, n);
  benchmark::DoNotOptimize(n);
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) delete engine;
}
BENCHMARK(TwoCallers)->Name("caller/by_name")->Threads(2)->UseRealTime();

// ---- errors ----

void RawThrow(benchmark::State& state) {
  for (auto _ : state) {
    try {
      throw std::runtime_error("no such file");
    } catch (const std::exception&) {
      benchmark::DoNotOptimize(std::current_exception());
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(RawThrow)->Name("error/raw_throw_and_current_exception");

template <typename F>
void Failing(benchmark::State& state, F handler) {
  Engine engine = MakeEngine();
  if (!engine.Register(kFailing, handler, {.run_on = RunOn::kCaller}).ok()) std::abort();
  for (auto _ : state) benchmark::DoNotOptimize(engine.Invoke(kFailing, 1));
  state.SetItemsProcessed(state.iterations());
}
void Thrown(benchmark::State& state) {
  Failing(state, [](std::int64_t) { throw std::runtime_error("no such file"); });
}
BENCHMARK(Thrown)->Name("error/thrown");

void RawStatus(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(absl::NotFoundError("no such file"));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(RawStatus)->Name("error/raw_status");
void ReturnedStatus(benchmark::State& state) {
  Failing(state, [](std::int64_t) { return absl::NotFoundError("no such file"); });
}
BENCHMARK(ReturnedStatus)->Name("error/returned_status");

// A refusal: the function has no capacity at all.
void Refused(benchmark::State& state) {
  Engine engine = MakeEngine({}, {.reserved_concurrency = 0});
  for (auto _ : state) benchmark::DoNotOptimize(engine.Invoke(kAddOne, 1));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(Refused)->Name("error/refused");

}  // namespace
}  // namespace runlet
