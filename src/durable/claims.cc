// How events leave the queue, for an attempt or for good, and come back.
#include <algorithm>
#include <iterator>
#include <utility>

#include "base/planted.h"
#include "durable/store.h"
#include "queue/look_at.h"

namespace runlet::durable {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

bool Ends(Settlement::Kind kind) {
  return kind == Settlement::Kind::kDone || kind == Settlement::Kind::kDead || kind == Settlement::Kind::kParked;
}

}  // namespace

// ---- claim ----

void Store::ReleaseAll(std::span<EventRef> events, Instant now) {
  std::vector<Settlement> released;
  for (EventRef& event : events) {
    if (!event->waits_for_its_end() && current_suspect_ != event->stored && suspects_.contains(event->stored)) {
      Known* const known = ScheduledFor(*event);
      TakeBack(event);
      held_back_.emplace_front(std::move(event), known);
      continue;
    }
    Settlement& settlement = released.emplace_back();
    settlement.fence = event->fence;
    settlement.kind = Settlement::Kind::kRelease;
    settlement.event = std::move(event);
  }
  scheduler_->Settle(released, now);
}

std::size_t Store::StopBeforeSuspect(std::span<EventRef> claimed, Instant now, bool* marked) {
  if (suspects_.empty()) [[likely]]
    return claimed.size();
  if (RUNLET_PLANTED("suspect-not-marked")) return claimed.size();
  std::size_t first = 0;
  while (first < claimed.size() && !suspects_.contains(claimed[first]->stored)) ++first;
  if (first == claimed.size()) return first;
  *marked = first == 0;
  const std::size_t keep = *marked ? 1 : first;
  ReleaseAll(claimed.subspan(keep), now);
  return keep;
}

std::size_t Store::Claim(Known* known, std::span<EventRef> out, Instant now, Instant lease) {
  if (committer_.failed() || committer_.in_transaction()) return 0;
  std::vector<ClaimChange::Item> items;
  ClaimChange change(items);
  std::size_t claimed = 0;
  News news;
  {
    MutexLock lock(&mu_);
    claimed = scheduler_->Claim(known->identity, out, now, lease);
    bool marked = false;
    const std::size_t kept = StopBeforeSuspect(out.first(claimed), now, &marked);
    news = TakeNews();
    // Nobody has been told of what was put back, or stands behind a suspect that may take its time.
    if (kept < claimed || (marked && scheduler_->waiting(known->identity).ready > 0))
      news.ready.push_back(&known->identity);
    claimed = kept;
    items.resize(claimed);
    for (std::size_t i = 0; i < claimed; ++i) items[i] = {out[i]->stored, true, marked, out[i]->away};
    if (claimed > 0) committer_.Queue(change);
  }
  if (claimed > 0) {
    if (const absl::Status noted = committer_.Finish(change); !noted.ok()) {
      MutexLock lock(&mu_);
      ReleaseAll(out.first(claimed), now);
      claimed = 0;
      std::erase(news.ready, &known->identity);  // or it would be tried again without a pause
      if (!committer_.failed()) {
        known->starved = true;
        pay_at_ = std::min(pay_at_, now.After(kSecond));
        news.due = std::min(news.due, pay_at_);
      }
    }
  }
  Tell(news);
  return FilterDamaged(out.first(claimed), items, now);
}

std::size_t Store::ClaimFor(const Audience& audience, const ClaimVerb& verb, std::span<EventRef> out, News* of_others,
                            Instant now) {
  std::vector<EventRef> others;
  std::size_t claimed = 0;
  while (claimed < out.size()) {
    const std::span<EventRef> rest = out.subspan(claimed);
    const std::span<EventRef> more = rest.first(verb(*scheduler_, rest));
    if (more.empty()) break;
    const auto theirs =
        std::stable_partition(more.begin(), more.end(), [&](const EventRef& event) RUNLET_REQUIRES(mu_) {
          return audience.IdentityOf(*ScheduledFor(*event)) != nullptr;
        });
    claimed += static_cast<std::size_t>(theirs - more.begin());
    std::move(theirs, more.end(), std::back_inserter(others));
  }
  News news = TakeNews();
  ReleaseAll(others, now);
  *of_others = std::exchange(news_, std::move(news));
  return claimed;
}

std::size_t Store::ClaimBy(const ClaimVerb& verb, const Audience& audience, std::span<EventRef> out, Instant now) {
  // Nothing could be settled there.
  if (committer_.in_transaction()) return 0;
  std::size_t claimed = 0;
  News news;
  News of_others;
  {
    MutexLock lock(&mu_);
    if (scheduler_ == nullptr) return 0;
    claimed = ClaimFor(audience, verb, out, &of_others, now);
    news = TakeNews();
  }
  Tell(news);
  // Who has given them back would take them again, and again.
  Tell(of_others, &audience);
  return ReadClaimed(out.first(claimed), now);
}

std::size_t Store::ClaimWaiting(const Known& known, std::span<EventRef> out, Instant now) {
  if (committer_.in_transaction()) return 0;
  std::size_t claimed = 0;
  News news;
  {
    MutexLock lock(&mu_);
    if (scheduler_ == nullptr) return 0;
    claimed = scheduler_->ClaimWaiting(known.identity, out);
    while (claimed < out.size()) {
      const auto suspect = std::find_if(held_back_.begin(), held_back_.end(),
                                        [&](const auto& held_back) { return held_back.second == &known; });
      if (suspect == held_back_.end()) break;
      Admit(suspect, now);
      claimed += scheduler_->ClaimWaiting(known.identity, out.subspan(claimed));
    }
    news = TakeNews();
  }
  Tell(news);
  return ReadClaimed(out.first(claimed), now);
}

bool Store::Cancel(const RequestId& id, const Audience& audience, EventRef* waiting, Instant now) {
  if (committer_.in_transaction()) return false;
  News news;
  bool found = false;
  {
    MutexLock lock(&mu_);
    if (scheduler_ == nullptr) return false;
    const auto suspect = std::find_if(held_back_.begin(), held_back_.end(), [&](const auto& held_back) {
      return held_back.first->id == id && held_back.second->ports > 0;
    });
    if (suspect != held_back_.end()) Admit(suspect, now);
    found = scheduler_->Cancel(id, waiting);
    if (*waiting && audience.IdentityOf(*ScheduledFor(**waiting)) == nullptr) {
      Settlement release;
      release.fence = (*waiting)->fence;
      release.kind = Settlement::Kind::kRelease;
      release.event = std::exchange(*waiting, EventRef());
      EventRef none;
      scheduler_->Cancel(id, &none);
      scheduler_->Settle({&release, 1}, now);
    }
    news = TakeNews();
  }
  Tell(news);
  return found;
}

std::size_t Store::ReadClaimed(std::span<EventRef> claimed, Instant now) {
  std::vector<ClaimChange::Item> items(claimed.size());
  bool reads = false;
  for (std::size_t i = 0; i < claimed.size(); ++i) {
    items[i] = {claimed[i]->stored, false, false, claimed[i]->away};
    reads = reads || claimed[i]->away;
  }
  if (!reads) return claimed.size();
  ClaimChange change(items);
  if (!committer_.Commit(change).ok()) {
    MutexLock lock(&mu_);
    ReleaseAll(claimed, now);
    return 0;
  }
  return FilterDamaged(claimed, items, now);
}

std::size_t Store::FilterDamaged(std::span<EventRef> events, std::vector<ClaimChange::Item>& items, Instant now) {
  if (std::none_of(items.begin(), items.end(), [](const ClaimChange::Item& item) { return item.away; }))
    return events.size();
  std::vector<Damage> damages;
  std::size_t whole = 0;
  News news;
  {
    MutexLock lock(&mu_);
    for (std::size_t i = 0; i < events.size(); ++i) {
      Event& event = *events[i];
      StoredPayload& payload = items[i].payload;
      if (payload.damage.empty()) {
        if (event.away) {
          // The very first time that it is handed out: nobody else reads it.
          *static_cast<std::string*>(event.payload()) = std::move(payload.bytes);
          event.away = false;
          resident_ += event.payload_bytes;
        }
        std::swap(events[whole++], events[i]);
        continue;
      }
      damages.push_back({"runlet_event", event.stored, event.lane->function->name, std::string(payload.damage)});
      TakeBack(events[i]);
      ++damaged_events_;
      Acquit(event.stored, now);
      // Whoever has claimed less than there was to claim would not come again.
      news.ready.push_back(events[i]->lane->function);
    }
  }
  for (std::size_t i = whole; i < events.size(); ++i) events[i] = EventRef();
  Tell(news);
  for (Damage& damage : damages) Report(std::move(damage));
  return whole;
}

void Store::Extend(std::span<const EventRef> events, Instant lease) {
  News news;
  {
    MutexLock lock(&mu_);
    if (scheduler_ == nullptr) return;
    scheduler_->Extend(events, lease);
    news = TakeNews();
  }
  Tell(news);
}

std::optional<WaitingEvent> Store::FindWaiting(const RequestId& id, Instant now) const {
  MutexLock lock(&mu_);
  if (scheduler_ == nullptr) return std::nullopt;
  if (std::optional<WaitingEvent> scheduled = scheduler_->FindWaiting(id, now)) return scheduled;
  for (const auto& [event, known] : held_back_) {
    if (event->id == id) return LookAt(*event, known->identity, now);
  }
  for (const auto& known : functions_) {
    for (const EventRef& event : known->shelf) {
      if (event->id == id) return LookAt(*event, known->identity, now);
    }
  }
  return std::nullopt;
}

// ---- settle ----

void Store::SettleInMemory(std::span<Settlement> settlements, Instant now) {
  // Letters are the file's.
  std::vector<std::size_t> deaths;
  for (std::size_t i = 0; i < settlements.size(); ++i) {
    if (settlements[i].kind != Settlement::Kind::kDead) continue;
    // It leaves no letter, and waits for its end.
    if (settlements[i].event && scheduler_->IsCancelled(settlements[i].event->id)) continue;
    settlements[i].kind = Settlement::Kind::kParked;
    deaths.push_back(i);
  }
  scheduler_->Settle(settlements, now);
  for (const std::size_t i : deaths) settlements[i].kind = Settlement::Kind::kDead;
}

SettleChange::Item Store::ItemOf(Settlement::Kind kind, Condition condition, const Event& event, const Known& known,
                                 Instant now, WallClock wall) {
  SettleChange::Item item;
  item.kind = kind;
  item.row.seq = event.stored;
  if (kind == Settlement::Kind::kRetry || kind == Settlement::Kind::kThrottled) {
    item.row = RowOf(event, known.row, wall);
  } else if (kind == Settlement::Kind::kDead) {
    item.dead = DeadRowOf(event, known.row, condition, now, wall);
  }
  return item;
}

void Store::Settle(std::span<Settlement> settlements, std::span<Known* const> functions, Instant now, WallClock wall) {
  std::vector<SettleChange::Item> items;
  std::vector<std::size_t> ended;
  SettleChange change(items, notes_);
  const bool inside = committer_.in_transaction();
  bool others = false;
  News news;
  {
    MutexLock lock(&mu_);
    if (scheduler_ == nullptr || inside) {
      for (Settlement& settlement : settlements) settlement.stale = true;
      return;
    }
    std::vector<EventRef> events;
    for (const Settlement& settlement : settlements) events.push_back(settlement.event);
    SettleInMemory(settlements, now);
    for (std::size_t i = 0; i < settlements.size(); ++i) {
      Settlement& settlement = settlements[i];
      if (settlement.stale) continue;
      const Event& event = *events[i];
      items.push_back(ItemOf(settlement.kind, settlement.condition, event, *functions[i], now, wall));
      if (Ends(settlement.kind)) {
        ended.push_back(i);
        Unreside(event);
      }
      const bool attempted = Ends(settlement.kind) || settlement.kind == Settlement::Kind::kRetry;
      items.back().suspect = attempted && Acquit(event.stored, now);
      if (settlement.kind == Settlement::Kind::kDead) {
        ++dead_;
        settlement.event = EventRef();
      }
    }
    if (!items.empty()) committer_.Queue(change);
    news = TakeNews();
    others = audiences_.size() > 1 && !ended.empty();
  }
  Tell(news);
  if (items.empty()) return;
  const absl::Status written = committer_.Finish(change);
  if (others) {
    News quiet;
    quiet.ended = true;
    Tell(quiet);
  }
  if (written.ok()) return;
  if (!committer_.failed()) return Owe(std::move(items), now);
  // Whether they have ended shows when the file is opened anew: nobody is told that they have.
  for (const std::size_t i : ended) settlements[i].stale = true;
  MutexLock lock(&mu_);
  unknown_ends_ += ended.size();
}

void Store::Owe(std::vector<SettleChange::Item> items, Instant now) {
  News news;
  {
    MutexLock lock(&mu_);
    std::move(items.begin(), items.end(), std::back_inserter(owed_));
    pay_at_ = std::min(pay_at_, now.After(kSecond));
    news.due = pay_at_;
  }
  Tell(news);
}

void Store::PayOwed(Instant now) {
  News news;
  std::vector<SettleChange::Item> items;
  {
    MutexLock lock(&mu_);
    if (pay_at_ > now) return;
    pay_at_ = Instant::Never();
    items = std::exchange(owed_, {});
    for (const auto& known : functions_) {
      if (std::exchange(known->starved, false)) news.ready.push_back(&known->identity);
    }
  }
  if (!items.empty()) {
    SettleChange change(items, notes_);
    if (!committer_.Commit(change).ok() && !committer_.failed()) Owe(std::move(items), now);
  }
  Tell(news);
}

}  // namespace runlet::durable
