#include "runlet/base/sync.h"

#include <thread>
#include <vector>

#include "tests/catch.h"

namespace runlet {
namespace {

struct Counter {
  Mutex mu;
  CondVar changed;
  int value RUNLET_GUARDED_BY(mu) = 0;
};

TEST_CASE("what is done under the lock is not torn by other threads") {
  Counter counter;
  const auto add = [&] {
    for (int i = 0; i < 10'000; ++i) {
      MutexLock lock(&counter.mu);
      ++counter.value;
    }
  };
  std::thread other(add);
  add();
  other.join();
  MutexLock lock(&counter.mu);
  CHECK(counter.value == 20'000);
}

TEST_CASE("a lock that is held is refused to those who only try") {
  Mutex mu;
  const auto try_lock = [&mu] {
    if (!mu.TryLock()) return false;
    mu.Unlock();
    return true;
  };
  bool taken = true;
  {
    MutexLock lock(&mu);
    std::thread([&] { taken = try_lock(); }).join();
  }
  CHECK_FALSE(taken);
  CHECK(try_lock());
}

TEST_CASE("a waiter gives the lock away, and has it again when it goes on") {
  Counter counter;
  std::thread other([&] {
    MutexLock lock(&counter.mu);  // free only while the waiter waits, or before it began
    counter.value = 1;
    counter.changed.NotifyOne();
  });
  {
    MutexLock lock(&counter.mu);
    while (counter.value == 0) counter.changed.Wait(&counter.mu);
    counter.value = 2;
  }
  other.join();
  MutexLock lock(&counter.mu);
  CHECK(counter.value == 2);
}

TEST_CASE("notifying all wakes every waiter") {
  Counter counter;
  std::vector<std::thread> waiters;
  for (int i = 0; i < 3; ++i) {
    waiters.emplace_back([&] {
      MutexLock lock(&counter.mu);
      while (counter.value == 0) counter.changed.Wait(&counter.mu);
    });
  }
  {
    MutexLock lock(&counter.mu);
    counter.value = 1;
  }
  counter.changed.NotifyAll();
  for (std::thread& waiter : waiters) waiter.join();
}

TEST_CASE("a wait with a limit comes back though nobody notifies", "[realtime]") {
  Counter counter;
  MutexLock lock(&counter.mu);
  counter.changed.WaitFor(&counter.mu, 1'000'000);
  CHECK(counter.value == 0);
}

}  // namespace
}  // namespace runlet
