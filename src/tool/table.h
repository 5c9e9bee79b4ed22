// Tables for people.
#ifndef RUNLET_SRC_TOOL_TABLE_H_
#define RUNLET_SRC_TOOL_TABLE_H_

#include <absl/time/time.h>

#include <cstdint>
#include <string>
#include <vector>

namespace runlet::tool {

// Thread-compatible.
class Table {
 public:
  // A column whose title begins with '>' is aligned to the right.
  explicit Table(std::vector<std::string> titles);
  // As many cells as there are titles.
  void Add(std::vector<std::string> cells);
  std::string ToString() const;

 private:
  std::vector<std::string> titles_;
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

// "1,234,567".
std::string Count(std::int64_t n);
// "512 B", "1.5 MiB".
std::string Bytes(std::int64_t bytes);
// "3d 4h", "2m 5s", "12ms": the two largest units. "-" for less than nothing.
std::string Age(absl::Duration age);
// "2026-11-25T09:41:01Z"
std::string Time(absl::Time time);

}  // namespace runlet::tool

#endif  // RUNLET_SRC_TOOL_TABLE_H_
