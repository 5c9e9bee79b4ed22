// Events that survive: an event queue in one SQLite file, without a server. Link runlet::durable.
//
//   auto queue = runlet::durable::Open("orders.db");            // StatusOr: the file may be somebody else's
//   auto engine = runlet::Engine::Create({.queue = *queue});    // nothing else changes
//
// The file may also hold the host's own tables: what it does to them and what it posts commit together in
// Queue::Transaction. Everything of ours in it is named runlet_*; `user_version` and `application_id` are ours too.
#ifndef RUNLET_DURABLE_QUEUE_H_
#define RUNLET_DURABLE_QUEUE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runlet/queue/event_queue.h"

struct sqlite3;

namespace runlet::durable {

// A row that is not what was written. It stays in the file as it is, and its event does not run.
//
// Where a page of the file cannot be read, its events and all behind them wait: one Damage says about how many, and
// behind which row. The same goes for dead letters: those before are listed, and none is purged with those behind. What
// can be read is rescued into a new file while nobody has the old one open, and runs from there:
//
//   (sqlite3 orders.db .dump | sed 's/^ROLLBACK.*/COMMIT;/'
//    echo "PRAGMA application_id=0x726e6c74; PRAGMA user_version=1;
//          DELETE FROM runlet_meta WHERE name = 'clean';") | sqlite3 rescued.db
//
// That finds what stands before the first and behind the last bad page. `.recover` in place of `.dump`, where the shell
// has been built with it, also finds what is between them. The same rescues a file that Open refuses with DataLoss.
struct Damage {
  std::string table;     // "runlet_event", "runlet_dead"
  std::int64_t row = 0;  // its rowid
  std::string function;  // empty where that cannot be told
  std::string what;      // "the checksum of the payload is wrong"
};

struct Options {
  // What an accepted event survives. Both are told how it ended only once that is as safe.
  //
  //   kMachine  loss of power: the write-ahead log is synced before Post returns. One sync for all who post meanwhile.
  //   kProcess  kill -9 of the process: the system has the event, the disk gets it some seconds later. After a loss of
  //             power the file is sound, but its last events may be missing, and events that had ended may run again.
  Durability durability = Durability::kMachine;

  std::size_t events = 1'000'000;            // waiting and running; 1 to 100,000,000
  std::size_t bytes = std::size_t{4} << 30;  // of their payloads
  std::size_t dead_letters = 100'000;        // when reached, events are refused; 1 to 100,000,000
  std::size_t dedup_keys = 1'000'000;        // remembered; when reached, events with a key are refused
  // Of the payloads of waiting events that stay in memory; those beyond it are read again when they are claimed. What
  // waits costs about 250 bytes of memory besides.
  std::size_t payload_memory = std::size_t{64} << 20;
  // The write-ahead log is written back into the file when it is longer than this; 64 KiB to 1 GiB. Whoever commits
  // then waits for it.
  std::size_t checkpoint_bytes = std::size_t{16} << 20;
  // To which the log is cut once a reader that held it up has gone; at least checkpoint_bytes.
  std::size_t wal_bytes = std::size_t{64} << 20;

  // Is told of each damaged row as it is found, from any thread; must not call the queue. nullptr: only
  // Queue::damages() tells.
  std::function<void(const Damage&)> on_damage = nullptr;
};

// An open file. Several engines of one process may be given the same queue: each function's events go to the engines
// that have registered it. The queue closes when the last engine and the host have let it go. Events of functions that
// nobody has registered wait in the file until somebody does.
//
// What is not stored. Records on their way to a destination are in memory: of an event that has ended, the record is
// lost when the process dies before its destination has taken it. Letters to a DeadLetterQueue are not: they are
// offered again to the one that is registered next time. And while the disk is full, events end, and observers and
// destinations are told, before that can be stored: when the process dies or closes the queue meanwhile, such an
// event was told as ended and runs again.
//
// Thread-safe. A forked child is refused everything.
class Queue : public EventQueue {
 public:
  // Runs `work` on the connection that writes, and commits what it did together with what it posted: all or nothing.
  // Any status but OK, or an exception, rolls everything back, and is returned or passed on. Inside of it, Post and
  // PostAll of engines that use this queue join the transaction: such an event may run once this call has returned OK,
  // and was never there otherwise (although it counts among the events that the engine has received).
  //
  //   absl::Status sold = queue->Transaction([&](sqlite3* db) -> absl::Status {
  //     if (absl::Status row = runlet::durable::Execute(db, "INSERT INTO sale VALUES (17, 'book')"); !row.ok()) return
  //     row; return engine.Post(kShip, {17}).status();
  //   });
  //
  // All other posts, claims and ends wait meanwhile: keep it short. Nothing else of the queue can be asked for inside:
  // Cancel finds nothing there. `work` must not begin or end transactions, change runlet_* tables or keep `db`, and
  // must not wait for anything of the engine's (Invoke, Get, WaitIdle, Drain): an execution that needs the queue would
  // wait for it in turn. AcceptanceUnknown(status) where the commit may or may not have reached the disk.
  [[nodiscard]] virtual absl::Status Transaction(const std::function<absl::Status(sqlite3* db)>& work) = 0;

  // The canonical path of the file.
  virtual std::string path() const = 0;
  // The damaged rows found so far; the first 1,000.
  virtual std::vector<Damage> damages() const = 0;
};

// Opens or makes the file at `path`, and takes it for this process, whichever of its names it was opened by. Next to it
// stand `path`-wal and `path`-shm, which belong to it, and `path`-lock, a note by which the owner is known. Not for
// network file systems, which are refused.
//
// What was running when the last owner died is suspected: such events run one at a time, each marked before it runs.
// Only the marked one is charged when the process dies again, and after three such deaths it is run no more: it ends as
// HostCrashed once its function is registered, and observers and destinations are told like of any other end.
//
//   FailedPrecondition  the file is open, here or in another process, which the message names; or it was written by a
//                       newer version of runlet; or it lies on a network file system
//   DataLoss            it is damaged so that it cannot be used; the message says how it is rescued
//   InvalidArgument     it is no file of runlet's, or an option is out of its range
//   PermissionDenied, NotFound, ResourceExhausted (disk full), Unavailable   what the system says of the path
absl::StatusOr<std::shared_ptr<Queue>> Open(const std::string& path, const Options& options = {});

// Runs statements that answer nothing, separated by semicolons.
[[nodiscard]] absl::Status Execute(sqlite3* db, const std::string& sql);

}  // namespace runlet::durable

#endif  // RUNLET_DURABLE_QUEUE_H_
