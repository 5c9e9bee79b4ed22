// The file of a durable queue, looked at while its owner works on it. Nothing is written, and no reading transaction
// lasts for more than some thousand rows: a longer one would keep the owner from shortening its log. No file is made
// beside it that its owner could not write to.
#ifndef RUNLET_SRC_TOOL_QUEUE_FILE_H_
#define RUNLET_SRC_TOOL_QUEUE_FILE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "durable/sqlite.h"
#include "durable/tables.h"
#include "runlet/queue/dead_letter.h"

namespace runlet::tool {

// A waiting or running event, without its payload.
struct StoredEvent {
  std::int64_t seq = 0;
  std::string function;
  RequestId id;
  absl::Time accepted;
  std::optional<absl::Time> due;  // not before
  std::optional<absl::Time> expires;
  int attempts = 0;
  bool claimed = false;       // for an attempt, by the owner or by one that died
  bool marked = false;        // ... alone, because it is a suspect
  std::optional<int> deaths;  // of a suspect: of processes, while it was the marked one
  std::int64_t bytes = 0;     // of the payload
  std::string damage;         // what is wrong with the row; empty: nothing
};

struct StoredLetter {
  std::int64_t ord = 0;
  DeadLetter letter;
  std::string damage;
};

struct FileFacts {
  int schema_version = 0;
  std::int64_t file_bytes = 0;
  std::int64_t wal_bytes = 0;
  std::string owner;  // "process 1234"; empty: nobody's
};

// Used by one thread.
class QueueFile {
 public:
  // NotFound, InvalidArgument for what is no queue's file, FailedPrecondition for one of a newer version.
  static absl::StatusOr<QueueFile> Open(const std::string& path);

  const std::string& path() const { return path_; }
  absl::StatusOr<FileFacts> Facts() const;

  // Told how many rows have been seen, now and then.
  using Progress = std::function<void(std::int64_t seen)>;
  // DataLoss, once what stands before them was visited, where there are rows that cannot be read: it says about how
  // many. Unavailable where somebody opened a file meanwhile that was nobody's.
  // Every event, in order of acceptance, some thousand in a transaction: one that ends meanwhile may or may not be
  // seen. `check` compares the checksums, which takes reading the payloads.
  absl::Status ForEachEvent(bool check, const std::function<void(const StoredEvent&)>& visit,
                            const Progress& progress) const;
  // Every dead letter that matches, in order of death, likewise; `visit` answers false to end it.
  absl::Status ForEachLetter(const DeadLetterFilter& filter, const std::function<bool(const StoredLetter&)>& visit,
                             const Progress& progress) const;
  // How many there are of each function.
  absl::StatusOr<std::map<std::string, std::int64_t>> CountLetters() const;
  absl::StatusOr<StoredLetter> FindLetter(const RequestId& id) const;

  // What can be read, after ForEach... has said that not all of it can be.
  absl::StatusOr<durable::Readable> ReadableEvents() const { return durable::ReadableEvents(connection_.get()); }
  absl::StatusOr<durable::Readable> ReadableLetters() const { return durable::ReadableLetters(connection_.get()); }

  // What SQLite says of the file's structure; empty for nothing wrong. Empty as a whole where that took longer than
  // `patience`, for which one transaction is kept.
  absl::StatusOr<std::optional<std::vector<std::string>>> CheckStructure(absl::Duration patience) const;

 private:
  // A file that nobody owned when it was opened, as it was then.
  struct Still {
    std::uint64_t inode = 0;
    std::int64_t bytes = 0;
    absl::Time changed;
    bool operator==(const Still& other) const = default;
  };

  explicit QueueFile(std::string path) : path_(std::move(path)) {}
  absl::StatusOr<std::map<std::int64_t, std::string>> Functions() const;
  // Empty while it has a log.
  std::optional<Still> LookStill() const;
  absl::Status Connect();
  // Unavailable where a file that nobody owned has changed; else `status`.
  absl::Status Checked(const absl::Status& status) const;

  std::string path_;  // canonical
  durable::Connection connection_;
  std::optional<Still> still_;
  bool given_up_ = false;  // the claims in it: their owner has ended, and did not die
};

}  // namespace runlet::tool

#endif  // RUNLET_SRC_TOOL_QUEUE_FILE_H_
