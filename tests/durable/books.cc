#include "tests/durable/books.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string_view>

namespace runlet::durable_test {
namespace {

// Steps through the rows of `sql` and hands the first column to `take`; false when SQLite says no.
template <typename F>
bool ForEachRow(sqlite3* db, const char* sql, F&& take) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db, sql, -1, &statement, nullptr) != SQLITE_OK) return false;
  while (sqlite3_step(statement) == SQLITE_ROW) {
    const void* const bytes = sqlite3_column_blob(statement, 0);
    take(std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(sqlite3_column_bytes(statement, 0))));
  }
  return sqlite3_finalize(statement) == SQLITE_OK;
}

// The text of an event begins with its number.
std::uint64_t NumberIn(const std::string& text) { return std::strtoull(text.c_str(), nullptr, 10); }

}  // namespace

FileContent FileContent::Read(const std::string& path) {
  FileContent content;
  if (access(path.c_str(), F_OK) != 0) return content;
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE, nullptr);
  const std::unique_ptr<sqlite3, int (*)(sqlite3*)> db(raw, sqlite3_close);
  if (code != SQLITE_OK) {
    content.unsound = fmt::format("cannot be opened: {}", sqlite3_errmsg(raw));
    return content;
  }
  // The next owner is to find the log as it was left.
  sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  bool made = false;
  if (ForEachRow(raw, "SELECT name FROM sqlite_master WHERE name = 'runlet_dead'",
                 [&](const std::string&) { made = true; }) &&
      !made) {
    return content;
  }
  const auto number = [](std::vector<std::uint64_t>* numbers) {
    return [numbers](const std::string& text) { numbers->push_back(NumberIn(text)); };
  };
  const bool read =
      ForEachRow(raw, "PRAGMA integrity_check",
                 [&](const std::string& line) { content.unsound += line == "ok" ? "" : line + "\n"; }) &&
      ForEachRow(raw,
                 "SELECT coalesce(payload, (SELECT bytes FROM runlet_payload WHERE owner = e.seq)) FROM runlet_event e",
                 number(&content.waiting)) &&
      ForEachRow(raw,
                 "SELECT coalesce(payload, (SELECT bytes FROM runlet_payload WHERE owner = -d.ord)) FROM runlet_dead d",
                 number(&content.dead));
  if (!read) content.unsound += sqlite3_errmsg(raw);
  return content;
}

void Books::Complain(std::uint64_t n, const char* what) {
  if (complaints_.size() < 20) complaints_.push_back(fmt::format("event {} {}", n, what));
}

void Books::Open(std::uint64_t n, Event* event) {
  event->state = State::kOpen;
  open_.insert(n);
}

void Books::End(std::uint64_t n, Event* event) {
  event->state = State::kEnded;
  open_.erase(n);
  ++ended_;
}

void Books::Enter(Note note) {
  if (note.step == Step::kPosting) {
    if (!events_.try_emplace(note.n).second) Complain(note.n, "is posted twice");
    return;
  }
  const auto found = events_.find(note.n);
  if (found == events_.end()) return Complain(note.n, "was never posted, but runs");
  Event& event = found->second;
  switch (note.step) {
    case Step::kAccepted:
      ++accepted_;
      if (event.state == State::kPosting) Open(note.n, &event);
      return;
    case Step::kRefused:
      if (event.state != State::kPosting) Complain(note.n, "was refused, but runs");
      event.state = State::kRefused;
      return;
    case Step::kBegun:
      // It may begin before Post has returned.
      if (event.state == State::kPosting) Open(note.n, &event);
      if (event.state == State::kRefused) Complain(note.n, "was refused, but runs");
      if (event.state == State::kDead) Complain(note.n, "was dead, but runs");
      if (event.state == State::kEnded) Complain(note.n, "runs again after its end was stored");
      if (event.told) Complain(note.n, "runs again after its destination was told of its end");
      if (event.succeeded == life_) Complain(note.n, "runs again after it succeeded, and nobody died");
      return;
    case Step::kSucceeded: event.succeeded = life_; return;
    case Step::kTold:
      if (event.succeeded == 0) Complain(note.n, "did not succeed, but its destination was told so");
      event.told = told_is_final_;
      return;
    default: return;
  }
}

void Books::Found(std::uint64_t n, bool dead) {
  const auto found = events_.find(n);
  if (found == events_.end()) return Complain(n, "was never posted, but is stored");
  Event& event = found->second;
  if (event.state == State::kRefused) Complain(n, "was refused, but is stored");
  if (event.state == State::kEnded) Complain(n, "is back after its end was stored");
  if (event.state == State::kDead && !dead) Complain(n, "was dead, but waits");
  if (event.told) Complain(n, "is back after its destination was told of its end");
  if (event.state == State::kPosting) Open(n, &event);
  event.succeeded = 0;  // the end was not stored
  if (dead && event.state == State::kOpen) {
    open_.erase(n);
    dead_.insert(n);
    event.state = State::kDead;
  }
}

void Books::CheckFound(const FileContent& file) {
  if (!file.unsound.empty()) complaints_.push_back("the file is unsound: " + file.unsound);
  for (const std::uint64_t n : file.waiting) Found(n, false);
  for (const std::uint64_t n : file.dead) Found(n, true);
}

void Books::Audit(const FileContent& file) {
  CheckFound(file);
  std::set<std::uint64_t> waiting(file.waiting.begin(), file.waiting.end());
  if (waiting.size() != file.waiting.size()) complaints_.push_back("an event is stored twice");
  const std::set<std::uint64_t> dead(file.dead.begin(), file.dead.end());
  if (dead.size() != file.dead.size()) complaints_.push_back("a dead letter is stored twice");
  for (const std::uint64_t n : dead) {
    if (waiting.count(n) != 0) Complain(n, "is dead and waits");
  }
  for (const std::uint64_t n : dead_) {
    if (dead.count(n) == 0) Complain(n, "was dead and is gone");
  }
  for (const std::uint64_t n : std::vector<std::uint64_t>(open_.begin(), open_.end())) {
    if (waiting.count(n) != 0) continue;
    Event& event = events_.at(n);
    if (event.succeeded == 0) Complain(n, "was accepted and is lost");
    End(n, &event);
  }
}

void Books::AuditAfterLoss(const FileContent& file) {
  if (!file.unsound.empty()) complaints_.push_back("the file is unsound: " + file.unsound);
  const std::set<std::uint64_t> open = std::move(open_);
  open_.clear();
  dead_.clear();
  std::set<std::uint64_t> there;
  for (const bool dead : {false, true}) {
    for (const std::uint64_t n : dead ? file.dead : file.waiting) {
      there.insert(n);
      const auto found = events_.find(n);
      if (found == events_.end()) {
        Complain(n, "was never posted, but is stored");
        continue;
      }
      if (found->second.state == State::kRefused) Complain(n, "was refused, but is stored");
      found->second = {};
      Found(n, dead);
    }
  }
  for (const std::uint64_t n : open) {
    Event& event = events_.at(n);
    if (there.count(n) != 0) continue;
    if (event.succeeded == 0) ++lost_;
    End(n, &event);
  }
}

}  // namespace runlet::durable_test
