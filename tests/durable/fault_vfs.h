// A file layer between SQLite and the system that fails when told, kills its process when told, and loses its power.
#ifndef RUNLET_TESTS_DURABLE_FAULT_VFS_H_
#define RUNLET_TESTS_DURABLE_FAULT_VFS_H_

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "runlet/base/sync.h"
#include "tests/durable/disk_file.h"

namespace runlet::durable_test {

// What SQLite uses by default from construction to destruction: one at a time, and no file is open at either. All its
// files are in one folder. Shared memory and locks pass through, and so do files without a name. Thread-safe.
class FaultVfs {
 public:
  enum class Operation { kWrite, kSync, kOpen, kTruncate, kDelete, kRead };
  static constexpr std::size_t kOperations = 6;
  enum class Fault {
    kIoError,     // EIO
    kFull,        // ENOSPC
    kShortWrite,  // half of it is written, then ENOSPC
    kKill,        // SIGKILL to this process, before the operation
    kTornKill,    // ... in the middle of a write
    kPowerCut,
  };
  static constexpr std::uint64_t kForEver = ~std::uint64_t{0};

  FaultVfs();
  ~FaultVfs();
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;

  // The n-th `operation` from now (1: the next) fails, and those after it, until `times` have.
  void FailNth(Operation operation, std::uint64_t n, Fault fault, std::uint64_t times = 1);
  void Heal();
  // Whether a fault has struck since the last FailNth().
  bool struck() const;
  std::uint64_t count(Operation operation) const;

  // fdatasync(2), as this program has it: of a file of this layer, a Sync.
  int SyncDescriptor(int descriptor);

  // Every operation fails from now on.
  void CutPower();
  bool powered() const;
  // Makes of the files what the disk holds after the cut. All of them have been closed.
  void RestorePower(DiskFile::Survival survival, std::uint64_t seed);

 private:
  struct File;
  struct Calls;
  enum class Verdict { kGo, kFail, kHalf };

  // Sets errno, where it is to fail.
  Verdict Begin(Operation operation) RUNLET_REQUIRES(mu_);
  DiskFile& Find(const std::string& path) RUNLET_REQUIRES(mu_);
  void SyncFolder() RUNLET_REQUIRES(mu_);  // all files are in one

  sqlite3_vfs* const real_;
  sqlite3_vfs vfs_ = {};

  mutable Mutex mu_;  // held over whole operations, so that a cut falls between two of them
  std::map<std::string, DiskFile> disk_ RUNLET_GUARDED_BY(mu_);
  std::uint64_t counts_[kOperations] RUNLET_GUARDED_BY(mu_) = {};
  bool powered_ RUNLET_GUARDED_BY(mu_) = true;
  bool struck_ RUNLET_GUARDED_BY(mu_) = false;
  Operation operation_ RUNLET_GUARDED_BY(mu_) = Operation::kWrite;
  Fault fault_ RUNLET_GUARDED_BY(mu_) = Fault::kIoError;
  std::uint64_t begin_ RUNLET_GUARDED_BY(mu_) = 0;  // which of the operations fail, as counted
  std::uint64_t end_ RUNLET_GUARDED_BY(mu_) = 0;
};

}  // namespace runlet::durable_test

#endif  // RUNLET_TESTS_DURABLE_FAULT_VFS_H_
