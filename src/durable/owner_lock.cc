#include "durable/owner_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace runlet::durable {
namespace {

// What the owner has written into it.
long ReadPid(int fd) {
  char text[32] = {};
  return pread(fd, text, sizeof text - 1, 0) > 0 ? std::strtol(text, nullptr, 10) : 0;
}

std::string Name(long pid) {
  if (pid == static_cast<long>(getpid())) return fmt::format("this process ({})", pid);
  return pid > 0 ? fmt::format("process {}", pid) : "another process";
}

// The lock goes with the file description, so a second descriptor of this process does not share it.
bool TryLock(int fd, int how) {
  int locked = 0;
  do {
    locked = flock(fd, how | LOCK_NB);
  } while (locked != 0 && errno == EINTR);
  return locked == 0;
}

}  // namespace

absl::StatusOr<OwnerLock> OwnerLock::Take(const std::string& file) {
  const std::string path = PathOf(file);
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return absl::ErrnoToStatus(errno, path);
  OwnerLock lock(fd);
  if (!TryLock(fd, LOCK_EX)) {
    if (errno != EWOULDBLOCK) return absl::ErrnoToStatus(errno, path);
    return absl::FailedPreconditionError(fmt::format("{} is open already, by {}", file, Name(ReadPid(fd))));
  }
  const std::string pid = fmt::format("{}\n", getpid());
  // On a full disk the owner stays unnamed.
  if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) < 0) return lock;
  return lock;
}

std::string OwnerLock::OwnerOf(const std::string& file) {
  const int fd = open(PathOf(file).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const OwnerLock closes(fd);
  // Shared, and given back at once: whoever opens the queue in this moment may be refused by it, and told so.
  return TryLock(fd, LOCK_SH) ? std::string() : Name(ReadPid(fd));
}

OwnerLock::~OwnerLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace runlet::durable
