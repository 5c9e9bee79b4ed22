// The file of a durable queue, looked at while its owner works on it. Nothing is written, and no reading transaction
// lasts for more than some thousand rows: a longer one would keep the owner from shortening its log.
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

  // What SQLite says of the file's structure; empty for nothing wrong. Empty as a whole where that took longer than
  // `patience`, for which one transaction is kept.
  absl::StatusOr<std::optional<std::vector<std::string>>> CheckStructure(absl::Duration patience) const;

 private:
  QueueFile(std::string path, durable::Connection connection)
      : path_(std::move(path)), connection_(std::move(connection)) {}
  absl::StatusOr<std::map<std::int64_t, std::string>> Functions() const;

  std::string path_;
  durable::Connection connection_;
};

}  // namespace runlet::tool

#endif  // RUNLET_SRC_TOOL_QUEUE_FILE_H_
