// An EventQueue as one would write it with no thought of speed, and a random walk that compares the two.
#ifndef RUNLET_TESTS_QUEUE_MODEL_H_
#define RUNLET_TESTS_QUEUE_MODEL_H_

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runlet/base/random.h"
#include "tests/queue/fixture.h"

namespace runlet::queue_test {

// Events are numbers here. Exact at the instants at which Advance was called.
struct Model {
  enum class State { kReady, kDelayed, kRunning };
  struct Item {
    const FunctionIdentity* function = nullptr;
    EventSpec spec;
    State state = State::kReady;
    Instant wake = {};   // delayed: ready or expired then
    Instant lease = {};  // running
    int attempts = 0;
    int throttles = 0;
    bool counted = false;
    std::uint64_t order = 0;  // in which it was put, delayed or released
  };
  using Kind = Settlement::Kind;

  std::map<int, Item> live;
  std::vector<int> dead;
  QueueStats stats;
  std::set<const FunctionIdentity*> told;
  std::int64_t front = 0;
  std::uint64_t orders = 1'000'000;
  std::uint64_t fronts = 1'000'000;

  void Put(int n, const FunctionIdentity& function, EventSpec spec) {
    Item& item = live[n];
    item.function = &function;
    item.spec = spec;
    ++stats.accepted;
    MakeReady(item);
  }
  void MakeReady(Item& item) {
    item.state = State::kReady;
    item.order = orders++;
    told.insert(item.function);
  }
  // Ready events of `function` that have not expired, in order.
  std::vector<int> Claimable(const FunctionIdentity& function, Instant now) const {
    std::vector<int> numbers;
    for (const auto& [n, item] : live) {
      if (item.state == State::kReady && item.function == &function && item.spec.expires > now) numbers.push_back(n);
    }
    std::sort(numbers.begin(), numbers.end(), [&](int x, int y) { return live.at(x).order < live.at(y).order; });
    return numbers;
  }
  template <typename Predicate>
  std::set<int> Those(const Predicate& predicate) const {
    std::set<int> numbers;
    for (const auto& [n, item] : live) {
      if (predicate(item)) numbers.insert(n);
    }
    return numbers;
  }
  void Run(int n, bool counts, Instant lease) {
    Item& item = live.at(n);
    item.state = State::kRunning;
    item.lease = lease;
    item.counted = counts;
    if (counts) ++item.attempts;
  }
  // Released events are put before the others afterwards, by Release().
  void Settle(int n, Kind kind, Instant due, Instant now) {
    Item& item = live.at(n);
    switch (kind) {
      case Kind::kThrottled:
        item.attempts -= item.counted ? 1 : 0;
        ++item.throttles;
        [[fallthrough]];
      case Kind::kRetry:
        item.wake = std::min(due, item.spec.expires);
        if (item.wake <= now) return MakeReady(item);
        item.state = State::kDelayed;
        item.order = orders++;
        return;
      case Kind::kRelease: item.attempts -= item.counted ? 1 : 0; return;
      case Kind::kDead: dead.push_back(n); [[fallthrough]];
      case Kind::kDone:
      case Kind::kParked:
        ++stats.ended;
        live.erase(n);
        return;
    }
  }
  void Release(const std::vector<int>& numbers) {
    fronts -= numbers.size();
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      live.at(numbers[i]).state = State::kReady;
      live.at(numbers[i]).order = fronts + i;
    }
  }
  void Advance(Instant before, Instant now) {
    std::vector<std::pair<std::pair<Instant, std::uint64_t>, int>> woken;
    for (const auto& [n, item] : live) {
      if (item.state == State::kDelayed && item.wake <= now) woken.push_back({{item.wake, item.order}, n});
      if (item.state == State::kReady && item.spec.expires > before && item.spec.expires <= now)
        told.insert(item.function);
      if (item.state == State::kRunning && item.lease > before && item.lease <= now) told.insert(item.function);
    }
    std::sort(woken.begin(), woken.end());
    for (const auto& [when, n] : woken) MakeReady(live.at(n));
  }
  // When something changes by itself.
  Instant Next(Instant now) const {
    Instant next = Instant::Never();
    for (const auto& [n, item] : live) {
      const Instant at = item.state == State::kReady     ? item.spec.expires
                         : item.state == State::kDelayed ? item.wake
                                                         : item.lease;
      if (at > now) next = std::min(next, at);
    }
    return next;
  }
  QueueStats Stats() const {
    QueueStats all = stats;
    all.dead = dead.size();
    for (const auto& [n, item] : live) {
      all.bytes += item.spec.bytes;
      ++(item.state == State::kReady ? all.ready : item.state == State::kDelayed ? all.delayed : all.running);
    }
    return all;
  }
};

// Does random steps with a queue and its model.
class RandomWalk {
 public:
  using Kind = Settlement::Kind;

  RandomWalk(QueueTest& test, const Limits& limits, std::uint64_t seed) : t_(test), limits_(limits), random_(seed) {}

  // What went wrong; empty if nothing did.
  std::string Step() {
    model_.told.clear();
    t_.listener.Forget();
    wrong_.clear();
    switch (random_.Below(16)) {
      case 0:
      case 1:
      case 2:
      case 3: Put(); break;
      case 4:
      case 5:
      case 6: Claim(); break;
      case 7:
      case 8:
      case 9:
      case 10: Settle(); break;
      case 11:
      case 12: Advance(); break;
      case 13: ClaimExpired(); break;
      case 14: random_.OneIn(2) ? ClaimLost() : ClaimWaiting(); break;
      case 15: DeadLetters(); break;
    }
    Compare();
    return wrong_;
  }

 private:
  int Below(int n) { return static_cast<int>(random_.Below(static_cast<std::uint64_t>(n))); }
  const FunctionIdentity& Function() {
    const FunctionIdentity* const functions[] = {&t_.a, &t_.b, &t_.far};
    return *functions[random_.Below(3)];
  }
  EventSpec Spec() { return {random_.OneIn(3) ? Instant::Never() : t_.In(Below(150)), random_.Below(50)}; }
  void Expect(bool right, std::string_view what) {
    if (!right && wrong_.empty()) wrong_ = what;
  }

  void Put() {
    const FunctionIdentity& function = Function();
    std::vector<EventRef> events;
    std::vector<EventSpec> specs;
    std::size_t bytes = 0;
    const int size = 1 + Below(4);
    for (int i = 0; i < size; ++i) {
      specs.push_back(Spec());
      bytes += specs.back().bytes;
      events.push_back(NewEvent(function, next_ + i, t_.now(), specs.back()));
    }
    const QueueStats before = model_.Stats();
    const std::string_view expected = before.dead >= limits_.dead_letters ? reason::kDeadLetterQueueFull
                                      : model_.live.size() + events.size() > limits_.events ? reason::kEventQueueFull
                                      : before.bytes + bytes > limits_.bytes                ? reason::kEventQueueFull
                                                                                            : "";
    const absl::Status put = t_.queue->Put(events, t_.now());
    Expect(Reason(put) == expected && put.ok() == expected.empty(), fmt::format("Put: {}", put.ToString()));
    if (!put.ok()) return;
    for (const EventSpec& spec : specs) model_.Put(next_++, function, spec);
  }

  void Claim() {
    const FunctionIdentity& function = Function();
    const Instant lease = random_.OneIn(2) ? Instant::Never() : t_.In(1 + Below(60));
    const std::size_t max = random_.Below(5);
    std::vector<int> expected = model_.Claimable(function, t_.now());
    expected.resize(std::min(expected.size(), max));
    const std::vector<EventRef> claimed = t_.Claim(function, max, lease);
    Expect(Numbers(claimed) == expected, "Claim");
    Hold(claimed, true, lease);
  }

  // `claimed` came from `among`, as many as there were or as fit.
  void ClaimSome(const std::vector<EventRef>& claimed, std::size_t max, const std::set<int>& among, const char* what) {
    const std::vector<int> numbers = Numbers(claimed);
    const std::set<int> distinct(numbers.begin(), numbers.end());
    Expect(distinct.size() == numbers.size() && numbers.size() == std::min(max, among.size()) &&
               std::includes(among.begin(), among.end(), distinct.begin(), distinct.end()),
           what);
    if (wrong_.empty()) Hold(claimed, false, Instant::Never());
  }
  void ClaimExpired() {
    const bool everything = random_.OneIn(20);
    const std::size_t max = random_.Below(8);
    const std::set<int> among = model_.Those([&](const Model::Item& item) {
      return item.state != Model::State::kRunning && (everything || item.spec.expires <= t_.now());
    });
    ClaimSome(t_.ClaimExpired(everything, max), max, among, "ClaimExpired");
  }
  void ClaimWaiting() {
    const FunctionIdentity& function = Function();
    const std::size_t max = random_.Below(4);
    const std::set<int> among = model_.Those(
        [&](const Model::Item& item) { return item.state != Model::State::kRunning && item.function == &function; });
    ClaimSome(t_.ClaimWaiting(function, max), max, among, "ClaimWaiting");
  }
  void ClaimLost() {
    const std::size_t max = random_.Below(4);
    const std::set<int> among = model_.Those(
        [&](const Model::Item& item) { return item.state == Model::State::kRunning && item.lease <= t_.now(); });
    ClaimSome(t_.ClaimLost(max), max, among, "ClaimLost");
  }
  void Hold(const std::vector<EventRef>& events, bool counts, Instant lease) {
    for (const EventRef& event : events) {
      const int n = Number(event->id);
      if (!model_.live.contains(n)) return Expect(false, "an event that is not there");
      model_.Run(n, counts, lease);
      Expect(event->attempts == model_.live.at(n).attempts, "attempts");
      Expect(event->throttles == model_.live.at(n).throttles, "throttles");
      claims_.push_back({event, event->fence});
      valid_[n] = event->fence;
    }
  }

  void Settle() {
    std::vector<Settlement> batch;
    std::vector<bool> stale;
    std::vector<int> released;
    const int size = Below(5);
    for (int i = 0; i < size && !claims_.empty(); ++i) {
      const std::size_t at = random_.Below(claims_.size());
      Settlement s;
      s.event = claims_[at].first;
      s.fence = claims_[at].second;
      // Some claims are kept, to be settled once more.
      if (!random_.OneIn(8)) claims_.erase(claims_.begin() + static_cast<std::ptrdiff_t>(at));
      s.kind = static_cast<Kind>(random_.OneIn(3) ? 0 : random_.Below(6));
      s.due = t_.In(Below(100) - 10);
      const int n = Number(s.event->id);
      const auto valid = valid_.find(n);
      stale.push_back(valid == valid_.end() || valid->second != s.fence);
      if (!stale.back()) {
        valid_.erase(valid);
        if (s.kind == Kind::kRelease) released.push_back(n);
        model_.Settle(n, s.kind, s.due, t_.now());
      }
      batch.push_back(std::move(s));
    }
    model_.Release(released);
    t_.queue->Settle(batch, t_.now());
    for (std::size_t i = 0; i < batch.size(); ++i) Expect(batch[i].stale == stale[i], "stale");
  }

  void Advance() {
    const Instant before = t_.now();
    promised_ = t_.AdvanceBy(1 + Below(20));
    model_.Advance(before, t_.now());
    Expect(promised_ > t_.now(), "Advance asks to be called at a time that has passed");
  }

  void DeadLetters() {
    const std::vector<DeadLetter> page = t_.queue->ListDead({}, 1000, std::nullopt);
    Expect(Numbers(page) == model_.dead, "ListDead");
    if (page.empty() || random_.OneIn(3)) return;
    const std::size_t at = random_.Below(page.size());
    const RequestId id = page[at].request_id;
    if (random_.OneIn(2)) {
      const FunctionIdentity& function = Function();
      const EventSpec spec = Spec();
      const bool fits = model_.live.size() < limits_.events && model_.Stats().bytes + spec.bytes <= limits_.bytes;
      const absl::Status done = t_.queue->Redrive(id, NewEvent(function, next_, t_.now(), spec), t_.now());
      Expect(done.ok() == fits, "Redrive");
      if (!done.ok()) return;
      model_.Put(next_++, function, spec);
    } else {
      Expect(t_.queue->TakeDead({&id, 1}).size() == 1, "TakeDead");
    }
    model_.dead.erase(model_.dead.begin() + static_cast<std::ptrdiff_t>(at));
  }

  void Compare() {
    const QueueStats is = t_.queue->stats();
    const QueueStats should = model_.Stats();
    Expect(is.accepted == should.accepted, "accepted");
    Expect(is.ended == should.ended, "ended");
    Expect(is.ready == should.ready, "ready");
    Expect(is.delayed == should.delayed, "delayed");
    Expect(is.running == should.running, "running");
    Expect(is.dead == should.dead, "dead");
    Expect(is.bytes == should.bytes, "bytes");
    for (const FunctionIdentity* function : model_.told) {
      Expect(std::count(t_.listener.ready.begin(), t_.listener.ready.end(), function) == 1, "OnReady");
    }
    for (const Instant due : t_.listener.due) promised_ = std::min(promised_, due);
    Expect(promised_ <= model_.Next(t_.now()), "the listener comes too late");
  }

  QueueTest& t_;
  const Limits limits_;
  Random random_;
  Model model_;
  std::string wrong_;
  int next_ = 1;
  std::vector<std::pair<EventRef, std::uint64_t>> claims_;  // with their fences
  std::map<int, std::uint64_t> valid_;                      // the fence by which a running event can be settled
  Instant promised_ = Instant::Never();
};

}  // namespace runlet::queue_test

#endif  // RUNLET_TESTS_QUEUE_MODEL_H_
