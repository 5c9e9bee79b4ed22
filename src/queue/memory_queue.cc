// Events in memory. One lock; a lane for each function; timer wheels.
//
// A waiting event stands in one list of its function's lane: ready, delayed, or expired. Ages are exact, but nearly no
// event pays for a timer of its own: as long as events become ready in the order in which they expire, which is how
// they are put, one timer for each lane watches the first of them. Only an event that expires before the one in front
// of it (a retry behind younger events, a function whose maximum age was shortened) is armed by itself.
#include <absl/container/inlined_vector.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/planted.h"
#include "base/timer_wheel.h"
#include "event/status_marks.h"
#include "queue/claims.h"
#include "queue/dead_letters.h"
#include "queue/dedup_keys.h"
#include "queue/event_list.h"
#include "queue/look_at.h"
#include "queue/shortage.h"
#include "runlet/base/sync.h"
#include "runlet/queue/event_queue.h"

namespace runlet {
namespace {

// Event::place. Leased and lost events are running; the queue holds one more reference to them.
enum Place : std::uint8_t { kElsewhere, kReady, kDelayed, kExpired, kLeased, kLost };

// The events of one function. Its own TimerLink is armed no later than the first of the ready events that have no timer
// of their own expires; it may be armed earlier, or for nothing, until it fires.
struct Lane : EventLane {
  using EventLane::EventLane;

  EventList ready;
  EventList delayed;
  EventList expired;
  Instant latest;  // expiry of the last ready event without a timer of its own; void if `ready` is empty
  WaitingEvents waiting;
  // Which of them `event` counts among while it is delayed.
  std::size_t& Delayed(const Event& event) {
    if (event.throttles > 0) return waiting.throttled;
    return event.attempts > 0 ? waiting.backing_off : waiting.delayed;
  }
  std::uint64_t told_in = 0;      // the call that last put `function` on its list of news
  bool has_expired_mark = false;  // stands in expired_lanes_
};

constexpr std::uint64_t kCounted = 1;  // in a fence

// What the listener is told once the lock is released.
struct News {
  QueueListener* listener = nullptr;
  absl::InlinedVector<const FunctionIdentity*, 4> ready;
  Instant due = Instant::Never();

  void Tell() const {
    if (listener == nullptr) return;
    if (!due.never()) listener->OnDue(due);
    for (const FunctionIdentity* function : ready) listener->OnReady(*function);
  }
};

// What `out` still holds goes before the lock is taken, not under it.
void LetGo(std::span<EventRef> out) { std::fill(out.begin(), out.end(), EventRef()); }

class InMemory final : public EventQueue {
 public:
  InMemory(const MemoryQueueOptions& options, const Clock& clock)
      : options_(options),
        clock_(clock),
        dedup_keys_(options.dedup_keys),
        timers_(clock.Now()),
        lane_timers_(clock.Now()),
        leases_(clock.Now()) {}
  ~InMemory() override;

  Durability durability() const override { return Durability::kMemory; }
  bool needs_codec() const override { return false; }
  void Attach(QueueListener* listener) override {
    MutexLock lock(&mu_);
    listener_ = listener;
  }

  absl::Status Put(std::span<EventRef> events, Instant now) override;
  std::size_t Claim(const FunctionIdentity& function, std::span<EventRef> out, Instant now, Instant lease) override;
  void Extend(std::span<const EventRef> events, Instant lease) override;
  void Settle(std::span<Settlement> settlements, Instant now) override;
  Instant Advance(Instant now) override;
  std::size_t ClaimExpired(std::span<EventRef> out, Instant now, bool everything) override;
  bool Cancel(const RequestId& id, EventRef* waiting) override;
  bool IsCancelled(const RequestId& id) const override;
  std::optional<WaitingEvent> FindWaiting(const RequestId& id, Instant now) const override;
  std::size_t ClaimWaiting(const FunctionIdentity& function, std::span<EventRef> out) override;
  std::size_t ClaimLost(std::span<EventRef> out, Instant now) override;

  std::vector<DeadLetter> ListDead(const DeadLetterFilter& filter, std::size_t max,
                                   std::optional<RequestId> after) const override {
    MutexLock lock(&mu_);
    return dead_.List(filter, max, after);
  }
  std::optional<DeadLetter> GetDead(const RequestId& id) const override {
    MutexLock lock(&mu_);
    return dead_.Get(id);
  }
  absl::Status Redrive(const RequestId& id, EventRef fresh, Instant now) override;
  std::vector<DeadLetter> TakeDead(std::span<const RequestId> ids) override {
    MutexLock lock(&mu_);
    return dead_.Take(ids);
  }
  std::vector<RequestId> PurgeDead(const DeadLetterFilter& filter) override;
  QueueStats stats() const override;
  WaitingEvents waiting(const FunctionIdentity& function) const override;

 private:
  News StartNews() RUNLET_REQUIRES(mu_) {
    ++call_;
    News news;
    news.listener = listener_;
    return news;
  }
  void TellReady(Lane* lane, News* news) RUNLET_REQUIRES(mu_) {
    if (std::exchange(lane->told_in, call_) != call_) news->ready.push_back(lane->function);
  }
  // Never 0, which is nobody's. The last bit says whether the claim counted an attempt.
  std::uint64_t NextFence(bool counts) RUNLET_REQUIRES(mu_) { return (fences_ += 2) | (counts ? kCounted : 0); }
  // Something happens at `due`: tells unless the listener comes by then anyway.
  void TellDue(Instant due, News* news) RUNLET_REQUIRES(mu_) {
    if (due < next_due_) next_due_ = news->due = due;
  }

  std::size_t Live() const RUNLET_REQUIRES(mu_) { return ready_ + delayed_ + expired_ + running_; }
  Shortage ShortageFor(std::size_t events, std::size_t bytes) const RUNLET_REQUIRES(mu_);
  // ... of new events, which also need a place among the dead and for their keys.
  Shortage ShortageFor(std::span<const EventRef> events, std::size_t bytes) const RUNLET_REQUIRES(mu_);
  // nullptr when no such event waits.
  Event* FindEvent(const RequestId& id) const RUNLET_REQUIRES(mu_);
  Lane* FindLane(const FunctionIdentity& function) const RUNLET_REQUIRES(mu_) {
    return function.index < lanes_.size() ? lanes_[function.index].get() : nullptr;
  }
  // Of one that was accepted. Its `function` may be another identity of the same function by now.
  static Lane* LaneOf(const Event* event) { return static_cast<Lane*>(event->lane); }
  void NeedLane(const FunctionIdentity* function) RUNLET_REQUIRES(mu_);
  void Accept(EventRef event, Instant now, News* news) RUNLET_REQUIRES(mu_);

  // A waiting event is owned by its list, as one reference.
  void MakeWait(Lane* lane, Event* event, Instant now, News* news) RUNLET_REQUIRES(mu_);
  void AppendReady(Lane* lane, Event* event, News* news) RUNLET_REQUIRES(mu_);
  void PrependReady(Lane* lane, Event* event, News* news) RUNLET_REQUIRES(mu_);
  void Delay(Lane* lane, Event* event, Instant wake, News* news) RUNLET_REQUIRES(mu_);
  void SetAside(Lane* lane, Event* event) RUNLET_REQUIRES(mu_);
  void WatchFirst(Lane* lane, Instant expires) RUNLET_REQUIRES(mu_);
  // Out of its list and its timer.
  void Unlink(Lane* lane, Event* event) RUNLET_REQUIRES(mu_);
  EventRef HandOut(Lane* lane, Event* event, bool counts) RUNLET_REQUIRES(mu_);
  // `event` is running. A lease that ends at Never() needs no timer and no reference of the queue's.
  void SetLease(const EventRef& event, Instant lease, News* news) RUNLET_REQUIRES(mu_);
  void EndLease(Event* event) RUNLET_REQUIRES(mu_);
  std::size_t HandOutAll(Lane* lane, EventList Lane::*list, std::span<EventRef> out) RUNLET_REQUIRES(mu_);

  void PopTimers(Instant now, News* news) RUNLET_REQUIRES(mu_);
  void PopLeases(Instant now, News* news) RUNLET_REQUIRES(mu_);
  void ExpireFirst(Lane* lane, Instant now, News* news) RUNLET_REQUIRES(mu_);
  void SettleOne(Settlement* settlement, Instant now, absl::Time calendar, EventList* released, News* news)
      RUNLET_REQUIRES(mu_);

  const MemoryQueueOptions options_;
  const Clock& clock_;

  mutable Mutex mu_;
  DedupKeys dedup_keys_ RUNLET_GUARDED_BY(mu_);
  QueueListener* listener_ RUNLET_GUARDED_BY(mu_) = nullptr;
  TimerWheel timers_ RUNLET_GUARDED_BY(mu_);       // of Events: delayed ones, and ready ones out of order
  TimerWheel lane_timers_ RUNLET_GUARDED_BY(mu_);  // of Lanes
  TimerWheel leases_ RUNLET_GUARDED_BY(mu_);       // of Events
  std::vector<std::unique_ptr<Lane>> lanes_ RUNLET_GUARDED_BY(mu_);  // by FunctionIdentity::index
  std::vector<Lane*> expired_lanes_ RUNLET_GUARDED_BY(mu_);          // with room for every lane
  EventList lost_ RUNLET_GUARDED_BY(mu_);
  Claims claims_;                                               // guarded by mu_, all but may_be_cancelled()
  Instant next_due_ RUNLET_GUARDED_BY(mu_) = Instant::Never();  // when the listener will come
  std::uint64_t call_ RUNLET_GUARDED_BY(mu_) = 0;
  std::uint64_t fences_ RUNLET_GUARDED_BY(mu_) = 0;
  std::uint64_t accepted_ RUNLET_GUARDED_BY(mu_) = 0;
  std::uint64_t ended_ RUNLET_GUARDED_BY(mu_) = 0;
  std::size_t ready_ RUNLET_GUARDED_BY(mu_) = 0;
  std::size_t delayed_ RUNLET_GUARDED_BY(mu_) = 0;
  std::size_t expired_ RUNLET_GUARDED_BY(mu_) = 0;
  std::size_t running_ RUNLET_GUARDED_BY(mu_) = 0;
  std::size_t bytes_ RUNLET_GUARDED_BY(mu_) = 0;
  DeadLetters dead_ RUNLET_GUARDED_BY(mu_);
};

InMemory::~InMemory() {
  EventList events;
  {
    MutexLock lock(&mu_);
    // Leases of events that somebody still holds: their timers end with the wheel, their references here.
    while (TimerLink* const link = leases_.PopDue(Instant::Never())) lost_.PushBack(static_cast<Event*>(link));
    while (Event* const event = lost_.front()) {
      lost_.Remove(event);
      event->place = kElsewhere;
      events.PushBack(event);
    }
    for (const auto& lane : lanes_) {
      if (lane == nullptr) continue;
      for (EventList Lane::*list : {&Lane::expired, &Lane::ready, &Lane::delayed}) {
        while (Event* event = (lane.get()->*list).front()) {
          Unlink(lane.get(), event);
          events.PushBack(event);
        }
      }
    }
  }
  // Payloads are the user's: they end outside the lock.
  while (Event* event = events.front()) {
    events.Remove(event);
    EventRef::Adopt(event);
  }
}

absl::Status InMemory::Put(std::span<EventRef> events, Instant now) {
  if (events.empty()) return absl::OkStatus();  // even where there is no room
  std::size_t bytes = 0;
  for (const EventRef& event : events) bytes += event->payload_bytes;

  News news;
  Shortage shortage;
  {
    MutexLock lock(&mu_);
    dedup_keys_.Forget(now);
    // What is accepted already needs no room.
    const bool all_known =
        std::all_of(events.begin(), events.end(),
                    [this](const EventRef& event) RUNLET_REQUIRES(mu_) { return dedup_keys_.Remembers(*event); });
    if (!all_known) shortage = ShortageFor(events, bytes);
    if (shortage.of == Shortage::Of::kNothing) {
      news = StartNews();
      // What can fail for lack of memory, before anything has changed.
      for (const EventRef& event : events) NeedLane(event->function);
      claims_.Reserve(Live() + events.size());
      for (EventRef& event : events) {
        if (!dedup_keys_.Known(*event)) Accept(std::move(event), now, &news);
      }
    }
  }
  news.Tell();
  return shortage.AsStatus();
}

Shortage InMemory::ShortageFor(std::size_t events, std::size_t bytes) const {
  const std::size_t live = Live();
  // `live` and `bytes_` never exceed their limits: these differences do not wrap.
  if (events > options_.events - live) return {Shortage::Of::kEvents, live, options_.events, events};
  if (bytes > options_.bytes - bytes_) return {Shortage::Of::kBytes, bytes_, options_.bytes, bytes};
  return {};
}

Shortage InMemory::ShortageFor(std::span<const EventRef> events, std::size_t bytes) const {
  if (dead_.size() >= options_.dead_letters) {
    return {Shortage::Of::kDeadLetters, dead_.size(), options_.dead_letters, events.size()};
  }
  const Shortage shortage = ShortageFor(events.size(), bytes);
  return shortage.of == Shortage::Of::kNothing ? dedup_keys_.ShortageFor(events) : shortage;
}

void InMemory::NeedLane(const FunctionIdentity* function) {
  if (FindLane(*function) != nullptr) return;
  if (function->index >= lanes_.size()) lanes_.resize(std::size_t{function->index} + 1);
  // Expiry must not allocate.
  if (expired_lanes_.capacity() < lanes_.size()) expired_lanes_.reserve(lanes_.capacity());
  lanes_[function->index] = std::make_unique<Lane>(function);
}

void InMemory::Accept(EventRef event, Instant now, News* news) {
  Lane* const lane = FindLane(*event->function);
  ++accepted_;
  bytes_ += event->payload_bytes;
  event->fence = 0;
  event->lane = lane;
  MakeWait(lane, event.Release(), now, news);
}

void InMemory::MakeWait(Lane* lane, Event* event, Instant now, News* news) {
  if ((event->cancelled && !RUNLET_PLANTED("cancelled-retried")) ||
      (event->crashed && !RUNLET_PLANTED("crashed-run-again"))) {
    SetAside(lane, event);
    TellDue(now, news);
  } else if (const Instant wake = std::min(event->not_before, event->expires); wake > now) {
    Delay(lane, event, wake, news);
  } else {
    AppendReady(lane, event, news);
    TellReady(lane, news);
  }
}

std::size_t InMemory::Claim(const FunctionIdentity& function, std::span<EventRef> out, Instant now, Instant lease) {
  LetGo(out);
  News news;
  std::size_t claimed = 0;
  {
    MutexLock lock(&mu_);
    Lane* const lane = FindLane(function);
    if (lane == nullptr) return 0;
    news = StartNews();
    while (claimed < out.size() && !lane->ready.empty()) {
      Event* const event = lane->ready.front();
      if (event->expires <= now) {
        Unlink(lane, event);
        SetAside(lane, event);
        TellReady(lane, &news);
      } else {
        out[claimed] = HandOut(lane, event, true);
        SetLease(out[claimed++], lease, &news);
      }
    }
  }
  news.Tell();
  return claimed;
}

void InMemory::Extend(std::span<const EventRef> events, Instant lease) {
  News news;
  {
    MutexLock lock(&mu_);
    news = StartNews();
    for (const EventRef& event : events) {
      if (event->fence != 0) SetLease(event, lease, &news);
    }
  }
  news.Tell();
}

void InMemory::Settle(std::span<Settlement> settlements, Instant now) {
  const bool deaths = std::any_of(settlements.begin(), settlements.end(),
                                  [](const Settlement& s) { return s.kind == Settlement::Kind::kDead; });
  const absl::Time calendar = deaths ? clock_.Calendar() : absl::Time();
  News news;
  {
    MutexLock lock(&mu_);
    news = StartNews();
    EventList released;
    for (Settlement& settlement : settlements) SettleOne(&settlement, now, calendar, &released, &news);
    // The last one first, so that they stand as they were claimed.
    while (Event* event = released.front()) {
      released.Remove(event);
      PrependReady(LaneOf(event), event, &news);
    }
  }
  news.Tell();
}

void InMemory::SettleOne(Settlement* settlement, Instant now, absl::Time calendar, EventList* released, News* news) {
  Event* const event = settlement->event.get();
  settlement->stale = event == nullptr || settlement->fence == 0 || event->fence != settlement->fence;
  if (settlement->stale) return;

  const int counted = event->fence & kCounted ? 1 : 0;
  event->fence = 0;
  EndLease(event);
  --running_;
  const bool ends = settlement->kind == Settlement::Kind::kDone || settlement->kind == Settlement::Kind::kParked;
  if (claims_.End(event->claim) && !ends) [[unlikely]] {
    const bool unrun =
        settlement->kind == Settlement::Kind::kThrottled || settlement->kind == Settlement::Kind::kRelease;
    if (unrun) event->attempts -= counted;
    event->cancelled = true;
    settlement->stale = true;
    MakeWait(LaneOf(event), EventRef(settlement->event).Release(), now, news);
    return;
  }
  switch (settlement->kind) {
    case Settlement::Kind::kThrottled:
      event->attempts -= counted;
      ++event->throttles;
      [[fallthrough]];
    case Settlement::Kind::kRetry: {
      event->not_before = settlement->due;
      MakeWait(LaneOf(event), settlement->event.Release(), now, news);
      return;
    }
    case Settlement::Kind::kRelease:
      event->attempts -= counted;
      if (event->waits_for_its_end()) {
        MakeWait(LaneOf(event), settlement->event.Release(), now, news);
      } else {
        released->PushFront(settlement->event.Release());
      }
      return;
    case Settlement::Kind::kDead:
      ++ended_;
      bytes_ -= event->payload_bytes;
      dead_.Add(std::move(settlement->event), settlement->condition,
                calendar - absl::Nanoseconds(now.Since(event->accepted)), calendar);
      return;
    case Settlement::Kind::kDone:
    case Settlement::Kind::kParked:
      ++ended_;
      bytes_ -= event->payload_bytes;
      return;
  }
}

Instant InMemory::Advance(Instant now) {
  News news;
  Instant next;
  {
    MutexLock lock(&mu_);
    news = StartNews();
    PopTimers(now, &news);
    PopLeases(now, &news);
    // A lane's timer stays when its events are claimed; while none is ready anywhere, it means nothing.
    next = timers_.NextDue();
    if (const Instant lease = leases_.NextDue(); lease < kLeaseWithoutEnd) next = std::min(next, lease);
    if (ready_ > 0) next = std::min(next, lane_timers_.NextDue());
    next_due_ = next;
  }
  news.Tell();
  return next;
}

std::size_t InMemory::ClaimExpired(std::span<EventRef> out, Instant now, bool everything) {
  LetGo(out);
  News news;
  std::size_t claimed = 0;
  {
    MutexLock lock(&mu_);
    news = StartNews();
    PopTimers(now, &news);
    while (claimed < out.size() && !expired_lanes_.empty()) {
      Lane* const lane = expired_lanes_.back();
      claimed += HandOutAll(lane, &Lane::expired, out.subspan(claimed));
      if (!lane->expired.empty()) break;
      lane->has_expired_mark = false;
      expired_lanes_.pop_back();
    }
    if (everything) {
      for (const auto& lane : lanes_) {
        if (claimed == out.size()) break;
        if (lane == nullptr) continue;
        claimed += HandOutAll(lane.get(), &Lane::ready, out.subspan(claimed));
        claimed += HandOutAll(lane.get(), &Lane::delayed, out.subspan(claimed));
      }
    }
  }
  news.Tell();
  return claimed;
}

std::size_t InMemory::ClaimWaiting(const FunctionIdentity& function, std::span<EventRef> out) {
  LetGo(out);
  MutexLock lock(&mu_);
  Lane* const lane = FindLane(function);
  if (lane == nullptr) return 0;
  std::size_t claimed = HandOutAll(lane, &Lane::expired, out);
  claimed += HandOutAll(lane, &Lane::ready, out.subspan(claimed));
  claimed += HandOutAll(lane, &Lane::delayed, out.subspan(claimed));
  return claimed;
}

Event* InMemory::FindEvent(const RequestId& id) const {
  for (const auto& lane : lanes_) {
    if (lane == nullptr) continue;
    for (EventList Lane::*list : {&Lane::expired, &Lane::ready, &Lane::delayed}) {
      for (Event* event = (lane.get()->*list).front(); event != nullptr; event = event->lane_next) {
        if (event->id == id) return event;
      }
    }
  }
  return nullptr;
}

bool InMemory::Cancel(const RequestId& id, EventRef* waiting) {
  *waiting = EventRef();
  MutexLock lock(&mu_);
  Event* const event = FindEvent(id);
  if (event == nullptr) return claims_.Cancel(id);
  *waiting = HandOut(LaneOf(event), event, false);
  return true;
}

bool InMemory::IsCancelled(const RequestId& id) const {
  if (!claims_.may_be_cancelled()) [[likely]]
    return false;
  MutexLock lock(&mu_);
  return claims_.IsCancelled(id);
}

std::optional<WaitingEvent> InMemory::FindWaiting(const RequestId& id, Instant now) const {
  MutexLock lock(&mu_);
  const Event* const event = FindEvent(id);
  if (event == nullptr) return std::nullopt;
  return LookAt(*event, *LaneOf(event)->function, now);
}

std::size_t InMemory::ClaimLost(std::span<EventRef> out, Instant now) {
  LetGo(out);
  News news;
  std::size_t claimed = 0;
  {
    MutexLock lock(&mu_);
    news = StartNews();
    PopLeases(now, &news);
    while (claimed < out.size() && !lost_.empty()) {
      Event* const event = lost_.front();
      lost_.Remove(event);
      event->place = kElsewhere;
      event->fence = NextFence(false);
      out[claimed++] = EventRef::Adopt(event);
    }
  }
  news.Tell();
  return claimed;
}

absl::Status InMemory::Redrive(const RequestId& id, EventRef fresh, Instant now) {
  News news;
  Shortage shortage;
  EventRef dead;  // let go after the lock
  bool found = false;
  {
    MutexLock lock(&mu_);
    found = dead_.Contains(id);
    shortage = ShortageFor(1, fresh->payload_bytes);
    if (found && shortage.of == Shortage::Of::kNothing) {
      news = StartNews();
      NeedLane(fresh->function);
      claims_.Reserve(Live() + 1);
      dead = dead_.Remove(id);
      Accept(std::move(fresh), now, &news);
    }
  }
  news.Tell();
  return found ? shortage.AsStatus() : absl::NotFoundError(fmt::format("no dead letter {}", id.ToString()));
}

std::vector<RequestId> InMemory::PurgeDead(const DeadLetterFilter& filter) {
  std::vector<EventRef> purged;  // let go after the lock
  {
    MutexLock lock(&mu_);
    purged = dead_.Purge(filter);
  }
  std::vector<RequestId> ids;
  ids.reserve(purged.size());
  for (const EventRef& event : purged) ids.push_back(event->id);
  return ids;
}

QueueStats InMemory::stats() const {
  MutexLock lock(&mu_);
  QueueStats stats;
  stats.accepted = accepted_;
  stats.ended = ended_;
  stats.ready = ready_ + expired_;
  stats.delayed = delayed_;
  stats.running = running_;
  stats.dead = dead_.size();
  stats.bytes = bytes_;
  return stats;
}

WaitingEvents InMemory::waiting(const FunctionIdentity& function) const {
  MutexLock lock(&mu_);
  const Lane* const lane = FindLane(function);
  return lane == nullptr ? WaitingEvents() : lane->waiting;
}

void InMemory::AppendReady(Lane* lane, Event* event, News* news) {
  if (lane->ready.empty() || event->expires >= lane->latest) {
    lane->latest = event->expires;
    WatchFirst(lane, event->expires);
  } else {
    timers_.Arm(event, event->expires);
  }
  lane->ready.PushBack(event);
  event->place = kReady;
  ++ready_;
  ++lane->waiting.ready;
  TellDue(event->expires, news);
}

void InMemory::PrependReady(Lane* lane, Event* event, News* news) {
  const Event* const first = lane->ready.front();
  if (first == nullptr) return AppendReady(lane, event, news);
  if (!first->armed() && event->expires <= first->expires) {
    WatchFirst(lane, event->expires);
  } else {
    timers_.Arm(event, event->expires);
  }
  lane->ready.PushFront(event);
  event->place = kReady;
  ++ready_;
  ++lane->waiting.ready;
  TellDue(event->expires, news);
}

void InMemory::Delay(Lane* lane, Event* event, Instant wake, News* news) {
  timers_.Arm(event, wake);
  lane->delayed.PushBack(event);
  event->place = kDelayed;
  ++delayed_;
  ++lane->Delayed(*event);
  TellDue(wake, news);
}

void InMemory::SetAside(Lane* lane, Event* event) {
  lane->expired.PushBack(event);
  event->place = kExpired;
  ++expired_;
  ++lane->waiting.ready;
  if (!std::exchange(lane->has_expired_mark, true)) expired_lanes_.push_back(lane);
}

void InMemory::WatchFirst(Lane* lane, Instant expires) {
  if (expires.never() || (lane->armed() && lane->due <= expires)) return;
  lane_timers_.Arm(lane, expires);
}

void InMemory::Unlink(Lane* lane, Event* event) {
  timers_.Cancel(event);
  switch (event->place) {
    case kReady:
      lane->ready.Remove(event);
      --ready_;
      --lane->waiting.ready;
      break;
    case kDelayed:
      lane->delayed.Remove(event);
      --delayed_;
      --lane->Delayed(*event);
      break;
    case kExpired:
      lane->expired.Remove(event);
      --expired_;
      --lane->waiting.ready;
      break;
    default: break;
  }
  event->place = kElsewhere;
}

EventRef InMemory::HandOut(Lane* lane, Event* event, bool counts) {
  Unlink(lane, event);
  event->fence = NextFence(counts);
  if (counts) ++event->attempts;
  event->claim = claims_.Begin(event->id);
  ++running_;
  return EventRef::Adopt(event);
}

void InMemory::SetLease(const EventRef& event, Instant lease, News* news) {
  EndLease(event.get());
  if (lease.never()) return;
  Event* const leased = EventRef(event).Release();
  leases_.Arm(leased, lease);
  leased->place = kLeased;
  if (lease < kLeaseWithoutEnd) TellDue(lease, news);
}

void InMemory::EndLease(Event* event) {
  if (event->place == kElsewhere) return;
  if (event->place == kLost) {
    lost_.Remove(event);
  } else {
    leases_.Cancel(event);
  }
  event->place = kElsewhere;
  EventRef::Adopt(event);  // never the last reference: the caller has one
}

std::size_t InMemory::HandOutAll(Lane* lane, EventList Lane::*list, std::span<EventRef> out) {
  std::size_t claimed = 0;
  while (claimed < out.size() && !(lane->*list).empty()) {
    out[claimed++] = HandOut(lane, (lane->*list).front(), false);
  }
  return claimed;
}

void InMemory::PopTimers(Instant now, News* news) {
  while (TimerLink* const link = timers_.PopDue(now)) {
    Event* const event = static_cast<Event*>(link);
    Lane* const lane = LaneOf(event);
    Unlink(lane, event);
    if (event->expires <= now) {
      SetAside(lane, event);
    } else {
      AppendReady(lane, event, news);
    }
    TellReady(lane, news);
  }
  while (TimerLink* const link = lane_timers_.PopDue(now)) ExpireFirst(static_cast<Lane*>(link), now, news);
}

void InMemory::PopLeases(Instant now, News* news) {
  while (TimerLink* const link = leases_.PopDue(now)) {
    Event* const event = static_cast<Event*>(link);
    event->place = kLost;
    lost_.PushBack(event);
    TellReady(LaneOf(event), news);
  }
}

void InMemory::ExpireFirst(Lane* lane, Instant now, News* news) {
  for (Event* event = lane->ready.front(); event != nullptr;) {
    Event* const next = event->lane_next;
    if (!event->armed()) {
      if (event->expires > now) return WatchFirst(lane, event->expires);
      Unlink(lane, event);
      SetAside(lane, event);
      TellReady(lane, news);
    }
    event = next;
  }
}

}  // namespace

std::unique_ptr<EventQueue> MemoryQueue(const MemoryQueueOptions& options, const Clock& clock) {
  return std::make_unique<InMemory>(options, clock);
}

}  // namespace runlet
