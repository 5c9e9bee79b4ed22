// The power goes while a program runs; what the disk holds then is audited.
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "runlet/base/random.h"
#include "runlet/base/sync.h"
#include "tests/catch.h"
#include "tests/durable/books.h"
#include "tests/durable/fault_vfs.h"
#include "tests/durable/memory_folder.h"
#include "tests/durable/program.h"
#include "tests/durable/share.h"

namespace runlet::durable_test {
namespace {

using Fault = FaultVfs::Fault;
using Operation = FaultVfs::Operation;

constexpr int kCuts = 250 / kShare;
constexpr int kCutsOfOneFile = 10;

// Cuts the power of programs, each time at another write, sync or deletion, and looks at what the disk holds then. The
// books of one file go on until it is replaced. Returns how many accepted events were lost.
std::uint64_t CutPower(Durability durability, std::uint64_t* accepted) {
  const MemoryFolder folder;
  Random random(3);
  std::uint64_t lost = 0;
  int struck = 0;
  Books books;
  for (int cut = 0; cut < kCuts; ++cut) {
    if (cut % kCutsOfOneFile == 0) books = Books();
    const std::string path = folder.File(std::to_string(cut / kCutsOfOneFile) + ".db");
    FaultVfs vfs;
    Mutex mu;
    constexpr Operation kOperations[] = {Operation::kWrite, Operation::kWrite, Operation::kSync, Operation::kTruncate};
    const Operation operation = kOperations[random.Below(4)];
    vfs.FailNth(operation, 1 + random.Below(operation == Operation::kWrite ? 150 : 40), Fault::kPowerCut);
    const absl::Status run = RunProgram({.path = path,
                                         .durability = durability,
                                         .first = static_cast<std::uint64_t>(cut) * 1000,
                                         .patience = absl::Milliseconds(20),
                                         .note = [&](Note note) {
                                           MutexLock lock(&mu);
                                           // Without power nobody can have been told anything.
                                           if (vfs.powered()) books.Enter(note);
                                         }});
    struck += vfs.struck() ? 1 : 0;
    INFO("cut " << cut << ": " << run.ToString());
    CHECK((run.ok() || vfs.struck()));
    vfs.CutPower();
    vfs.RestorePower(DiskFile::kAllSurvivals[random.Below(std::size(DiskFile::kAllSurvivals))], random.Next());
    const FileContent file = FileContent::Read(path);
    if (durability == Durability::kMachine) {
      books.Audit(file);
    } else {
      books.AuditAfterLoss(file);
    }
    INFO((books.complaints().empty() ? "" : books.complaints().front()));
    REQUIRE(books.complaints().empty());
    if ((cut + 1) % kCutsOfOneFile == 0) {
      lost += books.lost();
      *accepted += books.accepted();
    }
  }
  CHECK(struck > kCuts / 3);
  return lost;
}

TEST_CASE("a power cut loses no event that was accepted for the machine, and repeats none that had ended") {
  std::uint64_t accepted = 0;
  CHECK(CutPower(Durability::kMachine, &accepted) == 0);
  CHECK(accepted > 1000 / kShare);
}

TEST_CASE("a power cut may lose events that were accepted for the process, and leaves the file sound") {
  std::uint64_t accepted = 0;
  CHECK(CutPower(Durability::kProcess, &accepted) > 0);
  CHECK(accepted > 1000 / kShare);
}

// A sync that fails leaves in memory what is not on the disk, and no later sync brings it there.
TEST_CASE("what is accepted after a failed sync and a reopening survives a power cut") {
  const MemoryFolder folder;
  for (std::uint64_t n = 1; n <= 20; ++n) {
    const std::string path = folder.File(std::to_string(n) + ".db");
    FaultVfs vfs;
    Books books;
    Mutex mu;
    const auto note = [&](Note what) {
      MutexLock lock(&mu);
      if (vfs.powered()) books.Enter(what);
    };
    // The first life makes the file; the second meets the fault; the third is cut off.
    REQUIRE(RunProgram({.path = path, .note = note}).ok());
    books.NextLife();
    vfs.FailNth(Operation::kSync, n, Fault::kIoError);
    static_cast<void>(RunProgram({.path = path, .first = 1000, .note = note}));
    vfs.Heal();
    books.NextLife();
    if (n % 2 == 0) vfs.FailNth(Operation::kWrite, 40 + n, Fault::kPowerCut);
    INFO("sync " << n);
    const absl::Status run =
        RunProgram({.path = path, .first = 2000, .patience = absl::Milliseconds(500), .note = note});
    CHECK((run.ok() || vfs.struck()));
    vfs.CutPower();
    vfs.RestorePower(DiskFile::kAllSurvivals[n % std::size(DiskFile::kAllSurvivals)], n);
    books.Audit(FileContent::Read(path));
    INFO((books.complaints().empty() ? "" : books.complaints().front()));
    REQUIRE(books.complaints().empty());
  }
}

}  // namespace
}  // namespace runlet::durable_test
