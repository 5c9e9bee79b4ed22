// The host's threads instead of the engine's: a pool of the host's own, or no thread at all.
#include <absl/time/clock.h>
#include <fmt/format.h>
#include <runlet/runlet.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "expect.h"

namespace {

inline constexpr runlet::Function<int, int> kSquare{"square"};

void Setup(runlet::Engine& engine) {
  // Fails at its first attempt, so that a retry is seen too.
  const auto square = [](int x, runlet::Context& context) -> absl::StatusOr<int> {
    if (context.type() == runlet::InvocationType::kEvent && context.attempt() == 1)
      return absl::UnavailableError("not yet");
    return x * x;
  };
  ExpectOk(engine.Register(kSquare, square,
                           {.event_invoke = {.retry_policy = runlet::RetryPolicy::Fixed(absl::Milliseconds(20))}}));
}

// What many programs have already. Runs what is left before it goes.
class HostPool {
 public:
  explicit HostPool(int threads) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
  }
  ~HostPool() {
    {
      const std::lock_guard lock(mu_);
      closing_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void Post(std::function<void()> work) {
    {
      const std::lock_guard lock(mu_);
      queue_.push_back(std::move(work));
    }
    changed_.notify_one();
  }
  bool Owns(std::thread::id id) const {
    return std::any_of(threads_.begin(), threads_.end(), [id](const std::thread& t) { return t.get_id() == id; });
  }

 private:
  void Work() {
    for (std::unique_lock lock(mu_);;) {
      changed_.wait(lock, [this] { return closing_ || !queue_.empty(); });
      if (queue_.empty()) return;
      const std::function<void()> work = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      work();
      lock.lock();
    }
  }

  std::mutex mu_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

void OnAPoolOfTheHosts() {
  HostPool pool(2);  // outlives the engine that posts to it
  absl::StatusOr<runlet::Engine> engine = runlet::Engine::Create(
      {.threads = runlet::HostThreads{[&pool](std::function<void()> work) { pool.Post(std::move(work)); }}});
  ExpectOk(engine.status());
  Setup(*engine);
  ExpectOk(engine->Register("where", [&pool](std::string_view) {
    return pool.Owns(std::this_thread::get_id()) ? "on the pool" : "elsewhere";
  }));

  Expect(engine->Invoke("where", "").value_or("") == "on the pool", "handlers run on the host's threads");
  Expect(engine->Invoke(kSquare, 7).value_or(0) == 49, "Invoke works as ever");
  ExpectOk(engine->PostAll(kSquare, {1, 2, 3, 4}));
  ExpectOk(engine->WaitIdle());
  Expect(engine->Metrics("square")->retries == 4, "every event was tried again");
  fmt::print("host threads: {} invocations of square\n", engine->Metrics("square")->invocations);
}

void OnNoThread() {
  absl::StatusOr<runlet::Engine> engine = runlet::Engine::Create({.threads = runlet::NoThreads{}});
  ExpectOk(engine.status());
  Setup(*engine);

  // A call that waits runs its handler itself, on this thread.
  Expect(engine->Invoke(kSquare, 7).value_or(0) == 49, "Invoke works as ever");

  // Events run in Poll(). A real loop would watch its sockets for as long as NextPoll() says.
  ExpectOk(engine->PostAll(kSquare, {1, 2, 3, 4}));
  int rounds = 0;
  while (!engine->idle()) {
    if (engine->Poll() == 0) absl::SleepFor(std::min(engine->NextPoll(), absl::Seconds(1)));
    ++rounds;
  }
  Expect(engine->Metrics("square")->retries == 4, "every event was tried again");
  fmt::print("no threads: {} invocations of square in {} rounds of the loop\n", engine->Metrics("square")->invocations,
             rounds);
}

}  // namespace

int main() {
  OnAPoolOfTheHosts();
  OnNoThread();
}
