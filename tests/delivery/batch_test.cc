#include "delivery/batch.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "delivery/backoff.h"
#include "tests/catch.h"

namespace runlet {
namespace {

EventRef MakeEvent(int number) {
  EventRef event = Event::Make(TypeOf<int>(), &number);
  return event;
}

int NumberOf(const EventRef& event) { return *static_cast<const int*>(event->payload()); }

TEST_CASE("a batch gives its events in order, then nothing") {
  Batch batch;
  CHECK_FALSE(batch.Take());
  std::vector<EventRef> events = {};
  for (int i = 0; i < 3; ++i) events.push_back(MakeEvent(i));
  batch.Fill(events);
  for (int i = 0; i < 3; ++i) CHECK(NumberOf(batch.Take()) == i);
  CHECK_FALSE(batch.Take());
}

TEST_CASE("a full batch holds 32, and can be filled again when it is empty") {
  Batch batch;
  for (int round = 0; round < 3; ++round) {
    std::vector<EventRef> events;
    for (std::size_t i = 0; i < Batch::kMax; ++i) events.push_back(MakeEvent(static_cast<int>(i)));
    batch.Fill(events);
    for (std::size_t i = 0; i < Batch::kMax; ++i) CHECK(NumberOf(batch.Take()) == static_cast<int>(i));
    CHECK_FALSE(batch.Take());
  }
}

TEST_CASE("an owner and a thief take every event once") {
  constexpr int kRounds = 2000;
  Batch batch;
  std::vector<std::atomic<int>> taken(kRounds * 4);
  std::atomic<bool> stop{false};
  const auto take = [&] {
    if (const EventRef event = batch.Take(); event) taken[static_cast<std::size_t>(NumberOf(event))].fetch_add(1);
  };
  std::thread thief([&] {
    while (!stop.load()) take();
  });
  for (int round = 0; round < kRounds; ++round) {
    std::vector<EventRef> events;
    for (int i = 0; i < 4; ++i) events.push_back(MakeEvent(4 * round + i));
    batch.Fill(events);
    for (int i = 0; i < 4; ++i) take();  // after four takes by the owner nothing is left
  }
  stop.store(true);
  thief.join();
  int wrong = 0;
  for (const std::atomic<int>& times : taken) wrong += times.load() == 1 ? 0 : 1;
  CHECK(wrong == 0);
}

TEST_CASE("what is no attempt backs off from 1 s, doubling to 300 s") {
  constexpr std::int64_t kSecond = 1'000'000'000;
  CHECK(BackoffNs(0) == kSecond);
  CHECK(BackoffNs(1) == 2 * kSecond);
  CHECK(BackoffNs(8) == 256 * kSecond);
  CHECK(BackoffNs(9) == 300 * kSecond);
  CHECK(BackoffNs(1000) == 300 * kSecond);
}

}  // namespace
}  // namespace runlet
