#include "tool/command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "tool/table.h"

namespace runlet::tool {

bool Print(std::string_view text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

void Complain(std::string_view text) {
  const std::string line = fmt::format("runlet: {}\n", text);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

int Fail(const absl::Status& status) {
  Complain(std::string(status.message()));
  return kUnreadable;
}

ProgressLine::ProgressLine(std::string_view doing) : doing_(doing), shows_(isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  if (shown_) std::fputs("\r\x1b[K", stderr);
}

void ProgressLine::Show(std::int64_t seen) {
  if (!shows_) return;
  const std::string line = fmt::format("\r\x1b[K{}: {}", doing_, Count(seen));
  std::fwrite(line.data(), 1, line.size(), stderr);
  shown_ = true;
}

}  // namespace runlet::tool
