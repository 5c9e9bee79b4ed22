#include "durable/tables.h"

#include <fmt/format.h>

#include <utility>

#include "base/planted.h"
#include "runlet/durable/queue.h"

namespace runlet::durable {
namespace {

constexpr std::string_view kNoPayload = "the payload is missing";
constexpr std::string_view kWrongPayload = "the checksum of the payload is wrong";
constexpr std::string_view kWrongFields = "the checksum of the row is wrong";
constexpr std::string_view kWrongId = "the request id has not 16 bytes";

constexpr char kEventColumns[] =
    "e.seq, e.function, e.id, e.accepted, e.age, e.due, e.attempts, e.extra, e.crc, "
    "coalesce(length(e.payload), (SELECT length(bytes) FROM runlet_payload WHERE owner = e.seq))";
constexpr char kLetterColumns[] =
    "d.ord, d.function, d.id, d.condition, d.accepted, d.died, d.attempts, d.extra, d.crc, "
    "coalesce(d.payload, (SELECT bytes FROM runlet_payload WHERE owner = -d.ord))";

// Visits rows of two numbers, until `visit` answers false. True when all of them, as far as they were wanted, could be
// read.
template <typename F>
absl::StatusOr<bool> ReadOn(sqlite3* db, const std::string& sql, const F& visit) {
  absl::StatusOr<Statement> rows = Statement::Prepare(db, sql);
  if (!rows.ok()) return rows.status();
  for (;;) {
    const absl::StatusOr<bool> row = rows->Step();
    if (absl::IsDataLoss(row.status())) return false;
    if (!row.ok()) return row.status();
    if (!*row || !visit(rows->Number(0), rows->Number(1))) return true;
  }
}

absl::StatusOr<Readable> ReadableRows(sqlite3* db, std::string_view table, std::string_view key,
                                      std::string_view payload) {
  const std::string rows = fmt::format(
      "SELECT {0}, coalesce(length({1}), 0) FROM {2} NOT INDEXED WHERE {0} > 0 ORDER BY {0}", key, payload, table);
  Readable readable;
  const absl::StatusOr<bool> whole = ReadOn(db, rows, [&](std::int64_t row, std::int64_t bytes) {
    ++readable.before;
    readable.last_before = row;
    readable.bytes += bytes;
    return true;
  });
  if (!whole.ok()) return whole.status();
  readable.whole = *whole;
  if (*whole) return readable;
  const absl::StatusOr<bool> back = ReadOn(db, rows + " DESC", [&](std::int64_t row, std::int64_t bytes) {
    if (row <= readable.last_before) return false;
    ++readable.behind;
    readable.first_behind = row;
    readable.bytes += bytes;
    return true;
  });
  if (!back.ok()) return back.status();
  return readable;
}

}  // namespace

absl::StatusOr<Readable> ReadableEvents(sqlite3* db) { return ReadableRows(db, "runlet_event", "seq", "payload"); }
absl::StatusOr<Readable> ReadableLetters(sqlite3* db) { return ReadableRows(db, "runlet_dead", "ord", "payload"); }

absl::StatusOr<Tables> Tables::Prepare(sqlite3* db) {
  Tables t(db);
  const std::string read_events =
      fmt::format("SELECT {} FROM runlet_event e WHERE e.seq > ?1 ORDER BY e.seq LIMIT ?2", kEventColumns);
  const std::string read_letter =
      fmt::format("SELECT {} FROM runlet_dead d WHERE d.id = ?1 ORDER BY d.ord DESC LIMIT 1", kLetterColumns);
  const std::pair<Statement*, std::string_view> statements[] = {
      {&t.begin_, "BEGIN IMMEDIATE"},
      {&t.commit_, "COMMIT"},
      {&t.find_function_, "SELECT id FROM runlet_function WHERE name = ?1"},
      {&t.insert_function_, "INSERT INTO runlet_function(name) VALUES(?1)"},
      {&t.insert_event_,
       "INSERT INTO runlet_event(seq, function, id, accepted, age, due, attempts, extra, crc, payload) "
       "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"},
      {&t.update_event_,
       "UPDATE runlet_event SET due = ?2, attempts = ?3, extra = ?4, crc = (crc & -4294967296) | ?5, accepted = ?6 "
       "WHERE seq = ?1 AND attempts <= ?3"},
      {&t.delete_event_, "DELETE FROM runlet_event WHERE seq = ?1"},
      {&t.read_payload_,
       "SELECT e.crc, coalesce(e.payload, (SELECT bytes FROM runlet_payload WHERE owner = e.seq)) "
       "FROM runlet_event e WHERE e.seq = ?1"},
      {&t.read_events_, read_events},
      {&t.insert_payload_, "INSERT INTO runlet_payload(owner, bytes) VALUES(?1, ?2)"},
      {&t.delete_payload_, "DELETE FROM runlet_payload WHERE owner = ?1"},
      {&t.move_payload_, "UPDATE runlet_payload SET owner = ?2 WHERE owner = ?1"},
      {&t.insert_run_, "INSERT OR REPLACE INTO runlet_run(seq, marked) VALUES(?1, ?2)"},
      {&t.delete_run_, "DELETE FROM runlet_run WHERE seq = ?1"},
      {&t.delete_suspect_, "DELETE FROM runlet_suspect WHERE seq = ?1"},
      {&t.bury_,
       "INSERT INTO runlet_dead(ord, function, id, condition, accepted, died, attempts, extra, crc, payload) "
       "SELECT ?1, function, id, ?3, ?4, ?5, ?6, ?7, (crc & -4294967296) | ?8, payload FROM runlet_event WHERE seq = "
       "?2"},
      {&t.read_letter_, read_letter},
      {&t.delete_letter_, "DELETE FROM runlet_dead WHERE ord = ?1"},
      {&t.delete_keys_, "DELETE FROM runlet_key WHERE until <= ?1"},
      {&t.find_key_, "SELECT id FROM runlet_key WHERE function = ?1 AND key = ?2"},
      {&t.insert_key_, "INSERT INTO runlet_key(function, key, id, until) VALUES(?1, ?2, ?3, ?4)"},
      {&t.set_meta_, "INSERT OR REPLACE INTO runlet_meta(name, value) VALUES(?1, ?2)"},
      {&t.meta_, "SELECT value FROM runlet_meta WHERE name = ?1"},
  };
  for (const auto& [statement, sql] : statements) {
    absl::StatusOr<Statement> prepared = Statement::Prepare(db, sql);
    if (!prepared.ok()) return prepared.status();
    *statement = *std::move(prepared);
  }
  const absl::StatusOr<std::int64_t> any = t.Number("SELECT EXISTS(SELECT 1 FROM runlet_payload)");
  if (!any.ok()) return any.status();
  t.long_payloads_ = *any != 0;
  return t;
}

absl::StatusOr<std::int64_t> Tables::Number(const char* sql) {
  absl::StatusOr<Statement> statement = Statement::Prepare(db_, sql);
  if (!statement.ok()) return statement.status();
  const absl::StatusOr<bool> row = statement->Step();
  if (!row.ok()) return row.status();
  return *row ? statement->Number(0) : 0;
}

// ---- functions ----

absl::StatusOr<std::int64_t> Tables::FunctionId(std::string_view name) {
  {
    const Using find(find_function_);
    const absl::StatusOr<bool> row = find_function_.Text(1, name).Step();
    if (!row.ok()) return row.status();
    if (*row) return find->Number(0);
  }
  if (absl::Status made = insert_function_.Text(1, name).Run(); !made.ok()) return made;
  return sqlite3_last_insert_rowid(db_);
}

absl::Status Tables::ForEachFunction(const std::function<void(std::int64_t, std::string_view)>& f) {
  absl::StatusOr<Statement> all = Statement::Prepare(db_, "SELECT id, name FROM runlet_function");
  if (!all.ok()) return all.status();
  for (;;) {
    const absl::StatusOr<bool> row = all->Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    f(all->Number(0), all->Blob(1));
  }
}

// ---- events ----

absl::Status Tables::WritePayload(std::int64_t owner, std::string_view bytes) {
  long_payloads_ = true;
  return insert_payload_.Bind(1, owner).Bytes(2, bytes).Run();
}

absl::Status Tables::InsertEvent(const EventRow& row, std::string_view payload) {
  const IdBytes id(row.id);
  const std::int64_t crc = JoinChecksums(ChecksumOf(payload), ChecksumOf(row));
  insert_event_.Bind(1, row.seq).Bind(2, row.function).Bytes(3, id.view()).Bind(4, row.accepted).Bind(5, row.age);
  insert_event_.Bind(6, row.due).Bind(7, std::int64_t{row.attempts}).Bind(9, crc);
  row.extra.empty() ? insert_event_.Null(8) : insert_event_.Bytes(8, row.extra);
  if (payload.size() <= kInlinePayloadMax) return insert_event_.Bytes(10, payload).Run();
  if (absl::Status inserted = insert_event_.Null(10).Run(); !inserted.ok()) return inserted;
  return WritePayload(row.seq, payload);
}

absl::Status Tables::UpdateEvent(const EventRow& row) {
  update_event_.Bind(1, row.seq).Bind(2, row.due).Bind(3, std::int64_t{row.attempts});
  row.extra.empty() ? update_event_.Null(4) : update_event_.Bytes(4, row.extra);
  return update_event_.Bind(5, std::int64_t{ChecksumOf(row)}).Bind(6, row.accepted).Run();
}

absl::Status Tables::DeleteEvent(std::int64_t seq) {
  if (absl::Status gone = delete_event_.Bind(1, seq).Run(); !gone.ok() || !long_payloads_) return gone;
  return delete_payload_.Bind(1, seq).Run();
}

absl::StatusOr<StoredPayload> Tables::ReadPayload(std::int64_t seq) {
  const Using read(read_payload_);
  const absl::StatusOr<bool> row = read_payload_.Bind(1, seq).Step();
  if (!row.ok()) return row.status();
  if (!*row || read->IsNull(1)) return StoredPayload{{}, kNoPayload};
  StoredPayload payload{std::string(read->Blob(1)), {}};
  if (ChecksumOf(payload.bytes) != PayloadChecksum(read->Number(0)) && !RUNLET_PLANTED("checksum-ignored"))
    payload.damage = kWrongPayload;
  return payload;
}

StoredEvent Tables::EventOf(Statement& statement) {
  StoredEvent event;
  EventRow& row = event.row;
  row.seq = statement.Number(0);
  row.function = statement.Number(1);
  const std::optional<RequestId> id = ReadId(statement.Blob(2));
  if (id.has_value()) row.id = *id;
  row.accepted = statement.Number(3);
  row.age = statement.MaybeNumber(4);
  row.due = statement.MaybeNumber(5);
  row.attempts = static_cast<int>(statement.Number(6));
  row.extra = statement.Blob(7);
  event.payload_bytes = static_cast<std::size_t>(statement.Number(9));
  if (!id.has_value()) {
    event.damage = kWrongId;
  } else if (FieldsChecksum(statement.Number(8)) != ChecksumOf(row)) {
    event.damage = kWrongFields;
  } else if (statement.IsNull(9)) {
    event.damage = kNoPayload;
  }
  return event;
}

absl::Status Tables::ReadEvents(std::int64_t after, std::size_t max, const std::function<void(StoredEvent)>& f) {
  const Using read(read_events_);
  read_events_.Bind(1, after).Bind(2, static_cast<std::int64_t>(max));
  for (;;) {
    const absl::StatusOr<bool> row = read_events_.Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    f(EventOf(read_events_));
  }
}

absl::StatusOr<Volume> Tables::CountEvents() {
  const absl::StatusOr<std::int64_t> events = Number("SELECT count(*) FROM runlet_event");
  const absl::StatusOr<std::int64_t> bytes = Number(
      "SELECT coalesce((SELECT sum(length(payload)) FROM runlet_event), 0) + "
      "coalesce((SELECT sum(length(bytes)) FROM runlet_payload WHERE owner > 0), 0)");
  if (events.ok() && bytes.ok()) return Volume{*events, *bytes};
  const absl::StatusOr<Readable> rows = ReadableEvents(db_);
  if (!rows.ok()) return rows.status();
  const absl::StatusOr<Readable> payloads = ReadableRows(db_, "runlet_payload", "owner", "bytes");
  if (!payloads.ok()) return payloads.status();
  return Volume{rows->before + rows->lost() + rows->behind, rows->bytes + payloads->bytes};
}

// ---- claims ----

absl::Status Tables::InsertRun(std::int64_t seq, bool marked) {
  return insert_run_.Bind(1, seq).Bind(2, std::int64_t{marked}).Run();
}

absl::Status Tables::DeleteRun(std::int64_t seq) { return delete_run_.Bind(1, seq).Run(); }

absl::Status Tables::DeleteRuns() {
  return StatusOf(db_, sqlite3_exec(db_, "DELETE FROM runlet_run", nullptr, nullptr, nullptr), "queue file");
}

absl::StatusOr<std::vector<Suspect>> Tables::Suspects() {
  absl::StatusOr<Statement> all = Statement::Prepare(db_, "SELECT seq, deaths FROM runlet_suspect ORDER BY seq");
  if (!all.ok()) return all.status();
  std::vector<Suspect> suspects;
  for (;;) {
    const absl::StatusOr<bool> row = all->Step();
    if (!row.ok()) return row.status();
    if (!*row) return suspects;
    suspects.push_back({all->Number(0), static_cast<int>(all->Number(1))});
  }
}

absl::Status Tables::DeleteSuspect(std::int64_t seq) { return delete_suspect_.Bind(1, seq).Run(); }

absl::Status Tables::SuspectRuns() {
  if (RUNLET_PLANTED("all-suspects-charged")) {
    sqlite3_exec(db_, "UPDATE runlet_run SET marked = 1", nullptr, nullptr, nullptr);
  }
  return Execute(db_,
                 "INSERT INTO runlet_suspect(seq, deaths) SELECT seq, marked FROM runlet_run WHERE true "
                 "ON CONFLICT(seq) DO UPDATE SET deaths = deaths + excluded.deaths; DELETE FROM runlet_run");
}

absl::Status Tables::ClearSuspects() {
  const absl::Status cleared =
      Execute(db_, "DELETE FROM runlet_suspect WHERE seq NOT IN (SELECT seq FROM runlet_event)");
  // Where that cannot be looked up they stay, and keep nobody from running.
  return absl::IsDataLoss(cleared) ? absl::OkStatus() : cleared;
}

// ---- dead letters ----

absl::Status Tables::Bury(const DeadRow& row, std::int64_t seq) {
  bury_.Bind(1, row.ord).Bind(2, seq).Bind(3, static_cast<std::int64_t>(row.condition)).Bind(4, row.accepted);
  bury_.Bind(5, row.died).Bind(6, std::int64_t{row.attempts}).Bind(8, std::int64_t{ChecksumOf(row)});
  row.extra.empty() ? bury_.Null(7) : bury_.Bytes(7, row.extra);
  if (absl::Status buried = bury_.Run(); !buried.ok()) return buried;
  if (long_payloads_) {
    if (absl::Status moved = move_payload_.Bind(1, seq).Bind(2, -row.ord).Run(); !moved.ok()) return moved;
  }
  return delete_event_.Bind(1, seq).Run();
}

StoredLetter Tables::LetterOf(Statement& statement) {
  StoredLetter letter;
  DeadRow& row = letter.row;
  row.ord = statement.Number(0);
  row.function = statement.Number(1);
  const std::optional<RequestId> id = ReadId(statement.Blob(2));
  if (id.has_value()) row.id = *id;
  row.condition = static_cast<Condition>(statement.Number(3));
  row.accepted = statement.Number(4);
  row.died = statement.Number(5);
  row.attempts = static_cast<int>(statement.Number(6));
  row.extra = statement.Blob(7);
  const std::int64_t crc = statement.Number(8);
  letter.payload = statement.Blob(9);
  if (!id.has_value()) {
    letter.damage = kWrongId;
  } else if (FieldsChecksum(crc) != ChecksumOf(row)) {
    letter.damage = kWrongFields;
  } else if (statement.IsNull(9)) {
    letter.damage = kNoPayload;
  } else if (ChecksumOf(letter.payload) != PayloadChecksum(crc)) {
    letter.damage = kWrongPayload;
  }
  return letter;
}

absl::StatusOr<std::optional<StoredLetter>> Tables::ReadLetter(const RequestId& id) {
  const Using read(read_letter_);
  const IdBytes bytes(id);
  const absl::StatusOr<bool> row = read_letter_.Bytes(1, bytes.view()).Step();
  if (!row.ok()) return row.status();
  return *row ? std::optional(LetterOf(read_letter_)) : std::nullopt;
}

std::string Tables::WhereOf(const LetterQuery& query) {
  std::string where = fmt::format("d.ord > {}", query.after);
  if (query.died_after != INT64_MIN) where += fmt::format(" AND d.died >= {}", query.died_after);
  if (query.died_before != INT64_MAX) where += fmt::format(" AND d.died < {}", query.died_before);
  if (query.condition.has_value()) where += fmt::format(" AND d.condition = {}", static_cast<int>(*query.condition));
  if (query.functions.has_value()) where += fmt::format(" AND d.function IN ({})", fmt::join(*query.functions, ", "));
  return where;
}

absl::Status Tables::ReadLetters(const LetterQuery& query, const std::function<void(StoredLetter)>& f) {
  absl::StatusOr<Statement> read =
      Statement::Prepare(db_, fmt::format("SELECT {} FROM runlet_dead d WHERE {} ORDER BY d.ord LIMIT {}",
                                          kLetterColumns, WhereOf(query), query.max));
  if (!read.ok()) return read.status();
  for (;;) {
    const absl::StatusOr<bool> row = read->Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    f(LetterOf(*read));
  }
}

absl::Status Tables::FindLetters(const LetterQuery& query, const std::function<void(std::int64_t, RequestId)>& f) {
  absl::StatusOr<Statement> find = Statement::Prepare(
      db_, fmt::format("SELECT d.ord, d.id FROM runlet_dead d WHERE {} ORDER BY d.ord", WhereOf(query)));
  if (!find.ok()) return find.status();
  for (;;) {
    const absl::StatusOr<bool> row = find->Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    f(find->Number(0), ReadId(find->Blob(1)).value_or(RequestId()));
  }
}

absl::StatusOr<std::int64_t> Tables::CountLetters() {
  absl::StatusOr<std::int64_t> letters = Number("SELECT count(*) FROM runlet_dead");
  if (!absl::IsDataLoss(letters.status())) return letters;
  const absl::StatusOr<Readable> rows = ReadableLetters(db_);
  if (!rows.ok()) return rows.status();
  return rows->before + rows->lost() + rows->behind;
}

absl::Status Tables::DeleteLetter(std::int64_t ord) {
  if (absl::Status gone = delete_letter_.Bind(1, ord).Run(); !gone.ok() || !long_payloads_) return gone;
  return delete_payload_.Bind(1, -ord).Run();
}

// ---- keys ----

absl::StatusOr<std::int64_t> Tables::DeleteKeys(std::int64_t until) {
  if (absl::Status gone = delete_keys_.Bind(1, until).Run(); !gone.ok()) return gone;
  return sqlite3_changes64(db_);
}

absl::StatusOr<std::optional<RequestId>> Tables::FindKey(std::int64_t function, std::string_view key) {
  const Using find(find_key_);
  const absl::StatusOr<bool> row = find_key_.Bind(1, function).Text(2, key).Step();
  if (!row.ok()) return row.status();
  return *row ? ReadId(find->Blob(0)) : std::nullopt;
}

absl::Status Tables::InsertKey(std::int64_t function, std::string_view key, const RequestId& id, std::int64_t until) {
  const IdBytes bytes(id);
  return insert_key_.Bind(1, function).Text(2, key).Bytes(3, bytes.view()).Bind(4, until).Run();
}

absl::Status Tables::SetMeta(std::string_view name, std::int64_t value) {
  return set_meta_.Text(1, name).Bind(2, value).Run();
}

absl::StatusOr<std::int64_t> Tables::Meta(std::string_view name) {
  const Using read(meta_);
  const absl::StatusOr<bool> row = meta_.Text(1, name).Step();
  if (!row.ok()) return row.status();
  return *row ? read->Number(0) : 0;
}

}  // namespace runlet::durable
