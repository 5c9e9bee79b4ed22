// The memory queue: what every queue must do, and what only this one promises.
#include <atomic>
#include <thread>
#include <vector>

#include "runlet/base/random.h"
#include "runlet/queue/event_queue.h"
#include "tests/catch.h"
#include "tests/queue/fixture.h"

namespace {

struct QueueUnderTest {
  static std::unique_ptr<runlet::EventQueue> Make(const runlet::queue_test::Limits& limits,
                                                  const runlet::Clock& clock) {
    return runlet::MemoryQueue({.events = limits.events, .bytes = limits.bytes, .dead_letters = limits.dead_letters},
                               clock);
  }
};

}  // namespace

#include "tests/queue/conformance.h"

namespace runlet::queue_test {
namespace {

// A payload that looks at the queue when it ends: it waits for ever if that happens under the queue's lock.
struct Looker {
  explicit Looker(EventQueue* its_queue, int* its_count) : queue(its_queue), count(its_count) {}
  Looker(Looker&& other) noexcept : queue(std::exchange(other.queue, nullptr)), count(other.count) {}
  ~Looker() {
    if (queue == nullptr) return;
    (void)queue->stats();
    ++*count;
  }
  EventQueue* queue;
  int* count;
};

EventRef NewLooker(AnyQueueTest& t, int n, int* count) {
  Looker looker(t.queue.get(), count);
  EventRef event = Event::Make(TypeOf<Looker>(), &looker);
  looker.queue = nullptr;
  event->id = Id(n);
  event->function = &t.a;
  return event;
}

TEST_CASE("the memory queue states what it keeps") {
  AnyQueueTest t;
  CHECK(t.queue->durability() == Durability::kMemory);
  CHECK(!t.queue->needs_codec());
}

TEST_CASE("the memory queue hands out the very events that were put") {
  AnyQueueTest t;
  EventRef event = NewEvent(t.a, 1, t.now());
  const Event* const node = event.get();
  REQUIRE(t.queue->Put({&event, 1}, t.now()).ok());
  CHECK(t.Claim(t.a).at(0).get() == node);
}

TEST_CASE("payloads never end under the queue's lock") {
  AnyQueueTest t;
  int ended = 0;
  std::vector<EventRef> events;
  for (int n = 1; n <= 6; ++n) events.push_back(NewLooker(t, n, &ended));
  REQUIRE(t.queue->Put(events, t.now()).ok());

  SECTION("a purge") {
    t.SettleAll(Kind::kDead, t.Claim(t.a));
    REQUIRE(ended == 0);
    CHECK(t.queue->PurgeDead({}).size() == 6);
  }
  SECTION("a redrive") {
    t.SettleAll(Kind::kDead, t.Claim(t.a));
    for (int n = 1; n <= 6; ++n) REQUIRE(t.queue->Redrive(Id(n), NewEvent(t.a, 10 + n, t.now()), t.now()).ok());
  }
  SECTION("a claim into places that still hold events") {
    std::vector<EventRef> out(1);
    for (int n = 1; n <= 6; ++n) {
      REQUIRE(t.queue->Claim(t.a, out, t.now(), t.In(n)) == 1);
      const EventRef claimed = out[0];
      REQUIRE(t.Settle(Kind::kDone, claimed));
    }
    CHECK(t.queue->ClaimWaiting(t.a, out) == 0);
  }
  SECTION("leased events") {
    for (int n = 1; n <= 6; ++n) {
      Settlement done = QueueTest::As(Kind::kDone, t.Claim(t.a, 1, t.In(n))[0]);
      REQUIRE(t.Settle(std::move(done)));
    }
  }
  CHECK(ended == 6);
}

TEST_CASE("events that the queue still has end with it, wherever they stand") {
  struct Counted {
    explicit Counted(int* its_count) : count(its_count) {}
    Counted(Counted&& other) noexcept : count(std::exchange(other.count, nullptr)) {}
    ~Counted() {
      if (count != nullptr) ++*count;
    }
    int* count;
  };
  int ended = 0;
  ManualClock clock;
  FunctionIdentity a{"a", 0};
  std::vector<EventRef> kept;
  {
    const std::unique_ptr<EventQueue> queue = MemoryQueue({}, clock);
    std::vector<EventRef> events;
    for (int n = 0; n < 8; ++n) {
      Counted counted(&ended);
      events.push_back(Event::Make(TypeOf<Counted>(), &counted));
      events.back()->id = Id(n);
      events.back()->function = &a;
      events.back()->expires = {n == 7 ? 5 : 100};
    }
    REQUIRE(queue->Put(events, {0}).ok());
    std::vector<EventRef> claimed(5);
    REQUIRE(queue->Claim(a, std::span(claimed).first(1), {0}, {5}) == 1);  // will be lost
    REQUIRE(queue->Claim(a, std::span(claimed).last(4), {0}, {50}) == 4);  // leased
    std::vector<Settlement> settlements = {QueueTest::As(Kind::kDead, claimed[3]),
                                           QueueTest::As(Kind::kRetry, claimed[4], {60})};
    queue->Settle(settlements, {0});
    (void)queue->Advance({5});  // one has expired, one is lost
    CHECK(queue->stats().ready == 3);
    kept.push_back(claimed[2]);
    claimed.clear();
    CHECK(ended == 0);
  }
  CHECK(ended == 7);
  kept.clear();
  CHECK(ended == 8);
}

TEST_CASE("two threads share the queue, and every event ends once") {
  struct Nothing final : QueueListener {
    void OnReady(const FunctionIdentity&) override { ++told; }
    void OnDue(Instant) override { ++told; }
    std::atomic<int> told = 0;
  };
  constexpr int kEvents = 3000;
  ManualClock clock;
  Nothing listener;
  const FunctionIdentity functions[] = {{"a", 0}, {"b", 1}};
  const std::unique_ptr<EventQueue> queue = MemoryQueue({.events = 64}, clock);
  queue->Attach(&listener);
  std::atomic<int> ended = 0;

  const auto work = [&](std::uint64_t seed) {
    Random random(seed);
    int put = 0;
    std::vector<EventRef> claimed(4);
    while (ended.load() < 2 * kEvents) {
      const Instant now = clock.Now();
      const FunctionIdentity& function = functions[random.Below(2)];
      if (put < kEvents) {
        EventRef event = NewEvent(function, static_cast<int>(seed) * 100'000 + put, now, {now.After(40)});
        if (queue->Put({&event, 1}, now).ok()) ++put;
      }
      if (random.OneIn(16)) {  // a claim that is forgotten, and lost when its lease ends
        (void)queue->Claim(function, claimed, now, now.After(10));
        claimed.assign(claimed.size(), EventRef());
      }
      const std::size_t size = random.OneIn(4)   ? queue->ClaimExpired(claimed, now, false)
                               : random.OneIn(4) ? queue->ClaimLost(claimed, now)
                                                 : queue->Claim(function, claimed, now, Instant::Never());
      std::vector<Settlement> settlements;
      for (std::size_t i = 0; i < size; ++i) {
        constexpr Kind kKinds[] = {Kind::kDone, Kind::kDone, Kind::kRetry, Kind::kRelease, Kind::kThrottled};
        settlements.push_back(QueueTest::As(kKinds[random.Below(5)], claimed[i], now.After(5)));
      }
      queue->Settle(settlements, now);
      for (const Settlement& s : settlements) ended += !s.stale && s.kind == Kind::kDone ? 1 : 0;
      if (random.OneIn(4)) clock.AdvanceBy(absl::Nanoseconds(1));
      (void)queue->Advance(clock.Now());
    }
  };
  std::thread other(work, 1);
  work(2);
  other.join();
  const QueueStats stats = queue->stats();
  CHECK(stats.accepted == 2 * kEvents);
  CHECK(stats.ended == 2 * kEvents);
  CHECK(stats.ready + stats.delayed + stats.running == 0);
  CHECK(listener.told > 0);
}

}  // namespace
}  // namespace runlet::queue_test
