// What every EventQueue must do. A backend's test names the queue and includes this file, once:
//
//   struct QueueUnderTest {
//     static std::unique_ptr<runlet::EventQueue> Make(const runlet::queue_test::Limits& limits, const runlet::Clock&
//     clock);
//   };
//   #include "tests/queue/conformance.h"
//
// It compares events by id, never by address: a backend may hand out another node than was put.
#ifndef RUNLET_TESTS_QUEUE_CONFORMANCE_H_
#define RUNLET_TESTS_QUEUE_CONFORMANCE_H_

#include <vector>

#include "runlet/event/status.h"
#include "tests/catch.h"
#include "tests/queue/fixture.h"
#include "tests/queue/model.h"

namespace runlet::queue_test {

struct AnyQueueTest : QueueTest {
  explicit AnyQueueTest(Limits limits = {}) : QueueTest(&QueueUnderTest::Make, limits) {}
};

using Kind = Settlement::Kind;
using Ints = std::vector<int>;

// --- Put and Claim ---

TEST_CASE("events are claimed in the order in which they were put") {
  AnyQueueTest t;
  REQUIRE(t.PutAll(t.a, 1, 3).ok());
  REQUIRE(t.Put(t.a, 4).ok());

  CHECK(Numbers(t.Claim(t.a, 1)) == Ints{1});
  CHECK(Numbers(t.Claim(t.a, 2)) == Ints{2, 3});
  CHECK(Numbers(t.Claim(t.a, 2)) == Ints{4});
  CHECK(t.Claim(t.a, 2).empty());
}

TEST_CASE("a claimed event is as it was put, and counts one attempt") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 7, {t.In(50), 3}).ok());

  const std::vector<EventRef> events = t.Claim(t.a);
  REQUIRE(events.size() == 1);
  const Event& event = *events[0];
  CHECK(event.id == Id(7));
  CHECK(event.function == &t.a);
  CHECK(*static_cast<const std::string*>(event.payload()) == "7");
  CHECK(event.accepted == t.now());
  CHECK(event.expires == t.In(50));
  CHECK(event.payload_bytes == 3);
  CHECK(event.attempts == 1);
  CHECK(event.throttles == 0);
  CHECK(event.fence != 0);
}

TEST_CASE("each function's events are its own") {
  AnyQueueTest t;
  std::vector<EventRef> mixed;
  mixed.push_back(NewEvent(t.far, 1, t.now()));
  mixed.push_back(NewEvent(t.a, 2, t.now()));
  mixed.push_back(NewEvent(t.far, 3, t.now()));
  REQUIRE(t.queue->Put(mixed, t.now()).ok());

  CHECK(Numbers(t.Claim(t.a)) == Ints{2});
  CHECK(t.Claim(t.b).empty());
  CHECK(Numbers(t.Claim(t.far)) == Ints{1, 3});
}

TEST_CASE("claiming into no room claims nothing") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 1).ok());
  CHECK(t.Claim(t.a, 0).empty());
  CHECK(t.queue->stats().ready == 1);
}

TEST_CASE("a put takes the events and tells each function once") {
  AnyQueueTest t;
  std::vector<EventRef> mixed;
  for (int n = 0; n < 6; ++n) mixed.push_back(NewEvent(n % 2 == 0 ? t.a : t.b, n, t.now()));
  REQUIRE(t.queue->Put(mixed, t.now()).ok());

  for (const EventRef& event : mixed) CHECK(!event);
  CHECK(t.listener.ready == QueueTest::Functions{&t.a, &t.b});
}

TEST_CASE("the listener may call the queue") {
  struct Claimer final : QueueListener {
    void OnReady(const FunctionIdentity& function) override {
      EventRef out[4];
      claimed += queue->Claim(function, out, now, Instant::Never());
    }
    void OnDue(Instant) override { (void)queue->stats(); }
    EventQueue* queue = nullptr;
    Instant now;
    std::size_t claimed = 0;
  };
  AnyQueueTest t;
  Claimer claimer;
  claimer.queue = t.queue.get();
  claimer.now = t.now();
  t.queue->Attach(&claimer);
  CHECK(t.PutAll(t.a, 1, 3, {t.In(10)}).ok());
  CHECK(claimer.claimed == 3);
}

TEST_CASE("an empty put is accepted, even by a full queue, and tells nobody") {
  AnyQueueTest t({.events = 1});
  CHECK(t.queue->Put({}, t.now()).ok());
  CHECK(t.listener.ready.empty());
  REQUIRE(t.Put(t.a, 1).ok());
  CHECK(t.queue->Put({}, t.now()).ok());
}

// --- Limits ---

TEST_CASE("the last event that fits is accepted, the next one is refused with the numbers") {
  AnyQueueTest t({.events = 3});
  REQUIRE(t.PutAll(t.a, 1, 3).ok());
  t.listener.Forget();

  const absl::Status refused = t.Put(t.a, 4);
  CHECK(refused.code() == absl::StatusCode::kResourceExhausted);
  CHECK(Reason(refused) == reason::kEventQueueFull);
  CHECK(refused.message() == "event queue is full: 3 of 3 events");
  CHECK(t.listener.ready.empty());
  CHECK(t.queue->stats().accepted == 3);
  CHECK(Numbers(t.Claim(t.a)) == Ints{1, 2, 3});
}

TEST_CASE("a batch is accepted whole or not at all, and a refused one stays with the caller") {
  AnyQueueTest t({.events = 3});
  REQUIRE(t.Put(t.a, 1).ok());

  std::vector<EventRef> three;
  for (int n = 2; n <= 4; ++n) three.push_back(NewEvent(t.a, n, t.now()));
  const absl::Status refused = t.queue->Put(three, t.now());
  CHECK(refused.message() == "event queue is full: 1 of 3 events, 3 more do not fit");
  for (const EventRef& event : three) CHECK(event);
  CHECK(t.queue->stats().ready == 1);

  CHECK(t.queue->Put(std::span(three).first(2), t.now()).ok());
  CHECK(Numbers(t.Claim(t.a)) == Ints{1, 2, 3});
}

TEST_CASE("a batch larger than the limit is refused by an empty queue") {
  AnyQueueTest t({.events = 3});
  CHECK(Reason(t.PutAll(t.a, 1, 4)) == reason::kEventQueueFull);
  CHECK(t.PutAll(t.a, 1, 3).ok());
}

TEST_CASE("events count against the limit until they end, waiting, delayed or running") {
  AnyQueueTest t({.events = 1});
  REQUIRE(t.Put(t.a, 1).ok());
  std::vector<EventRef> claimed = t.Claim(t.a);
  CHECK(!t.Put(t.a, 2).ok());
  REQUIRE(t.Settle(Kind::kRetry, claimed[0], t.In(5)));
  CHECK(!t.Put(t.a, 2).ok());
  t.AdvanceBy(5);
  claimed = t.Claim(t.a);

  SECTION("done") { REQUIRE(t.Settle(Kind::kDone, claimed[0])); }
  SECTION("dead") { REQUIRE(t.Settle(Kind::kDead, claimed[0])); }
  SECTION("parked") { REQUIRE(t.Settle(Kind::kParked, claimed[0])); }
  CHECK(t.Put(t.a, 2).ok());
}

TEST_CASE("payload bytes are counted to the byte, until the event ends") {
  AnyQueueTest t({.bytes = 100});
  REQUIRE(t.Put(t.a, 1, {.bytes = 60}).ok());
  const absl::Status refused = t.Put(t.a, 2, {.bytes = 41});
  CHECK(refused.code() == absl::StatusCode::kResourceExhausted);
  CHECK(Reason(refused) == reason::kEventQueueFull);
  CHECK(refused.message() == "event queue is full: 60 of 100 payload bytes, 41 more do not fit");
  REQUIRE(t.Put(t.a, 3, {.bytes = 40}).ok());
  CHECK(t.queue->stats().bytes == 100);
  CHECK(t.Put(t.a, 4, {.bytes = 0}).ok());

  const std::vector<EventRef> claimed = t.Claim(t.a, 1);
  CHECK(t.queue->stats().bytes == 100);
  REQUIRE(t.Settle(Kind::kDead, claimed[0]));
  CHECK(t.queue->stats().bytes == 40);
  CHECK(t.Put(t.a, 5, {.bytes = 60}).ok());
}

TEST_CASE("a batch's bytes are counted together") {
  AnyQueueTest t({.bytes = 100});
  CHECK(!t.PutAll(t.a, 1, 2, {.bytes = 51}).ok());
  CHECK(t.PutAll(t.a, 1, 2, {.bytes = 50}).ok());
}

TEST_CASE("a full dead-letter queue refuses new events, and still takes those that were accepted") {
  AnyQueueTest t({.dead_letters = 2});
  REQUIRE(t.Bury(t.a, 1, 1).ok());
  REQUIRE(t.PutAll(t.a, 2, 4).ok());
  t.SettleAll(Kind::kDead, t.Claim(t.a));
  CHECK(t.queue->stats().dead == 4);

  const absl::Status refused = t.Put(t.a, 5);
  CHECK(refused.code() == absl::StatusCode::kResourceExhausted);
  CHECK(Reason(refused) == reason::kDeadLetterQueueFull);
  CHECK(refused.message() == "dead-letter queue is full: 4 of 2 letters");

  (void)t.queue->TakeDead(Ids({1, 2}));
  CHECK(!t.Put(t.a, 5).ok());
  (void)t.queue->TakeDead(Ids({3}));
  CHECK(t.Put(t.a, 5).ok());
}

// --- Settle ---

TEST_CASE("a retried event waits until its time, and counts another attempt") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 1).ok());
  REQUIRE(t.Settle(Kind::kRetry, t.Claim(t.a)[0], t.In(10)));
  CHECK(t.queue->stats().delayed == 1);
  CHECK(t.queue->stats().ready == 0);

  const Instant next = t.AdvanceBy(9);
  CHECK(next == t.In(1));
  CHECK(t.Claim(t.a).empty());
  t.listener.Forget();
  t.AdvanceBy(1);
  CHECK(t.listener.ready == QueueTest::Functions{&t.a});
  CHECK(t.queue->stats().delayed == 0);
  CHECK(t.queue->stats().ready == 1);

  const std::vector<EventRef> again = t.Claim(t.a);
  REQUIRE(Numbers(again) == Ints{1});
  CHECK(again[0]->attempts == 2);
}

TEST_CASE("an event retried at once is ready at once, behind those that wait") {
  AnyQueueTest t;
  REQUIRE(t.PutAll(t.a, 1, 2).ok());
  const std::vector<EventRef> claimed = t.Claim(t.a, 1);
  t.listener.Forget();
  REQUIRE(t.Settle(Kind::kRetry, claimed[0], t.now()));
  CHECK(t.listener.ready == QueueTest::Functions{&t.a});
  CHECK(Numbers(t.Claim(t.a)) == Ints{2, 1});
}

TEST_CASE("delayed events become ready in the order in which they fall due") {
  AnyQueueTest t;
  REQUIRE(t.PutAll(t.a, 1, 4).ok());
  const std::vector<EventRef> claimed = t.Claim(t.a);
  t.Settle(Kind::kRetry, claimed[0], t.In(30));
  t.Settle(Kind::kRetry, claimed[1], t.In(10));
  t.Settle(Kind::kRetry, claimed[2], t.In(20));
  t.Settle(Kind::kRetry, claimed[3], t.In(10));
  t.AdvanceBy(30);
  CHECK(Numbers(t.Claim(t.a)) == Ints{2, 4, 3, 1});
}

TEST_CASE("a throttled attempt does not count, and throttles do") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 1).ok());
  for (int times = 1; times <= 3; ++times) {
    REQUIRE(t.Settle(Kind::kThrottled, t.Claim(t.a)[0], t.In(10)));
    t.AdvanceBy(9);
    CHECK(t.Claim(t.a).empty());
    t.AdvanceBy(1);
  }
  const std::vector<EventRef> claimed = t.Claim(t.a);
  CHECK(claimed.at(0)->attempts == 1);
  CHECK(claimed.at(0)->throttles == 3);
}

TEST_CASE("released events stand before those behind them, as they were claimed, without an attempt") {
  AnyQueueTest t;
  REQUIRE(t.PutAll(t.a, 1, 5).ok());
  const std::vector<EventRef> claimed = t.Claim(t.a, 3);
  t.listener.Forget();
  t.SettleAll(Kind::kRelease, claimed);
  CHECK(t.listener.ready.empty());
  CHECK(t.queue->stats().ready == 5);

  const std::vector<EventRef> again = t.Claim(t.a);
  CHECK(Numbers(again) == Ints{1, 2, 3, 4, 5});
  for (const EventRef& event : again) CHECK(event->attempts == 1);
}

TEST_CASE("giving back an event whose claim counted no attempt takes none away") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 1).ok());
  REQUIRE(t.Settle(Kind::kRetry, t.Claim(t.a)[0], t.In(10)));
  REQUIRE(t.Settle(Kind::kRelease, t.ClaimWaiting(t.a)[0]));
  REQUIRE(t.Settle(Kind::kThrottled, t.ClaimWaiting(t.a)[0], t.In(0)));
  CHECK(t.Claim(t.a).at(0)->attempts == 2);
}

TEST_CASE("a settlement is stale once the event has ended") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 1).ok());
  const std::vector<EventRef> claimed = t.Claim(t.a);
  const Settlement dead = QueueTest::As(Kind::kDead, claimed[0]);
  REQUIRE(t.Settle(Kind::kDone, claimed[0]));
  CHECK(!t.Settle(dead));
  CHECK(t.queue->stats().dead == 0);
  CHECK(t.queue->stats().ended == 1);
}

TEST_CASE("a settlement is stale once the event waits again, and once it is claimed anew") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 1).ok());
  const std::vector<EventRef> claimed = t.Claim(t.a);
  const Settlement old = QueueTest::As(Kind::kDone, claimed[0]);
  REQUIRE(t.Settle(Kind::kRetry, claimed[0], t.now()));
  CHECK(!t.Settle(old));
  const std::vector<EventRef> again = t.Claim(t.a);
  CHECK(!t.Settle(old));
  CHECK(t.queue->stats().running == 1);
  CHECK(t.Settle(Kind::kDone, again[0]));
}

TEST_CASE("a settlement without a claim is stale") {
  AnyQueueTest t;
  CHECK(!t.Settle(Settlement()));
  const EventRef never_put = NewEvent(t.a, 1, t.now());
  CHECK(!t.Settle(Kind::kDone, never_put));
  CHECK(!t.Settle(Kind::kRelease, never_put));
  CHECK(t.queue->stats().ended == 0);
}

TEST_CASE("a stale settlement keeps its event and stops nothing else in its batch") {
  AnyQueueTest t;
  REQUIRE(t.PutAll(t.a, 1, 2).ok());
  const std::vector<EventRef> claimed = t.Claim(t.a);
  std::vector<Settlement> batch;
  batch.push_back(QueueTest::As(Kind::kRelease, claimed[0]));
  batch.push_back(QueueTest::As(Kind::kDone, claimed[0]));
  batch.push_back(QueueTest::As(Kind::kRelease, claimed[0]));
  batch.push_back(QueueTest::As(Kind::kDone, claimed[1]));
  t.queue->Settle(batch, t.now());

  CHECK(!batch[0].stale);
  CHECK(batch[1].stale);
  CHECK(batch[1].event);
  CHECK(batch[2].stale);
  CHECK(batch[2].event);
  CHECK(!batch[3].stale);
  CHECK(t.queue->stats().ready == 1);
  CHECK(t.queue->stats().ended == 1);
}

TEST_CASE("an event that is done or parked stays with its settlement, one that waits or died is taken") {
  AnyQueueTest t;
  REQUIRE(t.PutAll(t.a, 1, 6).ok());
  const std::vector<EventRef> claimed = t.Claim(t.a);
  const Kind kinds[] = {Kind::kDone, Kind::kParked, Kind::kRetry, Kind::kThrottled, Kind::kRelease, Kind::kDead};
  std::vector<Settlement> batch;
  for (std::size_t i = 0; i < 6; ++i) batch.push_back(QueueTest::As(kinds[i], claimed[i], t.In(1)));
  t.queue->Settle(batch, t.now());
  CHECK(batch[0].event);
  CHECK(batch[1].event);
  for (std::size_t i = 2; i < 6; ++i) CHECK(!batch[i].event);
}

TEST_CASE("every event stands in exactly one of the queue's figures") {
  AnyQueueTest t;
  REQUIRE(t.PutAll(t.a, 1, 8, {.bytes = 10}).ok());
  const std::vector<EventRef> claimed = t.Claim(t.a, 7);
  t.Settle(Kind::kDone, claimed[0]);
  t.Settle(Kind::kDead, claimed[1]);
  t.Settle(Kind::kParked, claimed[2]);
  t.Settle(Kind::kRetry, claimed[3], t.In(5));
  t.Settle(Kind::kThrottled, claimed[4], t.In(5));
  t.Settle(Kind::kRelease, claimed[5]);

  const QueueStats stats = t.queue->stats();
  CHECK(stats.accepted == 8);
  CHECK(stats.ended == 3);
  CHECK(stats.ready == 2);
  CHECK(stats.delayed == 2);
  CHECK(stats.running == 1);
  CHECK(stats.dead == 1);
  CHECK(stats.bytes == 50);
}

// --- Time ---

TEST_CASE("a queue without timed events asks for no call") {
  AnyQueueTest t;
  CHECK(t.queue->Advance(t.now()).never());
  REQUIRE(t.Put(t.a, 1).ok());
  CHECK(t.queue->Advance(t.now()).never());
  CHECK(t.listener.due.empty());
}

TEST_CASE("once all events have ended, nothing is due") {
  AnyQueueTest t;
  REQUIRE(t.PutAll(t.a, 1, 2, {t.In(1000)}).ok());
  CHECK(t.queue->Advance(t.now()) == t.In(1000));
  t.SettleAll(Kind::kDone, t.Claim(t.a));
  CHECK(t.queue->Advance(t.now()).never());
}

TEST_CASE("the listener is told of a time that is earlier than the one it knows, and of no later one") {
  AnyQueueTest t;
  REQUIRE(t.PutAll(t.a, 1, 4).ok());
  const std::vector<EventRef> claimed = t.Claim(t.a);
  t.Settle(Kind::kRetry, claimed[0], t.In(20));
  CHECK(t.listener.due == QueueTest::Instants{t.In(20)});
  t.Settle(Kind::kRetry, claimed[1], t.In(20));
  t.Settle(Kind::kRetry, claimed[2], t.In(21));
  CHECK(t.listener.due.size() == 1);
  t.Settle(Kind::kThrottled, claimed[3], t.In(19));
  CHECK(t.listener.due == QueueTest::Instants{t.In(20), t.In(19)});
  CHECK(t.queue->Advance(t.now()) == t.In(19));

  t.listener.Forget();
  REQUIRE(t.Put(t.b, 5, {t.In(19)}).ok());
  CHECK(t.listener.due.empty());
  REQUIRE(t.Put(t.b, 6, {t.In(18)}).ok());
  CHECK(t.listener.due == QueueTest::Instants{t.In(18)});
}

TEST_CASE("what becomes due by a call to Advance is told by its answer") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 1, {t.In(100)}).ok());
  REQUIRE(t.Settle(Kind::kRetry, t.Claim(t.a)[0], t.In(10)));
  CHECK(t.queue->Advance(t.now()) == t.In(10));
  t.listener.Forget();
  const Instant next = t.AdvanceBy(10);
  CHECK(next == t.In(90));
  CHECK(t.listener.due.empty());
}

TEST_CASE("what has been told once is told again after it was called off") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 1, {t.In(100)}).ok());
  t.SettleAll(Kind::kDone, t.Claim(t.a));
  REQUIRE(t.queue->Advance(t.now()).never());
  t.listener.Forget();
  REQUIRE(t.Put(t.a, 2, {t.In(200)}).ok());
  REQUIRE(t.listener.due.size() == 1);
  CHECK(t.listener.due[0] <= t.In(200));
}

TEST_CASE("an event is claimed until it expires, and from then on as expired only") {
  AnyQueueTest t;
  REQUIRE(t.PutAll(t.a, 1, 2, {t.In(10)}).ok());
  CHECK(t.queue->Advance(t.now()) == t.In(10));

  const Instant next = t.AdvanceBy(9);
  CHECK(next == t.In(1));
  CHECK(t.ClaimExpired().empty());
  CHECK(Numbers(t.Claim(t.a, 1)) == Ints{1});

  t.listener.Forget();
  t.AdvanceBy(1);
  CHECK(t.listener.ready == QueueTest::Functions{&t.a});
  CHECK(t.Waiting() == 1);
  CHECK(t.Claim(t.a).empty());
  const std::vector<EventRef> expired = t.ClaimExpired();
  REQUIRE(Numbers(expired) == Ints{2});
  CHECK(expired[0]->attempts == 0);
  CHECK(t.queue->stats().running == 2);
  CHECK(t.ClaimExpired().empty());
}

TEST_CASE("a claim that meets an expired event passes it over and tells") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 1, {t.In(10)}).ok());
  REQUIRE(t.Put(t.a, 2, {t.In(20)}).ok());
  t.clock.AdvanceBy(absl::Nanoseconds(10));  // and nobody calls Advance
  t.listener.Forget();
  CHECK(Numbers(t.Claim(t.a, 1)) == Ints{2});
  CHECK(t.listener.ready == QueueTest::Functions{&t.a});
  CHECK(Numbers(t.ClaimExpired()) == Ints{1});
}

TEST_CASE("expired events are found without a call to Advance, all of them, a few at a time") {
  AnyQueueTest t;
  REQUIRE(t.PutAll(t.a, 1, 3, {t.In(10)}).ok());
  REQUIRE(t.PutAll(t.b, 4, 5, {t.In(10)}).ok());
  t.clock.AdvanceBy(absl::Nanoseconds(10));
  Ints found = Numbers(t.ClaimExpired(false, 2));
  CHECK(found.size() == 2);
  for (int n : Numbers(t.ClaimExpired(false, 2))) found.push_back(n);
  CHECK(found.size() == 4);
  for (int n : Numbers(t.ClaimExpired(false, 2))) found.push_back(n);
  CHECK(Sorted(found) == Ints{1, 2, 3, 4, 5});
}

TEST_CASE("an event that has expired when it is put is accepted, and expires at once") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 1, {t.now()}).ok());
  CHECK(t.listener.due == QueueTest::Instants{t.now()});
  CHECK(t.Claim(t.a).empty());
  CHECK(Numbers(t.ClaimExpired()) == Ints{1});
}

TEST_CASE("a delayed event that expires before it is due expires in time") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 1, {t.In(10)}).ok());
  REQUIRE(t.Settle(Kind::kRetry, t.Claim(t.a)[0], t.In(100)));
  const Instant next = t.AdvanceBy(9);
  CHECK(next == t.In(1));
  CHECK(t.ClaimExpired().empty());
  t.listener.Forget();
  t.AdvanceBy(1);
  CHECK(t.listener.ready == QueueTest::Functions{&t.a});
  CHECK(t.Claim(t.a).empty());
  CHECK(Numbers(t.ClaimExpired()) == Ints{1});
}

TEST_CASE("an event that expires before those in front of it expires in time") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 1, {t.In(100)}).ok());
  REQUIRE(t.Put(t.a, 2, {t.In(10)}).ok());
  REQUIRE(t.Put(t.a, 3).ok());
  REQUIRE(t.Put(t.a, 4, {t.In(50)}).ok());
  CHECK(t.queue->Advance(t.now()) == t.In(10));
  t.AdvanceBy(10);
  CHECK(Numbers(t.ClaimExpired()) == Ints{2});
  CHECK(t.queue->Advance(t.now()) == t.In(40));
  t.AdvanceBy(40);
  CHECK(Numbers(t.ClaimExpired()) == Ints{4});
  t.AdvanceBy(50);
  CHECK(Numbers(t.ClaimExpired()) == Ints{1});
  CHECK(Numbers(t.Claim(t.a)) == Ints{3});
}

TEST_CASE("released events expire in time") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 1, {t.In(30)}).ok());
  REQUIRE(t.Put(t.a, 2, {t.In(10)}).ok());
  REQUIRE(t.Put(t.a, 3, {t.In(20)}).ok());
  t.SettleAll(Kind::kRelease, t.Claim(t.a, 2));
  t.AdvanceBy(10);
  CHECK(Numbers(t.ClaimExpired()) == Ints{2});
  t.AdvanceBy(10);
  CHECK(Numbers(t.ClaimExpired()) == Ints{3});
  t.AdvanceBy(9);
  CHECK(t.ClaimExpired().empty());
  t.AdvanceBy(1);
  CHECK(Numbers(t.ClaimExpired()) == Ints{1});
}

TEST_CASE("events released before one that expires earlier than all of them do not hide it") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 1, {t.In(100)}).ok());
  REQUIRE(t.Put(t.a, 2, {t.In(80)}).ok());
  const std::vector<EventRef> claimed = t.Claim(t.a);
  REQUIRE(t.Put(t.a, 3, {t.In(50)}).ok());
  REQUIRE(t.Settle(Kind::kRelease, claimed[0]));
  REQUIRE(t.Settle(Kind::kRelease, claimed[1]));
  t.AdvanceBy(50);
  CHECK(Numbers(t.ClaimExpired()) == Ints{3});
  t.AdvanceBy(30);
  CHECK(Numbers(t.ClaimExpired()) == Ints{2});
}

TEST_CASE("expired events may be put down in every way") {
  AnyQueueTest t;
  REQUIRE(t.PutAll(t.a, 1, 3, {t.In(10)}).ok());
  t.AdvanceBy(10);
  const std::vector<EventRef> expired = t.ClaimExpired();
  REQUIRE(expired.size() == 3);
  CHECK(t.Settle(Kind::kDead, expired[0]));
  CHECK(t.Settle(Kind::kRelease, expired[1]));
  CHECK(t.Settle(Kind::kRetry, expired[2], t.In(5)));
  CHECK(t.Claim(t.a).empty());
  CHECK(Sorted(Numbers(t.ClaimExpired())) == Sorted(Numbers({expired[1], expired[2]})));
}

// --- Drain and removal ---

TEST_CASE("everything that waits can be claimed, whatever it waits for") {
  AnyQueueTest t;
  REQUIRE(t.PutAll(t.a, 1, 2).ok());
  REQUIRE(t.Put(t.b, 3, {t.In(10)}).ok());
  REQUIRE(t.PutAll(t.far, 4, 6).ok());
  const std::vector<EventRef> running = t.Claim(t.far, 2);
  REQUIRE(t.Settle(Kind::kRetry, running[0], t.In(1000)));
  t.AdvanceBy(10);

  Ints all = Numbers(t.ClaimExpired(true, 2));
  CHECK(all.size() == 2);
  for (int n : Numbers(t.ClaimExpired(true, 100))) all.push_back(n);
  CHECK(Sorted(all) == Ints{1, 2, 3, 4, 6});
  CHECK(t.Waiting() == 0);
  CHECK(t.queue->Advance(t.now()).never());
}

TEST_CASE("a function's waiting events can be claimed, ready, delayed and expired, and nobody else's") {
  AnyQueueTest t;
  REQUIRE(t.PutAll(t.a, 1, 3).ok());
  REQUIRE(t.Put(t.a, 4, {t.In(10)}).ok());
  REQUIRE(t.Put(t.b, 5).ok());
  const std::vector<EventRef> running = t.Claim(t.a, 2);
  REQUIRE(t.Settle(Kind::kRetry, running[0], t.In(1000)));
  t.AdvanceBy(10);

  CHECK(t.ClaimWaiting(t.far).empty());
  Ints all;
  for (int batch = 0; batch < 3; ++batch) {
    const std::vector<EventRef> one = t.ClaimWaiting(t.a, 1);
    REQUIRE(one.size() == 1);
    CHECK(one[0]->fence != 0);
    all.push_back(Number(one[0]->id));
  }
  CHECK(Sorted(all) == Ints{1, 3, 4});
  CHECK(t.ClaimWaiting(t.a).empty());
  CHECK(t.ClaimExpired().empty());
  CHECK(Numbers(t.Claim(t.b)) == Ints{5});
  CHECK(t.queue->stats().running == 5);
}

// --- Leases ---

TEST_CASE("an event is lost when its lease ends, not before, and its old claim is stale only once it is claimed anew") {
  AnyQueueTest t;
  REQUIRE(t.PutAll(t.a, 1, 2).ok());
  const std::vector<EventRef> claimed = t.Claim(t.a, 2, t.In(10));
  const Settlement first = QueueTest::As(Kind::kDone, claimed[0]);
  const Settlement second = QueueTest::As(Kind::kDone, claimed[1]);
  CHECK(t.queue->Advance(t.now()) == t.In(10));

  t.AdvanceBy(9);
  CHECK(t.ClaimLost().empty());
  t.listener.Forget();
  CHECK(t.AdvanceBy(1).never());
  CHECK(t.listener.ready == QueueTest::Functions{&t.a});
  CHECK(t.queue->stats().running == 2);
  CHECK(t.Claim(t.a).empty());

  CHECK(t.Settle(second));
  const std::vector<EventRef> lost = t.ClaimLost();
  REQUIRE(Numbers(lost) == Ints{1});
  CHECK(lost[0]->attempts == 1);
  CHECK(!t.Settle(first));
  CHECK(t.ClaimLost().empty());
  CHECK(t.Settle(Kind::kRetry, lost[0], t.now()));
  CHECK(t.Claim(t.a).at(0)->attempts == 2);
}

TEST_CASE("an extended lease ends later") {
  AnyQueueTest t;
  REQUIRE(t.PutAll(t.a, 1, 3).ok());
  const std::vector<EventRef> claimed = t.Claim(t.a, 3, t.In(10));
  t.queue->Extend(std::span(claimed).first(1), t.In(20));
  t.queue->Extend(std::span(claimed).last(1), Instant::Never());
  t.AdvanceBy(10);
  CHECK(Numbers(t.ClaimLost()) == Ints{2});
  t.AdvanceBy(9);
  CHECK(t.ClaimLost().empty());
  t.AdvanceBy(1);
  CHECK(Numbers(t.ClaimLost()) == Ints{1});
  t.AdvanceBy(1'000'000'000);
  CHECK(t.ClaimLost().empty());
}

TEST_CASE("a lease is extended even after its end, until the event is claimed anew") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 1).ok());
  const std::vector<EventRef> claimed = t.Claim(t.a, 1, t.In(10));
  t.AdvanceBy(10);
  t.queue->Extend(claimed, t.In(5));
  CHECK(t.ClaimLost().empty());
  CHECK(t.Settle(Kind::kDone, claimed[0]));
  t.AdvanceBy(10);
  CHECK(t.ClaimLost().empty());
}

TEST_CASE("extending what is not claimed does nothing") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 1).ok());
  const std::vector<EventRef> claimed = t.Claim(t.a);
  REQUIRE(t.Settle(Kind::kRetry, claimed[0], t.now()));
  t.queue->Extend(claimed, t.In(5));
  t.AdvanceBy(5);
  CHECK(t.ClaimLost().empty());
  CHECK(Numbers(t.Claim(t.a)) == Ints{1});
}

TEST_CASE("claiming all that is leased leaves alone what waits") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 1, {t.In(50)}).ok());
  const std::vector<EventRef> claimed = t.Claim(t.a, 1, {kForeverNs - 1});
  REQUIRE(t.PutAll(t.a, 2, 3, {t.In(50)}).ok());
  REQUIRE(t.Settle(Kind::kRetry, t.Claim(t.a, 1)[0], t.In(10)));

  std::vector<EventRef> out(10);
  REQUIRE(t.queue->ClaimLost(out, Instant::Never()) == 1);
  CHECK(out[0]->id == Id(1));
  CHECK(t.queue->stats().delayed == 1);
  CHECK(Numbers(t.Claim(t.a)) == Ints{3});
  t.AdvanceBy(9);
  CHECK(t.Claim(t.a).empty());
  t.AdvanceBy(1);
  CHECK(Numbers(t.Claim(t.a)) == Ints{2});
}

TEST_CASE("a claim without a lease is never lost") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 1).ok());
  const std::vector<EventRef> claimed = t.Claim(t.a);
  CHECK(t.AdvanceBy(1'000'000'000'000).never());
  CHECK(t.ClaimLost().empty());
  CHECK(t.Settle(Kind::kDone, claimed[0]));
}

// --- Delayed and keyed events ---

TEST_CASE("an event that is put for later waits until then, or until it is too old") {
  AnyQueueTest t;
  std::vector<EventRef> events;
  events.push_back(NewEvent(t.a, 1, t.now(), {t.In(100)}));
  events[0]->not_before = t.In(10);
  events.push_back(NewEvent(t.a, 2, t.now(), {t.In(5)}));
  events[1]->not_before = t.In(10);
  REQUIRE(t.queue->Put(events, t.now()).ok());
  CHECK(t.queue->stats().delayed == 2);
  CHECK(t.queue->waiting(t.a).delayed == 2);
  CHECK(t.Claim(t.a).empty());
  t.clock.AdvanceBy(absl::Nanoseconds(5));
  t.queue->Advance(t.now());
  EventRef expired[4];
  REQUIRE(t.queue->ClaimExpired(expired, t.now(), false) == 1);
  CHECK(expired[0]->id == Id(2));
  t.clock.AdvanceBy(absl::Nanoseconds(5));
  t.queue->Advance(t.now());
  CHECK(Numbers(t.Claim(t.a)) == Ints{1});
}

EventRef Keyed(const FunctionIdentity& function, int n, Instant now, std::string key, Instant until) {
  EventRef event = NewEvent(function, n, now);
  event->NeedDetails().dedup_key = std::move(key);
  event->details->dedup_until = until;
  return event;
}

TEST_CASE("an event whose key is remembered is not accepted again, and gets the first one's id") {
  AnyQueueTest t;
  const auto put = [&](const FunctionIdentity& function, int n, std::string key) {
    EventRef event = Keyed(function, n, t.now(), std::move(key), t.In(60));
    REQUIRE(t.queue->Put({&event, 1}, t.now()).ok());
    return event ? event->id : Id(n);
  };
  CHECK(put(t.a, 1, "k") == Id(1));
  CHECK(put(t.a, 2, "k") == Id(1));
  CHECK(put(t.a, 3, "other") == Id(3));
  CHECK(put(t.b, 4, "k") == Id(4));  // each function has keys of its own
  CHECK(t.queue->stats().accepted == 3);
  // Also once the first has ended.
  const std::vector<EventRef> claimed = t.Claim(t.a, 1);
  REQUIRE(t.Settle(Kind::kDone, claimed[0]));
  CHECK(put(t.a, 5, "k") == Id(1));
  t.clock.AdvanceBy(absl::Nanoseconds(60));
  CHECK(put(t.a, 6, "k") == Id(6));
  CHECK(t.queue->stats().accepted == 4);
}

TEST_CASE("one waiting event is claimed by its id, whatever it waits for") {
  AnyQueueTest t;
  REQUIRE(t.PutAll(t.a, 1, 3).ok());
  const std::vector<EventRef> claimed = t.Claim(t.a, 1);
  REQUIRE(t.Settle(Kind::kRetry, claimed[0], t.In(10)));
  for (const int n : {2, 1}) {
    EventRef event;
    REQUIRE(t.queue->Cancel(Id(n), &event));
    REQUIRE(event);
    CHECK(event->id == Id(n));
    CHECK(event->attempts == (n == 1 ? 1 : 0));
    REQUIRE(t.Settle(Kind::kDone, event));
    CHECK(!t.queue->Cancel(Id(n), &event));
    CHECK(!event);
  }
  EventRef event;
  CHECK(!t.queue->Cancel(Id(99), &event));
  CHECK(!t.queue->Cancel(RequestId(), &event));
  CHECK(Numbers(t.Claim(t.a)) == Ints{3});
}

TEST_CASE("an event that is cancelled while it is claimed waits for nothing but its end") {
  for (const Kind kind : {Kind::kRetry, Kind::kThrottled, Kind::kRelease, Kind::kDead}) {
    INFO("kind " << static_cast<int>(kind));
    AnyQueueTest t;
    REQUIRE(t.PutAll(t.a, 1, 2).ok());
    const std::vector<EventRef> claimed = t.Claim(t.a);
    EventRef event;
    CHECK(!t.queue->IsCancelled(Id(1)));
    CHECK(t.queue->Cancel(Id(1), &event));
    CHECK(t.queue->Cancel(Id(1), &event));
    CHECK(!event);
    CHECK(t.queue->IsCancelled(Id(1)));
    CHECK(!t.queue->IsCancelled(Id(2)));
    t.listener.Forget();
    CHECK(!t.Settle(kind, claimed[0], t.In(10)));
    CHECK(t.listener.due == QueueTest::Instants{t.now()});
    CHECK(!t.queue->IsCancelled(Id(1)));
    CHECK(t.Settle(kind, claimed[1], t.In(10)));
    CHECK(t.queue->FindWaiting(Id(1), t.now()).has_value());

    const std::vector<EventRef> ending = t.ClaimExpired();
    REQUIRE(Numbers(ending) == Ints{1});
    CHECK(ending[0]->cancelled);
    CHECK(ending[0]->attempts == (kind == Kind::kRetry || kind == Kind::kDead ? 1 : 0));
    CHECK(t.Settle(Kind::kDone, ending[0]));
    CHECK(!t.queue->GetDead(Id(1)).has_value());
    CHECK(!t.queue->Cancel(Id(1), &event));
    CHECK(t.queue->stats().running == 0);
    CHECK(t.queue->stats().ended == (kind == Kind::kDead ? 2 : 1));
  }
}

TEST_CASE("a cancelled event that is given back waits for nothing but its end") {
  for (const Kind kind : {Kind::kRetry, Kind::kThrottled, Kind::kRelease}) {
    INFO("kind " << static_cast<int>(kind));
    AnyQueueTest t;
    REQUIRE(t.Put(t.a, 1).ok());
    const std::vector<EventRef> claimed = t.Claim(t.a);
    EventRef event;
    REQUIRE(t.queue->Cancel(Id(1), &event));
    REQUIRE(!t.Settle(Kind::kRetry, claimed[0], t.now()));
    REQUIRE(t.Settle(kind, t.ClaimExpired().at(0), t.now()));
    CHECK(t.Claim(t.a).empty());
    CHECK(Numbers(t.ClaimExpired()) == Ints{1});
  }
}

TEST_CASE("an event that is cancelled while it is claimed may still succeed, or be parked") {
  for (const Kind kind : {Kind::kDone, Kind::kParked}) {
    AnyQueueTest t;
    REQUIRE(t.Put(t.a, 1).ok());
    const std::vector<EventRef> claimed = t.Claim(t.a);
    EventRef event;
    CHECK(t.queue->Cancel(Id(1), &event));
    CHECK(t.Settle(kind, claimed[0]));
    CHECK(!t.queue->IsCancelled(Id(1)));
    CHECK(!t.queue->Cancel(Id(1), &event));
    CHECK(t.queue->stats().ended == 1);
  }
}

TEST_CASE("who loses a claim loses no cancellation") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 1).ok());
  const std::vector<EventRef> claimed = t.Claim(t.a, 1, t.In(10));
  EventRef event;
  CHECK(t.queue->Cancel(Id(1), &event));
  t.AdvanceBy(10);
  const std::vector<EventRef> lost = t.ClaimLost();
  REQUIRE(Numbers(lost) == Ints{1});
  CHECK(t.queue->IsCancelled(Id(1)));
  CHECK(!t.Settle(Kind::kRetry, lost[0], t.now()));
  CHECK(Numbers(t.ClaimExpired()) == Ints{1});
}

TEST_CASE("a waiting event is found by its id, with where its time went") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 1).ok());
  t.clock.AdvanceBy(absl::Nanoseconds(2));
  std::optional<WaitingEvent> found = t.queue->FindWaiting(Id(1), t.now());
  REQUIRE(found.has_value());
  CHECK(found->function == &t.a);
  CHECK(found->attempts == 0);
  CHECK(found->spent.queued == absl::Nanoseconds(2));
  CHECK(found->spent.total() == absl::Nanoseconds(2));
  std::vector<EventRef> claimed = t.Claim(t.a);
  CHECK(!t.queue->FindWaiting(Id(1), t.now()).has_value());
  claimed[0]->EndWait(t.now(), 1);
  claimed[0]->EndAttempt(t.now(), Instant::Never(), t.now());
  REQUIRE(t.Settle(Kind::kRetry, claimed[0], t.In(10)));
  CHECK(t.queue->waiting(t.a).backing_off == 1);
  t.clock.AdvanceBy(absl::Nanoseconds(4));
  found = t.queue->FindWaiting(Id(1), t.now());
  REQUIRE(found.has_value());
  CHECK(found->attempts == 1);
  CHECK(found->not_before == t.In(6));
  CHECK(found->spent.queued == absl::Nanoseconds(2));
  CHECK(found->spent.backing_off == absl::Nanoseconds(4));
  t.clock.AdvanceBy(absl::Nanoseconds(8));
  t.queue->Advance(t.now());
  CHECK(t.queue->waiting(t.a).ready == 1);
  CHECK(t.queue->waiting(t.a).backing_off == 0);
  found = t.queue->FindWaiting(Id(1), t.now());
  REQUIRE(found.has_value());
  CHECK(found->spent.queued == absl::Nanoseconds(4));
  CHECK(found->spent.backing_off == absl::Nanoseconds(10));
}

// --- Dead letters ---

TEST_CASE("a dead letter says what became of the event") {
  AnyQueueTest t;
  REQUIRE(t.Put(t.a, 7).ok());
  const absl::Time accepted_at = t.clock.Calendar();
  t.clock.AdvanceBy(absl::Seconds(3));
  const std::vector<EventRef> claimed = t.Claim(t.a);
  claimed[0]->NeedDetails().errors.Add({1, t.clock.Calendar(), {"E", "because"}});
  Settlement settlement = QueueTest::As(Kind::kDead, claimed[0]);
  settlement.condition = Condition::kNotRetryable;
  REQUIRE(t.Settle(settlement));

  const std::optional<DeadLetter> letter = t.queue->GetDead(Id(7));
  REQUIRE(letter.has_value());
  CHECK(letter->request_id == Id(7));
  CHECK(letter->function == "a");
  CHECK(letter->condition == Condition::kNotRetryable);
  CHECK(letter->attempts == 1);
  REQUIRE(letter->errors.size() == 1);
  CHECK(letter->errors[0].error.message == "because");
  CHECK(letter->accepted_at == accepted_at);
  CHECK(letter->died_at == accepted_at + absl::Seconds(3));
  CHECK(letter->Bytes().value() == "7");
  CHECK(!t.queue->GetDead(Id(8)).has_value());
}

TEST_CASE("dead letters are listed oldest first, page by page") {
  AnyQueueTest t;
  REQUIRE(t.Bury(t.a, 1, 5).ok());
  CHECK(Numbers(t.queue->ListDead({}, 100, std::nullopt)) == Ints{1, 2, 3, 4, 5});
  CHECK(Numbers(t.queue->ListDead({}, 2, std::nullopt)) == Ints{1, 2});
  CHECK(Numbers(t.queue->ListDead({}, 2, Id(2))) == Ints{3, 4});
  CHECK(Numbers(t.queue->ListDead({}, 2, Id(4))) == Ints{5});
  CHECK(t.queue->ListDead({}, 2, Id(5)).empty());
  CHECK(t.queue->ListDead({}, 0, std::nullopt).empty());
}

TEST_CASE("a listing goes on where it was, although the letters of the last page were taken") {
  AnyQueueTest t;
  REQUIRE(t.Bury(t.a, 1, 5).ok());
  (void)t.queue->TakeDead(Ids({1, 2, 3}));
  CHECK(Numbers(t.queue->ListDead({}, 100, Id(2))) == Ints{4, 5});
  (void)t.queue->PurgeDead({});
  REQUIRE(t.Bury(t.a, 6, 6).ok());
  CHECK(Numbers(t.queue->ListDead({}, 100, Id(5))) == Ints{6});
}

TEST_CASE("a listing after an id that never was begins with the oldest") {
  AnyQueueTest t;
  REQUIRE(t.Bury(t.a, 1, 2).ok());
  CHECK(Numbers(t.queue->ListDead({}, 100, Id(9))) == Ints{1, 2});
}

TEST_CASE("dead letters are filtered by function and by condition") {
  AnyQueueTest t;
  REQUIRE(t.Bury(t.a, 1, 2).ok());
  REQUIRE(t.Put(t.b, 3).ok());
  Settlement settlement = QueueTest::As(Kind::kDead, t.Claim(t.b)[0]);
  settlement.condition = Condition::kEventAgeExceeded;
  REQUIRE(t.Settle(settlement));

  CHECK(Numbers(t.queue->ListDead({.function = "a"}, 100, std::nullopt)) == Ints{1, 2});
  CHECK(Numbers(t.queue->ListDead({.function = "a"}, 1, Id(1))) == Ints{2});
  CHECK(Numbers(t.queue->ListDead({.condition = Condition::kEventAgeExceeded}, 100, std::nullopt)) == Ints{3});
  CHECK(t.queue->ListDead({.function = "a", .condition = Condition::kEventAgeExceeded}, 9, std::nullopt).empty());

  CHECK(t.queue->PurgeDead({.condition = Condition::kEventAgeExceeded}).size() == 1);
  CHECK(t.queue->PurgeDead({.function = "b"}).size() == 0);
  CHECK(t.queue->PurgeDead({}).size() == 2);
  CHECK(t.queue->stats().dead == 0);
}

TEST_CASE("letters are taken once, in the order asked for") {
  AnyQueueTest t;
  REQUIRE(t.Bury(t.a, 1, 3).ok());
  CHECK(Numbers(t.queue->TakeDead(Ids({3, 9, 1, 3}))) == Ints{3, 1});
  CHECK(t.queue->TakeDead(Ids({1, 3})).empty());
  CHECK(Numbers(t.queue->ListDead({}, 100, std::nullopt)) == Ints{2});
  CHECK(t.queue->stats().ended == 3);
}

TEST_CASE("a taken letter's event may be put again, and counts as accepted again") {
  AnyQueueTest t;
  REQUIRE(t.Bury(t.a, 1, 1).ok());
  std::vector<DeadLetter> letters = t.queue->TakeDead(Ids({1}));
  REQUIRE(letters.size() == 1);
  EventRef event = std::move(letters[0].event);
  REQUIRE(t.queue->Put({&event, 1}, t.now()).ok());
  CHECK(t.queue->stats().accepted == 2);
  const std::vector<EventRef> claimed = t.Claim(t.a);
  REQUIRE(Numbers(claimed) == Ints{1});
  CHECK(t.Settle(Kind::kDead, claimed[0]));
  CHECK(Numbers(t.queue->ListDead({}, 100, std::nullopt)) == Ints{1});
}

TEST_CASE("a redrive replaces the letter by a new event, and tells") {
  AnyQueueTest t;
  REQUIRE(t.Bury(t.a, 1, 2).ok());
  t.listener.Forget();
  REQUIRE(t.queue->Redrive(Id(1), NewEvent(t.b, 11, t.now(), {t.In(10)}), t.now()).ok());
  CHECK(t.listener.ready == QueueTest::Functions{&t.b});
  CHECK(t.listener.due == QueueTest::Instants{t.In(10)});
  CHECK(Numbers(t.queue->ListDead({}, 100, std::nullopt)) == Ints{2});
  CHECK(t.queue->stats().accepted == 3);
  CHECK(t.queue->stats().bytes == 1);
  CHECK(Numbers(t.Claim(t.b)) == Ints{11});
}

TEST_CASE("a redrive of no letter is NotFound") {
  AnyQueueTest t;
  const absl::Status status = t.queue->Redrive(Id(1), NewEvent(t.a, 2, t.now()), t.now());
  CHECK(status.code() == absl::StatusCode::kNotFound);
  CHECK(t.queue->stats().accepted == 0);
}

TEST_CASE("a redrive into a full queue leaves the letter where it is") {
  AnyQueueTest t({.events = 1});
  REQUIRE(t.Bury(t.a, 1, 1).ok());
  REQUIRE(t.Put(t.a, 2).ok());
  CHECK(Reason(t.queue->Redrive(Id(1), NewEvent(t.a, 3, t.now()), t.now())) == reason::kEventQueueFull);
  CHECK(t.queue->GetDead(Id(1)).has_value());
  CHECK(t.queue->stats().accepted == 2);
}

TEST_CASE("a full dead-letter queue is emptied by redrives") {
  AnyQueueTest t({.dead_letters = 1});
  REQUIRE(t.Bury(t.a, 1, 1).ok());
  REQUIRE(!t.Put(t.a, 2).ok());
  CHECK(t.queue->Redrive(Id(1), NewEvent(t.a, 3, t.now()), t.now()).ok());
  CHECK(t.Put(t.a, 2).ok());
}

// --- Against the model ---

TEST_CASE("a queue behaves as its model through thousands of random steps") {
  const Limits limits{.events = 40, .bytes = 900, .dead_letters = 12};
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    AnyQueueTest t(limits);
    RandomWalk walk(t, limits, seed);
    for (int step = 0; step < 1500; ++step) {
      const std::string wrong = walk.Step();
      INFO("seed " << seed << ", step " << step);
      REQUIRE(wrong == "");
    }
  }
}

}  // namespace runlet::queue_test

#endif  // RUNLET_TESTS_QUEUE_CONFORMANCE_H_
