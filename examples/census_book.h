// What a durable census writes down, in the same file as its events: which files are to be counted, and what was
// counted in them. A file is listed and its event accepted in one transaction, so that a census that was killed goes on
// where it was when it is started again.
#ifndef RUNLET_EXAMPLES_CENSUS_BOOK_H_
#define RUNLET_EXAMPLES_CENSUS_BOOK_H_

#include <absl/status/status.h>
#include <runlet/durable/queue.h>
#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

class CensusBook {
 public:
  struct Totals {
    std::int64_t listed = 0, counted = 0, lines = 0, words = 0, bytes = 0;
  };

  explicit CensusBook(std::shared_ptr<runlet::durable::Queue> queue) : queue_(std::move(queue)) {}

  absl::Status Prepare() {
    return queue_->Transaction([](sqlite3* db) {
      return runlet::durable::Execute(
          db, "CREATE TABLE IF NOT EXISTS census(path TEXT PRIMARY KEY, lines INTEGER, words INTEGER, bytes INTEGER)");
    });
  }

  // Lists those of the files that are not listed yet, and has each of them posted: all or none.
  absl::Status List(const std::vector<std::string>& paths,
                    const std::function<absl::Status(const std::string& path)>& post) {
    return queue_->Transaction([&](sqlite3* db) -> absl::Status {
      for (const std::string& path : paths) {
        if (absl::Status row = Run(db, "INSERT OR IGNORE INTO census(path) VALUES(?1)", path); !row.ok()) return row;
        if (sqlite3_changes(db) == 0) continue;
        if (absl::Status posted = post(path); !posted.ok()) return posted;
      }
      return absl::OkStatus();
    });
  }

  // A file that is counted twice, because the census was killed between this and the end of its event, counts once.
  absl::Status Count(const std::string& path, std::uint64_t lines, std::uint64_t words, std::uint64_t bytes) {
    return queue_->Transaction([&](sqlite3* db) {
      return Run(
          db, "UPDATE census SET lines = ?2, words = ?3, bytes = ?4 WHERE path = ?1", path,
          {static_cast<std::int64_t>(lines), static_cast<std::int64_t>(words), static_cast<std::int64_t>(bytes)});
    });
  }

  Totals Read() {
    Totals totals;
    const absl::Status read = queue_->Transaction([&](sqlite3* db) {
      return Run(db, "SELECT count(*), count(bytes), sum(lines), sum(words), sum(bytes) FROM census", {}, {}, &totals);
    });
    return read.ok() ? totals : Totals();
  }

 private:
  static absl::Status Run(sqlite3* db, const char* sql, const std::string& path,
                          const std::vector<std::int64_t>& numbers = {}, Totals* totals = nullptr) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, nullptr) != SQLITE_OK)
      return absl::InternalError(sqlite3_errmsg(db));
    if (totals == nullptr) sqlite3_bind_text(statement, 1, path.data(), static_cast<int>(path.size()), SQLITE_STATIC);
    int at = 1;
    for (const std::int64_t number : numbers) sqlite3_bind_int64(statement, ++at, number);
    const int code = sqlite3_step(statement);
    if (code == SQLITE_ROW && totals != nullptr) {
      std::int64_t* const columns[] = {&totals->listed, &totals->counted, &totals->lines, &totals->words,
                                       &totals->bytes};
      for (int i = 0; i < 5; ++i) *columns[i] = sqlite3_column_int64(statement, i);
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? absl::OkStatus() : absl::InternalError(sqlite3_errmsg(db));
  }

  const std::shared_ptr<runlet::durable::Queue> queue_;
};

#endif  // RUNLET_EXAMPLES_CENSUS_BOOK_H_
