// The engine on real threads. No test here needs time to pass; each waits for what must happen.
#include <absl/status/status.h>
#include <absl/time/time.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "runlet/runlet.h"
#include "tests/capacity/latch.h"
#include "tests/catch.h"

namespace runlet {
namespace {

// Ends the thread that encodes it.
struct Ends {};

}  // namespace

template <>
struct Codec<Ends> {
  static absl::StatusOr<std::string> Encode(const Ends&) { pthread_exit(nullptr); }
  static absl::StatusOr<Ends> Decode(std::string_view) { return Ends{}; }
};

namespace {

// Where it says "end", it ends the thread that encodes or decodes it.
struct Hostile {
  std::string text;
};

}  // namespace

template <>
struct Codec<Hostile> {
  static absl::StatusOr<std::string> Encode(const Hostile& value) { return Pass(value.text); }
  static absl::StatusOr<Hostile> Decode(std::string_view bytes) { return Hostile{Pass(bytes)}; }
  static std::string Pass(std::string_view text) {
    if (text == "end") pthread_exit(nullptr);
    return std::string(text);
  }
};

namespace {

struct In {
  int value = 0;
};
inline constexpr Function<In, int> kNumber{"number"};
[[maybe_unused]] inline constexpr Function<std::string, Ends> kEnds{"ends"};
[[maybe_unused]] inline constexpr Function<Hostile> kHostile{"hostile"};
[[maybe_unused]] inline constexpr Function<Hostile> kHarmless{"harmless"};

Engine Make(EngineOptions options) { return Engine::Create(std::move(options)).value(); }

std::string TypeOfError(const absl::Status& status) {
  return FunctionErrorOf(status).value_or(FunctionError{"none", ""}).type;
}

// Says so when it is destroyed: what a handler has captured lives as long as its code.
std::shared_ptr<void> Tells(Counter& gone) {
  return std::shared_ptr<void>(nullptr, [&gone](std::nullptr_t) { gone.Add(); });
}

// A host's pool of threads, for HostThreads.
class HostPool {
 public:
  explicit HostPool(int threads) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Loop(); });
  }
  ~HostPool() {
    {
      MutexLock lock(&mu_);
      stopped_ = true;
      changed_.NotifyAll();
    }
    for (std::thread& thread : threads_) thread.join();
  }
  HostThreads threads() {
    return {[this](std::function<void()> work) {
      MutexLock lock(&mu_);
      work_.push_back(std::move(work));
      changed_.NotifyOne();
    }};
  }

 private:
  void Loop() {
    for (;;) {
      std::function<void()> work;
      {
        MutexLock lock(&mu_);
        while (work_.empty() && !stopped_) changed_.Wait(&mu_);
        if (work_.empty()) return;
        work = std::move(work_.front());
        work_.pop_front();
      }
      work();
    }
  }

  Mutex mu_;
  CondVar changed_;
  std::deque<std::function<void()>> work_ RUNLET_GUARDED_BY(mu_);
  bool stopped_ RUNLET_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

// ---- the end of an engine with stuck threads ----

TEST_CASE("an engine ends though a call is stuck, and what that call touches lives on") {
  Latch in, go_on;
  Counter gone, logged;
  {
    Engine engine =
        Make({.destroy_grace = absl::ZeroDuration(), .log = [&](const Invocation& invocation, std::string_view) {
                if (invocation.function_name == "stuck") logged.Add();
              }});
    const auto stuck = [&, captured = Tells(gone)](std::string_view event, Context& context) {
      in.Open();
      go_on.Wait();
      context.Log("late");
      return std::string(event) + context.request_id().ToString() + (context.stop_requested() ? "stop" : "go on");
    };
    REQUIRE(engine.Register("stuck", stuck).ok());
    Future<std::string> future = engine.Start("stuck", "event");
    in.Wait();
  }
  CHECK(gone.count() == 0);
  go_on.Open();
  gone.AwaitAtLeast(1);
  CHECK(logged.count() == 1);
}

TEST_CASE("an engine ends though an event is stuck, and what that event touches lives on") {
  Latch in, go_on;
  Counter gone, parked;
  {
    Engine engine =
        Make({.destroy_grace = absl::ZeroDuration(), .on_parked = [&](const DeadLetter&) { parked.Add(); }});
    const auto stuck = [&, captured = Tells(gone)](std::string_view event, Context& context) {
      in.Open();
      go_on.Wait();
      context.Log("late");
      return std::string(event);
    };
    REQUIRE(engine.Register("stuck", stuck).ok());
    REQUIRE(engine.Post("stuck", std::string(1000, 'x')).ok());
    in.Wait();
  }
  CHECK(parked.count() == 1);
  CHECK(gone.count() == 0);
  go_on.Open();
  gone.AwaitAtLeast(1);
}

TEST_CASE("an engine on the host's threads ends though a call and an event are stuck, and what they touch lives on") {
  HostPool host(2);
  Counter in, gone;
  Latch go_on;
  {
    Engine engine = Make({.threads = host.threads(), .destroy_grace = absl::ZeroDuration()});
    const auto stuck = [&, captured = Tells(gone)](std::string_view event, Context& context) {
      in.Add();
      go_on.Wait();
      context.Log("late");
      return std::string(event);
    };
    REQUIRE(engine.Register("stuck", stuck).ok());
    REQUIRE(engine.Post("stuck", "event").ok());
    Future<std::string> future = engine.Start("stuck", "call");
    in.AwaitAtLeast(2);
  }
  CHECK(gone.count() == 0);
  go_on.Open();
  gone.AwaitAtLeast(1);
}

TEST_CASE("an engine is seen into while every one of its threads hangs") {
  Latch go_on;
  Counter in;
  Engine engine = Make({.threads = OwnThreads{.max_threads = 2}});
  const auto hang = [&](std::string_view) {
    in.Add();
    go_on.Wait();
  };
  REQUIRE(engine.Register("hang", hang, {.timeout = absl::Minutes(5)}).ok());
  std::vector<RequestId> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(engine.Post("hang", "{}").value());
  in.AwaitAtLeast(2);
  const Inspection seen = engine.Inspect();
  CHECK(seen.running.size() == 2);
  CHECK(seen.threads == 2);
  int running = 0;
  for (const RequestId& id : ids) {
    running += engine.Explain(id).value().state == Explanation::State::kRunning ? 1 : 0;
  }
  CHECK(running == 2);
  go_on.Open();
  CHECK(engine.WaitIdle().ok());
}

TEST_CASE("a drain says how many threads it has left behind") {
  Latch go_on;
  Counter in, gone;
  {
    Engine engine = Make({});
    const auto stuck = [&, captured = Tells(gone)](std::string_view) {
      in.Add();
      go_on.Wait();
    };
    REQUIRE(engine.Register("stuck", stuck).ok());
    Future<std::string> first = engine.Start("stuck", "");
    in.AwaitAtLeast(1);
    const DrainReport report = engine.Drain(absl::ZeroDuration(), absl::ZeroDuration());
    CHECK(report.abandoned == 1);
    // The caller is not left behind.
    CHECK(TypeOfError(std::move(first).Get().status()) == "Runtime.ExitError");
    CHECK(Reason(engine.Invoke("stuck", "").status()) == reason::kEngineClosed);
  }
  go_on.Open();
  gone.AwaitAtLeast(1);
}

TEST_CASE("a handler that sleeps or waits is woken by Cancel, and by the end of the engine") {
  Latch in, also_in;
  std::atomic<StopReason> reason{StopReason::kNone};
  Engine engine = Make({});
  const auto sleep = [&](std::string_view event, Context& context) -> absl::StatusOr<std::string> {
    (event == "cancelled" ? in : also_in).Open();
    while (context.Sleep(absl::Hours(1))) {
    }
    reason = context.stop_reason();
    return "stopped";
  };
  REQUIRE(engine.Register("sleep", sleep, {.timeout = absl::Minutes(15)}).ok());
  Future<std::string> future = engine.Start("sleep", "cancelled");
  in.Wait();
  future.Cancel();
  CHECK(std::move(future).Get().value() == "stopped");
  CHECK(reason == StopReason::kCaller);

  Future<std::string> other = engine.Start("sleep", "drained");
  also_in.Wait();
  const DrainReport report = engine.Drain(absl::ZeroDuration(), absl::Minutes(10));
  CHECK(report.abandoned == 0);
  CHECK(std::move(other).Get().value() == "stopped");
  CHECK(reason == StopReason::kDrain);
}

// ---- futures and engines ----

TEST_CASE("a future outlives its engine, with the result or with the refusal") {
  // Shared with the handler that the engine leaves behind.
  const auto in = std::make_shared<Latch>(), go_on = std::make_shared<Latch>();
  std::optional<Future<std::string>> ended, dropped, stuck;
  {
    Engine engine = Make({.threads = OwnThreads{.max_threads = 1}, .destroy_grace = absl::ZeroDuration()});
    REQUIRE(engine.Register("echo", [](std::string_view event) { return std::string(event); }).ok());
    REQUIRE(engine
                .Register("stuck",
                          [in, go_on](std::string_view) {
                            in->Open();
                            go_on->Wait();
                          })
                .ok());
    ended = engine.Start("echo", "done");
    REQUIRE(ended->WaitUntil(absl::InfiniteFuture()));
    stuck = engine.Start("stuck", "");
    in->Wait();
    dropped = engine.Start("echo", "never run");
  }
  CHECK(std::move(*ended).Get().value() == "done");
  CHECK(Reason(std::move(*dropped).Get().status()) == reason::kEngineClosed);
  CHECK(TypeOfError(std::move(*stuck).Get().status()) == "Runtime.ExitError");
  go_on->Open();
}

TEST_CASE("a future that nobody waits for neither holds up nor outlives anything") {
  Counter ran, gone;
  {
    Engine engine;
    REQUIRE(engine.Register("count", [&, captured = Tells(gone)](std::string_view) { ran.Add(); }).ok());
    for (int i = 0; i < 100; ++i) (void)engine.Start("count", "");
    CHECK(engine.WaitIdle().ok());
    CHECK(ran.count() == 100);
  }
  CHECK(gone.count() == 1);
}

TEST_CASE("an engine that is moved works on") {
  Engine first;
  REQUIRE(first.Register("echo", [](std::string_view event) { return std::string(event); }).ok());
  Future<std::string> future = first.Start("echo", "1");
  Engine second = std::move(first);
  CHECK(std::move(future).Get().value() == "1");
  CHECK(second.Invoke("echo", "2").value() == "2");
}

// ---- handlers that end their thread, and handlers that throw ----

#if defined(__cpp_exceptions)
TEST_CASE("a handler that ends its thread is an error for the caller, and costs the pool no thread") {
  Engine engine = Make({.threads = OwnThreads{.max_threads = 1}});
  REQUIRE(engine.Register("leave", [](std::string_view) { pthread_exit(nullptr); }).ok());
  REQUIRE(engine.Register("echo", [](std::string_view event) { return std::string(event); }).ok());
  for (int i = 0; i < 1'000; ++i) CHECK(TypeOfError(engine.Invoke("leave", "").status()) == "Runtime.ExitError");
  CHECK(engine.Invoke("echo", "still here").value() == "still here");
  CHECK(engine.WaitIdle().ok());
  CHECK(engine.Metrics("leave")->errors == 1'000);
  CHECK(engine.Drain(absl::ZeroDuration(), absl::Minutes(1)).abandoned == 0);
}

TEST_CASE("a codec that ends its thread is an error for the caller, as a handler that does") {
  Engine engine = Make({.threads = OwnThreads{.max_threads = 1}});
  REQUIRE(engine.Register(kEnds, [](const std::string&) { return Ends{}; }).ok());
  for (int i = 0; i < 100; ++i) CHECK(TypeOfError(engine.Invoke("ends", "").status()) == "Runtime.ExitError");
  CHECK(engine.WaitIdle().ok());
  CHECK(engine.Drain(absl::ZeroDuration(), absl::Minutes(1)).abandoned == 0);
}

TEST_CASE("a codec that ends its caller's thread leaves nothing behind") {
  Engine engine = Make({.concurrency = 1});
  const FunctionConfig config{.run_on = RunOn::kCaller};
  Counter gone;
  REQUIRE(engine
              .Register(
                  kHostile, [tells = Tells(gone)](const Hostile&) {}, config)
              .ok());
  for (int i = 0; i < 10; ++i) {
    std::thread caller([&] {
      (void)engine.Invoke("hostile", "end");
      FAIL("the thread went on");
    });
    caller.join();
  }
  CHECK(engine.Invoke("hostile", "go on").ok());
  REQUIRE(engine
              .Replace(
                  kHostile, [](const Hostile&) {}, config)
              .ok());
  CHECK(gone.count() == 1);  // no thread that has ended still protects the code
}

TEST_CASE("an event whose codec ends the thread ends as undecodable, and the events behind it run") {
  Engine engine = Make({.concurrency = 1, .threads = OwnThreads{.max_threads = 1}});
  Latch in, go_on;
  std::atomic<int> runs{0};
  const auto busy = [&](std::string_view) {
    in.Open();
    go_on.Wait();
  };
  REQUIRE(engine.Register("busy", busy).ok());
  REQUIRE(engine.Register("hostile", [](std::string_view) {}).ok());
  REQUIRE(engine.Register(kHarmless, [](const Hostile&) {}).ok());
  REQUIRE(engine.Post("busy", "").ok());
  in.Wait();
  for (const char* text : {"end", "go on", "end", "go on"}) {
    REQUIRE(engine.Post("hostile", text).ok());
    REQUIRE(engine.Post(kHarmless, Hostile{text}).ok());
  }
  // The one is decoded, the other encoded, when its turn comes.
  REQUIRE(engine.Replace(kHostile, [&](const Hostile&) { ++runs; }).ok());
  REQUIRE(engine.Replace("harmless", [&](std::string_view) { ++runs; }).ok());
  go_on.Open();
  CHECK(engine.WaitIdle().ok());
  CHECK(runs == 4);
  const std::vector<DeadLetter> letters = engine.dead_letters().List();
  CHECK(letters.size() == 4);
  for (const DeadLetter& letter : letters) CHECK(letter.condition == Condition::kUndecodable);
  CHECK(engine.Inspect().unreserved_in_use == 0);
}

TEST_CASE("an event whose answer ends the thread that encodes it has succeeded, and its record has no answer") {
  Engine engine = Make({.concurrency = 1, .threads = OwnThreads{.max_threads = 1}});
  std::atomic<int> records{0}, answers{0};
  const auto callback = Destination::Callback([&](const InvocationRecord& record) {
    if (record.condition == Condition::kSuccess) ++records;
    if (record.response.has_value()) ++answers;
    return absl::OkStatus();
  });
  REQUIRE(engine.Register(kEnds, [](const std::string&) { return Ends{}; }, {.event_invoke = {.on_success = callback}})
              .ok());
  REQUIRE(engine.PostAll("ends", std::vector<std::string>(20, "{}")).ok());
  CHECK(engine.WaitIdle().ok());
  CHECK(records == 20);
  CHECK(answers == 0);
  CHECK(engine.Metrics("ends")->errors == 0);
  CHECK(engine.Inspect().unreserved_in_use == 0);
}

TEST_CASE("a handler that ends its thread while a handler waits for it ends both, and gives back what both held") {
  Engine engine = Make({.concurrency = 3, .threads = OwnThreads{.max_threads = 1}});
  REQUIRE(engine.Register("leave", [](std::string_view) { pthread_exit(nullptr); }, {.reserved_concurrency = 1}).ok());
  REQUIRE(engine
              .Register("outer",
                        [&](std::string_view) -> absl::StatusOr<std::string> { return engine.Invoke("leave", ""); },
                        {.reserved_concurrency = 1})
              .ok());
  for (int i = 0; i < 100; ++i) CHECK(TypeOfError(engine.Invoke("outer", "").status()) == "Runtime.ExitError");
  CHECK(engine.WaitIdle().ok());
  CHECK(engine.Metrics("leave")->errors == 100);
  CHECK(engine.Metrics("outer")->errors == 100);
}

TEST_CASE("a handler on its caller's thread may end that thread, and gives back what it held") {
  Engine engine = Make({.concurrency = 1});
  const FunctionConfig config{.run_on = RunOn::kCaller};
  REQUIRE(engine
              .Register(
                  "leave", [](std::string_view) { pthread_exit(nullptr); }, config)
              .ok());
  for (int i = 0; i < 10; ++i) {
    std::thread caller([&] {
      (void)engine.Invoke("leave", "");
      FAIL("the thread went on");
    });
    caller.join();
  }
  CHECK(engine.WaitIdle().ok());
  CHECK(engine.Metrics("leave")->errors == 10);
}

TEST_CASE("a handler that ends the thread that waits for it in Get gives back what it held, and nothing twice") {
  Engine engine = Make({.concurrency = 2, .threads = OwnThreads{.max_threads = 1}});
  Latch in, go_on;
  REQUIRE(engine
              .Register("busy",
                        [&](std::string_view) {
                          in.Open();
                          go_on.Wait();
                        })
              .ok());
  REQUIRE(engine.Register("leave", [](std::string_view) { pthread_exit(nullptr); }, {.run_on = RunOn::kCaller}).ok());
  Future<std::string> busy = engine.Start("busy", "");  // nobody but the waiter comes for what is started now
  in.Wait();
  for (int i = 0; i < 10; ++i) {
    std::thread waiter([&] {
      Future<std::string> future = engine.Start("leave", "");
      (void)std::move(future).Get();
      FAIL("the thread went on");
    });
    waiter.join();
  }
  go_on.Open();
  CHECK(std::move(busy).Get().ok());
  CHECK(engine.WaitIdle().ok());
  CHECK(engine.Metrics("leave")->errors == 10);
}

TEST_CASE("an event whose handler ends its thread has failed an attempt, and the events behind it run") {
  Engine engine = Make({.threads = OwnThreads{.max_threads = 2}});
  std::atomic<int> runs{0};
  const auto leave_once = [&](std::string_view, Context& context) {
    runs.fetch_add(1);
    if (context.attempt() == 1) pthread_exit(nullptr);
  };
  REQUIRE(
      engine.Register("leave", leave_once, {.event_invoke = {.retry_policy = RetryPolicy::Fixed(absl::ZeroDuration())}})
          .ok());
  REQUIRE(engine.PostAll("leave", std::vector<std::string>(200, "event")).ok());
  CHECK(engine.WaitIdle().ok());
  CHECK(runs == 400);
  CHECK(engine.dead_letters().size() == 0);
  const FunctionMetrics metrics = engine.Metrics("leave").value();
  CHECK(metrics.errors == 200);
  CHECK(metrics.retries == 200);
  CHECK(engine.Drain(absl::ZeroDuration(), absl::Minutes(1)).abandoned == 0);
}

TEST_CASE("what handlers throw on the pool's threads comes back as their errors, and no thread is lost") {
  Engine engine = Make({.threads = OwnThreads{.max_threads = 2}});
  REQUIRE(engine.Register("throw", [](std::string_view event) { throw std::runtime_error(std::string(event)); }).ok());
  std::atomic<int> right{0};
  const auto call = [&](const std::string& text) {
    for (int i = 0; i < 1'000; ++i) {
      const absl::Status status = engine.Invoke("throw", text).status();
      right += FunctionErrorOf(status) == FunctionError{"std::runtime_error", text};
    }
  };
  std::thread other(call, "other");
  call("own");
  other.join();
  CHECK(right == 2'000);
  CHECK(engine.Metrics("throw")->errors == 2'000);
  CHECK(engine.WaitIdle().ok());
}
#endif

// ---- nesting ----

TEST_CASE("handlers that wait for what they started need no second thread, to any depth") {
  for (int depth = 1; depth <= 16; ++depth) {
    Engine engine = Make({.threads = OwnThreads{.max_threads = 1}});
    const auto nest = [&](In event) -> absl::StatusOr<int> {
      if (event.value <= 1) return 1;
      absl::StatusOr<int> inner = engine.Start(kNumber, {event.value - 1}).Get();
      if (!inner.ok()) return inner.status();
      return *inner + 1;
    };
    REQUIRE(engine.Register(kNumber, nest, {.timeout = absl::Minutes(15)}).ok());
    CHECK(engine.Invoke(kNumber, {depth}).value() == depth);
    CHECK(engine.Start(kNumber, {depth}).Get().value() == depth);
  }
}

TEST_CASE("handlers that call one another need one thread and one permit, to a depth of 16 and no further") {
  Engine engine = Make({.concurrency = 1, .threads = OwnThreads{.max_threads = 1}});
  const auto descend = [&](In event) -> absl::StatusOr<int> {
    if (event.value <= 1) return 1;
    const absl::StatusOr<int> inner = engine.Invoke(kNumber, {event.value - 1});
    if (!inner.ok()) return inner.status();
    return *inner + 1;
  };
  REQUIRE(engine.Register(kNumber, descend, {.timeout = absl::Minutes(15)}).ok());
  CHECK(engine.Invoke(kNumber, {16}).value() == 16);
  CHECK(TypeOfError(engine.Invoke(kNumber, {17}).status()) == "FailedPrecondition");
}

TEST_CASE("handlers that start several calls and wait for all need no second thread") {
  Engine engine = Make({.threads = OwnThreads{.max_threads = 1}});
  const auto tree = [&](In event) -> absl::StatusOr<int> {
    if (event.value == 0) return 1;
    Future<int> left = engine.Start(kNumber, {event.value - 1});
    Future<int> right = engine.Start(kNumber, {event.value - 1});
    return std::move(right).Get().value() + std::move(left).Get().value();
  };
  REQUIRE(engine.Register(kNumber, tree, {.timeout = absl::Minutes(15)}).ok());
  CHECK(engine.Invoke(kNumber, {6}).value() == 64);
}

TEST_CASE("nested calls of several callers at once end, whatever the threads") {
  for (const int threads : {1, 2, 3}) {
    Engine engine = Make({.threads = OwnThreads{.max_threads = threads}});
    const auto nest = [&](In event) -> absl::StatusOr<int> {
      if (event.value <= 1) return 1;
      absl::StatusOr<int> inner = event.value % 2 == 0 ? engine.Invoke(kNumber, {event.value - 1})
                                                       : engine.Start(kNumber, {event.value - 1}).Get();
      if (!inner.ok()) return inner.status();
      return *inner + 1;
    };
    REQUIRE(engine.Register(kNumber, nest, {.timeout = absl::Minutes(15)}).ok());
    std::atomic<int> right{0};
    const auto call = [&] {
      for (int i = 0; i < 100; ++i) right += engine.Invoke(kNumber, {1 + i % 16}).value() == 1 + i % 16;
    };
    std::thread first(call), second(call);
    call();
    first.join();
    second.join();
    CHECK(right == 300);
  }
}

// ---- many at once ----

TEST_CASE("a hundred thousand events of two producers run once each") {
  constexpr int kEach = 50'000;
  Engine engine;
  std::vector<std::atomic<int>> runs(2 * kEach);
  const auto count = [&](const In& event) -> absl::StatusOr<int> {
    return runs[static_cast<std::size_t>(event.value)].fetch_add(1, std::memory_order_relaxed);
  };
  REQUIRE(engine.Register(kNumber, count).ok());
  std::atomic<int> accepted{0};
  const auto post = [&](int from) {
    for (int i = from; i < from + kEach; ++i) accepted.fetch_add(engine.Post(kNumber, {i}).ok());
  };
  std::thread other(post, kEach);
  post(0);
  other.join();
  REQUIRE(engine.WaitIdle().ok());
  CHECK(accepted == 2 * kEach);
  CHECK(std::count(runs.begin(), runs.end(), 1) == 2 * kEach);
  const FunctionMetrics metrics = engine.Metrics("number").value();
  CHECK(metrics.async_events_received == 2 * kEach);
  CHECK(metrics.invocations == 2 * kEach);
  CHECK(metrics.throttles == 0);
  CHECK(metrics.durations.count() == 2 * kEach);
}

TEST_CASE("as many events of a function run at once as there are permits and threads, from the first burst on") {
  for (const bool reserved : {false, true}) {
    for (const bool at_once : {false, true}) {
      constexpr int kEvents = 10;
      Engine engine = Make({.threads = OwnThreads{.max_threads = kEvents}});
      Counter inside;
      const auto meet = [&](std::string_view) {
        inside.Add();
        inside.AwaitAtLeast(kEvents);  // each waits for all
      };
      FunctionConfig config{.timeout = absl::Minutes(5)};
      if (reserved) config.reserved_concurrency = kEvents;
      REQUIRE(engine.Register("meet", meet, config).ok());
      if (at_once) {
        REQUIRE(engine.PostAll("meet", std::vector<std::string>(kEvents, "{}")).ok());
      } else {
        for (int i = 0; i < kEvents; ++i) REQUIRE(engine.Post("meet", "{}").ok());
      }
      CHECK(engine.WaitIdle().ok());
      CHECK(inside.count() == kEvents);
    }
  }
}

TEST_CASE("an event that is posted while another turn is on its way holds up none of those that were claimed before") {
  Engine engine = Make({.threads = OwnThreads{.max_threads = 10}});
  Counter inside;
  const auto meet = [&](std::string_view event) {
    // The others have been claimed with this one, and a second thread comes for them: it finds the new one first.
    if (event == "first" && !engine.Post("meet", "new").ok()) return;
    inside.Add();
    inside.AwaitAtLeast(4);  // each waits for all
  };
  REQUIRE(engine.Register("meet", meet, {.timeout = absl::Minutes(5)}).ok());
  REQUIRE(engine.PostAll("meet", std::vector<std::string>{"first", "second", "third"}).ok());
  CHECK(engine.WaitIdle().ok());
  CHECK(inside.count() == 4);
}

TEST_CASE("one event that takes long holds up none of those that were claimed with it") {
  Engine engine = Make({.threads = OwnThreads{.max_threads = 2}});
  constexpr int kQuick = 20;
  Counter quick;
  const auto work = [&](std::string_view event) {
    if (event == "slow") return quick.AwaitAtLeast(2 * kQuick);
    quick.Add();
  };
  REQUIRE(engine.Register("work", work, {.timeout = absl::Minutes(5)}).ok());
  REQUIRE(engine.PostAll("work", std::vector<std::string>(kQuick, "quick")).ok());  // known as quick
  REQUIRE(engine.WaitIdle().ok());
  std::vector<std::string> events(kQuick + 1, "quick");
  events[0] = "slow";
  REQUIRE(engine.PostAll("work", events).ok());
  CHECK(engine.WaitIdle().ok());
}

TEST_CASE("a started call that waits for a thread is explained, and ends unrun when it is cancelled by its id") {
  Latch latch;
  Counter begun;
  const auto hold = [&](std::string_view) {
    begun.Add();
    latch.Wait();
  };
  const auto check = [](Engine& engine) {
    Future<std::string> waiting = engine.Start("hold", "{}");
    const RequestId id = waiting.request_id();
    const Explanation explanation = engine.Explain(id).value();
    CHECK(explanation.function == "hold");
    CHECK(explanation.state == Explanation::State::kQueued);
    CHECK(explanation.spent.queued == explanation.elapsed);
    CHECK(engine.Cancel(id).ok());
    CHECK(absl::IsCancelled(std::move(waiting).Get().status()));
    CHECK(absl::IsNotFound(engine.Cancel(id)));
  };
  SECTION("on threads of the engine's") {
    Engine engine = Make({.threads = OwnThreads{.max_threads = 1}});
    REQUIRE(engine.Register("hold", hold, {.timeout = absl::Minutes(5)}).ok());
    Future<std::string> holds = engine.Start("hold", "{}");
    begun.AwaitAtLeast(1);
    check(engine);
    latch.Open();
    CHECK(std::move(holds).Get().ok());
  }
  SECTION("on a host's threads") {
    std::vector<std::function<void()>> posted;
    Engine engine =
        Make({.threads = HostThreads{[&](std::function<void()> work) { posted.push_back(std::move(work)); }}});
    REQUIRE(engine.Register("hold", hold, {.timeout = absl::Minutes(5)}).ok());
    check(engine);
    for (const std::function<void()>& work : posted) work();
  }
  SECTION("on nobody's") {
    Engine engine = Make({.threads = NoThreads{}});
    REQUIRE(engine.Register("hold", hold, {.timeout = absl::Minutes(5)}).ok());
    check(engine);
    engine.Poll();
  }
  CHECK(begun.count() <= 1);
}

TEST_CASE("what has ended is settled and told although the next event of the turn takes long") {
  Engine engine = Make({.threads = OwnThreads{.max_threads = 2}});
  constexpr int kQuick = 20;
  Latch latch;
  Counter told;
  const auto work = [&](std::string_view event) {
    if (event == "slow") latch.Wait();
  };
  const auto tell = [&](const InvocationRecord&) {
    told.Add();
    return absl::OkStatus();
  };
  const FunctionConfig config{.timeout = absl::Minutes(5),
                              .reserved_concurrency = 1,
                              .event_invoke = {.on_success = Destination::Callback(tell)}};
  REQUIRE(engine.Register("work", work, config).ok());
  std::vector<std::string> events(kQuick + 1, "quick");
  events.back() = "slow";
  REQUIRE(engine.PostAll("work", events).ok());
  told.AwaitAtLeast(kQuick);
  CHECK(engine.queue_stats().running == 1);
  latch.Open();
  CHECK(engine.WaitIdle().ok());
  CHECK(told.count() == kQuick + 1);
}

TEST_CASE("what has ended is no event that a drain hands back, wherever its turn is stuck") {
  Latch latch;
  Counter begun;
  std::vector<std::string> parked;
  EngineOptions options{.threads = NoThreads{}};
  options.on_parked = [&](const DeadLetter& letter) { parked.push_back(letter.Bytes().value()); };
  Engine engine = Make(std::move(options));
  const auto work = [&](std::string_view event) {
    if (event != "slow") return;
    begun.Add();
    latch.Wait();
  };
  REQUIRE(engine.Register("work", work, {.timeout = absl::Minutes(5)}).ok());
  std::vector<std::string> events(10, "quick");
  events.back() = "slow";
  REQUIRE(engine.PostAll("work", events).ok());
  std::thread host([&] { engine.Poll(); });
  begun.AwaitAtLeast(1);
  const DrainReport report = engine.Drain(absl::ZeroDuration(), absl::Milliseconds(1));
  CHECK(report.parked == 1);
  CHECK(parked == std::vector<std::string>{"slow"});
  latch.Open();
  host.join();
}

TEST_CASE("events that were claimed when their function was removed end with it, and are told to its own destination") {
  Engine engine = Make({.threads = OwnThreads{.max_threads = 1}});
  constexpr int kWaiting = 9;
  Latch latch;
  Counter begun;
  Counter told;
  const auto work = [&](std::string_view) {
    begun.Add();
    latch.Wait();
  };
  const auto tell = [&](const InvocationRecord& record) {
    if (record.condition == Condition::kFunctionRemoved) told.Add();
    return absl::OkStatus();
  };
  const FunctionConfig config{.timeout = absl::Minutes(5), .event_invoke = {.on_failure = Destination::Callback(tell)}};
  REQUIRE(engine.Register("work", work, config).ok());
  REQUIRE(engine.PostAll("work", std::vector<std::string>(1 + kWaiting, "{}")).ok());
  begun.AwaitAtLeast(1);
  REQUIRE(engine.Remove("work").ok());
  Counter anew;
  REQUIRE(engine.Register("work", [&](std::string_view) { anew.Add(); }).ok());
  latch.Open();
  CHECK(engine.WaitIdle().ok());
  CHECK(told.count() == kWaiting);
  CHECK(begun.count() == 1);
  CHECK(anew.count() == 0);
}

TEST_CASE("reserved concurrency comes with threads: what others do keeps its owner from none") {
  Engine engine = Make({.threads = OwnThreads{.max_threads = 2}});
  Latch latch;
  Counter begun;
  const auto hold = [&](std::string_view) {
    begun.Add();
    latch.Wait();
  };
  REQUIRE(engine.Register("hold", hold, {.timeout = absl::Minutes(5)}).ok());
  const FunctionConfig vip{.timeout = absl::Minutes(5), .reserved_concurrency = 1};
  REQUIRE(engine
              .Register(
                  "vip", [](std::string_view) { return "served"; }, vip)
              .ok());
  std::deque<Future<std::string>> crowd;
  for (int i = 0; i < 20; ++i) crowd.push_back(engine.Start("hold", "{}"));
  begun.AwaitAtLeast(2);
  CHECK(engine.Invoke("vip", "{}").value() == "served");
  REQUIRE(engine.Post("vip", "{}").ok());
  while (engine.Metrics("vip").value().invocations < 2) std::this_thread::yield();
  CHECK(begun.count() == 2);  // the crowd gets no thread of the reserved one's
  latch.Open();
  for (Future<std::string>& call : crowd) CHECK(std::move(call).Get().ok());
}

TEST_CASE("provisioned concurrency comes with threads, which those who spill over leave alone") {
  Latch latch;
  Counter begun;
  Engine engine = Make({.threads = OwnThreads{.max_threads = 2}});
  const auto hold = [&](std::string_view) {
    begun.Add();
    latch.Wait();
  };
  const FunctionConfig patient{.timeout = absl::Minutes(5)};
  REQUIRE(engine.Register("hold", hold, patient).ok());
  const auto serve = [&](std::string_view event) {
    if (event == "hold") {
      begun.Add();
      latch.Wait();
    }
    return "served";
  };
  REQUIRE(engine.Register("vip", serve, patient).ok());
  REQUIRE(engine.PublishVersion("vip").ok());
  REQUIRE(engine.SetProvisionedConcurrency("vip:1", 1).ok());
  std::deque<Future<std::string>> crowd;
  for (int i = 0; i < 20; ++i) crowd.push_back(engine.Start("hold", "{}"));
  begun.AwaitAtLeast(2);
  CHECK(engine.Invoke("vip:1", "{}").value() == "served");
  REQUIRE(engine.PostAll("vip:1", std::vector<std::string>(100, "{}")).ok());
  while (engine.Metrics("vip:1").value().invocations < 101 ||
         engine.Inspect().functions.back().provisioned_in_use != 0) {
    std::this_thread::yield();
  }
  // The one place that is provisioned is taken: what follows waits with the crowd.
  crowd.push_back(engine.Start("vip:1", "hold"));
  begun.AwaitAtLeast(3);
  crowd.push_back(engine.Start("vip:1", "spills over"));
  REQUIRE(engine.Post("vip:1", "spills over").ok());
  CHECK(engine.Metrics("vip:1").value().invocations == 101);
  latch.Open();
  for (Future<std::string>& call : crowd) CHECK(std::move(call).Get().ok());
  CHECK(engine.WaitIdle().ok());
}

TEST_CASE("an event for what is provisioned runs as soon as that comes back, though another line is longer") {
  Latch busy_ends, call_ends;
  Counter begun, ran;
  Engine engine = Make({.threads = OwnThreads{.max_threads = 1}});
  const FunctionConfig patient{.timeout = absl::Minutes(5)};
  const auto busy = [&](std::string_view) {
    begun.Add();
    busy_ends.Wait();
  };
  REQUIRE(engine.Register("busy", busy, patient).ok());
  const auto serve = [&](std::string_view event) {
    if (event == "call") {
      begun.Add();
      call_ends.Wait();
    }
    ran.Add();
  };
  REQUIRE(engine.Register("f", serve, patient).ok());
  REQUIRE(engine.PublishVersion("f").ok());
  REQUIRE(engine.SetProvisionedConcurrency("f:1", 1).ok());
  Future<std::string> other = engine.Start("busy", "{}");
  Future<std::string> call = engine.Start("f:1", "call");
  begun.AwaitAtLeast(2);
  REQUIRE(engine.Post("f:1", "{}").ok());
  // Its turn has come, has found what is provisioned in use, and has gone to stand in the other line.
  while (engine.Inspect().threads < 2) std::this_thread::yield();
  call_ends.Open();
  ran.AwaitAtLeast(2);
  // One after the other, each as the turn of the one before ends.
  for (int i = 0; i < 2'000; ++i) {
    REQUIRE(engine.Post("f:1", "{}").ok());
    ran.AwaitAtLeast(3 + i);
  }
  busy_ends.Open();
  CHECK(std::move(other).Get().ok());
  CHECK(std::move(call).Get().ok());
}

TEST_CASE("as many events begin as permits come free at once") {
  constexpr int kPermits = 6;
  for (const bool remove : {false, true}) {
    Latch go_on;
    Counter begun;
    Engine engine = Make({.concurrency = kPermits, .threads = OwnThreads{.max_threads = kPermits}});
    const auto hold = [&](std::string_view) {
      begun.Add();
      go_on.Wait();
    };
    REQUIRE(engine.Register("owner", hold, {.reserved_concurrency = kPermits - 1}).ok());
    for (int i = 0; i < kPermits; ++i) {
      const std::string name = "f" + std::to_string(i);
      REQUIRE(engine.Register(name, hold, {.timeout = absl::Minutes(5)}).ok());
      REQUIRE(engine.Post(name, "{}").ok());
    }
    begun.AwaitAtLeast(1);
    REQUIRE((remove ? engine.Remove("owner") : engine.SetReservedConcurrency("owner", std::nullopt)).ok());
    begun.AwaitAtLeast(kPermits);
    go_on.Open();
    CHECK(engine.WaitIdle().ok());
  }
}

TEST_CASE("what was claimed before an alias was moved is accounted for by a drain") {
  const auto go_on = std::make_shared<Latch>();
  Counter parked;
  Counter begun;
  std::uint64_t handed;
  {
    Engine engine = Make({.on_parked = [&](const DeadLetter&) { parked.Add(); }});
    const auto first = [&](std::string_view) { begun.Add(); };
    REQUIRE(engine.Register("f", first, {.reserved_concurrency = 1}).ok());
    REQUIRE(engine.PublishVersion("f").ok());
    REQUIRE(engine.CreateAlias("f", {.name = "live", .version = "1"}).ok());
    const auto stuck = [go_on](std::string_view) { go_on->Wait(); };
    const FunctionConfig waits{.timeout = absl::Minutes(5), .reserved_concurrency = 1, .on_overrun = OnOverrun::kWait};
    REQUIRE(engine.Replace("f", stuck, waits).ok());
    REQUIRE(engine.PublishVersion("f").ok());
    REQUIRE(engine.PostAll("f:live", std::vector<std::string>(1'000, "{}")).ok());
    begun.AwaitAtLeast(1);
    REQUIRE(engine.UpdateAlias("f", {.name = "live", .version = "2"}).ok());
    while (engine.Inspect().running.empty() && engine.queue_stats().ended < 1'000) std::this_thread::yield();
    const std::uint64_t ended = engine.queue_stats().ended;
    const DrainReport report = engine.Drain(absl::ZeroDuration(), absl::Milliseconds(50));
    handed = report.completed + report.parked + ended;
    CHECK(engine.queue_stats().running == 0);
    CHECK(report.parked == static_cast<std::uint64_t>(parked.count()));
  }
  CHECK(handed == 1'000);
  go_on->Open();
}

TEST_CASE("a reservation that is made under load gets its waiting events a thread") {
  Engine engine = Make({.threads = OwnThreads{.max_threads = 2}});
  Latch latch;
  Counter begun, served;
  const auto hold = [&](std::string_view) {
    begun.Add();
    latch.Wait();
  };
  const FunctionConfig patient{.timeout = absl::Minutes(5)};
  REQUIRE(engine.Register("hold", hold, patient).ok());
  REQUIRE(engine
              .Register(
                  "vip", [&](std::string_view) { served.Add(); }, patient)
              .ok());
  std::deque<Future<std::string>> crowd;
  for (int i = 0; i < 2; ++i) crowd.push_back(engine.Start("hold", "{}"));
  begun.AwaitAtLeast(2);
  REQUIRE(engine.Post("vip", "{}").ok());
  REQUIRE(engine.SetReservedConcurrency("vip", 5).ok());
  REQUIRE(engine.Post("vip", "{}").ok());
  served.AwaitAtLeast(2);
  latch.Open();
  for (Future<std::string>& call : crowd) CHECK(std::move(call).Get().ok());
}

#if defined(__cpp_exceptions)
TEST_CASE("a host's post that throws is asked again, and nothing is lost") {
  HostPool pool(2);
  std::atomic<int> refusals{5};
  const HostThreads threads = pool.threads();
  Engine engine = Make({.threads = HostThreads{[&](std::function<void()> work) {
                          if (refusals.fetch_sub(1) > 0) throw std::runtime_error("full");
                          threads.post(std::move(work));
                        }}});
  REQUIRE(engine.Register(kNumber, [](const In& event) { return event.value; }, {.timeout = absl::Minutes(5)}).ok());
  REQUIRE(engine.Post(kNumber, {1}).ok());
  CHECK(engine.Invoke(kNumber, {2}).value() == 2);
  CHECK(engine.WaitIdle().ok());
  CHECK(engine.Metrics("number").value().invocations == 2);
}

TEST_CASE("an interceptor that throws ends the execution, as a handler does") {
  class Throwing final : public Interceptor {
   public:
    absl::Status BeforeHandler(Context&) override { throw std::runtime_error("no"); }
  } throwing;
  for (const RunOn run_on : {RunOn::kPool, RunOn::kCaller}) {
    Engine engine = Make({.concurrency = 1, .interceptor = &throwing});
    REQUIRE(engine.Register(kNumber, [](const In& event) { return event.value; }, {.run_on = run_on}).ok());
    for (int i = 0; i < 3; ++i) CHECK(TypeOfError(engine.Invoke(kNumber, {1}).status()) == "std::runtime_error");
  }
}
#endif

TEST_CASE("a payload that calls the engine as it ends is told that the engine is closed") {
  struct Speaks {
    explicit Speaks(std::function<void()> its_last_words) : last_words(std::move(its_last_words)) {}
    Speaks(Speaks&& other) noexcept : last_words(std::exchange(other.last_words, nullptr)) {}
    ~Speaks() {
      if (last_words) last_words();
    }
    std::function<void()> last_words;
  };
  static constexpr Function<Speaks, void> kSpeak{"speak"};
  int spoken = 0, refused = 0;
  {
    std::optional<Engine> engine(Make({}));
    const auto fail = [](const Speaks&) { return Permanent(absl::UnavailableError("down")); };
    REQUIRE(engine->Register(kSpeak, fail).ok());
    REQUIRE(engine->Register("other", [](std::string_view) {}).ok());
    for (int i = 0; i < 20; ++i) {
      REQUIRE(engine
                  ->Post(kSpeak, Speaks([&, engine = &*engine] {
                           ++spoken;
                           refused += engine->Post("other", "{}").ok() ? 0 : 1;
                           refused += engine->Invoke("other", "{}").ok() ? 0 : 1;
                           refused += engine->Register("more", [](std::string_view) {}).ok() ? 0 : 1;
                           refused += engine->dead_letters().List().empty() ? 0 : 1;
                         }))
                  .ok());
    }
    REQUIRE(engine->WaitIdle().ok());
    CHECK(engine->dead_letters().size() == 20);
    spoken = refused = 0;
  }
  CHECK(spoken == 20);
  CHECK(refused >= 60);
}

#if defined(__cpp_exceptions)
TEST_CASE("a destination that ends its thread loses no record") {
  std::atomic<int> offers{0};
  Counter taken;
  {
    Engine engine = Make({});
    const auto callback = Destination::Callback([&](const InvocationRecord&) {
      if (offers.fetch_add(1) == 0) pthread_exit(nullptr);
      taken.Add();
      return absl::OkStatus();
    });
    REQUIRE(engine.Register("work", [](std::string_view) {}, {.event_invoke = {.on_success = callback}}).ok());
    REQUIRE(engine.PostAll("work", std::vector<std::string>(20, "{}")).ok());
    taken.AwaitAtLeast(20);
  }
  CHECK(offers == 21);
}
#endif

TEST_CASE("no more threads are replaced than max_abandoned says, and none is replaced where it is 0") {
  for (const int limit : {0, 2}) {
    Engine engine = Make({.threads = OwnThreads{.max_threads = 4}, .max_abandoned = limit});
    Latch latch;
    const auto hang = [&](std::string_view) { latch.Wait(); };
    REQUIRE(engine.Register("hang", hang, {.timeout = absl::Milliseconds(1)}).ok());
    std::deque<Future<std::string>> calls;
    for (int i = 0; i < 4; ++i) calls.push_back(engine.Start("hang", "{}"));
    for (Future<std::string>& call : calls) CHECK(!std::move(call).Get().ok());
    CHECK(engine.abandoned() <= limit);
    latch.Open();
  }
}

TEST_CASE("events, calls and started calls at once add up") {
  constexpr int kEach = 3'000;
  Engine engine = Make({.concurrency = 2 * kEach});
  std::atomic<int> runs{0};
  REQUIRE(engine.Register(kNumber, [&](const In& event) { return runs.fetch_add(1), event.value; }).ok());
  int called = 0, started = 0, posted = 0;
  std::thread caller([&] {
    for (int i = 0; i < kEach; ++i) called += engine.Invoke(kNumber, {i}).value() == i;
  });
  std::thread starter([&] {
    std::deque<Future<int>> futures;
    for (int i = 0; i < kEach; ++i) futures.push_back(engine.Start(kNumber, {i}));
    for (int i = 0; i < kEach; ++i) started += std::move(futures[static_cast<std::size_t>(i)]).Get().value() == i;
  });
  for (int i = 0; i < kEach; ++i) posted += engine.Post(kNumber, {i}).ok();
  caller.join();
  starter.join();
  REQUIRE(engine.WaitIdle().ok());
  CHECK(called == kEach);
  CHECK(started == kEach);
  CHECK(posted == kEach);
  CHECK(engine.Metrics("number")->invocations == static_cast<std::uint64_t>(runs.load()));
}

TEST_CASE("functions are registered, replaced and removed while they are called, and every answer is of one of them") {
  Engine engine;
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0}, answers{0};
  Counter gone;
  int made = 0;
  const auto handler = [&] {
    ++made;
    // What a handler that runs too late would not find.
    return [text = std::make_shared<std::string>("right"), captured = Tells(gone)](std::string_view) { return *text; };
  };
  REQUIRE(engine.Register("turning", handler()).ok());
  const auto call = [&](RunOn) {
    while (!done) {
      const absl::StatusOr<std::string> answer = engine.Invoke("turning", "");
      if (answer.ok() ? *answer != "right" : answer.status().code() != absl::StatusCode::kNotFound) wrong.fetch_add(1);
      answers.fetch_add(answer.ok());
      if (!engine.Post("turning", "").ok()) continue;
    }
  };
  std::thread first(call, RunOn::kPool), second(call, RunOn::kPool);
  for (int i = 0; i < 2'000 || answers < 100; ++i) {
    const FunctionConfig config{.run_on = i % 2 == 0 ? RunOn::kCaller : RunOn::kPool};
    if (i % 10 == 9) {
      if (!engine.Remove("turning").ok() || !engine.Register("turning", handler(), config).ok()) wrong.fetch_add(1);
    } else if (!engine.Replace("turning", handler(), config).ok()) {
      wrong.fetch_add(1);
    }
    if (!engine.Register("other-" + std::to_string(i), [](std::string_view) {}).ok()) wrong.fetch_add(1);
  }
  done = true;
  first.join();
  second.join();
  CHECK(wrong == 0);
  CHECK(engine.WaitIdle().ok());
  REQUIRE(engine.Remove("turning").ok());
  gone.AwaitAtLeast(made);
}

TEST_CASE("what races with a drain is accepted and ends, or is refused") {
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> runs{0}, parked{0}, unknown{0};
    int accepted = 0, called = 0;
    {
      Engine engine = Make({.on_parked = [&](const DeadLetter&) { parked.fetch_add(1); }});
      REQUIRE(engine.Register(kNumber, [&](const In& event) { return runs.fetch_add(1), event.value; }).ok());
      Counter posting;
      std::thread poster([&] {
        for (int i = 0;; ++i) {
          const absl::StatusOr<RequestId> id = engine.Post(kNumber, {i});
          if (i == 10) posting.Add();
          if (id.ok()) {
            ++accepted;
            continue;
          }
          unknown += Reason(id.status()) != reason::kEngineClosed;
          return;
        }
      });
      std::thread caller([&] {
        for (int i = 0;; ++i) {
          const absl::StatusOr<int> result =
              i % 2 == 0 ? engine.Invoke(kNumber, {i}) : engine.Start(kNumber, {i}).Get();
          if (i == 10) posting.Add();
          if (result.ok()) {
            ++called;
            unknown += *result != i;
            continue;
          }
          unknown += Reason(result.status()) != reason::kEngineClosed;
          return;
        }
      });
      posting.AwaitAtLeast(2);
      const DrainReport report =
          engine.Drain(round % 2 == 0 ? absl::ZeroDuration() : absl::Minutes(1), absl::Minutes(2));
      poster.join();
      caller.join();
      CHECK(report.abandoned == 0);
      CHECK(report.parked == static_cast<std::uint64_t>(parked.load()));
      const QueueStats stats = engine.queue_stats();
      CHECK(stats.accepted == static_cast<std::uint64_t>(accepted));
      CHECK(stats.ended == stats.accepted);
      CHECK(stats.ready + stats.delayed + stats.running == 0);
    }
    CHECK(unknown == 0);
    CHECK(runs.load() + parked.load() == accepted + called);
  }
}

// ---- the host's threads, and none ----

TEST_CASE("an engine runs calls, events and nested calls on two threads of the host's") {
  HostPool host(2);
  Engine engine = Make({.threads = host.threads()});
  std::atomic<int> events{0};
  REQUIRE(engine.Register("count", [&](std::string_view) { events.fetch_add(1); }).ok());
  const auto nest = [&](In event) -> absl::StatusOr<int> {
    if (event.value <= 1) return 1;
    absl::StatusOr<int> inner = engine.Start(kNumber, {event.value - 1}).Get();
    if (!inner.ok()) return inner.status();
    return *inner + 1;
  };
  REQUIRE(engine.Register(kNumber, nest, {.timeout = absl::Minutes(15)}).ok());
  REQUIRE(engine.PostAll("count", std::vector<std::string>(5'000, "")).ok());
  std::atomic<int> right{0};
  std::thread other([&] {
    for (int i = 0; i < 200; ++i) right += engine.Start(kNumber, {1 + i % 16}).Get().value() == 1 + i % 16;
  });
  for (int i = 0; i < 200; ++i) right += engine.Invoke(kNumber, {1 + i % 16}).value() == 1 + i % 16;
  other.join();
  CHECK(engine.WaitIdle().ok());
  CHECK(right == 400);
  CHECK(events == 5'000);
  CHECK(engine.Drain(absl::ZeroDuration(), absl::Minutes(1)).abandoned == 0);
}

TEST_CASE("what the host runs after the engine has ended finds nothing to do") {
  std::vector<std::function<void()>> held;
  std::atomic<int> runs{0};
  std::optional<Future<std::string>> future;
  {
    Engine engine =
        Make({.threads = HostThreads{[&](std::function<void()> work) { held.push_back(std::move(work)); }}});
    REQUIRE(engine.Register("count", [&](std::string_view) { runs.fetch_add(1); }).ok());
    REQUIRE(engine.Post("count", "").ok());
    future = engine.Start("count", "");
    CHECK(engine.Drain(absl::ZeroDuration(), absl::ZeroDuration()).parked == 1);
  }
  CHECK(!held.empty());
  for (const auto& work : held) work();
  CHECK(runs == 0);
  CHECK(Reason(std::move(*future).Get().status()) == reason::kEngineClosed);
}

TEST_CASE("an engine without threads is polled by two threads while a third calls") {
  Engine engine = Make({.threads = NoThreads{}});
  std::atomic<int> runs{0};
  std::atomic<bool> done{false};
  REQUIRE(engine.Register(kNumber, [&](const In& event) { return runs.fetch_add(1), event.value; }).ok());
  const auto poll = [&] {
    while (!done) {
      if (engine.Poll() == 0) std::this_thread::yield();
    }
  };
  std::thread first(poll), second(poll);
  for (int i = 0; i < 2'000; ++i) {
    CHECK(engine.Post(kNumber, {i}).ok());
    CHECK(engine.Start(kNumber, {i}).Get().value() == i);
    CHECK(engine.Invoke(kNumber, {i}).value() == i);
  }
  CHECK(engine.WaitIdle().ok());
  done = true;
  first.join();
  second.join();
  CHECK(runs == 6'000);
}

// ---- a forked child ----

// glibc's allocator hands its locks over to a child; that of gcc 12's address sanitizer does not: a child may hang in
// its first allocation if another thread was inside the allocator when the process forked.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kOthersMayAllocate = false;
#else
constexpr bool kOthersMayAllocate = true;
#endif

// The exit code of a child that runs `body`; it hangs if the child does.
int ExitCodeOfChild(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST_CASE("a forked child gets errors at once, from every verb, and may destroy the engine") {
  auto engine = std::make_unique<Engine>(Make({.threads = OwnThreads{.max_threads = 32}}));
  std::atomic<bool> done{false};
  REQUIRE(engine->Register(kNumber, [](const In& event) { return event.value; }).ok());
  const auto bound = engine->Bind(kNumber).value();
  // The locks of the engine are held now and then, by threads that are not there in the child.
  std::thread busy([&] {
    for (int i = 0; !done && kOthersMayAllocate; ++i) {
      (void)engine->Post(kNumber, {i});
      (void)engine->Replace(kNumber, [](const In& event) { return event.value; });
    }
  });
  Latch go_on;
  Counter waits;
  const auto wait = [&](std::string_view) {
    waits.Add();
    go_on.Wait();
  };
  REQUIRE(engine->Register("wait", wait, {.on_overrun = OnOverrun::kWait}).ok());
  for (int round = 0; round < 20; ++round) {
    Future<std::string> begun = engine->Start("wait", "");
    waits.AwaitAtLeast(round + 1);
    const int code = ExitCodeOfChild([&] {
      const auto told = [](const absl::Status& status) {
        return status.code() == absl::StatusCode::kFailedPrecondition &&
               status.message().find("forked") != absl::string_view::npos;
      };
      if (!told(engine->Invoke(kNumber, {1}).status())) return 1;
      if (!told(engine->Start(kNumber, {1}).Get().status())) return 2;
      if (!told(engine->Post(kNumber, {1}).status())) return 3;
      if (!told(engine->PostAll(kNumber, std::vector<In>(3)))) return 4;
      if (!told(engine->Check("number", "1"))) return 5;
      if (!told(engine->Register("new", [](std::string_view) {}))) return 6;
      if (!told(engine->Replace(kNumber, [](const In&) { return 2; }))) return 7;
      if (!told(engine->Remove("number"))) return 8;
      if (!told(engine->WaitIdle())) return 9;
      if (!told(bound.Invoke({1}).status())) return 10;
      if (!told(bound.Post({1}).status())) return 11;
      if (!told(std::move(begun).Get().status())) return 12;
      if (!engine->dead_letters().RedriveAll().empty()) return 13;
      if (!engine->dead_letters().List().empty() || engine->dead_letters().size() != 0) return 14;
      if (!engine->idle() || engine->queue_stats().accepted != 0) return 15;
      if (engine->Drain(absl::ZeroDuration(), absl::InfiniteDuration()).abandoned != 0) return 16;
      engine.reset();
      return 0;
    });
    CHECK(code == 0);
  }
  done = true;
  busy.join();
  go_on.Open();
  CHECK(engine->Invoke(kNumber, {5}).value() == 5);
}

TEST_CASE("a forked child may make an engine of its own without threads") {
  Engine engine;
  REQUIRE(engine.Register("echo", [](std::string_view event) { return std::string(event); }).ok());
  REQUIRE(engine.Invoke("echo", "x").ok());
  REQUIRE(engine.WaitIdle().ok());
  CHECK(ExitCodeOfChild([] {
          Engine own = Make({.threads = NoThreads{}});
          if (!own.Register("echo", [](std::string_view event) { return std::string(event); }).ok()) return 1;
          return own.Invoke("echo", "own").value_or("") == "own" ? 0 : 2;
        }) == 0);
}

}  // namespace
}  // namespace runlet
