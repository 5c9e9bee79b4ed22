// A program is killed again and again, and its books are audited each time. `kill -9` leaves what the system has been
// given, so the files may stand in memory.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include "runlet/base/random.h"
#include "tests/catch.h"
#include "tests/durable/books.h"
#include "tests/durable/fault_vfs.h"
#include "tests/durable/memory_folder.h"
#include "tests/durable/program.h"
#include "tests/durable/share.h"

namespace runlet::durable_test {
namespace {

constexpr int kCannotOpen = 3;

// One program's life, in a process of its own, and what it tells until it is killed.
class Life {
 public:
  // `options.note` is set here. With `fatal`, the life ends at that write.
  Life(ProgramOptions options, std::optional<std::uint64_t> fatal_write, FaultVfs::Fault fatal_fault) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
    pid_ = fork();
    if (pid_ < 0) std::abort();
    if (pid_ == 0) {
      close(ends[0]);
      options.note = [to = ends[1]](Note note) {
        if (write(to, &note, sizeof(note)) != sizeof(note)) _exit(1);
      };
      std::optional<FaultVfs> vfs;
      if (fatal_write) vfs.emplace().FailNth(FaultVfs::Operation::kWrite, *fatal_write, fatal_fault);
      const absl::Status run = RunProgram(options);
      if (!run.ok()) fmt::print(stderr, "{}\n", run.ToString());
      _exit(run.ok() ? 0 : kCannotOpen);
    }
    close(ends[1]);
    from_ = ends[0];
  }
  ~Life() {
    close(from_);
    if (pid_ != 0) {  // a test has failed
      Kill();
      WaitForEnd();
    }
  }
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

  // False when the life has ended.
  bool Hear(Books* books) {
    Note notes[64];
    const ssize_t size = read(from_, notes, sizeof(notes));
    if (size <= 0) return false;
    for (std::size_t i = 0; i < static_cast<std::size_t>(size) / sizeof(Note); ++i) books->Enter(notes[i]);
    return true;
  }
  void Kill() { kill(pid_, SIGKILL); }
  // After Hear() has answered false.
  int WaitForEnd() {
    int status = 0;
    if (waitpid(std::exchange(pid_, 0), &status, 0) < 0) std::abort();
    return status;
  }

 private:
  pid_t pid_ = 0;
  int from_ = -1;
};

bool Killed(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; }

// The last life may take its time: what is left runs to its end.
void CheckLastLife(const std::string& path, Durability durability, std::uint64_t first, Books* books) {
  Life life({.path = path, .durability = durability, .first = first, .posts = 1, .patience = absl::Seconds(20)},
            std::nullopt, FaultVfs::Fault::kKill);
  while (life.Hear(books)) {
  }
  CHECK(life.WaitForEnd() == 0);
  const FileContent left = FileContent::Read(path);
  books->Audit(left);
  CHECK(left.waiting.empty());
  INFO((books->complaints().empty() ? "" : books->complaints().front()));
  CHECK(books->complaints().empty());
}

struct Killings {
  Durability durability;
  int kills;
  std::uint64_t accepted_max;  // in one life
};

// Kills programs at random instants, by how much they have told.
void KillAtRandom(const Killings& killings, Books* books) {
  const MemoryFolder folder;
  const std::string path = folder.File("queue.db");
  Random random(17);
  std::uint64_t first = 0;
  for (int kill = 0; kill < killings.kills; ++kill) {
    const std::uint64_t enough = books->accepted() + random.Below(killings.accepted_max);
    Life life({.path = path, .durability = killings.durability, .first = first, .posts = 1'000'000, .producers = 3},
              std::nullopt, FaultVfs::Fault::kKill);
    while (books->accepted() < enough && life.Hear(books)) {
    }
    life.Kill();
    while (life.Hear(books)) {
    }
    REQUIRE(Killed(life.WaitForEnd()));
    books->Audit(FileContent::Read(path));
    if (!books->complaints().empty()) break;
    first += 1'000'000'000;
  }
  CheckLastLife(path, killings.durability, first, books);
}

TEST_CASE("a program killed at random instants loses no accepted event and repeats none that had ended") {
  Books books;
  KillAtRandom({Durability::kProcess, 600 / kShare, 300}, &books);
  CHECK(books.accepted() >= 80'000 / kShare);
}

TEST_CASE("a program killed at random instants loses nothing either where each event is synced") {
  Books books;
  KillAtRandom({Durability::kMachine, 200 / kShare, 220}, &books);
  CHECK(books.accepted() >= 20'000 / kShare);
}

TEST_CASE("a program killed at its n-th write, or in the middle of it, loses no accepted event") {
  const MemoryFolder folder;
  const std::string path = folder.File("queue.db");
  Books books;
  std::uint64_t first = 0;
  for (std::uint64_t n = 1; n <= 300; n += kShare) {
    // Lives that begin with a file, and lives that make it.
    const std::string file = n % 4 == 2 ? folder.File(fmt::format("{}.db", n)) : path;
    Books fresh;
    Books* const own = file == path ? &books : &fresh;
    Life life({.path = file, .durability = Durability::kProcess, .first = first, .posts = 1'000'000}, n,
              n % 2 == 0 ? FaultVfs::Fault::kKill : FaultVfs::Fault::kTornKill);
    while (life.Hear(own)) {
    }
    REQUIRE(Killed(life.WaitForEnd()));
    first += 1'000'000'000;
    own->Audit(FileContent::Read(file));
    INFO("killed at write " << n << ": " << (own->complaints().empty() ? "" : own->complaints().front()));
    REQUIRE(own->complaints().empty());
    if (own == &fresh) CheckLastLife(file, Durability::kProcess, first++, own);
  }
  CheckLastLife(path, Durability::kProcess, first, &books);
  CHECK(books.accepted() >= 1'000 / kShare);
}

}  // namespace
}  // namespace runlet::durable_test
