#include "durable/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

#include "durable/schema.h"

namespace runlet::durable {
namespace {

constexpr int kSmb2Magic = static_cast<int>(0xFE534D42);
constexpr int kCifsMagic = static_cast<int>(0xFF534D42);

// Of the folder; the file itself need not be there yet. One file must have one name, for one log.
absl::StatusOr<std::string> CanonicalPath(const std::string& path) {
  if (path.empty() || path.back() == '/') return absl::InvalidArgumentError(fmt::format("\"{}\" names no file", path));
  const std::unique_ptr<char, decltype(&std::free)> whole(realpath(path.c_str(), nullptr), &std::free);
  if (whole != nullptr) return std::string(whole.get());
  if (errno != ENOENT) return absl::ErrnoToStatus(errno, path);
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(folder.c_str(), nullptr), &std::free);
  if (real == nullptr) return absl::ErrnoToStatus(errno, path);
  return fmt::format("{}/{}", real.get(), slash == std::string::npos ? path : path.substr(slash + 1));
}

std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

absl::Status CheckFileSystem(const std::string& path) {
  struct statfs where = {};
  if (statfs(FolderOf(path).c_str(), &where) != 0) return absl::ErrnoToStatus(errno, path);
  const auto type = static_cast<int>(where.f_type);
  if (type != NFS_SUPER_MAGIC && type != SMB_SUPER_MAGIC && type != kSmb2Magic && type != kCifsMagic)
    return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("{}: a queue cannot lie on a network file system: its log needs memory shared on one machine", path));
}

// New files are found again after a loss of power only once their folder is on the disk.
absl::Status SyncFolder(const std::string& path) {
  const Descriptor folder(open(FolderOf(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0 || fsync(folder.get()) != 0) return absl::ErrnoToStatus(errno, FolderOf(path));
  return absl::OkStatus();
}

absl::Status SetUp(const Connection& connection, const Options& options) {
  sqlite3* const db = connection.get();
  sqlite3_busy_timeout(db, 5000);  // a foreign writer: nobody of ours is one
  // Before anything is changed in what may be somebody else's.
  if (const absl::Status ours = SchemaVersion(db).status(); !ours.ok()) return ours;
  const std::string pragmas = fmt::format(
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit={}; "
      "PRAGMA cache_size=-16384; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY",
      options.wal_bytes);
  if (absl::Status set = connection.Execute(pragmas.c_str()); !set.ok()) return set;
  if (absl::Status schema = PrepareSchema(db); !schema.ok()) return schema;
  // Also makes sure that there is a log, whose descriptor is wanted next.
  return connection.Execute(
      "INSERT OR REPLACE INTO runlet_meta(name, value) SELECT 'opened', 1 + coalesce((SELECT "
      "value FROM runlet_meta WHERE name = 'opened'), 0)");
}

absl::Status About(const std::string& path, const absl::Status& status) {
  if (status.ok()) return status;
  absl::Status about(status.code(), fmt::format("{}: {}", path, std::string(status.message())));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { about.SetPayload(url, payload); });
  return about;
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<File> OpenFile(const std::string& path, const Options& options) {
  absl::StatusOr<std::string> canonical = CanonicalPath(path);
  if (!canonical.ok()) return canonical.status();
  File file;
  file.path = *std::move(canonical);
  if (absl::Status fit = CheckFileSystem(file.path); !fit.ok()) return fit;
  absl::StatusOr<OwnerLock> lock = OwnerLock::Take(file.path);
  if (!lock.ok()) return lock.status();
  file.lock = *std::move(lock);
  absl::StatusOr<Connection> connection = Connection::Open(file.path, Connection::Mode::kCreate);
  if (!connection.ok()) return connection.status();
  file.connection = *std::move(connection);
  if (absl::Status set_up = SetUp(file.connection, options); !set_up.ok()) return About(file.path, set_up);
  file.log = Descriptor(open((file.path + "-wal").c_str(), O_RDONLY | O_CLOEXEC));
  if (file.log.get() < 0) return absl::ErrnoToStatus(errno, file.path + "-wal");
  if (absl::Status synced = SyncFolder(file.path); !synced.ok()) return synced;
  absl::StatusOr<Tables> tables = Tables::Prepare(file.connection.get());
  if (!tables.ok()) return About(file.path, tables.status());
  file.tables.emplace(*std::move(tables));
  absl::StatusOr<Connection> reader = Connection::Open(file.path, Connection::Mode::kReadOnly);
  if (!reader.ok()) return reader.status();
  file.reader = *std::move(reader);
  return file;
}

}  // namespace runlet::durable
