// What a trace is made of, and how it becomes JSON.
#ifndef RUNLET_SRC_OBSERVE_TRACE_RECORDS_H_
#define RUNLET_SRC_OBSERVE_TRACE_RECORDS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runlet/observe/observer.h"

namespace runlet {

// An Activity, in little space. That of an execution stands for the whole of it.
struct TraceRecord {
  struct Error {
    std::string type;
    std::string message;
  };

  Activity::Kind kind = Activity::Kind::kAccepted;  // of an execution: its end, or kStarted while it runs
  InvocationType type = InvocationType::kRequestResponse;
  Condition condition = Condition::kSuccess;
  std::uint32_t thread = 0;
  std::uint32_t function = 0;  // where its name stands in TraceRecords::functions
  int attempt = 0;
  std::int64_t at_ns = 0;  // of an execution: when it began
  std::int64_t duration_ns = 0;
  std::int64_t due_ns = 0;
  RequestId request_id;
  std::unique_ptr<Error> error;

  bool IsExecution() const {
    return kind == Activity::Kind::kStarted || kind == Activity::Kind::kSucceeded || kind == Activity::Kind::kFailed ||
           kind == Activity::Kind::kTimedOut;
  }
  bool IsAcceptance() const { return kind == Activity::Kind::kAccepted || kind == Activity::Kind::kRedriven; }
  std::int64_t end_ns() const { return at_ns + duration_ns; }
};

// A moment of a trace: the records stay where they are, and do not change.
struct TraceRecords {
  std::vector<const TraceRecord*> records;
  std::vector<std::string> functions;
  std::size_t max_records = 0;
  std::size_t dropped = 0;
  std::int64_t first_dropped_ns = 0;
};

// Writes the trace in pieces.
void WriteTrace(const TraceRecords& trace, const std::function<void(std::string_view)>& write);

}  // namespace runlet

#endif  // RUNLET_SRC_OBSERVE_TRACE_RECORDS_H_
