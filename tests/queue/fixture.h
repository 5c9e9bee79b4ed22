// What tests of queues share: events to put, a listener that writes down what it is told, short forms of the verbs.
#ifndef RUNLET_TESTS_QUEUE_FIXTURE_H_
#define RUNLET_TESTS_QUEUE_FIXTURE_H_

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runlet/base/time.h"
#include "runlet/queue/event_queue.h"
#include "tests/catch.h"

template <>
struct Catch::StringMaker<runlet::Instant> {
  static std::string convert(runlet::Instant instant) { return std::to_string(instant.ns) + " ns"; }
};

namespace runlet::queue_test {

struct Limits {
  std::size_t events = 1000;
  std::size_t bytes = 1'000'000;
  std::size_t dead_letters = 1000;
};

// The id of event n.
inline RequestId Id(int n) { return RequestId::FromBits(0, static_cast<std::uint64_t>(n)); }

struct EventSpec {
  Instant expires = Instant::Never();
  std::size_t bytes = 1;
};

inline EventRef NewEvent(const FunctionIdentity& function, int n, Instant now, EventSpec spec = {}) {
  std::string payload = std::to_string(n);
  EventRef event = Event::Make(TypeOf<std::string>(), &payload);
  event->id = Id(n);
  event->function = &function;
  event->codec = CodecOf<std::string>();
  event->accepted = now;
  event->expires = spec.expires;
  event->payload_bytes = spec.bytes;
  return event;
}

class Listener final : public QueueListener {
 public:
  void OnReady(const FunctionIdentity& function) override { ready.push_back(&function); }
  void OnDue(Instant when) override { due.push_back(when); }

  void Forget() {
    ready.clear();
    due.clear();
  }
  std::vector<const FunctionIdentity*> ready;
  std::vector<Instant> due;
};

// A queue on a clock that stands still, with three functions.
class QueueTest {
 public:
  using Kind = Settlement::Kind;
  using Functions = std::vector<const FunctionIdentity*>;
  using Instants = std::vector<Instant>;

  explicit QueueTest(std::unique_ptr<EventQueue> (*make)(const Limits&, const Clock&), Limits limits = {}) {
    clock.AdvanceTo({1'000'000});
    queue = make(limits, clock);
    queue->Attach(&listener);
  }
  ~QueueTest() { queue->Attach(nullptr); }

  Instant now() const { return clock.Now(); }
  Instant In(std::int64_t nanoseconds) const { return now().After(nanoseconds); }

  absl::Status Put(const FunctionIdentity& function, int n, EventSpec spec = {}) {
    EventRef event = NewEvent(function, n, now(), spec);
    return queue->Put({&event, 1}, now());
  }
  // Events first to last, in one batch.
  absl::Status PutAll(const FunctionIdentity& function, int first, int last, EventSpec spec = {}) {
    std::vector<EventRef> events;
    for (int n = first; n <= last; ++n) events.push_back(NewEvent(function, n, now(), spec));
    return queue->Put(events, now());
  }

  std::vector<EventRef> Claim(const FunctionIdentity& function, std::size_t max = 100,
                              Instant lease = Instant::Never()) {
    std::vector<EventRef> out(max);
    out.resize(queue->Claim(function, out, now(), lease));
    return out;
  }
  std::vector<EventRef> ClaimExpired(bool everything = false, std::size_t max = 100) {
    std::vector<EventRef> out(max);
    out.resize(queue->ClaimExpired(out, now(), everything));
    return out;
  }
  std::vector<EventRef> ClaimWaiting(const FunctionIdentity& function, std::size_t max = 100) {
    std::vector<EventRef> out(max);
    out.resize(queue->ClaimWaiting(function, out));
    return out;
  }
  std::vector<EventRef> ClaimLost(std::size_t max = 100) {
    std::vector<EventRef> out(max);
    out.resize(queue->ClaimLost(out, now()));
    return out;
  }

  static Settlement As(Kind kind, const EventRef& event, Instant due = {}) {
    Settlement settlement;
    settlement.event = event;
    settlement.fence = event->fence;
    settlement.kind = kind;
    settlement.due = due;
    settlement.condition = kind == Kind::kDead ? Condition::kRetriesExhausted : Condition::kSuccess;
    return settlement;
  }
  // False when stale.
  bool Settle(Settlement settlement) {
    queue->Settle({&settlement, 1}, now());
    return !settlement.stale;
  }
  bool Settle(Kind kind, const EventRef& event, Instant due = {}) { return Settle(As(kind, event, due)); }
  void SettleAll(Kind kind, const std::vector<EventRef>& events, Instant due = {}) {
    std::vector<Settlement> settlements;
    for (const EventRef& event : events) settlements.push_back(As(kind, event, due));
    queue->Settle(settlements, now());
  }
  // Puts events first to last and lets them die.
  absl::Status Bury(const FunctionIdentity& function, int first, int last) {
    absl::Status put = PutAll(function, first, last);
    if (put.ok()) SettleAll(Kind::kDead, Claim(function));
    return put;
  }

  // Moves the clock and lets the queue know.
  Instant AdvanceBy(std::int64_t nanoseconds) {
    clock.AdvanceBy(absl::Nanoseconds(nanoseconds));
    return queue->Advance(now());
  }
  std::size_t Waiting() const {
    const QueueStats stats = queue->stats();
    return stats.ready + stats.delayed;
  }

  ManualClock clock;
  FunctionIdentity a{"a", 0};
  FunctionIdentity b{"b", 1};
  FunctionIdentity far{"far", 70};  // its index is not next to any other
  Listener listener;
  std::unique_ptr<EventQueue> queue;
};

// The numbers by which events and letters were made.
inline int Number(const RequestId& id) { return std::stoi(id.ToString().substr(24), nullptr, 16); }
inline std::vector<int> Numbers(const std::vector<EventRef>& events) {
  std::vector<int> numbers;
  for (const EventRef& event : events) numbers.push_back(Number(event->id));
  return numbers;
}
inline std::vector<int> Numbers(const std::vector<DeadLetter>& letters) {
  std::vector<int> numbers;
  for (const DeadLetter& letter : letters) numbers.push_back(Number(letter.request_id));
  return numbers;
}
inline std::vector<int> Sorted(std::vector<int> numbers) {
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}
inline std::vector<RequestId> Ids(const std::vector<int>& numbers) {
  std::vector<RequestId> ids;
  for (int n : numbers) ids.push_back(Id(n));
  return ids;
}

}  // namespace runlet::queue_test

#endif  // RUNLET_TESTS_QUEUE_FIXTURE_H_
