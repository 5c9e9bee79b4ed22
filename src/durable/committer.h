// Group commit: everything that the file goes through.
#ifndef RUNLET_SRC_DURABLE_COMMITTER_H_
#define RUNLET_SRC_DURABLE_COMMITTER_H_

#include <absl/status/status.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "durable/sqlite.h"
#include "durable/tables.h"
#include "runlet/base/sync.h"
#include "runlet/base/time.h"
#include "runlet/queue/event_queue.h"

namespace runlet::durable {

// Something to be written, or read, between two moments that nobody sees apart. Lives on the stack of whoever wants it.
class Change {
 public:
  Change() = default;
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

  // In a transaction. May be called again, after it was rolled back. What it finds out is its own; an error is one of
  // the file's, and undoes all that the change has written.
  virtual absl::Status Write(Tables& tables) = 0;
  // Whether it must be on the disk, where the file's durability asks for that, before it counts as done.
  virtual bool needs_sync() const { return false; }
  // Whether it must not see what others have written that is not committed.
  virtual bool alone() const { return false; }

 protected:
  ~Change() = default;

 private:
  friend class Committer;
  std::atomic<std::uint32_t> state_{0};
  bool of_host_ = false;     // stays in the queue until the host's work is done
  bool first_ = false;       // of those who wait: who leads next, and so sleeps on a word of its own
  std::uint32_t batch_ = 0;  // that it will likely be in
  absl::Status status_;
};

// Changes are written in the order in which they were queued, all that come meanwhile in one transaction. Nobody has a
// thread for it: the first who finds nobody at it leads, writes his own change and those of all who come until nobody
// does, and hands on to the first of those who have come since. So a lone change costs no switch between threads, and
// no timer holds anything up; measured, it beats a thread of its own with 1, 8 and 64 who wait. The connection is so
// used by one thread at a time. Thread-safe.
class Committer {
 public:
  struct Limits {
    bool sync = true;
    std::size_t checkpoint_bytes = 0;
  };
  // `wal_fd` is a descriptor of the write-ahead log. All outlive the committer.
  Committer(const Connection& connection, Tables& tables, int wal_fd, Limits limits)
      : connection_(connection), tables_(tables), wal_fd_(wal_fd), limits_(limits) {
    WatchLog();
  }

  // Takes its place in the order. Then Finish() has to be called.
  void Queue(Change& change) RUNLET_EXCLUDES(mu_);
  // Returns once the change is done. AcceptanceUnknown(status) where it may be stored or not.
  absl::Status Finish(Change& change) RUNLET_EXCLUDES(mu_);
  absl::Status Commit(Change& change) {
    Queue(change);
    return Finish(change);
  }

  // Runs `work` alone in a transaction, on this thread, then commits it unless it fails.
  absl::Status Transaction(const std::function<absl::Status()>& work) RUNLET_EXCLUDES(mu_);
  // This thread runs inside of Transaction().
  bool in_transaction() const {
    return transaction_thread_.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }
  // A part of the open transaction, undone by itself where it fails. Only inside of it.
  absl::Status WriteInTransaction(Change& change);

  // Writes the log back and cuts it to nothing. Nobody else may use the committer.
  absl::Status Truncate();

  void AddTo(StorageStats* stats) const;
  // Not OK once a sync has failed: nothing is stored any more.
  absl::Status failure() const RUNLET_EXCLUDES(mu_);
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  bool full() const { return full_.load(std::memory_order_relaxed); }

 private:
  enum State : std::uint32_t { kWaits, kLeads, kDone };
  static constexpr std::size_t kBatchMax = 4096;  // changes in one transaction

  void Lead() RUNLET_EXCLUDES(mu_);
  // Adds those who have come; false when there are none that may be written with the others.
  bool TakeMore(std::vector<Change*>* batch) RUNLET_EXCLUDES(mu_);
  // One transaction of all that come while it is being written. False: undone, and to be tried one by one.
  bool TryTogether(std::vector<Change*>* batch);
  void WriteAlone(Change& change);
  absl::Status Begin();
  absl::Status End();
  void Undo();
  void SyncFor(const std::vector<Change*>& batch);
  void Fail(const absl::Status& status) RUNLET_EXCLUDES(mu_);
  bool LogIsLong() const;
  void Checkpoint();
  void WatchLog();
  void HandOn() RUNLET_EXCLUDES(mu_);
  void Wake(Change& change, State state);
  void WakeAll(const std::vector<Change*>& done);

  const Connection& connection_;
  Tables& tables_;
  const int wal_fd_;
  const Limits limits_;

  mutable Mutex mu_;
  std::deque<Change*> queue_ RUNLET_GUARDED_BY(mu_);
  bool led_ RUNLET_GUARDED_BY(mu_) = false;
  bool gathers_ RUNLET_GUARDED_BY(mu_) = false;  // who comes now is taken into the batch that is being written
  std::uint32_t batch_ RUNLET_GUARDED_BY(mu_) = 0;
  absl::Status failure_ RUNLET_GUARDED_BY(mu_);

  // Those who wait, all but the first, sleep on the word of their batch: it changes when one of them is to look at its
  // state. One call wakes them all, for to call for each took as long as to write and sync what 64 of them had put; and
  // there are two words, so that those who are in the next batch already sleep on.
  std::atomic<std::uint32_t>& WordOf(const Change& change) { return words_[change.batch_ % words_.size()]; }
  std::array<std::atomic<std::uint32_t>, 2> words_{};

  std::atomic<bool> failed_{false};
  std::atomic<bool> full_{false};
  std::atomic<std::thread::id> transaction_thread_{};
  std::size_t last_size_ = 0;        // changes in the last batch; the leader's
  std::uint64_t checkpoint_at_ = 0;  // the length of the log at which the next one is tried; the leader's
  std::atomic<std::uint64_t> wal_bytes_{0};
  std::atomic<std::uint64_t> commits_{0};
  std::atomic<std::uint64_t> changes_{0};
  std::atomic<std::uint64_t> syncs_{0};
  std::atomic<std::int64_t> sync_ns_{0};
  std::atomic<std::int64_t> sync_ns_max_{0};
};

}  // namespace runlet::durable

#endif  // RUNLET_SRC_DURABLE_COMMITTER_H_
