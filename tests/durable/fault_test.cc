// One operation of the disk or of the memory fails, wherever that may be: nothing is lost that was accepted, nothing is
// accepted that was not stored, and what was refused never runs.
#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <string>

#include "runlet/base/sync.h"
#include "tests/catch.h"
#include "tests/durable/books.h"
#include "tests/durable/fault_memory.h"
#include "tests/durable/fault_vfs.h"
#include "tests/durable/host.h"
#include "tests/durable/memory_folder.h"
#include "tests/durable/program.h"
#include "tests/durable/share.h"

namespace runlet::durable_test {
namespace {

using Fault = FaultVfs::Fault;
using Operation = FaultVfs::Operation;

// Runs a short program with the fault that `plant` sets, heals it, and looks at what was left; then lets what is left
// run to its end. `struck` says whether the fault was reached: once it is not, every position has been tried.
class FaultySweep {
 public:
  FaultySweep(Durability durability, std::uint64_t times, std::function<void(std::uint64_t n)> plant,
              std::function<bool()> struck, std::function<void()> heal)
      : durability_(durability),
        times_(times),
        plant_(std::move(plant)),
        struck_(std::move(struck)),
        heal_(std::move(heal)) {}

  // Positions 1, 1 + step, ... to the end of the program. Returns how many there were.
  int Run(std::uint64_t step) {
    int positions = 0;
    for (std::uint64_t n = 1;; n += step) {
      if (!Try(n)) return positions;
      ++positions;
      REQUIRE(n < 100'000);
    }
  }

 private:
  bool Try(std::uint64_t n) {
    const std::string path = folder_.File(fmt::format("{}.db", n));
    Books books;
    if (times_ > 1) books.AllowToldAgain();
    plant_(n);
    const absl::Status run = RunProgram(Options(path, 0, &books));
    const bool struck = struck_();
    heal_();
    INFO("position " << n << ": " << run.ToString());
    CHECK((run.ok() || struck));
    Audit(path, &books);
    const absl::Status again = RunProgram(Options(path, 1000, &books));
    INFO(again.ToString());
    REQUIRE(again.ok());
    const FileContent left = Audit(path, &books);
    CHECK(left.waiting.empty());
    return struck;
  }

  ProgramOptions Options(const std::string& path, std::uint64_t first, Books* books) {
    return {.path = path,
            .durability = durability_,
            .first = first,
            .posts = 6,
            .patience = first == 0 ? absl::Milliseconds(50) : absl::Seconds(10),
            .note = [this, books](Note note) {
              MutexLock lock(&mu_);
              books->Enter(note);
            }};
  }

  static FileContent Audit(const std::string& path, Books* books) {
    FileContent file = FileContent::Read(path);
    books->Audit(file);
    INFO((books->complaints().empty() ? "" : books->complaints().front()));
    REQUIRE(books->complaints().empty());
    return file;
  }

  const Durability durability_;
  const std::uint64_t times_;
  const std::function<void(std::uint64_t)> plant_;
  const std::function<bool()> struck_;
  const std::function<void()> heal_;
  MemoryFolder folder_;
  Mutex mu_;
};

int SweepDisk(Operation operation, Fault fault, std::uint64_t times, Durability durability, std::uint64_t step = 1) {
  FaultVfs vfs;
  FaultySweep sweep(
      durability, times, [&](std::uint64_t n) { vfs.FailNth(operation, n, fault, times); },
      [&] { return vfs.struck(); }, [&] { vfs.Heal(); });
  return sweep.Run(step * (times == 1 ? kShare : 3 * kShare));
}

TEST_CASE("every write of a program fails in turn") {
  const Fault fault = GENERATE(Fault::kIoError, Fault::kFull, Fault::kShortWrite);
  const std::uint64_t times = GENERATE(std::uint64_t{1}, FaultVfs::kForEver);
  // About 140 writes, fewer where more goes into one commit.
  CHECK(SweepDisk(Operation::kWrite, fault, times, Durability::kProcess) > 20 / kShare);
  // The same writes, with syncs between them.
  CHECK(SweepDisk(Operation::kWrite, fault, times, Durability::kMachine, 5) > 4 / kShare);
}

TEST_CASE("every sync of a program fails in turn") {
  const Fault fault = GENERATE(Fault::kIoError, Fault::kFull);
  const std::uint64_t times = GENERATE(std::uint64_t{1}, FaultVfs::kForEver);
  CHECK(SweepDisk(Operation::kSync, fault, times, Durability::kMachine) > 5 / kShare);
  CHECK(SweepDisk(Operation::kSync, fault, times, Durability::kProcess) > 0);
}

TEST_CASE("every opening, truncation and deletion of a file fails in turn") {
  const auto [operation, fault] =
      GENERATE(std::pair(Operation::kOpen, Fault::kIoError), std::pair(Operation::kOpen, Fault::kFull),
               std::pair(Operation::kTruncate, Fault::kIoError), std::pair(Operation::kDelete, Fault::kIoError));
  SweepDisk(operation, fault, 1, Durability::kMachine);
}

TEST_CASE("every read of a program fails in turn") {
  SweepDisk(Operation::kRead, Fault::kIoError, 1, Durability::kProcess);
}

TEST_CASE("every allocation of SQLite fails in turn") {
  const std::uint64_t times = GENERATE(1, 1000);
  FaultMemory memory;
  FaultySweep sweep(
      Durability::kProcess, times, [&](std::uint64_t n) { memory.FailNth(n, times); }, [&] { return memory.struck(); },
      [&] { memory.Heal(); });
  CHECK(sweep.Run(7 * kShare) > 50 / kShare);
}

TEST_CASE("a clean end is no death, however full the disk is or whatever its syncs answer") {
  const auto [operation, fault] =
      GENERATE(std::pair(Operation::kWrite, Fault::kFull), std::pair(Operation::kSync, Fault::kIoError));
  const MemoryFolder folder;
  const std::string path = folder.File("clean.db");
  FaultVfs vfs;
  int ran = 0;
  for (int lives = 0; lives < 6; ++lives) {
    vfs.Heal();
    Host host(path);
    const auto work = [&, operation = operation, fault = fault](std::string_view) {
      ++ran;
      if (lives == 5) return;
      vfs.FailNth(operation, 1, fault, FaultVfs::kForEver);
      CHECK(!host.engine().Post("f", "more", {.delay = absl::Hours(1)}).ok());
    };
    REQUIRE(host.engine().Register("f", work).ok());
    if (lives == 0) REQUIRE(host.engine().Post("f", "1").ok());
    host.sim().AdvanceBy(absl::Seconds(10));
    if (lives < 5) continue;
    CHECK(host.stats().dead == 0);
    CHECK(host.sim().DeadLetters().empty());
  }
  CHECK(ran == 6);
}

// Suspects are told of anew while others could run; on a disk that takes nothing that was a loop without a pause.
TEST_CASE("on a disk that takes nothing any more, suspects are not tried without a pause", "[realtime]") {
  const MemoryFolder folder;
  for (std::uint64_t n = 1; n <= 8; ++n) {
    const std::string path = folder.File(std::to_string(n) + ".db");
    const auto note = [](Note) {};
    FaultVfs vfs;
    REQUIRE(RunProgram({.path = path, .note = note}).ok());
    // What runs when the sync fails is suspected later.
    vfs.FailNth(Operation::kSync, n, Fault::kIoError);
    static_cast<void>(RunProgram({.path = path, .first = 1000, .note = note}));
    vfs.FailNth(Operation::kWrite, 40, Fault::kIoError, FaultVfs::kForEver);
    const std::uint64_t before = vfs.count(Operation::kWrite);
    static_cast<void>(RunProgram({.path = path, .first = 2000, .patience = absl::Milliseconds(300), .note = note}));
    CHECK(vfs.count(Operation::kWrite) - before < 1000);
  }
}

}  // namespace
}  // namespace runlet::durable_test
