#include "base/permits.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "tests/catch.h"

namespace runlet {
namespace {

int EnterAll(Permits& permits) {
  int entered = 0;
  while (entered < 1000 && permits.TryEnter()) ++entered;
  return entered;
}

TEST_CASE("as many enter as there are places") {
  for (const int cap : {0, 1, 2, 100}) {
    Permits permits(cap);
    CHECK(EnterAll(permits) == cap);
    CHECK(permits.taken() == cap);
    CHECK(!permits.TryEnter());
    CHECK(permits.taken() == cap);
  }
}

TEST_CASE("a place that is left is taken by the next") {
  Permits permits(1);
  REQUIRE(permits.TryEnter());
  permits.Leave();
  CHECK(permits.taken() == 0);
  CHECK(permits.TryEnter());
  CHECK(!permits.TryEnter());
}

TEST_CASE("a larger cap lets more in, a smaller one turns nobody out") {
  Permits permits(2);
  CHECK(EnterAll(permits) == 2);
  permits.set_cap(3);
  CHECK(EnterAll(permits) == 1);
  permits.set_cap(1);
  CHECK(permits.taken() == 3);
  CHECK(!permits.TryEnter());
  permits.Leave();
  permits.Leave();
  CHECK(!permits.TryEnter());  // one is inside, and one is the cap
  permits.Leave();
  CHECK(permits.TryEnter());
  permits.set_cap(0);
  permits.Leave();
  CHECK(!permits.TryEnter());
}

TEST_CASE("four threads never hold more than the cap, and none is lost") {
  constexpr int kCap = 2;
  Permits permits(kCap);
  std::atomic<int> inside{0}, most{0};
  std::atomic<int> entered{0};
  const auto run = [&] {
    for (int i = 0; i < 20'000; ++i) {
      if (!permits.TryEnter()) continue;
      const int now = inside.fetch_add(1) + 1;
      int seen = most.load();
      while (now > seen && !most.compare_exchange_weak(seen, now)) {
      }
      entered.fetch_add(1);
      inside.fetch_sub(1);
      permits.Leave();
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(run);
  for (std::thread& thread : threads) thread.join();
  CHECK(most <= kCap);
  CHECK(entered > 0);
  CHECK(permits.taken() == 0);
  CHECK(EnterAll(permits) == kCap);
}

TEST_CASE("a last place is given to exactly one of two who race for it") {
  for (int round = 0; round < 200; ++round) {
    Permits permits(1);
    std::atomic<int> ready{0}, entered{0};
    const auto race = [&] {
      ready.fetch_add(1);
      while (ready.load() != 2) {
      }
      if (permits.TryEnter()) entered.fetch_add(1);
    };
    std::thread other(race);
    race();
    other.join();
    CHECK(entered == 1);
  }
}

}  // namespace
}  // namespace runlet
