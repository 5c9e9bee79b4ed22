// A folder for a test's files, in memory where there is such a file system: what a kill leaves is the same there.
#ifndef RUNLET_TESTS_DURABLE_MEMORY_FOLDER_H_
#define RUNLET_TESTS_DURABLE_MEMORY_FOLDER_H_

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace runlet::durable_test {

// Made empty, removed with what is in it.
class MemoryFolder {
 public:
  MemoryFolder() {
    std::error_code error;
    const bool in_memory = std::filesystem::is_directory("/dev/shm", error) && access("/dev/shm", W_OK) == 0;
    std::string pattern = (in_memory ? "/dev/shm" : std::filesystem::temp_directory_path().string()) + "/runlet-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~MemoryFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  MemoryFolder(const MemoryFolder&) = delete;
  MemoryFolder& operator=(const MemoryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace runlet::durable_test

#endif  // RUNLET_TESTS_DURABLE_MEMORY_FOLDER_H_
