// Who owns a queue's file.
#ifndef RUNLET_SRC_DURABLE_OWNER_LOCK_H_
#define RUNLET_SRC_DURABLE_OWNER_LOCK_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <utility>

namespace runlet::durable {

// Two advisory locks: one on the queue's file itself, whichever name led to it, and one on a note beside it, which says
// who the owner is and keeps a file that was removed from being made anew beside it. The system drops both when the
// owner ends, however that happens; a forked child that goes on without exec would keep them.
//
// To be given back only once SQLite has closed the file.
class OwnerLock {
 public:
  // FailedPrecondition, with the owner's process id, when somebody has it: also in this process. Makes the file where
  // there is none. Never waits.
  static absl::StatusOr<OwnerLock> Take(const std::string& file);
  // Who has it now, for people: "process 1234"; empty when nobody does.
  static std::string OwnerOf(const std::string& file);
  static std::string NoteOf(const std::string& file) { return file + "-lock"; }

  // Notes that the owner's life `number` has ended, and not by the death of its process. That needs no room on the
  // disk.
  void NoteEnd(std::uint64_t number) const;
  // The number that was noted last, by whichever owner; 0 for none.
  std::uint64_t NotedEnd() const;
  // ... beside a file that need not be locked.
  static std::uint64_t NotedEnd(const std::string& file);

  OwnerLock(OwnerLock&& other) noexcept
      : file_(std::exchange(other.file_, -1)), note_(std::exchange(other.note_, -1)) {}
  OwnerLock& operator=(OwnerLock&& other) noexcept {
    std::swap(file_, other.file_);
    std::swap(note_, other.note_);
    return *this;
  }
  ~OwnerLock();

 private:
  OwnerLock() = default;
  absl::Status LockNote(const std::string& file);
  absl::Status LockFile(const std::string& file);

  int file_ = -1;
  int note_ = -1;  // -1 too where it cannot be opened: it is only a note
};

}  // namespace runlet::durable

#endif  // RUNLET_SRC_DURABLE_OWNER_LOCK_H_
