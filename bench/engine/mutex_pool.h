// The baseline: the thread pool that one writes in an hour.
#ifndef RUNLET_BENCH_ENGINE_MUTEX_POOL_H_
#define RUNLET_BENCH_ENGINE_MUTEX_POOL_H_

#include <absl/container/flat_hash_map.h>
#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>

#include <array>
#include <atomic>
#include <bit>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "runlet/base/random.h"
#include "runlet/base/time.h"

namespace runlet::bench {

// Threads, one lock, one condition variable, one deque. Knows nothing of what it runs.
class MutexPool {
 public:
  explicit MutexPool(int threads) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Loop(); });
  }
  ~MutexPool() {
    {
      std::lock_guard lock(mu_);
      stopped_ = true;
    }
    work_or_end_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void Post(absl::AnyInvocable<void()> task) {
    {
      std::lock_guard lock(mu_);
      tasks_.push_back(std::move(task));
      ++unfinished_;
    }
    work_or_end_.notify_one();
  }

  void WaitIdle() {
    std::unique_lock lock(mu_);
    idle_.wait(lock, [this] { return unfinished_ == 0; });
  }

 private:
  void Loop() {
    std::unique_lock lock(mu_);
    for (;;) {
      work_or_end_.wait(lock, [this] { return stopped_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      {
        absl::AnyInvocable<void()> task = std::move(tasks_.front());
        tasks_.pop_front();
        lock.unlock();
        task();
      }
      lock.lock();
      if (--unfinished_ == 0) idle_.notify_all();
    }
  }

  std::mutex mu_;
  std::condition_variable work_or_end_;
  std::condition_variable idle_;
  std::deque<absl::AnyInvocable<void()>> tasks_;
  std::size_t unfinished_ = 0;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

// The same pool with what an invocation of the engine's does beside running: look-up by name, id, deadline, permit,
// two clock readings, metering, errors caught, a result. No retries, no time-outs, no observer, no drain.
class EqualWorkPool {
 public:
  using Handler = std::function<absl::StatusOr<std::int64_t>(std::int64_t)>;

  EqualWorkPool(int threads, int concurrency) : free_(concurrency), pool_(threads) {}

  void Register(std::string name, Handler handler) {
    functions_.emplace(std::move(name), std::make_unique<Function>(std::move(handler)));
  }

  bool Post(std::string_view name, std::int64_t event) {
    Function* const function = Find(name);
    if (function == nullptr) return false;
    pool_.Post([this, call = NewCall(*function, event)] {
      if (TakePermit()) (void)Run(call);
    });
    return true;
  }

  std::future<absl::StatusOr<std::int64_t>> Start(std::string_view name, std::int64_t event) {
    std::promise<absl::StatusOr<std::int64_t>> promise;
    auto future = promise.get_future();
    Function* const function = Find(name);
    if (function == nullptr || !TakePermit()) {
      promise.set_value(absl::ResourceExhaustedError("no"));
      return future;
    }
    pool_.Post([this, call = NewCall(*function, event), promise = std::move(promise)]() mutable {
      promise.set_value(Run(call));
    });
    return future;
  }

  void WaitIdle() { pool_.WaitIdle(); }

 private:
  struct Function {
    explicit Function(Handler its_handler) : handler(std::move(its_handler)) {}
    const Handler handler;
    std::atomic<std::uint64_t> invocations{0}, errors{0}, total_ns{0};
    std::array<std::atomic<std::uint64_t>, 64> durations{};
  };
  struct Call {
    Function* function;
    std::uint64_t id[2];
    Instant deadline;
    std::int64_t event;
  };

  Function* Find(std::string_view name) {
    const auto found = functions_.find(absl::string_view(name.data(), name.size()));
    return found == functions_.end() ? nullptr : found->second.get();
  }
  Call NewCall(Function& function, std::int64_t event) {
    thread_local Random random(RandomSeed());
    return {&function, {random.Next(), random.Next()}, clock_.Now().After(3'000'000'000), event};
  }
  bool TakePermit() {
    if (free_.fetch_sub(1) > 0) return true;
    free_.fetch_add(1);
    return false;
  }
  absl::StatusOr<std::int64_t> Run(const Call& call) {
    const Instant started = clock_.Now();
    absl::StatusOr<std::int64_t> result = absl::DeadlineExceededError("late");
    if (started < call.deadline) {
      try {
        result = call.function->handler(call.event);
      } catch (const std::exception& e) {
        result = absl::UnknownError(e.what());
      }
    }
    const auto took = static_cast<std::uint64_t>(clock_.Now().Since(started));
    call.function->invocations.fetch_add(1, std::memory_order_relaxed);
    call.function->total_ns.fetch_add(took, std::memory_order_relaxed);
    call.function->durations[static_cast<std::size_t>(std::bit_width(took))].fetch_add(1, std::memory_order_relaxed);
    if (!result.ok()) call.function->errors.fetch_add(1, std::memory_order_relaxed);
    free_.fetch_add(1);
    return result;
  }

  const Clock& clock_ = SystemClock();
  std::atomic<int> free_;
  absl::flat_hash_map<std::string, std::unique_ptr<Function>> functions_;
  MutexPool pool_;  // last: its threads use the rest
};

}  // namespace runlet::bench

#endif  // RUNLET_BENCH_ENGINE_MUTEX_POOL_H_
