#include "durable/schema.h"

#include <fmt/format.h>

#include <iterator>
#include <string>

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

// What brings a file from each version to the next one: the first makes what version 1 has in an empty file. A new
// version adds its step at the end; those before never change.
constexpr const char* kSteps[] = {kTables};
static_assert(std::size(kSteps) == kSchemaVersion);

absl::Status BringUp(sqlite3* db, int version) {
  std::string sql = "BEGIN IMMEDIATE; ";
  for (int from = version; from < kSchemaVersion; ++from) sql += kSteps[from];
  sql += fmt::format(" PRAGMA application_id={}; PRAGMA user_version={}; COMMIT", kApplicationId, kSchemaVersion);
  const absl::Status done = Execute(db, sql);
  if (!done.ok() && sqlite3_get_autocommit(db) == 0) Execute(db, "ROLLBACK").IgnoreError();
  return done;
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
    return absl::InvalidArgumentError(fmt::format(
        "it has tables of a queue, and not a queue's marks: where it was rescued from one, they are set with "
        "PRAGMA application_id={:#x}; PRAGMA user_version={}",
        kApplicationId, kSchemaVersion));
  }
  if (*id != kApplicationId) {
    return absl::InvalidArgumentError(
        fmt::format("it is a database of something else (application_id {:#x}, user_version {})", *id, *version));
  }
  if (*version < 1) {
    return absl::InvalidArgumentError(fmt::format(
        "it has schema version {}, which no runlet has written: versions 1 to {} are known", *version, kSchemaVersion));
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
  return *version == kSchemaVersion ? absl::OkStatus() : BringUp(db, *version);
}

}  // namespace runlet::durable
