// From the file into memory: what was there when it was opened, and what the last owner left running.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "durable/store.h"
#include "runlet/base/random.h"

namespace runlet::durable {
namespace {

constexpr std::size_t kLoadAtOnce = 4096;  // some milliseconds
constexpr std::int64_t kRetryNs = 1'000'000'000;

absl::Status CheckRange(std::string_view name, std::size_t value, std::size_t least, std::size_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{} is {}, outside its range of {} to {}", name, value, least, most));
}

absl::Status Check(const Options& options) {
  if (options.durability != Durability::kProcess && options.durability != Durability::kMachine) {
    return absl::InvalidArgumentError("durability is kProcess or kMachine: one file can promise nothing else");
  }
  constexpr std::size_t kMany = 100'000'000;
  for (const absl::Status& status :
       {CheckRange("events", options.events, 1, kMany), CheckRange("dead_letters", options.dead_letters, 1, kMany),
        CheckRange("checkpoint_bytes", options.checkpoint_bytes, std::size_t{64} << 10, std::size_t{1} << 30),
        CheckRange("wal_bytes", options.wal_bytes, options.checkpoint_bytes, std::size_t{1} << 40)}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// Counted when the file was closed, or now.
absl::StatusOr<Volume> ReadVolume(Tables& tables) {
  Volume volume;
  std::int64_t clean = 0;
  const std::pair<std::int64_t*, std::string_view> numbers[] = {
      {&clean, "clean"}, {&volume.events, "events"}, {&volume.bytes, "bytes"}};
  for (const auto& [number, name] : numbers) {
    const absl::StatusOr<std::int64_t> read = tables.Meta(name);
    if (!read.ok()) return read.status();
    *number = *read;
  }
  if (clean != 1) return tables.CountEvents();
  return volume;
}

// Of a file that cannot be used.
absl::Status SayHowToRescue(const absl::Status& status) {
  if (!absl::IsDataLoss(status)) return status;
  return absl::DataLossError(
      fmt::format("{}; what can be read is rescued into a new file with the sqlite3 shell and its .dump, as "
                  "runlet/durable/queue.h tells at Damage; `runlet doctor` says what that is",
                  std::string(status.message())));
}

}  // namespace

Store::Store(File file, const Options& options)
    : options_(options),
      file_(std::move(file)),
      committer_(file_.connection, *file_.tables, file_.log.get(),
                 {options.durability == Durability::kMachine, options.checkpoint_bytes}) {}

absl::StatusOr<std::shared_ptr<Store>> Store::Open(const std::string& path, const Options& options) {
  if (absl::Status sound = Check(options); !sound.ok()) return sound;
  absl::StatusOr<File> file = OpenFile(path, options);
  if (!file.ok()) return SayHowToRescue(file.status());
  const std::shared_ptr<Store> store(new Store(*std::move(file), options));
  const absl::Status recovered = store->Recover(*store->file_.tables);
  if (!recovered.ok()) {
    store->broken_ = true;
    return SayHowToRescue(
        absl::Status(recovered.code(), fmt::format("{}: {}", store->path(), std::string(recovered.message()))));
  }
  return store;
}

absl::Status Store::Recover(Tables& tables) {
  absl::Status functions = tables.ForEachFunction([this](std::int64_t row, std::string_view name) {
    MutexLock lock(&mu_);
    functions_.push_back(
        std::make_unique<Known>(std::string(name), static_cast<std::uint32_t>(functions_.size()), row));
    by_name_.emplace(name, functions_.back().get());
    by_row_.emplace(row, functions_.back().get());
  });
  if (!functions.ok()) return functions;
  if (absl::Status numbers = ReadNumbers(tables); !numbers.ok()) return numbers;
  if (absl::Status begun = tables.Begin(); !begun.ok()) return begun;
  if (absl::Status recovered = RecoverRuns(tables); !recovered.ok()) return recovered;
  if (absl::Status ended = tables.Commit(); !ended.ok()) return ended;
  if (absl::Status cleared = tables.ClearSuspects(); !cleared.ok()) return cleared;
  const absl::StatusOr<std::vector<Suspect>> suspects = tables.Suspects();
  if (!suspects.ok()) return suspects.status();
  MutexLock lock(&mu_);
  for (const Suspect& suspect : *suspects) suspects_.emplace(suspect.seq, suspect.deaths);
  return absl::OkStatus();
}

absl::Status Store::RecoverRuns(Tables& tables) {
  const absl::StatusOr<std::int64_t> last = tables.Meta("life");
  if (!last.ok()) return last.status();
  // What its engine gave up, where the disk did not take that, was not running when a process died.
  if (*last != 0 && file_.lock->NotedEnd() == static_cast<std::uint64_t>(*last)) {
    if (absl::Status gone = tables.DeleteRuns(); !gone.ok()) return gone;
  }
  if (absl::Status suspected = tables.SuspectRuns(); !suspected.ok()) return suspected;
  life_ = Random(RandomSeed()).Next() >> 1 | 1;
  if (absl::Status set = tables.SetMeta("life", static_cast<std::int64_t>(life_)); !set.ok()) return set;
  return tables.SetMeta("clean", 0);
}

absl::Status Store::ReadNumbers(Tables& tables) {
  const absl::StatusOr<Volume> waiting = ReadVolume(tables);
  if (!waiting.ok()) return waiting.status();
  const absl::StatusOr<std::int64_t> dead = tables.CountLetters();
  if (!dead.ok()) return dead.status();
  const std::pair<std::int64_t*, const char*> numbers[] = {
      {&notes_.keys, "SELECT count(*) FROM runlet_key"},
      {&notes_.last_seq, "SELECT coalesce(max(seq), 0) FROM runlet_event"},
      {&notes_.last_ord, "SELECT coalesce(max(ord), 0) FROM runlet_dead"},
  };
  for (const auto& [number, sql] : numbers) {
    const absl::StatusOr<std::int64_t> read = tables.Number(sql);
    if (!read.ok()) return read.status();
    *number = *read;
  }
  notes_.loaded = notes_.last_seq == 0;
  MutexLock lock(&mu_);
  loaded_ = notes_.loaded;
  unloaded_ = waiting->events;
  unloaded_bytes_ = waiting->bytes;
  dead_ = *dead;
  return absl::OkStatus();
}

// ---- loading ----

bool Store::Load(Instant now, WallClock wall) {
  {
    MutexLock lock(&mu_);
    if (loaded_ || scheduler_ == nullptr) return false;
    if (loading_) return true;
    loading_ = true;
  }
  LoadChange change(notes_, kLoadAtOnce);
  const absl::Status read = committer_.Commit(change);
  const bool unreadable = absl::IsDataLoss(read);
  Damage behind{"runlet_event", 0, {}, {}};
  if (unreadable) {
    // What stands behind it cannot be reached. New events need not wait for it.
    AnyChange give_up([&](Tables&) {
      behind.row = change.events().empty() ? notes_.loaded_until : change.events().back().row.seq;
      notes_.loaded = true;
      return absl::OkStatus();
    });
    committer_.Commit(give_up).IgnoreError();
  }
  const bool all = change.all() || unreadable;
  std::vector<Damage> damages;
  std::int64_t left = 0;
  News news;
  {
    MutexLock lock(&mu_);
    if (read.ok() || unreadable) TakeLoaded(change.events(), now, wall, &damages);
    loading_ = false;
    loading_ended_.NotifyAll();
    loaded_ = all;
    unreadable_ = unreadable;
    left = unloaded_;
    if (!read.ok() && !all) pay_at_ = std::min(pay_at_, now.After(kRetryNs));
    // Less than nothing: who has put some of what was read has not counted it yet, and will.
    if (change.all()) {
      unloaded_ = std::min<std::int64_t>(unloaded_, 0);
      unloaded_bytes_ = std::min<std::int64_t>(unloaded_bytes_, 0);
    }
    NextSuspect(now);
    news = TakeNews();
  }
  Tell(news);
  for (Damage& damage : damages) Report(std::move(damage));
  if (unreadable) {
    left = std::max<std::int64_t>(1, left);
    behind.what =
        fmt::format("the events behind this row cannot be read, about {}: {}", left, std::string(read.message()));
    Report(std::move(behind), static_cast<std::uint64_t>(left));
  }
  return !all && read.ok();
}

void Store::LoadSome(const Known& known, std::size_t wanted, Instant now, WallClock wall) {
  {
    MutexLock lock(&mu_);
    if (loaded_ || scheduler_->waiting(known.identity).ready >= wanted) return;
  }
  Load(now, wall);
}

void Store::LoadAll(Instant now, WallClock wall) {
  // Whoever loads may wait for this thread's transaction to end.
  if (committer_.in_transaction()) return;
  while (Load(now, wall)) {
    MutexLock lock(&mu_);
    while (loading_) loading_ended_.Wait(&mu_);
  }
}

void Store::TakeLoaded(std::vector<StoredEvent>& events, Instant now, WallClock wall, std::vector<Damage>* damages) {
  for (StoredEvent& stored : events) {
    --unloaded_;
    unloaded_bytes_ -= static_cast<std::int64_t>(stored.payload_bytes);
    const auto known = by_row_.find(stored.row.function);
    const std::optional<Extra> extra = DecodeExtra(stored.row.extra);
    std::string_view what = stored.damage;
    if (what.empty() && known == by_row_.end()) what = "its function is missing";
    if (what.empty() && !extra.has_value()) what = "its errors and times cannot be read";
    if (!what.empty()) {
      ++damaged_events_;
      damages->push_back({"runlet_event", stored.row.seq,
                          known == by_row_.end() ? std::string() : known->second->identity.name, std::string(what)});
      continue;
    }
    EventRef event = EventOf(stored, *extra, now, wall);
    for (const auto& [name, times] : extra->lineage) {
      const auto function = by_name_.find(name);
      if (function != by_name_.end()) event->lineage.Add(function->second->identity, times);
    }
    Place(std::move(event), known->second, now);
  }
}

void Store::Place(EventRef event, Known* known, Instant now) {
  event->function = &known->identity;
  const auto suspect = suspects_.find(event->stored);
  event->crashed = suspect != suspects_.end() && suspect->second >= kDeathsMax;
  if (suspect != suspects_.end() && !event->crashed) {
    held_back_.emplace_back(std::move(event), known);
  } else if (known->ports == 0) {
    ++shelved_;
    shelved_bytes_ += event->payload_bytes;
    known->shelf.push_back(std::move(event));
  } else {
    scheduler_->Put({&event, 1}, now).IgnoreError();
  }
}

void Store::NextSuspect(Instant now) {
  if (current_suspect_.has_value()) return;
  const auto next =
      std::find_if(held_back_.begin(), held_back_.end(), [](const auto& suspect) { return suspect.second->ports > 0; });
  if (next == held_back_.end()) return;
  current_suspect_ = next->first->stored;
  Admit(next, now);
}

bool Store::Acquit(std::int64_t seq, Instant now) {
  if (suspects_.empty() || suspects_.erase(seq) == 0) [[likely]]
    return false;
  if (current_suspect_ == seq) current_suspect_.reset();
  NextSuspect(now);
  return true;
}

void Store::Admit(HeldBack::iterator suspect, Instant now) {
  EventRef event = std::move(suspect->first);
  event->function = &suspect->second->identity;
  held_back_.erase(suspect);
  scheduler_->Put({&event, 1}, now).IgnoreError();
}

// ---- the end ----

Store::~Store() {
  if (forked()) {
    // It is the parent's: not even its locks may be touched.
    static_cast<void>(new File(std::move(file_)));
    return;
  }
  if (broken_) return;
  if (!committer_.failed()) Close();
  file_.lock->NoteEnd(life_);
}

void Store::Close() {
  std::int64_t live = 0;
  std::int64_t bytes = 0;
  {
    MutexLock lock(&mu_);
    live = Live();
    bytes = unloaded_bytes_ + static_cast<std::int64_t>(shelved_bytes_);
    if (scheduler_ != nullptr) bytes += static_cast<std::int64_t>(scheduler_->stats().bytes);
    for (const auto& [event, known] : held_back_) bytes += static_cast<std::int64_t>(event->payload_bytes);
    if (!owed_.empty()) {
      SettleChange change(owed_, notes_);
      if (!committer_.Commit(change).ok()) return;
    }
  }
  AnyChange change(
      [&](Tables& tables) {
        for (const auto& [name, value] :
             {std::pair<std::string_view, std::int64_t>{"events", live}, {"bytes", bytes}, {"clean", 1}}) {
          if (absl::Status set = tables.SetMeta(name, value); !set.ok()) return set;
        }
        // What runs has been given up by its engine, not by the death of a process.
        return tables.DeleteRuns();
      },
      true);
  if (committer_.Commit(change).ok()) committer_.Truncate().IgnoreError();
}

}  // namespace runlet::durable
