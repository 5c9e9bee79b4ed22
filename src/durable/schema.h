// What is in the file.
#ifndef RUNLET_SRC_DURABLE_SCHEMA_H_
#define RUNLET_SRC_DURABLE_SCHEMA_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

struct sqlite3;

namespace runlet::durable {

// `application_id`: "rnlt".
inline constexpr int kApplicationId = 0x726e6c74;
// `user_version`. A file of a newer version is refused, one of an older version is brought up to this one.
inline constexpr int kSchemaVersion = 1;

// Version 1. All times are nanoseconds since 1970. A row's crc holds two checksums, of the payload (upper 32 bits) and
// of everything else (lower 32 bits): see row.h.
inline constexpr char kTables[] = R"sql(
CREATE TABLE runlet_function(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE);         -- "resize", "resize:3", "resize:live"

-- Events that have not ended, in order of acceptance. Most are never changed between their insertion and their end, and
-- no index is touched on the way.
CREATE TABLE runlet_event(
  seq INTEGER PRIMARY KEY,
  function INTEGER NOT NULL,          -- runlet_function.id
  id BLOB NOT NULL,                   -- request id, 16 bytes
  accepted INTEGER NOT NULL,
  age INTEGER,                        -- expires so long after `accepted`; NULL: never
  due INTEGER,                        -- not before; NULL: at once
  attempts INTEGER NOT NULL,          -- that have ended
  extra BLOB,                         -- errors, time split, throttles, lineage: see row.h
  crc INTEGER NOT NULL,
  payload BLOB);                      -- NULL: in runlet_payload
CREATE INDEX runlet_event_due ON runlet_event(due) WHERE due IS NOT NULL;

-- The payloads of more than 2 KiB: by the seq of their event, or minus the ord of their letter.
CREATE TABLE runlet_payload(
  owner INTEGER PRIMARY KEY,
  bytes BLOB NOT NULL);

-- Events that have been claimed for an attempt, while the owner lives; what is left of it here was leased by one that
-- died.
CREATE TABLE runlet_run(
  seq INTEGER PRIMARY KEY,
  marked INTEGER NOT NULL);           -- 1: a suspect that runs alone

-- Events that ran when a process died.
CREATE TABLE runlet_suspect(
  seq INTEGER PRIMARY KEY,
  deaths INTEGER NOT NULL);           -- of processes, while it was the marked one

-- Dead letters, in order of death.
CREATE TABLE runlet_dead(
  ord INTEGER PRIMARY KEY,
  function INTEGER NOT NULL,
  id BLOB NOT NULL,
  condition INTEGER NOT NULL,         -- runlet::Condition
  accepted INTEGER NOT NULL,
  died INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  extra BLOB,
  crc INTEGER NOT NULL,
  payload BLOB);
CREATE INDEX runlet_dead_id ON runlet_dead(id);

-- Of posts with a dedup_key.
CREATE TABLE runlet_key(
  function INTEGER NOT NULL,
  key TEXT NOT NULL,
  id BLOB NOT NULL,                   -- of the event that was accepted
  until INTEGER NOT NULL,
  PRIMARY KEY(function, key)) WITHOUT ROWID;
CREATE INDEX runlet_key_until ON runlet_key(until);

-- "clean": 1 when the last owner closed the file; then "events" and "bytes" are what waits in it. "life": of that owner,
-- a random number; where the note beside the file says that this life has ended, its runs were given up.
CREATE TABLE runlet_meta(
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL) WITHOUT ROWID;

-- For people.
CREATE VIEW runlet_waiting AS
  SELECT e.seq, f.name AS function, lower(hex(e.id)) AS id, datetime(e.accepted / 1000000000, 'unixepoch') AS accepted,
         datetime(e.due / 1000000000, 'unixepoch') AS due, e.attempts,
         EXISTS(SELECT 1 FROM runlet_run r WHERE r.seq = e.seq) AS claimed,
         coalesce(length(e.payload), (SELECT length(bytes) FROM runlet_payload WHERE owner = e.seq)) AS bytes
  FROM runlet_event e JOIN runlet_function f ON f.id = e.function;
CREATE VIEW runlet_dead_letters AS
  SELECT d.ord, f.name AS function, lower(hex(d.id)) AS id, d.condition, d.attempts,
         datetime(d.accepted / 1000000000, 'unixepoch') AS accepted, datetime(d.died / 1000000000, 'unixepoch') AS died,
         coalesce(length(d.payload), (SELECT length(bytes) FROM runlet_payload WHERE owner = -d.ord)) AS bytes
  FROM runlet_dead d JOIN runlet_function f ON f.id = d.function;
)sql";

// Of the file: 0 where there is nothing of ours in it, and nobody else's mark. InvalidArgument for somebody else's
// file, FailedPrecondition for a newer version's.
absl::StatusOr<int> SchemaVersion(sqlite3* db);

// Makes the tables of an empty file, brings those of an older version up to date, and says what is wrong with a file
// that is not ours or of a newer version.
absl::Status PrepareSchema(sqlite3* db);

}  // namespace runlet::durable

#endif  // RUNLET_SRC_DURABLE_SCHEMA_H_
