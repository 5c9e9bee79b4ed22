#include "base/permits.h"

#include <atomic>
#include <thread>
#include <vector>

#include "tests/catch.h"

namespace runlet {
namespace {

TEST_CASE("as many may enter as there are places, and one more when one leaves") {
  Permits permits(2);
  CHECK(permits.TryEnter());
  CHECK(permits.TryEnter());
  CHECK_FALSE(permits.TryEnter());
  permits.Leave();
  CHECK(permits.TryEnter());
}

TEST_CASE("no place is no place") {
  Permits permits(0);
  CHECK_FALSE(permits.TryEnter());
}

TEST_CASE("those inside stay when places are taken away, and nobody enters until enough have left") {
  Permits permits(2);
  REQUIRE(permits.TryEnter());
  REQUIRE(permits.TryEnter());
  permits.set_cap(1);
  permits.Leave();
  CHECK_FALSE(permits.TryEnter());
  permits.Leave();
  CHECK(permits.TryEnter());
}

TEST_CASE("four threads never hold more than three places") {
  Permits permits(3);
  std::atomic<int> inside{0}, most{0};
  const auto work = [&] {
    for (int i = 0; i < 5000; ++i) {
      if (!permits.TryEnter()) continue;
      const int now = inside.fetch_add(1) + 1;
      int seen = most.load();
      while (now > seen && !most.compare_exchange_weak(seen, now)) {
      }
      inside.fetch_sub(1);
      permits.Leave();
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  CHECK(most.load() <= 3);
  CHECK(permits.taken() == 0);
}

}  // namespace
}  // namespace runlet
