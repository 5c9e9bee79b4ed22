#include "durable/store.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace runlet::durable {
namespace {

constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max() / 2;

}  // namespace

void Store::Collector::OnReady(const FunctionIdentity& function) RUNLET_NO_THREAD_SAFETY_ANALYSIS {
  store_.news_.ready.push_back(&function);
}
void Store::Collector::OnDue(Instant due) RUNLET_NO_THREAD_SAFETY_ANALYSIS {
  store_.news_.due = std::min(store_.news_.due, due);
}

// ---- who is there ----

void Store::Add(Audience* audience) {
  MutexLock lock(&mu_);
  audiences_.push_back(audience);
}

void Store::Remove(Audience* audience) {
  News news;
  {
    MutexLock lock(&mu_);
    std::erase(audiences_, audience);
    // Whoever was to come when something falls due may have been this one.
    if (scheduler_ != nullptr) news.due = {std::numeric_limits<std::int64_t>::min()};
  }
  Tell(news);
}

void Store::WaitUntold(Audience* audience) {
  MutexLock lock(&mu_);
  while (audience->telling != 0) untold_.Wait(&mu_);
}

void Store::Tell(const News& news, const Audience* except) {
  if (news.empty()) return;
  struct Call {
    Audience* audience;
    QueueListener* listener;
  };
  std::vector<Call> calls;
  std::vector<const Known*> ready;
  {
    MutexLock lock(&mu_);
    for (Audience* audience : audiences_) {
      QueueListener* const listener = audience->listener();
      if (listener == nullptr || audience == except) continue;
      ++audience->telling;
      calls.push_back({audience, listener});
    }
    for (const FunctionIdentity* function : news.ready) {
      const Known* const known = functions_[function->index].get();
      if (std::find(ready.begin(), ready.end(), known) == ready.end()) ready.push_back(known);
    }
  }
  for (const Call& call : calls) {
    if (!news.due.never()) call.listener->OnDue(news.due);
    for (const Known* known : ready) {
      const FunctionIdentity* const function = call.audience->IdentityOf(*known);
      if (function != nullptr) call.listener->OnReady(*function);
    }
    if (news.ended) call.listener->OnEnded();
  }
  MutexLock lock(&mu_);
  for (const Call& call : calls) --call.audience->telling;
  untold_.NotifyAll();
}

absl::StatusOr<Known*> Store::Enter(std::string_view name, const Clock& clock) {
  {
    MutexLock lock(&mu_);
    if (scheduler_ == nullptr) {
      scheduler_ =
          MemoryQueue({.events = kNoLimit, .bytes = kNoLimit, .dead_letters = kNoLimit, .dedup_keys = kNoLimit}, clock);
      scheduler_->Attach(&collector_);
      shared_scheduler_.store(scheduler_.get(), std::memory_order_release);
    }
    if (const auto found = by_name_.find(name); found != by_name_.end()) {
      ++found->second->ports;
      return found->second;
    }
  }
  std::int64_t row = 0;
  AnyChange change([&](Tables& tables) {
    const absl::StatusOr<std::int64_t> id = tables.FunctionId(name);
    if (id.ok()) row = *id;
    return id.status();
  });
  const absl::Status made =
      committer_.in_transaction() ? committer_.WriteInTransaction(change) : committer_.Commit(change);
  if (!made.ok()) return made;
  MutexLock lock(&mu_);
  Known*& known = by_name_[std::string(name)];
  if (known == nullptr) {
    functions_.push_back(
        std::make_unique<Known>(std::string(name), static_cast<std::uint32_t>(functions_.size()), row));
    known = functions_.back().get();
    by_row_.emplace(row, known);
  }
  ++known->ports;
  return known;
}

void Store::TakeBack(const EventRef& claimed) {
  Settlement parked;
  parked.event = claimed;
  parked.fence = claimed->fence;
  parked.kind = Settlement::Kind::kParked;
  scheduler_->Settle({&parked, 1}, {});
  ++taken_back_;
}

void Store::Leave(Known* known, Instant now) {
  News news;
  {
    MutexLock lock(&mu_);
    if (--known->ports > 0) return;
    std::vector<EventRef> batch(64);
    while (const std::size_t taken = scheduler_->ClaimWaiting(known->identity, batch)) {
      for (std::size_t i = 0; i < taken; ++i) {
        TakeBack(batch[i]);
        if (current_suspect_ == batch[i]->stored) {
          current_suspect_.reset();
          held_back_.emplace_front(std::move(batch[i]), known);
          continue;
        }
        ++shelved_;
        shelved_bytes_ += batch[i]->payload_bytes;
        known->shelf.push_back(std::move(batch[i]));
      }
    }
    NextSuspect(now);
    news = TakeNews();
  }
  Tell(news);
}

void Store::Unshelve(Known* known, Instant now) {
  News news;
  {
    MutexLock lock(&mu_);
    std::vector<EventRef> shelf = std::exchange(known->shelf, {});
    shelved_ -= shelf.size();
    for (const EventRef& event : shelf) shelved_bytes_ -= event->payload_bytes;
    for (EventRef& event : shelf) event->function = &known->identity;
    if (!shelf.empty()) scheduler_->Put(shelf, now).IgnoreError();
    NextSuspect(now);
    news = TakeNews();
    if (!loaded_) news.due = std::min(news.due, now);
  }
  Tell(news);
}

// ---- put ----

std::int64_t Store::Live() const {
  const QueueStats scheduled = scheduler_ == nullptr ? QueueStats() : scheduler_->stats();
  return static_cast<std::int64_t>(scheduled.ready + scheduled.delayed + scheduled.running + shelved_ +
                                   held_back_.size() + incoming_ + damaged_events_) +
         unloaded_;
}

Shortage Store::ShortageFor(std::size_t events, std::size_t bytes) const {
  const auto live = static_cast<std::size_t>(std::max<std::int64_t>(0, Live()));
  const std::size_t scheduled = scheduler_ == nullptr ? 0 : scheduler_->stats().bytes;
  const std::size_t used = scheduled + shelved_bytes_ + incoming_bytes_ +
                           static_cast<std::size_t>(std::max<std::int64_t>(0, unloaded_bytes_));
  if (live >= options_.events || events > options_.events - live)
    return {Shortage::Of::kEvents, live, options_.events, events};
  if (bytes > options_.bytes - std::min(used, options_.bytes))
    return {Shortage::Of::kBytes, used, options_.bytes, bytes};
  return {};
}

EventRef Store::Reside(EventRef event) {
  if (resident_ + event->payload_bytes <= options_.payload_memory) {
    resident_ += event->payload_bytes;
    return event;
  }
  std::string nothing;
  EventRef away = Event::Make(TypeOf<std::string>(), &nothing);
  away->id = event->id;
  away->function = event->function;
  away->codec = CodecOf<std::string>();
  away->accepted = event->accepted;
  away->expires = event->expires;
  away->not_before = event->not_before;
  away->payload_bytes = event->payload_bytes;
  away->details = std::move(event->details);
  away->attempts = event->attempts;
  away->lineage = std::move(event->lineage);
  away->stored = event->stored;
  away->away = true;
  return away;
}

void Store::Unreside(const Event& event) {
  if (!event.away) resident_ -= std::min(resident_, event.payload_bytes);
}

void Store::Schedule(std::vector<EventRef>& events, std::span<Known* const> functions, Instant now) {
  for (std::size_t i = 0; i < events.size(); ++i) {
    Event& event = *events[i];
    event.function = &functions[i]->identity;
    // Remembered in the file, not by the scheduler.
    if (event.details != nullptr) event.details->dedup_key.clear();
    events[i] = Reside(std::move(events[i]));
  }
  if (!events.empty()) scheduler_->Put(events, now).IgnoreError();
}

absl::Status Store::Put(std::span<EventRef> events, std::vector<NewEvent>& rows, std::span<Known* const> functions,
                        Instant now, WallClock wall) {
  std::size_t bytes = 0;
  for (const EventRef& event : events) bytes += event->payload_bytes;
  PutChange change(rows, notes_, wall.Of(now), options_.dedup_keys);
  const bool joins = committer_.in_transaction();
  {
    MutexLock lock(&mu_);
    Shortage shortage = ShortageFor(events.size(), bytes);
    if (static_cast<std::size_t>(dead_) >= options_.dead_letters) {
      shortage = {Shortage::Of::kDeadLetters, static_cast<std::size_t>(dead_), options_.dead_letters, events.size()};
    }
    if (shortage.of != Shortage::Of::kNothing) return shortage.AsStatus();
    incoming_ += events.size();
    incoming_bytes_ += bytes;
    if (!joins) committer_.Queue(change);
  }
  const absl::Status written = joins ? committer_.WriteInTransaction(change) : committer_.Finish(change);
  const bool taken = written.ok() && change.keys_used() == 0;

  std::vector<EventRef> fresh;
  std::vector<Known*> of;
  std::size_t fresh_bytes = 0;
  for (std::size_t i = 0; taken && i < events.size(); ++i) {
    if (rows[i].known.has_value()) {
      events[i]->id = *rows[i].known;
      continue;
    }
    events[i]->stored = rows[i].row.seq;
    fresh_bytes += events[i]->payload_bytes;
    fresh.push_back(std::move(events[i]));
    of.push_back(functions[i]);
  }
  News news;
  {
    MutexLock lock(&mu_);
    if (joins && !fresh.empty()) {
      // They go on being counted as incoming until the host's transaction has ended.
      incoming_ -= events.size() - fresh.size();
      incoming_bytes_ -= bytes - fresh_bytes;
      posted_.push_back({std::move(fresh), std::move(of), fresh_bytes, change.left_to_loader(), now});
      return absl::OkStatus();
    }
    incoming_ -= events.size();
    incoming_bytes_ -= bytes;
    if (change.left_to_loader()) {
      unloaded_ += static_cast<std::int64_t>(fresh.size());
      unloaded_bytes_ += static_cast<std::int64_t>(fresh_bytes);
    } else {
      Schedule(fresh, of, now);
    }
    news = TakeNews();
  }
  Tell(news);
  if (written.ok() && change.keys_used() != 0) {
    return Shortage{Shortage::Of::kDedupKeys, change.keys_used(), options_.dedup_keys, events.size()}.AsStatus();
  }
  return written;
}

absl::Status Store::Transaction(const std::function<absl::Status(sqlite3* db)>& work) {
  if (forked()) return absl::FailedPreconditionError("a forked child cannot use its parent's queue");
  if (committer_.in_transaction()) return absl::FailedPreconditionError("a transaction of the queue is open already");
  std::vector<Posted> posted;
  // Also where the work throws: then nothing of it was there.
  struct Settled {
    ~Settled() { store.EndTransaction(posted, committed); }
    Store& store;
    std::vector<Posted>& posted;
    bool committed = false;
  } settled{*this, posted};
  const absl::Status status = committer_.Transaction([&] {
    // Also where the work throws.
    struct Handed {
      ~Handed() { to = std::exchange(from, {}); }
      std::vector<Posted>& from;
      std::vector<Posted>& to;
    };
    posted_.clear();
    const Handed handed{posted_, posted};
    return work(file_.connection.get());
  });
  settled.committed = status.ok();
  return status;
}

void Store::EndTransaction(std::vector<Posted>& posted, bool committed) {
  News news;
  {
    MutexLock lock(&mu_);
    for (Posted& each : posted) {
      incoming_ -= each.events.size();
      incoming_bytes_ -= each.bytes;
      if (!committed) continue;
      if (each.left_to_loader) {
        unloaded_ += static_cast<std::int64_t>(each.events.size());
        unloaded_bytes_ += static_cast<std::int64_t>(each.bytes);
      } else {
        Schedule(each.events, each.functions, each.now);
      }
    }
    news = TakeNews();
  }
  Tell(news);
}

// ---- time ----

Instant Store::Advance(Instant now, WallClock wall) {
  const bool more = Load(now, wall);
  PayOwed(now);
  News news;
  Instant next = Instant::Never();
  {
    MutexLock lock(&mu_);
    if (scheduler_ != nullptr) next = scheduler_->Advance(now);
    news = TakeNews();
    next = std::min(next, pay_at_);
  }
  Tell(news);
  return more ? now : next;
}

// ---- figures ----

QueueStats Store::stats(const std::function<bool(const Known&)>& is_mine) const {
  MutexLock lock(&mu_);
  QueueStats stats = scheduler_ == nullptr ? QueueStats() : scheduler_->stats();
  const auto unloaded = static_cast<std::size_t>(std::max<std::int64_t>(0, unloaded_));
  stats.accepted = stats.accepted + shelved_ + held_back_.size() + unloaded + damaged_events_ - taken_back_;
  stats.ended -= taken_back_ + unknown_ends_;
  stats.running += unknown_ends_;
  stats.stranded = shelved_ + damaged_events_;
  (unreadable_ ? stats.stranded : stats.ready) += unloaded;
  for (const auto& [event, known] : held_back_) ++(is_mine(*known) ? stats.ready : stats.stranded);
  stats.bytes += shelved_bytes_ + static_cast<std::size_t>(std::max<std::int64_t>(0, unloaded_bytes_));
  stats.dead = static_cast<std::size_t>(std::max<std::int64_t>(0, dead_));
  if (audiences_.size() < 2) return stats;
  // What is another engine's is none of this one's.
  for (const auto& known : functions_) {
    if (known->ports == 0 || is_mine(*known)) continue;
    const WaitingEvents theirs = scheduler_->waiting(known->identity);
    const std::size_t delayed = theirs.delayed + theirs.backing_off + theirs.throttled;
    stats.ready -= theirs.ready;
    stats.delayed -= delayed;
    stats.stranded += theirs.ready + delayed;
  }
  return stats;
}

WaitingEvents Store::waiting(const Known& known) const {
  MutexLock lock(&mu_);
  return scheduler_->waiting(known.identity);
}

StorageStats Store::storage(WallClock wall, Instant now) const {
  StorageStats stats;
  committer_.AddTo(&stats);
  {
    MutexLock lock(&mu_);
    stats.damaged = damaged_;
  }
  if (forked()) return stats;
  MutexLock lock(&reader_mu_);
  const absl::StatusOr<std::int64_t> accepted =
      file_.reader.Number("SELECT accepted FROM runlet_event ORDER BY seq LIMIT 1");
  if (accepted.ok() && *accepted != 0)
    stats.oldest_age = absl::Nanoseconds(std::max<std::int64_t>(0, wall.Of(now) - *accepted));
  return stats;
}

std::vector<Damage> Store::damages() const {
  MutexLock lock(&mu_);
  return damages_;
}

void Store::Report(Damage damage, std::uint64_t rows) {
  constexpr std::size_t kKept = 1000;
  {
    MutexLock lock(&mu_);
    damaged_ += rows;
    if (damages_.size() < kKept) damages_.push_back(damage);
  }
  if (options_.on_damage) options_.on_damage(damage);
}

std::string Store::FunctionName(std::int64_t row) const {
  MutexLock lock(&mu_);
  const auto found = by_row_.find(row);
  return found == by_row_.end() ? std::string() : found->second->identity.name;
}

Known* Store::KnownOf(const FunctionIdentity& scheduled) const {
  MutexLock lock(&mu_);
  if (scheduled.index >= functions_.size()) return nullptr;
  Known* const known = functions_[scheduled.index].get();
  return &known->identity == &scheduled ? known : nullptr;
}

Known* Store::KnownOf(const EventRef& event) const { return KnownOf(*event->lane->function); }

Known* Store::FindKnown(std::int64_t row) const {
  MutexLock lock(&mu_);
  const auto found = by_row_.find(row);
  return found == by_row_.end() ? nullptr : found->second;
}

}  // namespace runlet::durable
