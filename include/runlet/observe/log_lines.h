// The log lines that Lambda writes about each execution, for tools that read Lambda's logs.
#ifndef RUNLET_OBSERVE_LOG_LINES_H_
#define RUNLET_OBSERVE_LOG_LINES_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "runlet/base/time.h"
#include "runlet/observe/observer.h"

namespace runlet {

// Lambda's LoggingConfig.LogFormat.
enum class LogFormat : std::uint8_t { kText, kJson };

// Gives a sink one line at a time, without its line end. In text, for every execution:
//
//   START RequestId: <id> Version: $LATEST
//   <time> <id> Task timed out after 3.00 seconds            when it did
//   END RequestId: <id>
//   REPORT RequestId: <id>\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 0 MB\t
//
// A REPORT of a failure has `Status: timeout`, or `Status: error\tError Type: <type>`, behind its last tab. In JSON
// they are objects of the Telemetry API's schema: platform.start, platform.runtimeDone and platform.report, with
// the status success, error or timeout.
//
// Max Memory Used (maxMemoryUsedMB) is always 0: functions share the memory of their host, and what one of them uses
// cannot be measured. The field is there because programs that read these lines expect it. What Lambda may leave out
// and is not known here is left out: producedBytes, spans, tracing and everything about initialisation.
//
// What handlers say themselves (Context::Log) goes to EngineOptions::log. Lines name no function, as on Lambda, where
// each has a log of its own; the request id leads to it.
//
// Thread-safe. The sink is called on the thread that runs or ends the execution, from several at once, without locks
// held; so lines of executions that run together interleave. It must not block, throw or call the engine.
class LogLines final : public Observer {
 public:
  using Sink = std::function<void(std::string_view line)>;

  // `clock` is the engine's, tells what the calendar showed (UTC, to the millisecond), and outlives this. For a
  // Simulation take a ManualClock that starts at SimulationOptions::start and is never moved.
  explicit LogLines(Sink sink, LogFormat format = LogFormat::kText, const Clock& clock = SystemClock());

  void OnActivity(const Activity& activity) override;

 private:
  void WriteText(const Activity& activity) const;
  void WriteJson(const Activity& activity) const;
  std::string TimeOf(Instant at) const;

  const Sink sink_;
  const LogFormat format_;
  const Clock& clock_;
};

}  // namespace runlet

#endif  // RUNLET_OBSERVE_LOG_LINES_H_
