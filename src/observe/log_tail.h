// The end of the log of one execution.
#ifndef RUNLET_SRC_OBSERVE_LOG_TAIL_H_
#define RUNLET_SRC_OBSERVE_LOG_TAIL_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "runlet/base/sync.h"
#include "runlet/observe/log_lines.h"

namespace runlet {

// Keeps the last bytes of what LogLines writes of an execution and of what its handler logs. The REPORT is its last
// line: what an overrunning handler says afterwards is left out. Thread-safe.
class LogTail final : public Observer {
 public:
  LogTail(const Clock& clock, std::size_t bytes_max);

  void AddLine(std::string_view line) RUNLET_EXCLUDES(mu_);
  // Of the execution alone.
  void OnActivity(const Activity& activity) override RUNLET_EXCLUDES(mu_);
  std::string Text() const RUNLET_EXCLUDES(mu_);

 private:
  const std::size_t bytes_max_;
  LogLines lines_;
  mutable Mutex mu_;
  std::string text_ RUNLET_GUARDED_BY(mu_);
  bool closed_ RUNLET_GUARDED_BY(mu_) = false;
};

}  // namespace runlet

#endif  // RUNLET_SRC_OBSERVE_LOG_TAIL_H_
