// Files that tests make, and nobody keeps.
#ifndef RUNLET_TESTS_DURABLE_SCRATCH_H_
#define RUNLET_TESTS_DURABLE_SCRATCH_H_

#include <unistd.h>

#include <filesystem>
#include <string>

namespace runlet::durable_test {

// A folder of this process's own, in memory where the system has such a place.
inline std::string Scratch(const std::string& name) {
  static const struct Folder {
    Folder() {
      const std::filesystem::path memory = "/dev/shm";
      const std::filesystem::path base =
          std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path();
      path = base / ("runlet-durable-" + std::to_string(getpid()));
      std::filesystem::create_directories(path);
    }
    ~Folder() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
    std::filesystem::path path;
  } folder;
  return (folder.path / name).string();
}

}  // namespace runlet::durable_test

#endif  // RUNLET_TESTS_DURABLE_SCRATCH_H_
