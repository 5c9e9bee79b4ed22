#include "delivery/batch.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "tests/catch.h"

namespace runlet {
namespace {

EventRef MakeEvent(int number) { return Event::Make(TypeOf<int>(), &number); }
int NumberOf(const EventRef& event) { return *static_cast<const int*>(event->payload()); }

// Fills with the numbers first, first + 1, ...
void Fill(Batch& batch, int first, std::size_t count) {
  std::array<EventRef, Batch::kMax> events;
  for (std::size_t i = 0; i < count; ++i) events[i] = MakeEvent(first + static_cast<int>(i));
  batch.Fill(std::span(events).first(count));
  for (const EventRef& event : events) CHECK(!event);
}

TEST_CASE("a batch that was never filled is empty") {
  Batch batch;
  CHECK(!batch.Take());
}

TEST_CASE("a batch gives its events in order, each once") {
  Batch batch;
  for (const std::size_t count : {std::size_t{1}, std::size_t{2}, Batch::kMax - 1, Batch::kMax}) {
    Fill(batch, 100, count);
    for (std::size_t i = 0; i < count; ++i) {
      const EventRef event = batch.Take();
      REQUIRE(event);
      CHECK(NumberOf(event) == 100 + static_cast<int>(i));
    }
    CHECK(!batch.Take());
    CHECK(!batch.Take());
  }
}

TEST_CASE("a batch may be filled with nothing") {
  Batch batch;
  batch.Fill({});
  CHECK(!batch.Take());
  Fill(batch, 1, 1);
  CHECK(batch.Take());
}

TEST_CASE("a batch is filled many times") {
  Batch batch;
  int taken = 0;
  for (int fill = 0; fill < 70'000; ++fill) {  // its number needs more than 16 bits
    std::array<EventRef, 1> event{MakeEvent(fill)};
    batch.Fill(event);
    const EventRef got = batch.Take();
    taken += got && NumberOf(got) == fill;
  }
  CHECK(taken == 70'000);
}

TEST_CASE("every event of a batch that its owner fills again and again is taken once, by the owner or by another") {
  constexpr int kFills = 5'000;
  constexpr int kEvents = kFills * static_cast<int>(Batch::kMax);
  Batch batch;
  std::vector<std::atomic<int>> taken(kEvents);
  std::atomic<bool> filling{true};
  const auto take = [&] {
    const EventRef event = batch.Take();
    if (event) taken[static_cast<std::size_t>(NumberOf(event))].fetch_add(1, std::memory_order_relaxed);
    return static_cast<bool>(event);
  };
  const auto steal = [&] {
    while (filling.load(std::memory_order_relaxed)) take();
  };
  std::thread first(steal), second(steal);
  for (int fill = 0; fill < kFills; ++fill) {
    std::array<EventRef, Batch::kMax> events;
    for (std::size_t i = 0; i < Batch::kMax; ++i) {
      events[i] = MakeEvent(fill * static_cast<int>(Batch::kMax) + static_cast<int>(i));
    }
    batch.Fill(events);
    while (take()) {
    }
  }
  filling = false;
  first.join();
  second.join();
  int once = 0;
  for (const std::atomic<int>& times : taken) once += times == 1;
  CHECK(once == kEvents);
}

}  // namespace
}  // namespace runlet
