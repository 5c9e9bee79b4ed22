#include "base/futex.h"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <thread>
#include <vector>

#include "runlet/base/time.h"
#include "tests/catch.h"

namespace runlet {
namespace {

void Await(const std::atomic<std::uint32_t>& word, std::uint32_t value) {
  for (std::uint32_t seen; (seen = word.load()) != value;) FutexWait(&word, seen, kForeverNs);
}

TEST_CASE("a wait on a word that has changed already does not sleep") {
  const std::atomic<std::uint32_t> word{1};
  FutexWait(&word, 0, kForeverNs);
  SUCCEED();
}

TEST_CASE("a wait of no length does not sleep") {
  const std::atomic<std::uint32_t> word{0};
  FutexWait(&word, 0, 0);
  FutexWait(&word, 0, -1);
  SUCCEED();
}

TEST_CASE("a wait with a limit comes back though nobody wakes it", "[realtime]") {
  const std::atomic<std::uint32_t> word{0};
  FutexWait(&word, 0, 1'000'000);
  SUCCEED();
}

TEST_CASE("waiting and waking leave errno as it was") {
  const std::atomic<std::uint32_t> word{1};
  errno = ERANGE;
  FutexWait(&word, 0, kForeverNs);
  FutexWakeAll(&word);
  CHECK(errno == ERANGE);
}

TEST_CASE("a change wakes everyone who sleeps on the word") {
  std::atomic<std::uint32_t> word{0};
  std::vector<std::thread> sleepers;
  for (int i = 0; i < 4; ++i) sleepers.emplace_back([&] { Await(word, 1); });
  word = 1;
  FutexWakeAll(&word);
  for (std::thread& sleeper : sleepers) sleeper.join();
}

TEST_CASE("two threads that wake each other in turn never lose a wake-up") {
  std::atomic<std::uint32_t> turn{0};
  constexpr std::uint32_t kTurns = 2000;
  std::thread odd([&] {
    for (std::uint32_t i = 1; i < kTurns; i += 2) {
      Await(turn, i);
      turn = i + 1;
      FutexWakeOne(&turn);
    }
  });
  for (std::uint32_t i = 0; i < kTurns; i += 2) {
    Await(turn, i);
    turn = i + 1;
    FutexWakeOne(&turn);
  }
  odd.join();
  CHECK(turn == kTurns);
}

}  // namespace
}  // namespace runlet
