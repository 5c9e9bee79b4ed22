#include "durable/sqlite.h"

#include <fmt/format.h>

#include <cerrno>

#include "event/status_marks.h"
#include "runlet/durable/queue.h"

namespace runlet::durable {
namespace {

absl::Status Meaning(int code, const std::string& message) {
  switch (code & 0xFF) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return absl::OkStatus();
    case SQLITE_FULL: return Refused(absl::StatusCode::kResourceExhausted, reason::kQueueStorageFull, message);
    case SQLITE_CORRUPT: return absl::DataLossError(message);
    case SQLITE_NOTADB: return absl::InvalidArgumentError(message);
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH: return absl::PermissionDeniedError(message);
    case SQLITE_MISUSE: return absl::InternalError(message);
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE: return absl::InvalidArgumentError(message);
    default: return absl::UnavailableError(message);
  }
}

// As SQLite reads it from a URI.
std::string UriOf(const std::string& path, std::string_view parameter) {
  std::string uri = "file:";
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#') {
      uri += fmt::format("%{:02x}", static_cast<unsigned int>(c));
    } else {
      uri += c;
    }
  }
  return fmt::format("{}?{}=1", uri, parameter);
}

}  // namespace

absl::Status StatusOf(int code, std::string_view doing) {
  return Meaning(code, fmt::format("{}: {}", doing, sqlite3_errstr(code)));
}

absl::Status StatusOf(sqlite3* db, int code, std::string_view doing) {
  if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return absl::OkStatus();
  if (db == nullptr) return StatusOf(code, doing);
  const int extended = sqlite3_extended_errcode(db);
  const int system = sqlite3_system_errno(db);
  const bool of_system = (code & 0xFF) == SQLITE_IOERR || (code & 0xFF) == SQLITE_CANTOPEN;
  std::string message = fmt::format("{}: {}", doing, sqlite3_errmsg(db));
  if (of_system && system != 0) {
    message += fmt::format(" ({})", std::string(absl::ErrnoToStatus(system, "").message()));
    // SQLite knows ENOSPC, not a quota.
    if (system == EDQUOT || system == ENOSPC) return Meaning(SQLITE_FULL, message);
  }
  return Meaning((extended & 0xFF) == (code & 0xFF) ? extended : code, message);
}

absl::StatusOr<Connection> Connection::Open(const std::string& path, Mode mode) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= mode == Mode::kCreate ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  std::string name = path;
  if (mode == Mode::kReadOnlyMemory) name = UriOf(path, "readonly_shm");
  if (mode == Mode::kStill) name = UriOf(path, "immutable");
  if (name != path) flags |= SQLITE_OPEN_URI;
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &db, flags, nullptr);
  Connection connection(db);
  if (code != SQLITE_OK) return StatusOf(db, code, path);
  return connection;
}

absl::Status Connection::Execute(const char* sql) const {
  return StatusOf(db_, sqlite3_exec(db_, sql, nullptr, nullptr, nullptr), "SQL");
}

absl::StatusOr<std::int64_t> Connection::Number(const char* sql) const {
  absl::StatusOr<Statement> statement = Statement::Prepare(db_, sql);
  if (!statement.ok()) return statement.status();
  const absl::StatusOr<bool> row = statement->Step();
  if (!row.ok()) return row.status();
  return *row ? statement->Number(0) : 0;
}

absl::StatusOr<Statement> Statement::Prepare(sqlite3* db, std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v3(db, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return StatusOf(db, code, "SQL");
  return Statement(statement);
}

absl::StatusOr<bool> Statement::Step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  const absl::Status status = StatusOf(sqlite3_db_handle(statement_), code, "queue file");
  Reset();
  return status;
}

absl::Status Statement::Run() {
  const absl::StatusOr<bool> row = Step();
  if (!row.ok()) return row.status();
  Reset();
  return absl::OkStatus();
}

absl::Status Execute(sqlite3* db, const std::string& sql) {
  return StatusOf(db, sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), "SQL");
}

}  // namespace runlet::durable
