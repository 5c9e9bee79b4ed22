// The tables of the file, row by row.
#ifndef RUNLET_SRC_DURABLE_TABLES_H_
#define RUNLET_SRC_DURABLE_TABLES_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "durable/row.h"
#include "durable/sqlite.h"

namespace runlet::durable {

// What was read, and whether it is what was written.
struct StoredEvent {
  EventRow row;
  std::size_t payload_bytes = 0;
  std::string_view damage;  // empty: none
};
struct StoredLetter {
  DeadRow row;
  std::string payload;
  std::string_view damage;
};
struct StoredPayload {
  std::string bytes;
  std::string_view damage;
};
inline constexpr int kDeathsMax = 3;  // then it is run no more
struct Suspect {
  std::int64_t seq = 0;
  int deaths = 0;
};

// Which letters to read.
struct LetterQuery {
  std::optional<std::vector<std::int64_t>> functions;  // of these alone
  std::optional<Condition> condition;
  std::int64_t died_after = INT64_MIN;   // inclusive
  std::int64_t died_before = INT64_MAX;  // exclusive
  std::int64_t after = INT64_MIN;        // ord
  std::size_t max = 0;
};

// Of a table in which pages cannot be read: what stands before the first and behind the last of them.
struct Readable {
  std::int64_t before = 0;  // rows
  std::int64_t last_before = 0;
  std::int64_t behind = 0;  // rows
  std::int64_t first_behind = 0;
  std::int64_t bytes = 0;  // of the payloads in them
  bool whole = false;      // all of it can be read, and stands before

  // About: the rows between may have gone before they could not be read.
  std::int64_t lost() const {
    return whole ? 0 : std::max<std::int64_t>(1, behind == 0 ? 0 : first_behind - last_before - 1);
  }
};
// The events, by seq. Errors are those that no page explains.
absl::StatusOr<Readable> ReadableEvents(sqlite3* db);
absl::StatusOr<Readable> ReadableLetters(sqlite3* db);

// What waits in the file.
struct Volume {
  std::int64_t events = 0;
  std::int64_t bytes = 0;
};

// Statements that are prepared once. Errors are those of the file. Used by one thread at a time.
class Tables {
 public:
  static absl::StatusOr<Tables> Prepare(sqlite3* db);
  Tables(Tables&&) = default;

  absl::Status Begin() { return begin_.Run(); }
  absl::Status Commit() { return commit_.Run(); }

  // ---- functions ----
  absl::StatusOr<std::int64_t> FunctionId(std::string_view name);  // made where there is none
  absl::Status ForEachFunction(const std::function<void(std::int64_t id, std::string_view name)>& f);

  // ---- events ----
  absl::Status InsertEvent(const EventRow& row, std::string_view payload);
  // accepted, due, attempts and extra of `row`; nothing where the file has seen a later attempt.
  absl::Status UpdateEvent(const EventRow& row);
  absl::Status DeleteEvent(std::int64_t seq);
  absl::StatusOr<StoredPayload> ReadPayload(std::int64_t seq);
  // Up to `max` events behind `after`, in order.
  absl::Status ReadEvents(std::int64_t after, std::size_t max, const std::function<void(StoredEvent)>& f);
  // About, where pages cannot be read; then, in a transaction, SQLite would let that write nothing any more.
  absl::StatusOr<Volume> CountEvents();

  // ---- claims ----
  absl::Status InsertRun(std::int64_t seq, bool marked);
  absl::Status DeleteRun(std::int64_t seq);
  absl::Status DeleteRuns();
  absl::StatusOr<std::vector<Suspect>> Suspects();
  absl::Status DeleteSuspect(std::int64_t seq);
  // What ran when the last owner died is suspected, and what was marked is charged.
  absl::Status SuspectRuns();
  // Those whose events have ended are suspects no more. As CountEvents(), where pages cannot be read.
  absl::Status ClearSuspects();

  // ---- dead letters ----
  // Makes a letter of the event `seq`.
  absl::Status Bury(const DeadRow& row, std::int64_t seq);
  absl::StatusOr<std::optional<StoredLetter>> ReadLetter(const RequestId& id);
  absl::Status ReadLetters(const LetterQuery& query, const std::function<void(StoredLetter)>& f);
  // The ords and ids alone.
  absl::Status FindLetters(const LetterQuery& query, const std::function<void(std::int64_t, RequestId)>& f);
  absl::Status DeleteLetter(std::int64_t ord);
  // As CountEvents().
  absl::StatusOr<std::int64_t> CountLetters();

  // ---- keys ----
  absl::StatusOr<std::int64_t> DeleteKeys(std::int64_t until);  // how many
  absl::StatusOr<std::optional<RequestId>> FindKey(std::int64_t function, std::string_view key);
  absl::Status InsertKey(std::int64_t function, std::string_view key, const RequestId& id, std::int64_t until);

  absl::Status SetMeta(std::string_view name, std::int64_t value);
  absl::StatusOr<std::int64_t> Meta(std::string_view name);  // 0 where it is not set
  absl::StatusOr<std::int64_t> Number(const char* sql);

 private:
  explicit Tables(sqlite3* db) : db_(db) {}
  absl::Status WritePayload(std::int64_t owner, std::string_view bytes);
  StoredEvent EventOf(Statement& statement);
  StoredLetter LetterOf(Statement& statement);
  static std::string WhereOf(const LetterQuery& query);

  sqlite3* db_;
  // No event has had a long payload yet: most files never do, and need no look into that table.
  bool long_payloads_ = true;
  Statement begin_, commit_;
  Statement find_function_, insert_function_;
  Statement insert_event_, update_event_, delete_event_, read_payload_, read_events_;
  Statement insert_payload_, delete_payload_, move_payload_;
  Statement insert_run_, delete_run_, delete_suspect_;
  Statement bury_, read_letter_, delete_letter_;
  Statement delete_keys_, find_key_, insert_key_;
  Statement set_meta_, meta_;
};

}  // namespace runlet::durable

#endif  // RUNLET_SRC_DURABLE_TABLES_H_
