#include "observe/log_tail.h"

#include "base/planted.h"

namespace runlet {

LogTail::LogTail(const Clock& clock, std::size_t bytes_max)
    : bytes_max_(bytes_max), lines_([this](std::string_view line) { AddLine(line); }, LogFormat::kText, clock) {}

void LogTail::AddLine(std::string_view line) {
  MutexLock lock(&mu_);
  if (closed_) return;
  // Cut to twice of what is kept only now and then, so that each byte is moved once.
  if (line.size() >= bytes_max_) line.remove_prefix(line.size() - bytes_max_);
  text_ += line;
  text_ += '\n';
  if (text_.size() >= 2 * bytes_max_) text_.erase(0, text_.size() - bytes_max_);
}

void LogTail::OnActivity(const Activity& activity) {
  lines_.OnActivity(activity);
  if (activity.kind == Activity::Kind::kStarted) return;
  MutexLock lock(&mu_);
  closed_ = true;
}

std::string LogTail::Text() const {
  MutexLock lock(&mu_);
  return text_.size() <= bytes_max_ || RUNLET_PLANTED("tail-is-longer") ? text_
                                                                        : text_.substr(text_.size() - bytes_max_);
}

}  // namespace runlet
