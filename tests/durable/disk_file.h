// What a file would be after a loss of power: what was synced, and what may have reached the disk since.
#ifndef RUNLET_TESTS_DURABLE_DISK_FILE_H_
#define RUNLET_TESTS_DURABLE_DISK_FILE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace runlet::durable_test {

// Value; thread-compatible.
class DiskFile {
 public:
  // How much of what was not synced reaches the disk. Sectors are whole or not there.
  enum class Survival {
    kNothing,
    kEverything,
    kPrefix,   // up to some write, which is torn
    kWrites,   // any of the writes, a later one perhaps without an earlier
    kSectors,  // any sectors of any writes
  };
  static constexpr Survival kAllSurvivals[] = {Survival::kNothing, Survival::kEverything, Survival::kPrefix,
                                               Survival::kWrites, Survival::kSectors};
  static constexpr std::size_t kSector = 512;

  // A file that is on the disk as `synced`; empty: there is none of this name.
  explicit DiskFile(std::optional<std::string> synced) : exists_(synced.has_value()), synced_(std::move(synced)) {}

  void Create() { exists_ = true; }
  void Write(std::int64_t offset, std::string data) { changes_.push_back({offset, std::move(data), false}); }
  void Truncate(std::int64_t size) { changes_.push_back({size, {}, true}); }
  // True for the first time of a new file: it is to be followed by SyncFolder() of all files beside it.
  bool Sync();
  // A sync that failed: the system takes for written what it did not write, and no later sync writes it.
  void FailSync() { changes_.clear(); }
  // It may come back after a cut, until its folder is synced.
  void Delete();
  // The folder knows by now which files there are.
  void SyncFolder();

  // Empty: there is no such file. The same for the same seed.
  std::optional<std::string> AfterCut(Survival survival, std::uint64_t seed) const;

 private:
  struct Change {
    std::int64_t offset;  // of a truncation, the size
    std::string data;
    bool truncates;
  };
  static void Apply(const Change& change, std::string* content);

  bool exists_;
  std::optional<std::string> synced_;
  std::optional<std::string> deleted_;  // what may come back
  std::vector<Change> changes_;
};

}  // namespace runlet::durable_test

#endif  // RUNLET_TESTS_DURABLE_DISK_FILE_H_
