// Many threads and two engines at one file.
#include <absl/time/time.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/durable/host.h"

namespace runlet::durable_test {
namespace {

TEST_CASE("threads post, run, look and trade at once, and every event ends once", "[realtime]") {
  constexpr int kThreads = 6;
  constexpr int kEach = 150;
  const std::string path = FreshFile("threads");
  const std::shared_ptr<durable::Queue> queue =
      MustOpen(path, {.durability = GENERATE(Durability::kProcess, Durability::kMachine),
                      .payload_memory = 4096,
                      .checkpoint_bytes = std::size_t{64} << 10});
  absl::StatusOr<Engine> one = Engine::Create({.queue = queue});
  absl::StatusOr<Engine> two = Engine::Create({.queue = queue});
  REQUIRE(one.ok());
  REQUIRE(two.ok());
  std::atomic<int> ran = 0;
  std::atomic<int> failed = 0;
  const FunctionConfig config{
      .event_invoke = {.maximum_retry_attempts = 1, .retry_policy = RetryPolicy::Fixed(absl::Milliseconds(1))}};
  const auto run = [&](std::string_view event, Context& context) -> absl::Status {
    if (event.ends_with('7') && context.attempt() == 1) return absl::InternalError("the first time");
    if (event.ends_with('3')) {
      ++failed;
      return Permanent(absl::InternalError("always"));
    }
    ++ran;
    return absl::OkStatus();
  };
  for (Engine* engine : {&*one, &*two}) REQUIRE(engine->Register("f", run, config).ok());

  std::vector<std::thread> threads;
  std::atomic<int> accepted = 0;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Engine& engine = t % 2 == 0 ? *one : *two;
      for (int n = 0; n < kEach; ++n) {
        const std::string event = std::string(n % 10 == 0 ? 3000 : 10, 'x') + std::to_string(n);
        if (n % 25 == 0) {
          const absl::Status traded = queue->Transaction([&](sqlite3* db) -> absl::Status {
            if (absl::Status made = durable::Execute(db, "CREATE TABLE IF NOT EXISTS t(x)"); !made.ok()) return made;
            return engine.Post("f", event).status();
          });
          accepted += traded.ok() ? 1 : 0;
          (void)engine.Inspect().ToString();
          (void)engine.dead_letters().List({}, 5);
        } else {
          accepted += engine.Post("f", event).ok() ? 1 : 0;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  REQUIRE(one->WaitIdle(absl::Seconds(60)).ok());
  REQUIRE(two->WaitIdle(absl::Seconds(60)).ok());
  CHECK(accepted == kThreads * kEach);
  CHECK(ran + failed == kThreads * kEach);
  CHECK(static_cast<int>(one->dead_letters().size()) == failed);
  const QueueStats stats = one->queue_stats();
  CHECK(stats.ended == kThreads * kEach);
  CHECK(stats.accepted == stats.ended);
}

TEST_CASE("engines come and go while others run at the same file", "[realtime]") {
  const std::shared_ptr<durable::Queue> queue =
      MustOpen(FreshFile("come-and-go"), {.durability = Durability::kProcess});
  absl::StatusOr<Engine> steady = Engine::Create({.queue = queue});
  REQUIRE(steady.ok());
  std::atomic<int> ran = 0;
  const auto run = [&](std::string_view) { ++ran; };
  REQUIRE(steady->Register("f", run).ok());
  std::atomic<bool> go = true;
  std::atomic<int> accepted = 0;
  std::thread poster([&] {
    while (go) accepted += steady->Post("f", "x").ok() ? 1 : 0;
  });
  for (int times = 0; times < 10; ++times) {
    absl::StatusOr<Engine> passing = Engine::Create({.queue = queue});
    REQUIRE(passing.ok());
    REQUIRE(passing->Register("f", run).ok());
    for (int n = 0; n < 10; ++n) accepted += passing->Post("f", "y").ok() ? 1 : 0;
  }
  go = false;
  poster.join();
  REQUIRE(steady->WaitIdle(absl::Seconds(60)).ok());
  CHECK(ran == accepted);
}

}  // namespace
}  // namespace runlet::durable_test
