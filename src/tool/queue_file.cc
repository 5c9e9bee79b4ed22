#include "tool/queue_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <utility>

#include "durable/owner_lock.h"
#include "durable/row.h"
#include "durable/schema.h"
#include "queue/dead_letters.h"
#include "runlet/base/time.h"

namespace runlet::tool {
namespace {

using durable::Connection;
using durable::Statement;
using durable::Using;

constexpr std::size_t kSlice = 5000;  // rows of one transaction

std::int64_t SizeOf(const std::string& path) {
  struct stat facts = {};
  return stat(path.c_str(), &facts) == 0 ? static_cast<std::int64_t>(facts.st_size) : 0;
}

std::string NameOf(const std::map<std::int64_t, std::string>& functions, std::int64_t id) {
  const auto found = functions.find(id);
  return found == functions.end() ? std::string() : found->second;
}

constexpr char kEvents[] =
    "SELECT seq, function, id, accepted, age, due, attempts, extra, crc,"
    "       (SELECT marked FROM runlet_run r WHERE r.seq = e.seq),"
    "       (SELECT deaths FROM runlet_suspect s WHERE s.seq = e.seq),"
    "       coalesce(length(payload), (SELECT length(bytes) FROM runlet_payload WHERE owner = e.seq)),"
    "       CASE WHEN ?2 THEN coalesce(payload, (SELECT bytes FROM runlet_payload WHERE owner = e.seq)) END"
    "  FROM runlet_event e WHERE seq > ?1 ORDER BY seq LIMIT ?3";

StoredEvent ReadEvent(const Statement& row, const std::map<std::int64_t, std::string>& functions, bool check,
                      bool given_up) {
  durable::EventRow stored;
  stored.seq = row.Number(0);
  stored.function = row.Number(1);
  const std::optional<RequestId> id = durable::ReadId(row.Blob(2));
  stored.id = id.value_or(RequestId());
  stored.accepted = row.Number(3);
  stored.age = row.MaybeNumber(4);
  stored.due = row.MaybeNumber(5);
  stored.attempts = static_cast<int>(row.Number(6));
  stored.extra = row.Blob(7);

  StoredEvent event;
  event.seq = stored.seq;
  event.function = NameOf(functions, stored.function);
  event.id = stored.id;
  event.accepted = absl::FromUnixNanos(stored.accepted);
  if (stored.due) event.due = absl::FromUnixNanos(*stored.due);
  if (stored.age) event.expires = event.accepted + absl::Nanoseconds(*stored.age);
  event.attempts = stored.attempts;
  event.claimed = !row.IsNull(9) && !given_up;
  event.marked = row.Number(9) != 0 && !given_up;
  if (!row.IsNull(10)) event.deaths = static_cast<int>(row.Number(10));
  event.bytes = row.Number(11);
  if (!check) return event;
  const std::int64_t crc = row.Number(8);
  if (!id || durable::FieldsChecksum(crc) != durable::ChecksumOf(stored)) {
    event.damage = "the checksum of the row is wrong";
  } else if (event.function.empty()) {
    event.damage = fmt::format("there is no function {}", stored.function);
  } else if (row.IsNull(12)) {
    event.damage = "the payload is missing";
  } else if (durable::PayloadChecksum(crc) != durable::ChecksumOf(row.Blob(12))) {
    event.damage = "the checksum of the payload is wrong";
  }
  return event;
}

constexpr char kLetters[] =
    "SELECT ord, function, id, condition, accepted, died, attempts, extra, crc,"
    "       coalesce(payload, (SELECT bytes FROM runlet_payload WHERE owner = -d.ord))"
    "  FROM runlet_dead d WHERE ord > ?1 AND (?2 IS NULL OR id = ?2) ORDER BY ord LIMIT ?3";

StoredLetter ReadLetter(const Statement& row, const std::map<std::int64_t, std::string>& functions) {
  durable::DeadRow stored;
  stored.ord = row.Number(0);
  stored.function = row.Number(1);
  const std::optional<RequestId> id = durable::ReadId(row.Blob(2));
  stored.id = id.value_or(RequestId());
  stored.condition = static_cast<Condition>(row.Number(3));
  stored.accepted = row.Number(4);
  stored.died = row.Number(5);
  stored.attempts = static_cast<int>(row.Number(6));
  stored.extra = row.Blob(7);
  const std::int64_t crc = row.Number(8);
  const std::optional<durable::Extra> extra = durable::DecodeExtra(stored.extra);

  StoredLetter result;
  result.ord = stored.ord;
  DeadLetter& letter = result.letter;
  letter.request_id = stored.id;
  letter.function = NameOf(functions, stored.function);
  letter.condition = stored.condition;
  letter.attempts = stored.attempts;
  letter.accepted_at = absl::FromUnixNanos(stored.accepted);
  letter.died_at = absl::FromUnixNanos(stored.died);
  if (extra) {
    letter.errors = extra->errors;
    letter.spent = extra->spent;
  }
  if (!id || !extra || durable::FieldsChecksum(crc) != durable::ChecksumOf(stored)) {
    result.damage = "the checksum of the row is wrong";
  } else if (letter.function.empty()) {
    result.damage = fmt::format("there is no function {}", stored.function);
  } else if (row.IsNull(9)) {
    result.damage = "the payload is missing";
  } else if (durable::PayloadChecksum(crc) != durable::ChecksumOf(row.Blob(9))) {
    result.damage = "the checksum of the payload is wrong";
  } else {
    std::string payload(row.Blob(9));
    const std::size_t bytes = payload.size();
    letter.event = Event::Make(TypeOf<std::string>(), &payload);
    letter.event->codec = CodecOf<std::string>();
    letter.event->id = stored.id;
    letter.event->payload_bytes = bytes;
  }
  return result;
}

bool Matches(const DeadLetter& letter, const DeadLetterFilter& filter) {
  return IsOfFunction(letter.function, filter.function) &&
         (!filter.condition || *filter.condition == letter.condition) && letter.died_at >= filter.died_after &&
         letter.died_at < filter.died_before;
}

// What is lost behind a page that cannot be read, and what is whole.
absl::Status Lost(std::string_view rows, const absl::StatusOr<durable::Readable>& readable, const absl::Status& why) {
  if (!readable.ok()) return why;
  return absl::DataLossError(fmt::format(
      "the {} behind row {} cannot be read: about {} are lost, {} before and {} behind them are whole ({})", rows,
      readable->last_before, readable->lost(), readable->before, readable->behind, std::string(why.message())));
}

}  // namespace

absl::StatusOr<QueueFile> QueueFile::Open(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> canonical(realpath(path.c_str(), nullptr), &std::free);
  if (canonical == nullptr) return absl::ErrnoToStatus(errno, path);
  QueueFile file(canonical.get());
  if (absl::Status connected = file.Connect(); !connected.ok()) {
    return absl::Status(connected.code(), fmt::format("{}: {}", path, std::string(connected.message())));
  }
  return file;
}

absl::Status QueueFile::Connect() {
  struct stat facts = {};
  if (stat(path_.c_str(), &facts) != 0) return absl::ErrnoToStatus(errno, path_);
  if (!S_ISREG(facts.st_mode)) return absl::InvalidArgumentError("it is no file");
  // The log of a file in use, or of an owner that died, is read with SQLite's shared memory, which belongs to the owner
  // of the file. A file without a log is read as it stands.
  const bool ours = geteuid() == 0 || geteuid() == facts.st_uid;
  Connection::Mode mode = ours ? Connection::Mode::kReadOnly : Connection::Mode::kReadOnlyMemory;
  if (durable::OwnerLock::OwnerOf(path_).empty()) still_ = LookStill();
  if (still_) mode = Connection::Mode::kStill;
  absl::StatusOr<Connection> connection = Connection::Open(path_, mode);
  if (!connection.ok()) return Checked(connection.status());
  connection_ = *std::move(connection);
  sqlite3_busy_timeout(connection_.get(), 2000);
  // The last one to close a file writes its log back and removes it: that is its owner's business.
  sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  const absl::StatusOr<int> version = durable::SchemaVersion(connection_.get());
  if (!version.ok()) return Checked(version.status());
  if (*version == 0) return absl::InvalidArgumentError("it is no file of a queue: no queue has ever been in it");
  const absl::StatusOr<std::int64_t> life = connection_.Number("SELECT value FROM runlet_meta WHERE name = 'life'");
  given_up_ = life.ok() && *life != 0 && static_cast<std::uint64_t>(*life) == durable::OwnerLock::NotedEnd(path_);
  return absl::OkStatus();
}

std::optional<QueueFile::Still> QueueFile::LookStill() const {
  struct stat facts = {};
  if (SizeOf(path_ + "-wal") != 0 || stat(path_.c_str(), &facts) != 0) return std::nullopt;
  return Still{facts.st_ino, static_cast<std::int64_t>(facts.st_size), absl::TimeFromTimespec(facts.st_mtim)};
}

absl::Status QueueFile::Checked(const absl::Status& status) const {
  if (!still_ || LookStill() == still_) return status;
  return absl::UnavailableError(fmt::format("{} was opened while it was read: try again", path_));
}

absl::StatusOr<FileFacts> QueueFile::Facts() const {
  const absl::StatusOr<int> version = durable::SchemaVersion(connection_.get());
  if (!version.ok()) return Checked(version.status());
  return FileFacts{*version, SizeOf(path_), SizeOf(path_ + "-wal"), durable::OwnerLock::OwnerOf(path_)};
}

absl::StatusOr<std::map<std::int64_t, std::string>> QueueFile::Functions() const {
  absl::StatusOr<Statement> rows = Statement::Prepare(connection_.get(), "SELECT id, name FROM runlet_function");
  if (!rows.ok()) return rows.status();
  std::map<std::int64_t, std::string> functions;
  for (;;) {
    const absl::StatusOr<bool> row = rows->Step();
    if (!row.ok()) return row.status();
    if (!*row) return functions;
    functions.emplace(rows->Number(0), rows->Blob(1));
  }
}

absl::Status QueueFile::ForEachEvent(bool check, const std::function<void(const StoredEvent&)>& visit,
                                     const Progress& progress) const {
  absl::StatusOr<Statement> rows = Statement::Prepare(connection_.get(), kEvents);
  if (!rows.ok()) return rows.status();
  std::int64_t seen = 0;
  for (std::int64_t after = 0, in_slice = kSlice; in_slice == kSlice;) {
    const absl::StatusOr<std::map<std::int64_t, std::string>> functions = Functions();
    if (!functions.ok()) return Checked(functions.status());
    std::vector<StoredEvent> slice;
    absl::Status read;
    {
      const Using used(*rows);
      rows->Bind(1, after).Bind(2, std::int64_t{check}).Bind(3, std::int64_t{kSlice});
      for (absl::StatusOr<bool> row = rows->Step();; row = rows->Step()) {
        read = row.status();
        if (!read.ok() || !*row) break;
        slice.push_back(ReadEvent(*rows, *functions, check, given_up_));
      }
    }
    if (read = Checked(read); !read.ok() && !absl::IsDataLoss(read)) return read;
    in_slice = static_cast<std::int64_t>(slice.size());
    for (const StoredEvent& event : slice) visit(event);
    if (!read.ok()) return Lost("events", ReadableEvents(), read);
    if (!slice.empty()) after = slice.back().seq;
    if (progress) progress(seen += in_slice);
  }
  return absl::OkStatus();
}

absl::Status QueueFile::ForEachLetter(const DeadLetterFilter& filter,
                                      const std::function<bool(const StoredLetter&)>& visit,
                                      const Progress& progress) const {
  // Fewer than events: their payloads are always read.
  constexpr std::int64_t kLetterSlice = 500;
  absl::StatusOr<Statement> rows = Statement::Prepare(connection_.get(), kLetters);
  if (!rows.ok()) return rows.status();
  std::int64_t seen = 0;
  for (std::int64_t after = 0, in_slice = kLetterSlice; in_slice == kLetterSlice;) {
    const absl::StatusOr<std::map<std::int64_t, std::string>> functions = Functions();
    if (!functions.ok()) return Checked(functions.status());
    std::vector<StoredLetter> slice;
    absl::Status read;
    {
      const Using used(*rows);
      rows->Bind(1, after).Null(2).Bind(3, kLetterSlice);
      for (absl::StatusOr<bool> row = rows->Step();; row = rows->Step()) {
        read = row.status();
        if (!read.ok() || !*row) break;
        slice.push_back(ReadLetter(*rows, *functions));
      }
    }
    if (read = Checked(read); !read.ok() && !absl::IsDataLoss(read)) return read;
    in_slice = static_cast<std::int64_t>(slice.size());
    for (const StoredLetter& letter : slice) {
      if (Matches(letter.letter, filter) && !visit(letter)) return absl::OkStatus();
    }
    if (!read.ok()) return Lost("dead letters", ReadableLetters(), read);
    if (!slice.empty()) after = slice.back().ord;
    if (progress) progress(seen += in_slice);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, std::int64_t>> QueueFile::CountLetters() const {
  absl::StatusOr<Statement> rows = Statement::Prepare(connection_.get(),
                                                      "SELECT coalesce(name, ''), count(*) FROM runlet_dead d LEFT "
                                                      "JOIN runlet_function f ON f.id = d.function GROUP BY 1");
  if (!rows.ok()) return rows.status();
  std::map<std::string, std::int64_t> counts;
  for (;;) {
    const absl::StatusOr<bool> row = rows->Step();
    if (!row.ok()) return Checked(row.status());
    if (!*row) break;
    counts.emplace(rows->Blob(0), rows->Number(1));
  }
  if (absl::Status checked = Checked(absl::OkStatus()); !checked.ok()) return checked;
  return counts;
}

absl::StatusOr<StoredLetter> QueueFile::FindLetter(const RequestId& id) const {
  const absl::StatusOr<std::map<std::int64_t, std::string>> functions = Functions();
  if (!functions.ok()) return functions.status();
  absl::StatusOr<Statement> rows = Statement::Prepare(connection_.get(), kLetters);
  if (!rows.ok()) return rows.status();
  const durable::IdBytes bytes(id);
  const Using used(*rows);
  rows->Bind(1, std::int64_t{0}).Bytes(2, bytes.view()).Bind(3, std::int64_t{1});
  const absl::StatusOr<bool> row = rows->Step();
  if (absl::Status read = Checked(row.status()); !read.ok()) return read;
  if (!*row) return absl::NotFoundError(fmt::format("{}: no dead letter has the request id {}", path_, id.ToString()));
  return ReadLetter(*rows, *functions);
}

absl::StatusOr<std::optional<std::vector<std::string>>> QueueFile::CheckStructure(absl::Duration patience) const {
  const Instant end = SystemClock().Now().After(Nanos(patience));
  const auto interrupt = [](void* until) { return SystemClock().Now() >= *static_cast<const Instant*>(until) ? 1 : 0; };
  sqlite3_progress_handler(connection_.get(), 10'000, interrupt, const_cast<Instant*>(&end));
  sqlite3_stmt* statement = nullptr;
  std::vector<std::string> problems;
  int code = sqlite3_prepare_v2(connection_.get(), "PRAGMA integrity_check(100)", -1, &statement, nullptr);
  while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
    std::string line = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
    std::replace(line.begin(), line.end(), '\n', ' ');
    if (line != "ok") problems.push_back(std::move(line));
    code = SQLITE_OK;
  }
  sqlite3_finalize(statement);
  sqlite3_progress_handler(connection_.get(), 0, nullptr, nullptr);
  if ((code & 0xFF) == SQLITE_INTERRUPT) return std::nullopt;
  if (code != SQLITE_DONE) problems.push_back(sqlite3_errstr(code));
  if (absl::Status checked = Checked(absl::OkStatus()); !checked.ok()) return checked;
  return problems;
}

}  // namespace runlet::tool
