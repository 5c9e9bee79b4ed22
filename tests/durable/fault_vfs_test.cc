// The instruments themselves, held against plain SQLite: what is promised stays, what is not is lost, and both are
// seen.
#include "tests/durable/fault_vfs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "runlet/base/random.h"
#include "tests/catch.h"
#include "tests/durable/fault_memory.h"
#include "tests/durable/memory_folder.h"

namespace runlet::durable_test {
namespace {

using Fault = FaultVfs::Fault;
using Operation = FaultVfs::Operation;
using Survival = DiskFile::Survival;

// A table of numbers in a file of plain SQLite.
class Table {
 public:
  Table(const std::string& path, std::string_view synchronous) {
    ok_ = sqlite3_open(path.c_str(), &db_) == SQLITE_OK && Run("PRAGMA journal_mode=WAL") &&
          Run(fmt::format("PRAGMA synchronous={}", synchronous)) && Run("PRAGMA wal_autocheckpoint=20") &&
          Run("CREATE TABLE IF NOT EXISTS number (n INTEGER PRIMARY KEY, fill)");
  }
  ~Table() { sqlite3_close(db_); }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  bool ok() const { return ok_; }
  bool Add(std::uint64_t n) { return Run(fmt::format("INSERT INTO number VALUES ({}, zeroblob(700))", n)); }
  // -1: it cannot be told.
  std::int64_t Count() { return Ask("SELECT count(*) FROM number"); }
  bool sound() { return Ask("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'") == 0; }

 private:
  bool Run(const std::string& sql) { return sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK; }
  std::int64_t Ask(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    std::int64_t answer = -1;
    if (sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
      answer = sqlite3_column_int64(statement, 0);
    }
    return sqlite3_finalize(statement) == SQLITE_OK ? answer : -1;
  }

  sqlite3* db_ = nullptr;
  bool ok_ = false;
};

struct Cuts {
  int unsound = 0;
  std::int64_t lost = 0;
};

// Cuts the power at 200 points of the life of one file and looks at what is left each time.
Cuts CutOften(std::string_view synchronous) {
  const MemoryFolder folder;
  FaultVfs vfs;
  Random random(1);
  Cuts cuts;
  for (std::uint64_t cut = 0; cut < 200; ++cut) {
    const std::string path = folder.File(fmt::format("{}.db", cut / 10));
    std::int64_t acknowledged = -1;
    {
      Table table(path, synchronous);
      if (!table.ok() || (acknowledged = table.Count()) < 0) {
        ++cuts.unsound;
        continue;
      }
      vfs.FailNth(random.OneIn(3) ? Operation::kSync : Operation::kWrite, 1 + random.Below(200), Fault::kPowerCut);
      for (int i = 0; i < 100 && table.Add(static_cast<std::uint64_t>(acknowledged)); ++i) ++acknowledged;
      vfs.CutPower();
    }
    vfs.RestorePower(DiskFile::kAllSurvivals[random.Below(5)], random.Next());
    Table table(path, synchronous);
    const std::int64_t kept = table.Count();
    if (kept < 0 || !table.sound()) ++cuts.unsound;
    if (kept < acknowledged) cuts.lost += acknowledged - kept;
  }
  return cuts;
}

TEST_CASE("after a power cut everything is there that was synced before it was acknowledged") {
  const Cuts cuts = CutOften("FULL");
  CHECK(cuts.lost == 0);
  CHECK(cuts.unsound == 0);
}

TEST_CASE("after a power cut some is lost that was not synced, and the file is sound") {
  const Cuts cuts = CutOften("NORMAL");
  CHECK(cuts.lost > 0);
  CHECK(cuts.unsound == 0);
}

TEST_CASE("a store that syncs nothing is found out by power cuts") {
  const Cuts cuts = CutOften("OFF");
  CHECK(cuts.lost > 0);
  CHECK(cuts.unsound > 0);
}

TEST_CASE("what a program syncs past SQLite counts as synced") {
  const MemoryFolder folder;
  const std::string path = folder.File("t.db");
  FaultVfs vfs;
  for (const bool syncs : {true, false}) {
    std::int64_t before = 0;
    {
      Table table(path, "NORMAL");
      const int wal = open((path + "-wal").c_str(), O_RDONLY | O_CLOEXEC);
      before = table.Count();
      REQUIRE(table.Add(static_cast<std::uint64_t>(before)));
      if (syncs) REQUIRE(fdatasync(wal) == 0);
      close(wal);
      vfs.CutPower();
    }
    vfs.RestorePower(Survival::kNothing, 1);
    Table table(path, "NORMAL");
    CHECK(table.Count() == before + (syncs ? 1 : 0));
  }
}

TEST_CASE("what a failed sync should have written is lost, whatever is synced later") {
  DiskFile file("old");
  file.Write(0, "new");
  file.FailSync();
  file.Write(3, "er");
  file.Sync();
  CHECK(file.AfterCut(Survival::kEverything, 1) == "older");
}

TEST_CASE("a torn write is on the disk by whole sectors") {
  constexpr std::size_t kSectors = 8;
  DiskFile file(std::string(kSectors * DiskFile::kSector, 'o'));
  file.Write(0, std::string(kSectors * DiskFile::kSector, 'n'));
  bool torn = false;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::string content = file.AfterCut(Survival::kSectors, seed).value();
    REQUIRE(content.size() == kSectors * DiskFile::kSector);
    for (std::size_t sector = 0; sector < kSectors; ++sector) {
      const std::string_view bytes = std::string_view(content).substr(sector * DiskFile::kSector, DiskFile::kSector);
      CHECK(bytes.find_first_not_of(bytes[0]) == bytes.npos);
      torn = torn || bytes[0] != content[0];
    }
  }
  CHECK(torn);
}

TEST_CASE("a deletion may be undone by a cut until the folder is synced") {
  DiskFile file("content");
  file.Delete();
  bool back = false, gone = false;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    (file.AfterCut(Survival::kNothing, seed) ? back : gone) = true;
  }
  CHECK(back);
  CHECK(gone);
  file.SyncFolder();
  CHECK_FALSE(file.AfterCut(Survival::kEverything, 1));
}

TEST_CASE("a new file may be gone after a cut until it or its folder is synced") {
  DiskFile file(std::nullopt);
  file.Create();
  file.Write(0, "content");
  bool gone = false;
  for (std::uint64_t seed = 0; seed < 20; ++seed) gone = gone || !file.AfterCut(Survival::kSectors, seed);
  CHECK(gone);
  file.SyncFolder();
  CHECK(file.AfterCut(Survival::kNothing, 1) == "");
  CHECK_FALSE(file.Sync());
  CHECK(file.AfterCut(Survival::kNothing, 1) == "content");
}

TEST_CASE("the n-th write or sync fails as told, and those after it do not") {
  const auto [operation, fault] =
      GENERATE(std::pair(Operation::kWrite, Fault::kIoError), std::pair(Operation::kWrite, Fault::kFull),
               std::pair(Operation::kWrite, Fault::kShortWrite), std::pair(Operation::kSync, Fault::kIoError));
  const MemoryFolder folder;
  FaultVfs vfs;
  Table table(folder.File("t.db"), "FULL");
  REQUIRE(table.ok());
  REQUIRE(table.Add(0));
  vfs.FailNth(operation, 1, fault);
  CHECK_FALSE(table.Add(1));
  CHECK(vfs.struck());
  CHECK(table.Add(2));
  CHECK(table.Count() == 2);
  CHECK(table.sound());
}

TEST_CASE("a process is killed at its n-th write, before it or in the middle") {
  const Fault fault = GENERATE(Fault::kKill, Fault::kTornKill);
  const MemoryFolder folder;
  const std::string path = folder.File("t.db");
  for (std::uint64_t n = 1; n < 30; ++n) {
    const pid_t child = fork();
    if (child == 0) {
      FaultVfs vfs;
      Table table(path, "NORMAL");
      vfs.FailNth(Operation::kWrite, n, fault);
      for (std::int64_t i = table.Count(); table.Add(static_cast<std::uint64_t>(i)); ++i) {
      }
      _exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    REQUIRE(WTERMSIG(status) == SIGKILL);
    Table table(path, "NORMAL");
    REQUIRE(table.sound());
  }
}

TEST_CASE("the n-th allocation of SQLite fails as told, and those after it do not") {
  FaultMemory memory;
  const MemoryFolder folder;
  Table table(folder.File("t.db"), "FULL");
  REQUIRE(table.ok());
  int failed = 0;
  for (std::uint64_t n = 1; n <= 50; ++n) {
    memory.FailNth(n);
    const bool added = table.Add(n);
    CHECK((added || memory.struck()));
    failed += added ? 0 : 1;
    memory.Heal();
  }
  CHECK(failed > 0);
  CHECK(table.Count() == 50 - failed);
  CHECK(table.sound());
}

}  // namespace
}  // namespace runlet::durable_test
