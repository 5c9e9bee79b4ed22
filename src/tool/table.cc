#include "tool/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace runlet::tool {

Table::Table(std::vector<std::string> titles) : titles_(std::move(titles)) {
  for (std::string& title : titles_) {
    right_.push_back(title.front() == '>');
    if (right_.back()) title.erase(0, 1);
  }
}

void Table::Add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

std::string Table::ToString() const {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < titles_.size(); ++c) {
    std::size_t width = titles_[c].size();
    for (const auto& row : rows_) width = std::max(width, row[c].size());
    widths.push_back(width);
  }
  std::string text;
  const auto add = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t c = 0; c < cells.size(); ++c) {
      if (c > 0) line += "  ";
      line += right_[c] ? fmt::format("{:>{}}", cells[c], widths[c]) : fmt::format("{:<{}}", cells[c], widths[c]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  add(titles_);
  for (const auto& row : rows_) add(row);
  return text;
}

std::string Count(std::int64_t n) {
  std::string digits = std::to_string(n);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > (n < 0 ? 1 : 0); at -= 3) {
    digits.insert(static_cast<std::size_t>(at), ",");
  }
  return digits;
}

std::string Bytes(std::int64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  auto amount = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB"}) {
    if (amount < 1024) break;
    amount /= 1024;
    unit = next;
  }
  return fmt::format("{:.1f} {}", amount, unit);
}

std::string Age(absl::Duration age) {
  if (age < absl::ZeroDuration()) return "-";
  constexpr std::pair<const char*, absl::Duration (*)(std::int64_t)> kUnits[] = {
      {"d", [](std::int64_t n) { return absl::Hours(24 * n); }},
      {"h", [](std::int64_t n) { return absl::Hours(n); }},
      {"m", [](std::int64_t n) { return absl::Minutes(n); }},
      {"s", [](std::int64_t n) { return absl::Seconds(n); }},
      {"ms", [](std::int64_t n) { return absl::Milliseconds(n); }}};
  std::string text;
  int units = 0;
  for (const auto& [name, unit] : kUnits) {
    absl::Duration rest;
    const std::int64_t n = absl::IDivDuration(age, unit(1), &rest);
    if (n > 0) text += fmt::format("{}{}{}", text.empty() ? "" : " ", n, name);
    if (n > 0 || units > 0) ++units;
    age = rest;
    if (units == 2) break;
  }
  return text.empty() ? "0ms" : text;
}

std::string Time(absl::Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone()); }

}  // namespace runlet::tool
