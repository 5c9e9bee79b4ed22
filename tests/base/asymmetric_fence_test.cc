#include "base/asymmetric_fence.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "tests/catch.h"

namespace runlet {
namespace {

// Both sides start a round at once, as nearly as threads can: only then may both look before either is seen.
class StartLine {
 public:
  void Meet() {
    const int all = arrived_.fetch_add(1) / 2 * 2 + 2;
    for (int spins = 0; arrived_ < all; ++spins) {
      if (spins > 1000) std::this_thread::yield();
    }
  }

 private:
  std::atomic<int> arrived_{0};
};

// Rounds of the pattern that the header shows. Returns in how many of them neither side saw the other.
int RoundsInWhichNeitherSawTheOther(int rounds) {
  alignas(64) std::atomic<int> often{0};
  alignas(64) std::atomic<int> seldom{0};
  alignas(64) StartLine line;
  bool often_saw = false;
  std::thread thread([&] {
    for (int round = 1; round <= rounds; ++round) {
      line.Meet();
      often.store(round, kLightStoreOrder);
      LightFence();
      often_saw = seldom.load(kLightLoadOrder) == round;
      line.Meet();
    }
  });
  int missed = 0;
  for (int round = 1; round <= rounds; ++round) {
    line.Meet();
    seldom.store(round);
    HeavyFence();
    const bool seldom_saw = often.load() == round;
    line.Meet();
    if (!often_saw && !seldom_saw) ++missed;
  }
  thread.join();
  return missed;
}

TEST_CASE("of two sides with a fence between write and read, at least one sees the other") {
  RegisterAsymmetricFence();
  CHECK(RoundsInWhichNeitherSawTheOther(20'000) == 0);
}

TEST_CASE("registering the fence again changes nothing, in several threads at once too") {
  std::thread other(RegisterAsymmetricFence);
  RegisterAsymmetricFence();
  other.join();
  CHECK(RoundsInWhichNeitherSawTheOther(2'000) == 0);
}

TEST_CASE("a forked child may go on using the fence") {
  RegisterAsymmetricFence();
  const pid_t child = fork();
  if (child == 0) {
    HeavyFence();  // aborts if the registration were lost
    LightFence();
    _exit(0);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

}  // namespace
}  // namespace runlet
