// What only real threads can show. Each test waits on events, never on durations.
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "runlet/base/sync.h"
#include "runlet/runlet.h"
#include "tests/catch.h"

namespace runlet {
namespace {

// Opened once; whoever waits goes on then.
class Gate {
 public:
  void Open() {
    MutexLock lock(&mu_);
    open_ = true;
    opened_.NotifyAll();
  }
  void Wait() {
    MutexLock lock(&mu_);
    while (!open_) opened_.Wait(&mu_);
  }

 private:
  Mutex mu_;
  CondVar opened_;
  bool open_ RUNLET_GUARDED_BY(mu_) = false;
};

constexpr absl::Duration kShort = absl::Milliseconds(5);

TEST_CASE("promise 6: the caller is released at the deadline while the handler hangs, and the late result is dropped",
          "[realtime]") {
  Gate gate;
  Engine engine;
  const auto hang = [&](std::string_view) {
    gate.Wait();
    return "late";
  };
  REQUIRE(engine.Register("hang", hang, {.timeout = kShort}).ok());

  const absl::StatusOr<std::string> answer = engine.Invoke("hang", "{}");
  REQUIRE(FunctionErrorOf(answer.status()).has_value());
  CHECK(FunctionErrorOf(answer.status())->type == "Sandbox.Timedout");
  CHECK(engine.abandoned() == 1);

  gate.Open();
  while (engine.abandoned() != 0) std::this_thread::yield();
  CHECK(engine.Metrics("hang")->late_results == 1);
  CHECK(engine.Metrics("hang")->timeouts == 1);
}

TEST_CASE("a thread that is stuck is replaced, so that a pool of one goes on", "[realtime]") {
  Gate gate;
  Engine engine = *Engine::Create({.threads = OwnThreads{.max_threads = 1}});
  REQUIRE(engine.Register("hang", [&](std::string_view) { gate.Wait(); }, {.timeout = kShort}).ok());
  REQUIRE(engine.Register("echo", [](std::string_view event) { return std::string(event); }).ok());

  CHECK_FALSE(engine.Invoke("hang", "{}").ok());
  CHECK(engine.Invoke("echo", "still here").value() == "still here");
  gate.Open();
}

TEST_CASE("an engine that is destroyed under a stuck handler leaves alive what the handler touches", "[realtime]") {
  Gate gate, done;
  {
    Engine engine = *Engine::Create({.destroy_grace = absl::ZeroDuration()});
    const auto hang = [&](std::string_view, Context& context) {
      gate.Wait();
      // The context, the engine's clock and the event are used after the engine is gone.
      const bool stop = context.stop_requested();
      done.Open();
      return stop ? "stopped" : "not stopped";
    };
    REQUIRE(engine.Register("hang", hang, {.timeout = kShort}).ok());
    CHECK_FALSE(engine.Invoke("hang", "{}").ok());
  }
  gate.Open();
  done.Wait();
}

TEST_CASE("nested calls need one thread only, sixteen deep", "[realtime]") {
  Engine engine = *Engine::Create({.concurrency = 1, .threads = OwnThreads{.max_threads = 1}});
  const auto descend = [&](std::string_view event) -> absl::StatusOr<std::string> {
    const int depth = std::stoi(std::string(event));
    if (depth == 1) return "bottom";
    return engine.Invoke("descend", std::to_string(depth - 1));
  };
  REQUIRE(engine.Register("descend", descend).ok());
  CHECK(engine.Invoke("descend", "16").value() == "bottom");
  CHECK_FALSE(engine.Invoke("descend", "17").ok());
}

TEST_CASE("a handler on the only thread gets what it has started", "[realtime]") {
  Engine engine = *Engine::Create({.threads = OwnThreads{.max_threads = 1}});
  REQUIRE(engine.Register("leaf", [](std::string_view event) { return std::string(event); }).ok());
  const auto root = [&](std::string_view) -> absl::StatusOr<std::string> { return engine.Start("leaf", "leaf").Get(); };
  REQUIRE(engine.Register("root", root).ok());
  CHECK(engine.Invoke("root", "{}").value() == "leaf");
}

TEST_CASE("events of two producers all end, and each runs once", "[realtime]") {
  constexpr int kEach = 20'000;
  Engine engine;
  std::atomic<int> runs{0};
  REQUIRE(engine.Register("count", [&](std::string_view) { runs.fetch_add(1); }).ok());
  const auto produce = [&] {
    for (int i = 0; i < kEach; ++i) {
      while (!engine.Post("count", "{}").ok()) std::this_thread::yield();
    }
  };
  std::thread other(produce);
  produce();
  other.join();

  REQUIRE(engine.WaitIdle().ok());
  CHECK(runs.load() == 2 * kEach);
  CHECK(engine.queue_stats().accepted == 2 * kEach);
  CHECK(engine.queue_stats().ended == 2 * kEach);
}

// Two threads of the host's, which know nothing of runlet.
class HostPool {
 public:
  HostPool() {
    for (int i = 0; i < 2; ++i) threads_.emplace_back([this] { Loop(); });
  }
  ~HostPool() {
    {
      MutexLock lock(&mu_);
      closed_ = true;
      changed_.NotifyAll();
    }
    for (std::thread& thread : threads_) thread.join();
  }
  void Post(std::function<void()> task) {
    MutexLock lock(&mu_);
    tasks_.push_back(std::move(task));
    changed_.NotifyAll();
  }

 private:
  void Loop() {
    for (;;) {
      std::function<void()> task;
      {
        MutexLock lock(&mu_);
        while (tasks_.empty() && !closed_) changed_.Wait(&mu_);
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

  Mutex mu_;
  CondVar changed_;
  std::deque<std::function<void()>> tasks_ RUNLET_GUARDED_BY(mu_);
  bool closed_ RUNLET_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

TEST_CASE("on the host's threads calls are answered, events end, and the host may outlive the engine", "[realtime]") {
  HostPool pool;
  std::atomic<int> runs{0};
  {
    Engine engine =
        *Engine::Create({.threads = HostThreads{[&](std::function<void()> task) { pool.Post(std::move(task)); }}});
    REQUIRE(engine.Register("count", [&](std::string_view) { return std::to_string(runs.fetch_add(1)); }).ok());
    CHECK(engine.Invoke("count", "{}").ok());
    CHECK(engine.Start("count", "{}").Get().ok());
    for (int i = 0; i < 100; ++i) REQUIRE(engine.Post("count", "{}").ok());
    REQUIRE(engine.WaitIdle().ok());
  }
  CHECK(runs.load() == 102);
}

TEST_CASE("a call that races a drain is answered or refused, and what was accepted is accounted for", "[realtime]") {
  for (int round = 0; round < 20; ++round) {
    std::atomic<std::uint64_t> parked{0};
    Engine engine = *Engine::Create({.on_parked = [&](const DeadLetter&) { parked.fetch_add(1); }});
    REQUIRE(engine.Register("echo", [](std::string_view event) { return std::string(event); }).ok());
    std::atomic<std::uint64_t> accepted{0};
    std::vector<std::thread> callers;
    for (int i = 0; i < 2; ++i) {
      callers.emplace_back([&] {
        for (;;) {
          const absl::StatusOr<std::string> answer = engine.Invoke("echo", "x");
          const bool posted = engine.Post("echo", "x").ok();
          if (posted) accepted.fetch_add(1);
          if (!answer.ok() && !posted) return;
        }
      });
    }
    while (accepted.load() < 10) std::this_thread::yield();
    const DrainReport report = engine.Drain(absl::ZeroDuration(), absl::Seconds(10));
    for (std::thread& caller : callers) caller.join();
    const QueueStats stats = engine.queue_stats();
    CHECK(stats.accepted == accepted.load());
    CHECK(stats.ended == stats.accepted);
    CHECK(report.parked == parked.load());
    CHECK(report.abandoned == 0);
  }
}

TEST_CASE("a forked child is told so at once, and ends without waiting for threads that it does not have",
          "[realtime]") {
  Engine engine;
  REQUIRE(engine.Register("echo", [](std::string_view event) { return std::string(event); }).ok());
  REQUIRE(engine.Invoke("echo", "x").ok());  // so that there are threads

  const pid_t child = fork();
  if (child == 0) {
    const bool told = absl::IsFailedPrecondition(engine.Invoke("echo", "x").status()) &&
                      absl::IsFailedPrecondition(engine.Post("echo", "x").status()) &&
                      absl::IsFailedPrecondition(engine.WaitIdle());
    { const Engine inherited = std::move(engine); }
    _exit(told ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a function may be replaced and removed while others call it", "[realtime]") {
  Engine engine;
  const auto answer = [](std::string_view) { return std::string("answer"); };
  REQUIRE(engine.Register("changing", answer, {.run_on = RunOn::kCaller}).ok());
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::thread caller([&] {
    while (!stop.load()) {
      const absl::StatusOr<std::string> got = engine.Invoke("changing", "{}");
      if (got.ok() ? *got != "answer" : !absl::IsNotFound(got.status())) wrong.fetch_add(1);
    }
  });
  for (int i = 0; i < 500; ++i) {
    REQUIRE(engine
                .Replace("changing", [text = std::string("answer")](std::string_view) { return text; },
                         {.run_on = RunOn::kCaller})
                .ok());
    if (i % 10 != 0) continue;
    REQUIRE(engine.Remove("changing").ok());
    REQUIRE(engine.Register("changing", answer, {.run_on = RunOn::kCaller}).ok());
  }
  stop.store(true);
  caller.join();
  CHECK(wrong.load() == 0);
}

#if defined(__cpp_exceptions)
TEST_CASE("a handler that ends its thread fails alone: its call is answered and the pool goes on", "[realtime]") {
  Engine engine = *Engine::Create({.threads = OwnThreads{.max_threads = 1}});
  REQUIRE(engine.Register("exit", [](std::string_view) -> std::string { pthread_exit(nullptr); }).ok());
  REQUIRE(engine.Register("echo", [](std::string_view event) { return std::string(event); }).ok());
  for (int i = 0; i < 20; ++i) {
    const absl::StatusOr<std::string> answer = engine.Invoke("exit", "{}");
    REQUIRE(FunctionErrorOf(answer.status()).has_value());
    CHECK(FunctionErrorOf(answer.status())->type == "Runtime.ExitError");
    CHECK(engine.Invoke("echo", "x").ok());
  }
}
#endif

}  // namespace
}  // namespace runlet
