#include "tests/durable/fault_vfs.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

namespace runlet::durable_test {
namespace {

std::optional<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::string content(std::filesystem::file_size(path), '\0');
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<std::size_t>(file.gcount()));
  return content;
}

std::atomic<FaultVfs*> current{nullptr};
constinit thread_local bool in_layer = false;  // SQLite's own syncs end in fdatasync(2) too

[[noreturn]] void KillSelf() {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

}  // namespace

// What SQLite allocates for an open file; the real one follows it.
struct FaultVfs::File {
  sqlite3_file base;
  FaultVfs* vfs;
  const std::string* path;  // nullptr: passes through
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

// What SQLite calls.
struct FaultVfs::Calls {
  static File* Of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
  static sqlite3_file* Real(sqlite3_file* file) { return Of(file)->real(); }
  static FaultVfs* Of(sqlite3_vfs* vfs) { return static_cast<FaultVfs*>(vfs->pAppData); }

  static int Open(sqlite3_vfs* vfs, const char* path, sqlite3_file* out, int flags, int* out_flags) {
    FaultVfs* const self = Of(vfs);
    File* const file = Of(out);
    *file = {};
    file->vfs = self;
    MutexLock lock(&self->mu_);
    if (path != nullptr && self->Begin(Operation::kOpen) != Verdict::kGo) return SQLITE_CANTOPEN;
    DiskFile* const disk = path != nullptr ? &self->Find(path) : nullptr;  // as it is before it may be created
    const int code = self->real_->xOpen(self->real_, path, file->real(), flags, out_flags);
    if (code != SQLITE_OK) return code;
    if (path != nullptr) {
      disk->Create();
      file->path = &self->disk_.find(path)->first;
    }
    file->base.pMethods = &kMethods;
    return SQLITE_OK;
  }

  static int Delete(sqlite3_vfs* vfs, const char* path, int sync_directory) {
    FaultVfs* const self = Of(vfs);
    MutexLock lock(&self->mu_);
    if (self->Begin(Operation::kDelete) != Verdict::kGo) return SQLITE_IOERR_DELETE;
    DiskFile& file = self->Find(path);
    const int code = self->real_->xDelete(self->real_, path, sync_directory);
    if (code == SQLITE_OK) file.Delete();
    if (code == SQLITE_OK && sync_directory != 0) self->SyncFolder();
    return code;
  }

  static int Access(sqlite3_vfs* vfs, const char* path, int flags, int* result) {
    FaultVfs* const self = Of(vfs);
    MutexLock lock(&self->mu_);
    return self->powered_ ? self->real_->xAccess(self->real_, path, flags, result) : SQLITE_IOERR_ACCESS;
  }

  static int Close(sqlite3_file* file) { return Real(file)->pMethods->xClose(Real(file)); }

  static int Read(sqlite3_file* file, void* data, int size, sqlite3_int64 offset) {
    FaultVfs* const self = Of(file)->vfs;
    if (Of(file)->path != nullptr) {
      MutexLock lock(&self->mu_);
      if (self->Begin(Operation::kRead) != Verdict::kGo) return SQLITE_IOERR_READ;
    }
    return Real(file)->pMethods->xRead(Real(file), data, size, offset);
  }

  static int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
    FaultVfs* const self = Of(file)->vfs;
    const auto write = [&](int length) { return Real(file)->pMethods->xWrite(Real(file), data, length, offset); };
    if (Of(file)->path == nullptr) return write(size);
    MutexLock lock(&self->mu_);
    DiskFile& disk = self->Find(*Of(file)->path);
    const char* const bytes = static_cast<const char*>(data);
    switch (self->Begin(Operation::kWrite)) {
      case Verdict::kFail: return self->powered_ && self->fault_ == Fault::kFull ? SQLITE_FULL : SQLITE_IOERR_WRITE;
      case Verdict::kHalf: {
        write(size / 2);
        if (self->fault_ == Fault::kTornKill) KillSelf();
        disk.Write(offset, std::string(bytes, static_cast<std::size_t>(size / 2)));
        return SQLITE_FULL;
      }
      case Verdict::kGo: break;
    }
    const int code = write(size);
    if (code == SQLITE_OK) disk.Write(offset, std::string(bytes, static_cast<std::size_t>(size)));
    return code;
  }

  static int Truncate(sqlite3_file* file, sqlite3_int64 size) {
    FaultVfs* const self = Of(file)->vfs;
    MutexLock lock(&self->mu_);
    if (Of(file)->path != nullptr && self->Begin(Operation::kTruncate) != Verdict::kGo) return SQLITE_IOERR_TRUNCATE;
    const int code = Real(file)->pMethods->xTruncate(Real(file), size);
    if (code == SQLITE_OK && Of(file)->path != nullptr) self->Find(*Of(file)->path).Truncate(size);
    return code;
  }

  static int Sync(sqlite3_file* file, int flags) {
    FaultVfs* const self = Of(file)->vfs;
    if (Of(file)->path == nullptr) return SQLITE_OK;
    MutexLock lock(&self->mu_);
    DiskFile& disk = self->Find(*Of(file)->path);
    if (self->Begin(Operation::kSync) != Verdict::kGo) {
      if (self->powered_) disk.FailSync();
      return SQLITE_IOERR_FSYNC;
    }
    in_layer = true;
    const int code = Real(file)->pMethods->xSync(Real(file), flags);
    in_layer = false;
    if (code == SQLITE_OK && disk.Sync()) self->SyncFolder();
    return code;
  }

  static int FileSize(sqlite3_file* file, sqlite3_int64* size) {
    return Real(file)->pMethods->xFileSize(Real(file), size);
  }
  static int Lock(sqlite3_file* file, int level) { return Real(file)->pMethods->xLock(Real(file), level); }
  static int Unlock(sqlite3_file* file, int level) { return Real(file)->pMethods->xUnlock(Real(file), level); }
  static int CheckReservedLock(sqlite3_file* file, int* result) {
    return Real(file)->pMethods->xCheckReservedLock(Real(file), result);
  }
  static int FileControl(sqlite3_file* file, int what, void* argument) {
    // They would change the file by a way that is not seen here.
    if (what == SQLITE_FCNTL_SIZE_HINT || what == SQLITE_FCNTL_CHUNK_SIZE) return SQLITE_OK;
    if (what == SQLITE_FCNTL_MMAP_SIZE) return SQLITE_NOTFOUND;
    return Real(file)->pMethods->xFileControl(Real(file), what, argument);
  }
  static int SectorSize(sqlite3_file* file) { return Real(file)->pMethods->xSectorSize(Real(file)); }
  static int DeviceCharacteristics(sqlite3_file* file) {
    return Real(file)->pMethods->xDeviceCharacteristics(Real(file));
  }
  static int ShmMap(sqlite3_file* file, int region, int size, int extend, void volatile** memory) {
    return Real(file)->pMethods->xShmMap(Real(file), region, size, extend, memory);
  }
  static int ShmLock(sqlite3_file* file, int offset, int n, int flags) {
    return Real(file)->pMethods->xShmLock(Real(file), offset, n, flags);
  }
  static void ShmBarrier(sqlite3_file* file) { Real(file)->pMethods->xShmBarrier(Real(file)); }
  static int ShmUnmap(sqlite3_file* file, int remove) { return Real(file)->pMethods->xShmUnmap(Real(file), remove); }

  static const sqlite3_io_methods kMethods;
};

const sqlite3_io_methods FaultVfs::Calls::kMethods = {
    2,  // without memory-mapped reads
    Close,       Read,       Write,
    Truncate,    Sync,       FileSize,
    Lock,        Unlock,     CheckReservedLock,
    FileControl, SectorSize, DeviceCharacteristics,
    ShmMap,      ShmLock,    ShmBarrier,
    ShmUnmap,    nullptr,    nullptr,
};

FaultVfs::FaultVfs() : real_(sqlite3_vfs_find(nullptr)) {
  vfs_ = *real_;
  vfs_.iVersion = 2;
  vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
  vfs_.pNext = nullptr;
  vfs_.zName = "runlet-faults";
  vfs_.pAppData = this;
  vfs_.xOpen = Calls::Open;
  vfs_.xDelete = Calls::Delete;
  vfs_.xAccess = Calls::Access;
  if (sqlite3_vfs_register(&vfs_, 1) != SQLITE_OK) std::abort();
  current.store(this);
}

FaultVfs::~FaultVfs() {
  current.store(nullptr);
  sqlite3_vfs_unregister(&vfs_);
  sqlite3_vfs_register(real_, 1);
}

void FaultVfs::FailNth(Operation operation, std::uint64_t n, Fault fault, std::uint64_t times) {
  MutexLock lock(&mu_);
  operation_ = operation;
  fault_ = fault;
  struck_ = false;
  begin_ = counts_[static_cast<std::size_t>(operation)] + n;
  end_ = times > kForEver - begin_ ? kForEver : begin_ + times;
}

void FaultVfs::Heal() {
  MutexLock lock(&mu_);
  begin_ = end_ = 0;
}

bool FaultVfs::struck() const {
  MutexLock lock(&mu_);
  return struck_;
}

std::uint64_t FaultVfs::count(Operation operation) const {
  MutexLock lock(&mu_);
  return counts_[static_cast<std::size_t>(operation)];
}

FaultVfs::Verdict FaultVfs::Begin(Operation operation) {
  if (!powered_) {
    errno = EIO;
    return Verdict::kFail;
  }
  const std::uint64_t n = ++counts_[static_cast<std::size_t>(operation)];
  if (operation != operation_ || n < begin_ || n >= end_) return Verdict::kGo;
  struck_ = true;
  errno = fault_ == Fault::kFull ? ENOSPC : EIO;
  switch (fault_) {
    case Fault::kKill: KillSelf();
    case Fault::kPowerCut: powered_ = false; return Verdict::kFail;
    case Fault::kShortWrite:
    case Fault::kTornKill: return operation == Operation::kWrite ? Verdict::kHalf : Verdict::kFail;
    default: return Verdict::kFail;
  }
}

DiskFile& FaultVfs::Find(const std::string& path) {
  const auto found = disk_.find(path);
  if (found != disk_.end()) return found->second;
  return disk_.emplace(path, DiskFile(ReadFile(path))).first->second;
}

void FaultVfs::SyncFolder() {
  for (auto& [path, file] : disk_) file.SyncFolder();
}

int FaultVfs::SyncDescriptor(int descriptor) {
  char path[4096];
  const ssize_t size = readlink(("/proc/self/fd/" + std::to_string(descriptor)).c_str(), path, sizeof(path));
  MutexLock lock(&mu_);
  const auto found = disk_.find(std::string(path, size < 0 ? 0 : static_cast<std::size_t>(size)));
  if (found != disk_.end()) {
    if (Begin(Operation::kSync) != Verdict::kGo) {
      if (powered_) found->second.FailSync();
      return -1;
    }
    found->second.Sync();
  }
  return static_cast<int>(syscall(SYS_fdatasync, descriptor));
}

void FaultVfs::CutPower() {
  MutexLock lock(&mu_);
  powered_ = false;
}

bool FaultVfs::powered() const {
  MutexLock lock(&mu_);
  return powered_;
}

void FaultVfs::RestorePower(DiskFile::Survival survival, std::uint64_t seed) {
  MutexLock lock(&mu_);
  for (const auto& [path, file] : disk_) {
    std::remove((path + "-shm").c_str());  // memory
    std::remove(path.c_str());
    if (const std::optional<std::string> content = file.AfterCut(survival, ++seed)) {
      std::ofstream(path, std::ios::binary) << *content;
    }
  }
  disk_.clear();
  powered_ = true;
  begin_ = end_ = 0;
}

}  // namespace runlet::durable_test

// Instead of the C library's, for everything that is linked with this file.
extern "C" int fdatasync(int descriptor) {
  using runlet::durable_test::current;
  if (runlet::durable_test::in_layer || current.load() == nullptr) {
    return static_cast<int>(syscall(SYS_fdatasync, descriptor));
  }
  return current.load()->SyncDescriptor(descriptor);
}
