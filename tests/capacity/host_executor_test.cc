#include "capacity/host_executor.h"

#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "tests/capacity/latch.h"
#include "tests/capacity/task.h"
#include "tests/catch.h"

namespace runlet {
namespace {

// A host that runs what it was given when the test says so.
struct Host {
  std::function<void(std::function<void()>)> post() {
    return [this](std::function<void()> function) { given.push_back(std::move(function)); };
  }
  void RunOne() {
    const std::function<void()> function = std::move(given.front());
    given.pop_front();
    function();
  }

  std::deque<std::function<void()>> given;
};

TEST_CASE("work is given to the host, and runs when the host runs it") {
  ManualClock clock;
  Bell bell;
  Host host;
  HostExecutor executor(clock, host.post());
  executor.Attach(&bell);
  Task first, second;
  executor.Post(first);
  executor.Post(second);
  CHECK(host.given.size() == 2);
  CHECK(first.ran.count() == 0);
  host.RunOne();
  CHECK(first.ran.count() == 1);
  CHECK(second.ran.count() == 0);
  host.RunOne();
  CHECK(second.ran.count() == 1);
  CHECK(executor.Detach(clock.Now()) == 0);
}

TEST_CASE("what the host runs after the end finds nothing, even when the executor is gone") {
  ManualClock clock;
  Bell bell;
  Host host;
  Task before, after;
  {
    HostExecutor executor(clock, host.post());
    executor.Attach(&bell);
    executor.Post(before);
    CHECK(executor.Detach(clock.Now()) == 0);
    CHECK(before.dropped.count() == 1);
    executor.Post(after);
    CHECK(after.dropped.count() == 1);
  }
  while (!host.given.empty()) host.RunOne();
  CHECK(before.ran.count() == 0);
  CHECK(before.dropped.count() == 1);
  CHECK(after.ran.count() == 0);
}

TEST_CASE("a host that drops what it was given leaves nothing behind") {
  ManualClock clock;
  Bell bell;
  Host host;
  Task task;
  HostExecutor executor(clock, host.post());
  executor.Attach(&bell);
  executor.Post(task);
  host.given.clear();
  CHECK(executor.Detach(clock.Now()) == 0);
  CHECK(task.dropped.count() == 1);
}

TEST_CASE("the end waits for what the host runs, and says what it had to leave behind") {
  ManualClock clock;
  Bell bell;
  Host host;
  Counter gone;
  auto executor = std::make_unique<HostExecutor>(clock, host.post());
  executor->set_keep_alive([&] { return std::shared_ptr<void>(nullptr, [&gone](std::nullptr_t) { gone.Add(); }); });
  executor->Attach(&bell);
  Latch in, go_on;
  Task stuck([&] {
    in.Open();
    go_on.Wait();
  });
  executor->Post(stuck);
  std::thread thread([&] { host.RunOne(); });
  in.Wait();
  CHECK(executor->Detach(clock.Now()) == 1);
  CHECK(gone.count() == 0);
  go_on.Open();
  gone.AwaitAtLeast(1);
  thread.join();
  CHECK(executor->Detach(Instant::Never()) == 0);
}

#if defined(__cpp_exceptions)
TEST_CASE("work that ends the host's thread does not hold up the end") {
  ManualClock clock;
  Bell bell;
  Host host;
  HostExecutor executor(clock, host.post());
  executor.Attach(&bell);
  Task leaves([] { pthread_exit(nullptr); });
  executor.Post(leaves);
  std::thread thread([&] { host.RunOne(); });
  thread.join();
  CHECK(executor.Detach(Instant::Never()) == 0);
}
#endif

TEST_CASE("the alarm rings on a thread of the executor's own, until the end") {
  ManualClock clock;
  Bell bell;
  Host host;
  HostExecutor executor(clock, host.post());
  executor.Attach(&bell);
  executor.WakeAt(Instant{0});
  bell.rings.AwaitAtLeast(1);
  executor.Detach(clock.Now());
  const int rings = bell.rings.count();
  executor.WakeAt(Instant{0});
  CHECK(bell.rings.count() == rings);
}

TEST_CASE("a thread of the host's sleeps until the word changes") {
  ManualClock clock;
  Bell bell;
  Host host;
  HostExecutor executor(clock, host.post());
  executor.Attach(&bell);
  std::atomic<std::uint32_t> word{0};
  std::thread waiter([&] { executor.Block({&word, 0}); });
  word = 1;
  executor.Unblock(&word);
  waiter.join();
  executor.Block({&word, 1, clock.Now()});  // its time has passed
  CHECK(!executor.runs_on_waiter());
  CHECK(!executor.can_write_off());
}

}  // namespace
}  // namespace runlet
