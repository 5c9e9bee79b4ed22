#include "durable/committer.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/futex.h"
#include "base/planted.h"
#include "event/status_marks.h"
#include "runlet/queue/event_queue.h"

namespace runlet::durable {
namespace {

constexpr std::uint64_t kFrameBytes = 4096 + 24;
// How often a waiter looks before he sleeps. A commit without a sync takes no longer than waking a sleeper does. Most
// who wait for a sync are spared the sleep so; longer, they would keep the processor from whoever is to come.
constexpr int kLooks = 200;
constexpr int kLooksBeforeSync = 30;
// Also where it was alone, a leader lets others in: with the processor to themselves they would find each other never.
constexpr std::size_t kCompany = 2;

bool IsSyncError(sqlite3* db) {
  const int code = sqlite3_extended_errcode(db);
  return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC;
}

void AddMax(std::atomic<std::int64_t>& max, std::int64_t value) {
  if (value > max.load(std::memory_order_relaxed)) max.store(value, std::memory_order_relaxed);
}

}  // namespace

void Committer::Wake(Change& change, State state) {
  // Its owner may destroy it as soon as it sees the new state.
  const bool first = change.first_;
  std::atomic<std::uint32_t>* const word = first ? &change.state_ : &WordOf(change);
  change.state_.store(state, std::memory_order_release);
  if (first) return FutexWakeOne(word);
  word->fetch_add(1, std::memory_order_release);
  FutexWakeAll(word);
}

void Committer::WakeAll(const std::vector<Change*>& done) {
  std::array<Change*, std::tuple_size_v<decltype(words_)>> last{};
  for (Change* change : done) {
    if (change->first_) {
      Wake(*change, kDone);
      continue;
    }
    Change* const before = std::exchange(last[change->batch_ % last.size()], change);
    if (before != nullptr) before->state_.store(kDone, std::memory_order_release);
  }
  for (Change* change : last) {
    if (change != nullptr) Wake(*change, kDone);
  }
}

void Committer::Queue(Change& change) {
  if (in_transaction()) [[unlikely]] {
    change.status_ = absl::FailedPreconditionError("only events can be posted inside of a transaction of the queue");
    change.state_.store(kDone, std::memory_order_relaxed);
    return;
  }
  change.state_.store(kWaits, std::memory_order_relaxed);
  MutexLock lock(&mu_);
  change.first_ = queue_.empty() && !gathers_;
  change.batch_ = gathers_ ? batch_ : batch_ + 1;
  queue_.push_back(&change);
  if (std::exchange(led_, true)) return;
  gathers_ = true;
  change.state_.store(kLeads, std::memory_order_relaxed);
}

absl::Status Committer::Finish(Change& change) {
  for (int looks = 0;; ++looks) {
    const std::uint32_t word = WordOf(change).load(std::memory_order_acquire);
    const std::uint32_t state = change.state_.load(std::memory_order_acquire);
    if (state == kDone) return std::move(change.status_);
    if (state == kLeads) {
      Lead();
      return std::move(change.status_);
    }
    if (looks < (limits_.sync ? kLooksBeforeSync : kLooks)) {
      sched_yield();
    } else if (change.first_) {
      FutexWait(&change.state_, state, kForeverNs);
    } else {
      FutexWait(&WordOf(change), word, kForeverNs);
    }
  }
}

void Committer::Lead() {
  std::vector<Change*> batch;
  if (!TryTogether(&batch)) {
    for (Change* change : batch) WriteAlone(*change);
  }
  last_size_ = batch.size();
  changes_.fetch_add(batch.size(), std::memory_order_relaxed);
  SyncFor(batch);
  batch.erase(batch.begin());  // the leader's own
  if (LogIsLong()) {
    WakeAll(batch);
    Checkpoint();
    HandOn();
  } else {
    HandOn();  // those who wake first lead the others
    WakeAll(batch);
  }
}

void Committer::HandOn() {
  Change* next = nullptr;
  {
    MutexLock lock(&mu_);
    ++batch_;
    led_ = gathers_ = !queue_.empty();
    if (led_) next = queue_.front();
  }
  if (next != nullptr) Wake(*next, kLeads);
}

bool Committer::TakeMore(std::vector<Change*>* batch) {
  const std::size_t had = batch->size();
  MutexLock lock(&mu_);
  // Who is about to come is let in. They are those of the last batch: once as many are here, nobody is waited for, as
  // that lets all who wait for this batch look in vain.
  if (queue_.empty()) {
    if (had >= std::max(last_size_, kCompany)) return gathers_ = false;
    mu_.Unlock();
    sched_yield();
    mu_.Lock();
  }
  while (!queue_.empty() && batch->size() < kBatchMax) {
    Change* const next = queue_.front();
    const bool fits = batch->empty() || !(batch->front()->alone() || next->alone() || next->of_host_);
    if (!fits) break;
    batch->push_back(next);
    queue_.pop_front();
  }
  gathers_ = batch->size() > had;
  return gathers_;
}

bool Committer::TryTogether(std::vector<Change*>* batch) {
  bool open = !failed() && Begin().ok();
  std::size_t written = 0;
  while (TakeMore(batch)) {
    for (; open && written < batch->size(); ++written) {
      Change& change = *(*batch)[written];
      change.status_ = change.Write(tables_);
      if (change.status_.ok()) continue;
      Undo();
      open = false;
    }
  }
  return open && End().ok();
}

void Committer::WriteAlone(Change& change) {
  for (int tries = 0; tries < 2; ++tries) {
    change.status_ = failed() ? failure() : Begin();
    if (change.status_.ok()) {
      change.status_ = change.Write(tables_);
      if (change.status_.ok()) {
        change.status_ = End();
      } else {
        Undo();
      }
    }
    if (Reason(change.status_) != reason::kQueueStorageFull) return;
    full_.store(true, std::memory_order_relaxed);
    // What was written back gives the log room that it has already.
    sqlite3_wal_checkpoint_v2(connection_.get(), "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  }
}

absl::Status Committer::Begin() {
  if (RUNLET_PLANTED("acknowledged-early") && sqlite3_get_autocommit(connection_.get()) == 0) {
    tables_.Commit().IgnoreError();  // of those before, who have gone
  }
  return tables_.Begin();
}

absl::Status Committer::End() {
  if (RUNLET_PLANTED("acknowledged-early")) return absl::OkStatus();
  const absl::Status ended = tables_.Commit();
  if (ended.ok()) {
    commits_.fetch_add(1, std::memory_order_relaxed);
    full_.store(false, std::memory_order_relaxed);
    return ended;
  }
  const bool sync_error = IsSyncError(connection_.get());
  Undo();
  if (sync_error) Fail(ended);
  return ended;
}

void Committer::Undo() {
  // After some errors SQLite has done so itself.
  if (sqlite3_get_autocommit(connection_.get()) == 0) connection_.Execute("ROLLBACK").IgnoreError();
}

void Committer::SyncFor(const std::vector<Change*>& batch) {
  const auto counts = [](const Change* change) { return change->needs_sync() && change->status_.ok(); };
  if (!limits_.sync || RUNLET_PLANTED("sync-skipped") || std::none_of(batch.begin(), batch.end(), counts)) return;
  const Instant start = SystemClock().Now();
  int synced = 0;
  do {
    synced = fdatasync(wal_fd_);
  } while (synced != 0 && errno == EINTR);
  if (synced != 0) Fail(absl::ErrnoToStatus(errno, "the write-ahead log cannot be synced"));
  const std::int64_t took = SystemClock().Now().Since(start);
  syncs_.fetch_add(1, std::memory_order_relaxed);
  sync_ns_.fetch_add(took, std::memory_order_relaxed);
  AddMax(sync_ns_max_, took);
  if (synced == 0) return;
  for (Change* change : batch) {
    if (counts(change)) change->status_ = UnknownAcceptance(failure());
  }
}

void Committer::Fail(const absl::Status& status) {
  MutexLock lock(&mu_);
  if (!failure_.ok()) return;
  failure_ = Refused(
      absl::StatusCode::kUnavailable, reason::kQueueStorageFailed,
      fmt::format("the queue's file cannot be relied on until it is opened anew: {}", std::string(status.message())));
  failed_.store(true, std::memory_order_release);
}

absl::Status Committer::failure() const {
  MutexLock lock(&mu_);
  return failure_;
}

bool Committer::LogIsLong() const { return !failed() && wal_bytes_.load(std::memory_order_relaxed) >= checkpoint_at_; }

void Committer::Checkpoint() {
  sqlite3* const db = connection_.get();
  int frames = 0;
  int written_back = 0;
  const int code = sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_PASSIVE, &frames, &written_back);
  if (code != SQLITE_OK && IsSyncError(db)) Fail(StatusOf(db, code, "checkpoint"));
  // Where a reader holds it up, trying again after each commit would only cost.
  const bool all = code == SQLITE_OK && written_back == frames;
  checkpoint_at_ =
      all ? limits_.checkpoint_bytes : wal_bytes_.load(std::memory_order_relaxed) + limits_.checkpoint_bytes;
}

void Committer::WatchLog() {
  checkpoint_at_ = limits_.checkpoint_bytes;
  sqlite3_wal_hook(
      connection_.get(),
      [](void* self, sqlite3*, const char*, int frames) {
        static_cast<Committer*>(self)->wal_bytes_.store(static_cast<std::uint64_t>(frames) * kFrameBytes,
                                                        std::memory_order_relaxed);
        return SQLITE_OK;
      },
      this);
}

absl::Status Committer::Truncate() {
  sqlite3* const db = connection_.get();
  return StatusOf(db, sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr),
                  "checkpoint");
}

// ---- the host's transactions ----

absl::Status Committer::Transaction(const std::function<absl::Status()>& work) {
  struct Turn final : Change {
    absl::Status Write(Tables&) override { return absl::OkStatus(); }
  } turn;
  turn.of_host_ = true;
  turn.first_ = true;
  turn.state_.store(kWaits, std::memory_order_relaxed);
  {
    MutexLock lock(&mu_);
    queue_.push_back(&turn);
    if (!std::exchange(led_, true)) turn.state_.store(kLeads, std::memory_order_relaxed);
  }
  while (turn.state_.load(std::memory_order_acquire) != kLeads) FutexWait(&turn.state_, kWaits, kForeverNs);

  // Also where the host's work throws, or ends its thread.
  struct Leading {
    ~Leading() {
      self.transaction_thread_.store(std::thread::id(), std::memory_order_relaxed);
      self.Undo();
      {
        MutexLock lock(&self.mu_);
        self.queue_.pop_front();
      }
      if (self.LogIsLong()) self.Checkpoint();
      self.HandOn();
    }
    Committer& self;
  } const leading{*this};
  if (failed()) return failure();
  if (absl::Status begun = Begin(); !begun.ok()) return begun;
  transaction_thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  absl::Status status = work();
  transaction_thread_.store(std::thread::id(), std::memory_order_relaxed);
  if (!status.ok()) return status;
  if (sqlite3_get_autocommit(connection_.get()) != 0) {
    return absl::FailedPreconditionError("the work has ended the transaction that it ran in");
  }
  if (absl::Status ended = End(); !ended.ok()) return ended;
  changes_.fetch_add(1, std::memory_order_relaxed);
  struct Done final : Change {
    absl::Status Write(Tables&) override { return absl::OkStatus(); }
    bool needs_sync() const override { return true; }
  } done;
  SyncFor({&done});
  return std::move(done.status_);
}

absl::Status Committer::WriteInTransaction(Change& change) {
  if (absl::Status begun = connection_.Execute("SAVEPOINT runlet_change"); !begun.ok()) return begun;
  absl::Status status = change.Write(tables_);
  if (!status.ok()) connection_.Execute("ROLLBACK TO runlet_change").IgnoreError();
  connection_.Execute("RELEASE runlet_change").IgnoreError();
  return status;
}

void Committer::AddTo(StorageStats* stats) const {
  stats->wal_bytes = wal_bytes_.load(std::memory_order_relaxed);
  stats->commits = commits_.load(std::memory_order_relaxed);
  stats->changes = changes_.load(std::memory_order_relaxed);
  stats->syncs = syncs_.load(std::memory_order_relaxed);
  stats->sync_time = absl::Nanoseconds(sync_ns_.load(std::memory_order_relaxed));
  stats->sync_time_max = absl::Nanoseconds(sync_ns_max_.load(std::memory_order_relaxed));
  stats->full = full();
  stats->failed = failed();
}

}  // namespace runlet::durable
