// SQLite's C interface, as values that close themselves.
#ifndef RUNLET_SRC_DURABLE_SQLITE_H_
#define RUNLET_SRC_DURABLE_SQLITE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sqlite3.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace runlet::durable {

// What the code that SQLite has just returned for `db` means: ResourceExhausted with QueueStorageFull for a full disk,
// DataLoss for a damaged file, Unavailable for what may go by itself. OK for SQLITE_OK, _ROW and _DONE.
absl::Status StatusOf(sqlite3* db, int code, std::string_view doing);
// Of a code that has no connection.
absl::Status StatusOf(int code, std::string_view doing);

// Used by one thread at a time.
class Connection {
 public:
  enum class Mode {
    kCreate,
    kReadOnly,
    kReadOnlyMemory,  // ... and makes no shared memory, nor writes to what there is
    kStill,           // reads a file that nobody writes to, without its log: makes nothing and locks nothing
  };
  static absl::StatusOr<Connection> Open(const std::string& path, Mode mode);

  sqlite3* get() const { return db_; }
  absl::Status Execute(const char* sql) const;
  // Of a query or pragma that answers one number.
  absl::StatusOr<std::int64_t> Number(const char* sql) const;
  void Close() { sqlite3_close(std::exchange(db_, nullptr)); }
  // Forgets it open: a forked child must not touch its parent's.
  void Forget() { db_ = nullptr; }

  Connection() = default;
  Connection(Connection&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Connection& operator=(Connection&& other) noexcept {
    std::swap(db_, other.db_);
    return *this;
  }
  ~Connection() { Close(); }

 private:
  explicit Connection(sqlite3* db) : db_(db) {}
  sqlite3* db_ = nullptr;
};

// A statement that is prepared once and run often. What is bound to it as text or bytes must live until Reset().
class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
  Statement& operator=(Statement&& other) noexcept {
    std::swap(statement_, other.statement_);
    return *this;
  }
  ~Statement() { sqlite3_finalize(statement_); }
  static absl::StatusOr<Statement> Prepare(sqlite3* db, std::string_view sql);

  Statement& Bind(int at, std::int64_t value) {
    sqlite3_bind_int64(statement_, at, value);
    return *this;
  }
  Statement& Bind(int at, std::optional<std::int64_t> value) { return value.has_value() ? Bind(at, *value) : Null(at); }
  Statement& Bytes(int at, std::string_view bytes) {
    // A null pointer would be NULL, not an empty value.
    sqlite3_bind_blob64(statement_, at, bytes.data() == nullptr ? "" : bytes.data(), bytes.size(), SQLITE_STATIC);
    return *this;
  }
  Statement& Text(int at, std::string_view text) {
    sqlite3_bind_text64(statement_, at, text.data() == nullptr ? "" : text.data(), text.size(), SQLITE_STATIC,
                        SQLITE_UTF8);
    return *this;
  }
  Statement& Null(int at) {
    sqlite3_bind_null(statement_, at);
    return *this;
  }

  // True when there is a row, false when there is none more. After an error it is reset.
  absl::StatusOr<bool> Step();
  // Runs what answers nothing, and resets.
  absl::Status Run();
  void Reset() { sqlite3_reset(statement_); }

  bool IsNull(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  std::int64_t Number(int column) const { return sqlite3_column_int64(statement_, column); }
  std::optional<std::int64_t> MaybeNumber(int column) const {
    return IsNull(column) ? std::nullopt : std::optional(Number(column));
  }
  // Until the next step or reset.
  std::string_view Blob(int column) const {
    const void* bytes = sqlite3_column_blob(statement_, column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
    return {static_cast<const char*>(bytes), bytes == nullptr ? 0 : size};
  }

 private:
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  sqlite3_stmt* statement_ = nullptr;
};

// Resets a statement at the end of a scope.
class Using {
 public:
  explicit Using(Statement& statement) : statement_(statement) {}
  ~Using() { statement_.Reset(); }
  Using(const Using&) = delete;
  Using& operator=(const Using&) = delete;
  Statement* operator->() const { return &statement_; }

 private:
  Statement& statement_;
};

}  // namespace runlet::durable

#endif  // RUNLET_SRC_DURABLE_SQLITE_H_
