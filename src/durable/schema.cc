#include "durable/schema.h"

#include <fmt/format.h>

#include "durable/sqlite.h"
#include "runlet/durable/queue.h"

namespace runlet::durable {
namespace {

absl::StatusOr<std::int64_t> Pragma(sqlite3* db, const char* pragma) {
  absl::StatusOr<Statement> statement = Statement::Prepare(db, pragma);
  if (!statement.ok()) return statement.status();
  const absl::StatusOr<bool> row = statement->Step();
  if (!row.ok()) return row.status();
  return statement->Number(0);
}

absl::Status Make(sqlite3* db) {
  const std::string sql = fmt::format("BEGIN IMMEDIATE; {} PRAGMA application_id={}; PRAGMA user_version={}; COMMIT",
                                      kTables, kApplicationId, kSchemaVersion);
  const absl::Status made = Execute(db, sql);
  if (!made.ok() && sqlite3_get_autocommit(db) == 0) Execute(db, "ROLLBACK").IgnoreError();
  return made;
}

}  // namespace

absl::StatusOr<int> SchemaVersion(sqlite3* db) {
  const absl::StatusOr<std::int64_t> id = Pragma(db, "PRAGMA application_id");
  if (!id.ok()) return id.status();
  const absl::StatusOr<std::int64_t> version = Pragma(db, "PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (*id == 0 && *version == 0) {
    const absl::StatusOr<std::int64_t> tables =
        Pragma(db, "SELECT count(*) FROM sqlite_master WHERE name LIKE 'runlet\\_%' ESCAPE '\\'");
    if (!tables.ok()) return tables.status();
    if (*tables == 0) return 0;
  }
  if (*id != kApplicationId || *version < 1) {
    return absl::InvalidArgumentError(
        fmt::format("it is a database of something else (application_id {:#x}, user_version {})", *id, *version));
  }
  if (*version > kSchemaVersion) {
    return absl::FailedPreconditionError(
        fmt::format("it has schema version {}, written by a newer runlet: this one knows versions up to {}", *version,
                    kSchemaVersion));
  }
  return static_cast<int>(*version);
}

absl::Status PrepareSchema(sqlite3* db) {
  const absl::StatusOr<int> version = SchemaVersion(db);
  if (!version.ok()) return version.status();
  // An older version would be brought up here, one step after the other.
  return *version == 0 ? Make(db) : absl::OkStatus();
}

}  // namespace runlet::durable
