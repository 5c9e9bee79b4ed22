#include "runlet/event/event.h"

#include <cstdint>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/catch.h"

namespace runlet {
namespace {

// Counts the objects alive and the moves of one test.
struct Census {
  int alive = 0;
  int moves = 0;
  int copies = 0;
};

template <std::size_t kAlign>
struct alignas(kAlign) Probe {
  explicit Probe(Census* its_census, int its_value = 0) : census(its_census), value(its_value) { ++census->alive; }
  Probe(Probe&& other) noexcept : census(other.census), value(other.value) { ++census->alive, ++census->moves; }
  Probe(const Probe& other) : census(other.census), value(other.value) { ++census->alive, ++census->copies; }
  Probe& operator=(const Probe&) = delete;
  ~Probe() { --census->alive; }

  Census* census;
  int value;
};

TEMPLATE_TEST_CASE("an event holds its payload from one move to one end, aligned", "", Probe<8>, Probe<16>, Probe<32>,
                   Probe<64>, Probe<4096>) {
  Census census;
  {
    TestType value(&census, 42);
    EventRef event = Event::Make(TypeOf<TestType>(), &value);
    CHECK(census.alive == 2);
    CHECK(census.moves == 1);
    CHECK(census.copies == 0);
    CHECK(static_cast<const TestType*>(std::as_const(*event).payload())->value == 42);
    CHECK(reinterpret_cast<std::uintptr_t>(event->payload()) % alignof(TestType) == 0);
    CHECK(event->payload() > static_cast<const void*>(event.get()));
    CHECK(event->type == TypeOf<TestType>());

    event = EventRef();
    CHECK(census.alive == 1);
  }
  CHECK(census.alive == 0);
  CHECK(census.moves == 1);
}

TEST_CASE("a payload need not be copyable") {
  auto value = std::make_unique<int>(7);
  const EventRef event = Event::Make(TypeOf<std::unique_ptr<int>>(), &value);
  CHECK(value == nullptr);
  CHECK(**static_cast<const std::unique_ptr<int>*>(event->payload()) == 7);
  CHECK(event->type->copy == nullptr);
}

TEST_CASE("a payload may be empty, large, or a string longer than its own room") {
  struct Empty {};
  struct Large {
    char bytes[100'000] = {};
  };
  Empty empty;
  CHECK(Event::Make(TypeOf<Empty>(), &empty));
  const auto large = std::make_unique<Large>();
  large->bytes[99'999] = 'z';
  const EventRef event = Event::Make(TypeOf<Large>(), large.get());
  CHECK(static_cast<const Large*>(event->payload())->bytes[99'999] == 'z');
  std::string text(1000, 'x');
  CHECK(static_cast<const std::string*>(Event::Make(TypeOf<std::string>(), &text)->payload())->size() == 1000);
}

#if defined(__cpp_exceptions)
TEST_CASE("a payload whose move throws leaves nothing behind") {
  struct Thrower {
    Thrower() = default;
    Thrower(Thrower&&) { throw std::runtime_error("no"); }
  };
  Thrower value;
  CHECK_THROWS_AS(Event::Make(TypeOf<Thrower>(), &value), std::runtime_error);  // and the leak check finds no memory
}
#endif

TEST_CASE("a new event has made no attempt and never expires") {
  std::string text = "x";
  const EventRef event = Event::Make(TypeOf<std::string>(), &text);
  CHECK(event->id == RequestId());
  CHECK(event->function == nullptr);
  CHECK(event->codec == nullptr);
  CHECK(event->expires.never());
  CHECK(event->fence == 0);
  CHECK(event->attempts == 0);
  CHECK(event->throttles == 0);
  CHECK(event->details == nullptr);
  CHECK(!event->armed());
}

TEST_CASE("an event lives as long as the last reference to it") {
  Census census;
  Probe<8> value(&census);
  EventRef first = Event::Make(TypeOf<Probe<8>>(), &value);
  const Event* const node = first.get();

  SECTION("copies share it") {
    EventRef second = first;
    CHECK(second.get() == node);
    first = EventRef();
    CHECK(census.alive == 2);
    second = EventRef();
  }
  SECTION("a move leaves nothing behind") {
    EventRef second = std::move(first);
    CHECK(!first);
    CHECK(second.get() == node);
    second = EventRef();
  }
  SECTION("assigning it to itself keeps it") {
    EventRef& alias = first;
    first = alias;
    CHECK(first.get() == node);
    first = std::move(alias);
    CHECK(first.get() == node);
    CHECK(census.alive == 2);
    first = EventRef();
  }
  SECTION("assigning another lets the old one go") {
    Probe<8> other_value(&census);
    first = Event::Make(TypeOf<Probe<8>>(), &other_value);
    CHECK(first.get() != node);
    CHECK(census.alive == 3);
    first = EventRef();
    CHECK(census.alive == 2);
    return;
  }
  SECTION("a released reference is nobody's until it is adopted") {
    Event* const released = first.Release();
    CHECK(!first);
    CHECK(census.alive == 2);
    EventRef::Adopt(released);
  }
  SECTION("a released reference beside another") {
    Event* const released = EventRef(first).Release();
    first = EventRef();
    CHECK(census.alive == 2);
    EventRef::Adopt(released);
  }
  CHECK(census.alive == 1);
}

TEST_CASE("an empty reference may be copied, moved and dropped") {
  EventRef empty;
  EventRef copy = empty;
  EventRef moved = std::move(empty);
  CHECK(!copy);
  CHECK(!moved);
  CHECK(moved.Release() == nullptr);
  CHECK(!EventRef::Adopt(nullptr));
}

TEST_CASE("threads may drop their references at the same time") {
  Census census;
  for (int round = 0; round < 2000; ++round) {
    Probe<8> value(&census);
    EventRef event = Event::Make(TypeOf<Probe<8>>(), &value);
    if (round % 100 != 0) continue;
    EventRef other = event;
    std::thread thread([mine = std::move(other)]() mutable {
      (void)static_cast<const Probe<8>*>(mine->payload())->value;
      mine = EventRef();
    });
    event = EventRef();
    thread.join();
    CHECK(census.alive == 1);
  }
  CHECK(census.alive == 0);
}

// --- The errors of attempts ---

std::vector<int> KeptOf(int attempts) {
  AttemptErrors errors;
  for (int attempt = 1; attempt <= attempts; ++attempt) {
    errors.Add({attempt, absl::FromUnixSeconds(attempt), {"E", std::to_string(attempt)}});
  }
  std::vector<int> kept;
  for (const AttemptError& error : errors.List()) {
    CHECK(error.error.message == std::to_string(error.attempt));
    CHECK(error.at == absl::FromUnixSeconds(error.attempt));
    kept.push_back(error.attempt);
  }
  return kept;
}

// first to last, one by one
std::vector<int> Range(int first, int last) {
  std::vector<int> numbers;
  for (int n = first; n <= last; ++n) numbers.push_back(n);
  return numbers;
}

TEST_CASE("the errors of up to 18 attempts are all kept, in order") {
  for (int attempts : {0, 1, 8, 9, 10, 17, 18}) CHECK(KeptOf(attempts) == Range(1, attempts));
}

TEST_CASE("of more than 18 attempts, the errors of the first 9 and of the last 9 are kept") {
  for (int attempts : {19, 20, 26, 27, 28, 40, 1001}) {
    std::vector<int> expected = Range(1, 9);
    for (int n : Range(attempts - 8, attempts)) expected.push_back(n);
    CHECK(KeptOf(attempts) == expected);
  }
}

TEST_CASE("every condition has a name of its own") {
  std::set<std::string_view> names;
  int conditions = 0;
  for (int c = 0; c <= static_cast<int>(Condition::kPurged); ++c, ++conditions) {
    names.insert(ConditionName(static_cast<Condition>(c)));
  }
  CHECK(names.size() == static_cast<std::size_t>(conditions));
  CHECK(!names.contains("Unknown"));
  CHECK(ConditionName(Condition::kRetriesExhausted) == "RetriesExhausted");
  CHECK(ConditionName(Condition::kEventAgeExceeded) == "EventAgeExceeded");
}

}  // namespace
}  // namespace runlet
