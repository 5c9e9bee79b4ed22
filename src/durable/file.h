// The file as it lies on the disk: found, locked, opened and set up.
#ifndef RUNLET_SRC_DURABLE_FILE_H_
#define RUNLET_SRC_DURABLE_FILE_H_

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <utility>

#include "durable/owner_lock.h"
#include "durable/sqlite.h"
#include "durable/tables.h"
#include "runlet/durable/queue.h"

namespace runlet::durable {

// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();
  int get() const { return fd_; }

 private:
  int fd_;
};

// Owned by this process while it lives.
struct File {
  std::string path;  // canonical
  std::optional<OwnerLock> lock;
  Connection connection;
  std::optional<Tables> tables;
  Connection reader;  // for looks that must not wait for a commit
  Descriptor log;     // the write-ahead log
};
absl::StatusOr<File> OpenFile(const std::string& path, const Options& options);

}  // namespace runlet::durable

#endif  // RUNLET_SRC_DURABLE_FILE_H_
