#include "durable/port.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "event/any_value.h"

namespace runlet::durable {
namespace {

void LetGo(std::span<EventRef> out) { std::fill(out.begin(), out.end(), EventRef()); }

absl::Status Forked() { return absl::FailedPreconditionError("a forked child cannot use its parent's queue"); }

}  // namespace

absl::StatusOr<std::shared_ptr<Queue>> Open(const std::string& path, const Options& options) {
  absl::StatusOr<std::shared_ptr<Store>> store = Store::Open(path, options);
  if (!store.ok()) return store.status();
  return std::make_shared<Port>(*std::move(store), SystemClock());
}

Port::Port(std::shared_ptr<Store> store, const Clock& clock) : store_(std::move(store)), clock_(clock) {}

Port::~Port() { Attach(nullptr); }

std::shared_ptr<EventQueue> Port::Join(const Clock& clock) { return std::make_shared<Port>(store_, clock); }

void Port::Attach(QueueListener* listener) {
  if (store_->forked()) return;
  QueueListener* const before = listener_.exchange(listener, std::memory_order_acq_rel);
  if (listener != nullptr && before == nullptr) return store_->Add(this);
  if (listener != nullptr) return;
  if (before != nullptr) {
    store_->Remove(this);
    store_->WaitUntold(this);
  }
  std::vector<Entry> entries;
  {
    MutexLock lock(&mu_);
    entries = std::exchange(entries_, {});
    index_of_.clear();
  }
  for (const Entry& entry : entries) {
    if (entry.known != nullptr) store_->Leave(entry.known, clock_.Now());
  }
}

// ---- functions ----

const FunctionIdentity* Port::IdentityOf(const Known& known) const {
  MutexLock lock(&mu_);
  const auto found = index_of_.find(&known);
  return found == index_of_.end() ? nullptr : entries_[found->second].identity;
}

Port::Entry Port::EntryOf(const Known* known) const {
  MutexLock lock(&mu_);
  const auto found = index_of_.find(known);
  return found == index_of_.end() ? Entry() : entries_[found->second];
}

Known* Port::Find(const FunctionIdentity* function) const {
  if (function == nullptr) return nullptr;
  MutexLock lock(&mu_);
  return function->index < entries_.size() ? entries_[function->index].known : nullptr;
}

absl::StatusOr<Known*> Port::Need(const FunctionIdentity& function) const {
  if (Known* known = Find(&function); known != nullptr) return known;
  absl::StatusOr<Known*> known = store_->Enter(function.name, clock_);
  if (!known.ok()) return known.status();
  bool late = false;
  {
    MutexLock lock(&mu_);
    if (function.index >= entries_.size()) entries_.resize(std::size_t{function.index} + 1);
    Entry& entry = entries_[function.index];
    late = entry.known != nullptr;
    entry.identity = &function;
    entry.known = *known;
    index_of_.insert_or_assign(*known, function.index);
  }
  if (late) store_->Leave(*known, clock_.Now());
  return known;
}

void Port::Announce(const FunctionIdentity& function, const Type* in, const CodecOps* codec) {
  if (store_->forked()) return;
  const absl::StatusOr<Known*> known = Need(function);
  if (!known.ok()) return;
  {
    MutexLock lock(&mu_);
    entries_[function.index].in = in;
    entries_[function.index].codec = codec;
  }
  store_->Unshelve(*known, clock_.Now());
}

// ---- put ----

absl::StatusOr<NewEvent> Port::RowFor(Event& event, const Known& known, WallClock wall) const {
  NewEvent fresh;
  // By name, as the file knows them: those of another engine would mean nothing here.
  if (!event.lineage.empty()) {
    Lineage lineage;
    event.lineage.ForEach([&](const FunctionIdentity& function, int times) {
      const absl::StatusOr<Known*> named = Need(function);
      if (named.ok()) lineage.Add((*named)->identity, times);
    });
    event.lineage = std::move(lineage);
  }
  fresh.row = RowOf(event, known.row, wall);
  if (event.details != nullptr && !event.details->dedup_key.empty()) {
    fresh.key = event.details->dedup_key;
    fresh.key_until = wall.Of(event.details->dedup_until);
  }
  if (SameType(event.type, TypeOf<std::string>())) {
    fresh.payload = *static_cast<const std::string*>(event.payload());
    return fresh;
  }
  if (event.codec == nullptr) {
    return absl::FailedPreconditionError(fmt::format("function \"{}\": {} has no codec, and the queue stores bytes",
                                                     event.function->name, event.type->name));
  }
  absl::StatusOr<std::string> bytes = event.codec->encode(event.payload());
  if (!bytes.ok()) {
    return absl::InvalidArgumentError(fmt::format("function \"{}\": the event cannot be encoded: {}",
                                                  event.function->name, std::string(bytes.status().message())));
  }
  fresh.encoded = *std::move(bytes);
  fresh.payload = fresh.encoded;
  return fresh;
}

absl::Status Port::Put(std::span<EventRef> events, Instant now) {
  if (events.empty()) return absl::OkStatus();
  if (store_->forked()) return Forked();
  const WallClock wall = this->wall();
  std::vector<NewEvent> rows;
  std::vector<Known*> functions;
  rows.reserve(events.size());
  functions.reserve(events.size());
  for (const EventRef& event : events) {
    const absl::StatusOr<Known*> known = Need(*event->function);
    if (!known.ok()) return known.status();
    absl::StatusOr<NewEvent> row = RowFor(*event, **known, wall);
    if (!row.ok()) return row.status();
    rows.push_back(*std::move(row));
    if (rows.back().encoded.data() != nullptr && !rows.back().encoded.empty())
      rows.back().payload = rows.back().encoded;
    functions.push_back(*known);
  }
  return store_->Put(events, rows, functions, now, wall);
}

// ---- claim ----

void Port::Adopt(Event& event, const FunctionIdentity& function) const {
  event.function = &function;
  if (event.lineage.empty()) return;
  Lineage lineage;
  event.lineage.ForEach([&](const FunctionIdentity& each, int times) {
    const Known* const known = store_->KnownOf(each);
    const FunctionIdentity* const mine = known == nullptr ? nullptr : IdentityOf(*known);
    lineage.Add(mine == nullptr ? each : *mine, times);
  });
  event.lineage = std::move(lineage);
}

void Port::AdoptAll(std::span<const EventRef> events) const {
  for (const EventRef& event : events) Adopt(*event, *IdentityOf(*store_->KnownOf(event)));
}

std::size_t Port::Claim(const FunctionIdentity& function, std::span<EventRef> out, Instant now, Instant lease) {
  LetGo(out);
  if (store_->forked()) return 0;
  const absl::StatusOr<Known*> known = Need(function);
  if (!known.ok()) return 0;
  store_->LoadSome(**known, out.size(), now, wall());
  const std::size_t claimed = store_->Claim(*known, out, now, lease);
  for (const EventRef& event : out.first(claimed)) Adopt(*event, function);
  return claimed;
}

void Port::Extend(std::span<const EventRef> events, Instant lease) {
  if (!store_->forked()) store_->Extend(events, lease);
}

std::size_t Port::ClaimExpired(std::span<EventRef> out, Instant now, bool everything) {
  LetGo(out);
  if (store_->forked()) return 0;
  const std::size_t claimed = store_->ClaimBy(
      [&](EventQueue& queue, std::span<EventRef> to) { return queue.ClaimExpired(to, now, false); }, *this, out, now);
  AdoptAll(out.first(claimed));
  return everything ? claimed + ClaimAll(out.subspan(claimed)) : claimed;
}

std::size_t Port::ClaimAll(std::span<EventRef> out) {
  std::vector<Entry> entries;
  {
    MutexLock lock(&mu_);
    entries = entries_;
  }
  std::size_t claimed = 0;
  for (const Entry& entry : entries) {
    if (claimed == out.size()) break;
    if (entry.known != nullptr) claimed += ClaimWaiting(*entry.identity, out.subspan(claimed));
  }
  return claimed;
}

bool Port::Cancel(const RequestId& id, EventRef* waiting) {
  *waiting = EventRef();
  if (store_->forked()) return false;
  const Instant now = clock_.Now();
  store_->LoadAll(now, wall());
  const bool found = store_->Cancel(id, *this, waiting, now);
  if (*waiting) AdoptAll({waiting, 1});
  return found;
}

std::optional<WaitingEvent> Port::FindWaiting(const RequestId& id, Instant now) const {
  if (store_->forked()) return std::nullopt;
  store_->LoadAll(now, wall());
  std::optional<WaitingEvent> found = store_->FindWaiting(id, now);
  if (!found.has_value()) return found;
  const Known* const known = store_->KnownOf(*found->function);
  const FunctionIdentity* const mine = known == nullptr ? nullptr : IdentityOf(*known);
  if (mine != nullptr) found->function = mine;
  return found;
}

std::size_t Port::ClaimWaiting(const FunctionIdentity& function, std::span<EventRef> out) {
  LetGo(out);
  Known* const known = Find(&function);
  if (store_->forked() || known == nullptr) return 0;
  const Instant now = clock_.Now();
  store_->LoadAll(now, wall());
  const std::size_t claimed = store_->ClaimWaiting(*known, out, now);
  for (const EventRef& event : out.first(claimed)) Adopt(*event, function);
  return claimed;
}

std::size_t Port::ClaimLost(std::span<EventRef> out, Instant now) {
  LetGo(out);
  if (store_->forked()) return 0;
  const std::size_t claimed = store_->ClaimBy(
      [&](EventQueue& queue, std::span<EventRef> to) { return queue.ClaimLost(to, now); }, *this, out, now);
  AdoptAll(out.first(claimed));
  return claimed;
}

// ---- settle ----

void Port::Settle(std::span<Settlement> settlements, Instant now) {
  if (settlements.empty()) return;
  if (store_->forked()) {
    for (Settlement& settlement : settlements) settlement.stale = true;
    return;
  }
  std::vector<Known*> functions;
  functions.reserve(settlements.size());
  for (const Settlement& settlement : settlements)
    functions.push_back(settlement.event ? Find(settlement.event->function) : nullptr);
  store_->Settle(settlements, functions, now, wall());
}

Instant Port::Advance(Instant now) { return store_->forked() ? Instant::Never() : store_->Advance(now, wall()); }

// ---- dead letters ----

DeadLetter Port::LetterOf(StoredLetter stored) const {
  const DeadRow& row = stored.row;
  const Entry entry = EntryOf(store_->FindKnown(row.function));
  DeadLetter letter;
  letter.request_id = row.id;
  letter.function = store_->FunctionName(row.function);
  letter.condition = row.condition;
  letter.attempts = row.attempts;
  letter.accepted_at = absl::FromUnixNanos(row.accepted);
  letter.died_at = absl::FromUnixNanos(row.died);
  const Extra extra = DecodeExtra(row.extra).value_or(Extra());
  letter.errors = extra.errors;
  letter.spent = extra.spent;

  const std::size_t bytes = stored.payload.size();
  const bool typed = entry.in != nullptr && entry.codec != nullptr && !SameType(entry.in, TypeOf<std::string>());
  if (typed) {
    AnyValue value(entry.in);
    value.set_holds(entry.codec->decode(stored.payload, value.get()).ok());
    if (value.holds()) letter.event = Event::Make(entry.in, value.get());
  }
  if (letter.event) {
    letter.event->codec = entry.codec;
  } else {
    letter.event = Event::Make(TypeOf<std::string>(), &stored.payload);
    letter.event->codec = CodecOf<std::string>();
  }
  letter.event->id = row.id;
  letter.event->function = entry.identity;
  letter.event->payload_bytes = bytes;
  letter.event->attempts = row.attempts;
  const WallClock now = wall();
  letter.event->accepted = {row.accepted - now.offset};
  FillFrom(extra, -now.offset, *letter.event);
  return letter;
}

std::vector<DeadLetter> Port::LettersOf(std::vector<StoredLetter> stored) const {
  std::vector<DeadLetter> letters;
  letters.reserve(stored.size());
  for (StoredLetter& each : stored) letters.push_back(LetterOf(std::move(each)));
  return letters;
}

std::vector<DeadLetter> Port::ListDead(const DeadLetterFilter& filter, std::size_t max,
                                       std::optional<RequestId> after) const {
  if (store_->forked() || max == 0) return {};
  return LettersOf(store_->ListDead(filter, max, after));
}

std::optional<DeadLetter> Port::GetDead(const RequestId& id) const {
  if (store_->forked()) return std::nullopt;
  std::optional<StoredLetter> stored = store_->GetDead(id);
  return stored.has_value() ? std::optional(LetterOf(*std::move(stored))) : std::nullopt;
}

absl::Status Port::Redrive(const RequestId& id, EventRef fresh, Instant now) {
  if (store_->forked()) return Forked();
  const absl::StatusOr<Known*> known = Need(*fresh->function);
  if (!known.ok()) return known.status();
  const WallClock wall = this->wall();
  std::vector<NewEvent> rows(1);
  absl::StatusOr<NewEvent> row = RowFor(*fresh, **known, wall);
  if (!row.ok()) return row.status();
  rows[0] = *std::move(row);
  if (!rows[0].encoded.empty()) rows[0].payload = rows[0].encoded;
  return store_->Redrive(id, std::move(fresh), rows, *known, now, wall);
}

std::vector<DeadLetter> Port::TakeDead(std::span<const RequestId> ids) {
  if (store_->forked()) return {};
  absl::StatusOr<std::vector<StoredLetter>> taken = store_->TakeDead(ids);
  return taken.ok() ? LettersOf(*std::move(taken)) : std::vector<DeadLetter>();
}

std::vector<RequestId> Port::PurgeDead(const DeadLetterFilter& filter) {
  if (store_->forked()) return {};
  return store_->PurgeDead(filter).value_or(std::vector<RequestId>());
}

// ---- figures ----

QueueStats Port::stats() const {
  if (store_->forked()) return {};
  return store_->stats([this](const Known& known) { return IdentityOf(known) != nullptr; });
}

std::optional<StorageStats> Port::storage() const { return store_->storage(wall(), clock_.Now()); }

WaitingEvents Port::waiting(const FunctionIdentity& function) const {
  const Known* const known = Find(&function);
  return known == nullptr || store_->forked() ? WaitingEvents() : store_->waiting(*known);
}

}  // namespace runlet::durable
