// Who owns a queue's file.
#ifndef RUNLET_SRC_DURABLE_OWNER_LOCK_H_
#define RUNLET_SRC_DURABLE_OWNER_LOCK_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>
#include <utility>

namespace runlet::durable {

// An advisory lock on a file of its own, beside the queue's. The system drops it when its owner ends, however that
// happens; a forked child that goes on without exec would keep it.
class OwnerLock {
 public:
  // FailedPrecondition, with the owner's process id, when somebody has it: also in this process. Never waits.
  static absl::StatusOr<OwnerLock> Take(const std::string& file);
  // Who has it now, for people: "process 1234"; empty when nobody does.
  static std::string OwnerOf(const std::string& file);
  static std::string PathOf(const std::string& file) { return file + "-lock"; }

  OwnerLock(OwnerLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnerLock& operator=(OwnerLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OwnerLock();

 private:
  explicit OwnerLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace runlet::durable

#endif  // RUNLET_SRC_DURABLE_OWNER_LOCK_H_
