#include "durable/owner_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <vector>

#include "runlet/base/sync.h"

namespace runlet::durable {
namespace {

std::string Name(long pid) {
  if (pid == static_cast<long>(getpid())) return fmt::format("this process ({})", pid);
  return pid > 0 ? fmt::format("process {}", pid) : "another process";
}

// A note has two lines of one length: the owner's process id, and the number of the last life that ended well. They are
// written over, never anew, so that a full disk takes them.
constexpr int kLine = 21;

void WriteLine(int note, int line, std::uint64_t number) {
  const std::string text = fmt::format("{:<{}}\n", number, kLine - 1);
  // On a full disk, where it is the first, the owner stays unnamed.
  [[maybe_unused]] const ssize_t written = pwrite(note, text.data(), text.size(), off_t{line} * kLine);
}
std::uint64_t ReadLine(int note, int line) {
  char text[kLine + 1] = {};
  return pread(note, text, kLine, off_t{line} * kLine) > 0 ? std::strtoull(text, nullptr, 10) : 0;
}

long PidIn(int note) { return static_cast<long>(ReadLine(note, 0)); }

// The lock goes with the file description, so a second descriptor of this process does not share it.
bool TryLock(int fd, int how) {
  int locked = 0;
  do {
    locked = flock(fd, how | LOCK_NB);
  } while (locked != 0 && errno == EINTR);
  return locked == 0;
}

absl::Status OpenAlready(const std::string& file, long pid) {
  return absl::FailedPreconditionError(fmt::format("{} is open already, by {}", file, Name(pid)));
}

struct Inode {
  dev_t device = 0;
  ino_t number = 0;
  bool operator==(const Inode& other) const { return device == other.device && number == other.number; }
};

Inode InodeOf(const struct stat& facts) { return {facts.st_dev, facts.st_ino}; }

// The process that has locked a file, as the system lists it; 0 where it does not, as for one in another container.
long PidOfLock(const Inode& inode) {
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    long pid = 0;
    unsigned int of_driver = 0, of_device = 0;
    unsigned long long number = 0;
    if (std::sscanf(line.c_str(), "%*d: FLOCK ADVISORY WRITE %ld %x:%x:%llu", &pid, &of_driver, &of_device, &number) ==
            4 &&
        number == inode.number && makedev(of_driver, of_device) == inode.device) {
      return pid;
    }
  }
  return 0;
}

// Descriptors of queues' files, for the whole process, because the locks that SQLite takes on a file belong to the
// process: they are gone as soon as it closes any descriptor of that file. So none is opened where this process is the
// owner already, and none is closed while somebody else here has the file open: it is kept, and serves the next time.
class Descriptors {
 public:
  static Descriptors& OfProcess() {
    static Descriptors* const descriptors = new Descriptors;  // queues may end after everything else
    return *descriptors;
  }

  absl::StatusOr<int> Own(const std::string& file) RUNLET_EXCLUDES(mu_) {
    MutexLock lock(&mu_);
    if (const std::optional<long> owner = OwnerHere(file)) return OpenAlready(file, *owner);
    absl::StatusOr<Held> held = Open(file, O_RDWR | O_CREAT);
    if (!held.ok()) return held.status();
    if (!TryLock(held->fd, LOCK_EX)) {
      const int error = errno;
      LetGo(*held);
      return error == EWOULDBLOCK ? OpenAlready(file, PidOfLock(held->inode)) : absl::ErrnoToStatus(error, file);
    }
    held->owner = getpid();
    held_.push_back(*held);
    return held->fd;
  }

  void Disown(int fd) RUNLET_EXCLUDES(mu_) {
    MutexLock lock(&mu_);
    const auto found = std::find_if(held_.begin(), held_.end(), [&](const Held& held) { return held.fd == fd; });
    Held held = *found;
    held_.erase(found);
    held.owner = 0;
    flock(held.fd, LOCK_UN);
    LetGo(held);
  }

  // 0 for an owner whose process is not known; empty for none.
  std::optional<long> OwnerOf(const std::string& file) RUNLET_EXCLUDES(mu_) {
    MutexLock lock(&mu_);
    if (const std::optional<long> owner = OwnerHere(file)) return owner;
    const absl::StatusOr<Held> held = Open(file, O_RDONLY);
    if (!held.ok()) return std::nullopt;
    // Shared, and given back at once: whoever opens the queue in this moment may be refused by it, and told so.
    const bool owned = !TryLock(held->fd, LOCK_SH) && errno == EWOULDBLOCK;
    if (!owned) flock(held->fd, LOCK_UN);
    LetGo(*held);
    return owned ? std::optional(PidOfLock(held->inode)) : std::nullopt;
  }

 private:
  struct Held {
    Inode inode;
    int fd = -1;
    long owner = 0;  // this process, or the one that forked it; 0: kept
  };

  std::optional<long> OwnerHere(const std::string& file) const RUNLET_REQUIRES(mu_) {
    struct stat facts = {};
    if (stat(file.c_str(), &facts) != 0) return std::nullopt;
    for (const Held& held : held_) {
      if (held.owner != 0 && held.inode == InodeOf(facts)) return held.owner;
    }
    return std::nullopt;
  }

  absl::StatusOr<Held> Open(const std::string& file, int flags) RUNLET_REQUIRES(mu_) {
    struct stat facts = {};
    if (stat(file.c_str(), &facts) == 0) {
      if (!S_ISREG(facts.st_mode)) return absl::InvalidArgumentError(fmt::format("{} is no file", file));
      const auto kept = std::find_if(held_.begin(), held_.end(),
                                     [&](const Held& held) { return held.owner == 0 && held.inode == InodeOf(facts); });
      if (kept != held_.end()) {
        const Held held = *kept;
        held_.erase(kept);
        return held;
      }
    }
    const int fd = open(file.c_str(), flags | O_CLOEXEC, 0644);
    if (fd < 0 || fstat(fd, &facts) != 0) return absl::ErrnoToStatus(errno, file);
    return Held{InodeOf(facts), fd};
  }

  void LetGo(const Held& held) RUNLET_REQUIRES(mu_) {
    if (OpenOtherwise(held)) {
      held_.push_back(held);
    } else {
      close(held.fd);
    }
  }

  // Whether this process has another descriptor of the file, or that cannot be told.
  static bool OpenOtherwise(const Held& held) {
    std::error_code error;
    for (auto at = std::filesystem::directory_iterator("/proc/self/fd", error);
         !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
      struct stat facts = {};
      const std::string& path = at->path().native();
      if (stat(path.c_str(), &facts) == 0 && InodeOf(facts) == held.inode &&
          path.substr(path.rfind('/') + 1) != std::to_string(held.fd)) {
        return true;
      }
    }
    return static_cast<bool>(error);
  }

  Mutex mu_;
  std::vector<Held> held_ RUNLET_GUARDED_BY(mu_);
};

// As SQLite does for the files that it makes: whoever may write the queue's file may write its note, also where root
// has made it.
void GiveLikeFile(int note, const std::string& file) {
  struct stat of_file = {}, of_note = {};
  if (geteuid() != 0 || stat(file.c_str(), &of_file) != 0 || fstat(note, &of_note) != 0) return;
  if (of_file.st_uid == of_note.st_uid && of_file.st_gid == of_note.st_gid) return;
  if (fchown(note, of_file.st_uid, of_file.st_gid) != 0) return;
  fchmod(note, of_file.st_mode & 0666);
}

}  // namespace

absl::Status OwnerLock::LockNote(const std::string& file) {
  const std::string path = NoteOf(file);
  note_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (note_ < 0 && errno == EACCES) note_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (note_ < 0) return errno == EACCES ? absl::OkStatus() : absl::ErrnoToStatus(errno, path);
  if (TryLock(note_, LOCK_EX)) return absl::OkStatus();
  return errno == EWOULDBLOCK ? OpenAlready(file, PidIn(note_)) : absl::ErrnoToStatus(errno, path);
}

absl::Status OwnerLock::LockFile(const std::string& file) {
  const absl::StatusOr<int> fd = Descriptors::OfProcess().Own(file);
  if (!fd.ok()) return fd.status();
  file_ = *fd;
  return absl::OkStatus();
}

absl::StatusOr<OwnerLock> OwnerLock::Take(const std::string& file) {
  OwnerLock lock;
  if (absl::Status locked = lock.LockNote(file); !locked.ok()) return locked;
  if (absl::Status locked = lock.LockFile(file); !locked.ok()) return locked;
  GiveLikeFile(lock.note_, file);
  const std::uint64_t ended = lock.NotedEnd();
  WriteLine(lock.note_, 0, static_cast<std::uint64_t>(getpid()));
  lock.NoteEnd(ended);
  return lock;
}

void OwnerLock::NoteEnd(std::uint64_t number) const { WriteLine(note_, 1, number); }
std::uint64_t OwnerLock::NotedEnd() const { return ReadLine(note_, 1); }

std::uint64_t OwnerLock::NotedEnd(const std::string& file) {
  OwnerLock looks;
  looks.note_ = open(NoteOf(file).c_str(), O_RDONLY | O_CLOEXEC);
  return looks.NotedEnd();
}

std::string OwnerLock::OwnerOf(const std::string& file) {
  OwnerLock looks;
  looks.note_ = open(NoteOf(file).c_str(), O_RDONLY | O_CLOEXEC);
  if (looks.note_ >= 0 && !TryLock(looks.note_, LOCK_SH)) return Name(PidIn(looks.note_));
  const std::optional<long> owner = Descriptors::OfProcess().OwnerOf(file);
  return owner ? Name(*owner) : std::string();
}

OwnerLock::~OwnerLock() {
  if (file_ >= 0) {
    Descriptors::OfProcess().Disown(file_);
    flock(note_, LOCK_UN);  // which a child that was forked meanwhile has too
  }
  if (note_ >= 0) close(note_);
}

}  // namespace runlet::durable
