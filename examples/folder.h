// What the file census needs of the file system; nothing here is about runlet.
#ifndef RUNLET_EXAMPLES_FOLDER_H_
#define RUNLET_EXAMPLES_FOLDER_H_

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

// File names are bytes. What a terminal cannot show, or would obey, is escaped. Wants a locale with UTF-8.
inline std::string Shown(const std::string& path) {
  const bool text = std::mbstowcs(nullptr, path.c_str(), 0) != static_cast<std::size_t>(-1);
  return text ? absl::Utf8SafeCHexEscape(path) : absl::CHexEscape(path);
}

struct Walk {
  std::uint64_t files = 0;       // visited
  std::uint64_t others = 0;      // symbolic links, sockets, devices: not visited
  std::uint64_t skipped = 0;     // folders that are not entered because of their names
  std::uint64_t unreadable = 0;  // folders
};

// Calls visit(path) for every file below `root`.
template <typename Visit>
Walk WalkFiles(const std::filesystem::path& root, const Visit& visit) {
  namespace fs = std::filesystem;
  Walk walk;
  std::vector<fs::path> folders{root};
  while (!folders.empty()) {
    const fs::path folder = std::move(folders.back());
    folders.pop_back();
    std::error_code error;
    for (fs::directory_iterator it(folder, error); !error && it != fs::directory_iterator(); it.increment(error)) {
      std::error_code unknown;  // of an entry whose kind cannot be told: who reads it will learn why
      const fs::file_status kind = it->symlink_status(unknown);
      if (fs::is_directory(kind)) {
        const fs::path name = it->path().filename();
        if (name == ".git" || name == "build") {
          ++walk.skipped;
        } else {
          folders.push_back(it->path());
        }
      } else if (fs::is_symlink(kind) || fs::is_other(kind)) {
        ++walk.others;
      } else {
        ++walk.files;
        visit(it->path().string());
      }
    }
    if (!error) continue;
    ++walk.unreadable;
    fmt::print(stderr, "cannot read {}: {}\n", Shown(folder.string()), error.message());
  }
  return walk;
}

// Things that cannot be counted, in a temporary folder that goes with this object: a link to nothing (unreadable even
// for root), a poisoned file, and the folder itself.
class SpoiledFiles {
 public:
  explicit SpoiledFiles(std::string_view poison) {
    std::string name = (std::filesystem::temp_directory_path(error_) / "runlet-census-XXXXXX").string();
    if (error_ || mkdtemp(name.data()) == nullptr) {
      fmt::print(stderr, "cannot make a temporary folder\n");
      std::exit(1);
    }
    folder_ = name;
    std::filesystem::create_symlink("nothing", link(), error_);
    std::ofstream(poisoned()) << poison << '\n';
  }
  ~SpoiledFiles() { std::filesystem::remove_all(folder_, error_); }
  SpoiledFiles(const SpoiledFiles&) = delete;
  SpoiledFiles& operator=(const SpoiledFiles&) = delete;

  std::string link() const { return (folder_ / "link-to-nothing").string(); }
  std::string poisoned() const { return (folder_ / "poisoned").string(); }
  std::string folder() const { return folder_.string(); }
  void MendLink() const { std::ofstream(folder_ / "nothing") << "something after all\n"; }

 private:
  std::error_code error_;
  std::filesystem::path folder_;
};

#endif  // RUNLET_EXAMPLES_FOLDER_H_
