// What the commands of the tool share: how they answer, and how they end.
#ifndef RUNLET_SRC_TOOL_COMMAND_H_
#define RUNLET_SRC_TOOL_COMMAND_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runlet/queue/dead_letter.h"
#include "tool/queue_file.h"

namespace runlet::tool {

enum ExitCode : int {
  kDone = 0,
  kFound = 1,       // doctor: something is wrong; redrive: some letters were refused; show, purge: one is not there
  kUsage = 2,       // the command line is wrong
  kUnreadable = 3,  // the file cannot be read or written, or is no queue's; or what was answered cannot be written
  kOwned = 4,       // the file is open in a program, and the command would change it
};
inline constexpr char kExitCodes[] =
    "Exit codes:\n"
    "  0  done\n"
    "  1  doctor: something is wrong; redrive: some letters were refused; show, purge: no such letter\n"
    "  2  the command line is wrong\n"
    "  3  the file cannot be used, or the answer cannot be written\n"
    "  4  the file is in use by a program, and the command would change it\n";

// What the command line says; each command reads what concerns it.
struct CommandLine {
  std::string file;
  bool json = false;
  DeadLetterFilter filter;
  std::vector<RequestId> ids;
  bool all = false;
  std::optional<std::size_t> max;  // unset: ls 1,000, redrive all
  bool dry_run = false;
  absl::Duration age = absl::Hours(6);
};

// On standard output. False where it cannot be written: a command then ends with kUnreadable.
bool Print(std::string_view text);
// On standard error, with the name of the program.
void Complain(std::string_view text);
// Complains, and says which exit code that is.
int Fail(const absl::Status& status);

// Shows how far a long work has come, on standard error where that is a terminal.
class ProgressLine {
 public:
  explicit ProgressLine(std::string_view doing);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  void Show(std::int64_t seen);

 private:
  const std::string doing_;
  const bool shows_;
  bool shown_ = false;
};

int QueueStats(const CommandLine& line);
int ListLetters(const CommandLine& line);
int ShowLetter(const CommandLine& line);
int ExportLetters(const CommandLine& line);
int RedriveLetters(const CommandLine& line);
int PurgeLetters(const CommandLine& line);
int Doctor(const CommandLine& line);

}  // namespace runlet::tool

#endif  // RUNLET_SRC_TOOL_COMMAND_H_
