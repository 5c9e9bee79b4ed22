// What a Status from runlet means: three kinds, told apart without reading text.
//
//   FunctionErrorOf(status)    the function ran and failed
//   IsResourceExhausted        the call was refused for lack of capacity or room, which Reason(status) names: try later
//   neither                    the call was refused for what it or the engine is (its code, its message and sometimes
//                              Reason(status) say why): it never ran, and will not
#ifndef RUNLET_EVENT_STATUS_H_
#define RUNLET_EVENT_STATUS_H_

#include <absl/status/status.h>

#include <optional>
#include <string>
#include <string_view>

namespace runlet {

// What went wrong inside a function. Lambda's errorType and errorMessage.
struct FunctionError {
  // The C++ type of what the handler threw ("std::runtime_error"), the code of the Status it returned
  // ("InvalidArgument"), or one of the platform's: "Sandbox.Timedout", "Function.ResponseSizeTooLarge",
  // "Runtime.MarshalError", "Runtime.UnmarshalError", "Runtime.ExitError".
  std::string type;
  std::string message;

  friend bool operator==(const FunctionError&, const FunctionError&) = default;
};

// Empty exactly when the call never ran. Only the engine marks a Status so: a handler that passes on the failed Status
// of a function it called fails with an error of its own.
std::optional<FunctionError> FunctionErrorOf(const absl::Status& status);

// Names of refusals. The throttle reasons are Lambda's (TooManyRequestsException).
namespace reason {
inline constexpr std::string_view kConcurrentInvocationLimitExceeded = "ConcurrentInvocationLimitExceeded";
inline constexpr std::string_view kReservedFunctionConcurrentInvocationLimitExceeded =
    "ReservedFunctionConcurrentInvocationLimitExceeded";
inline constexpr std::string_view kFunctionInvocationRateLimitExceeded = "FunctionInvocationRateLimitExceeded";
inline constexpr std::string_view kReservedFunctionInvocationRateLimitExceeded =
    "ReservedFunctionInvocationRateLimitExceeded";
inline constexpr std::string_view kAbandonedExecutionLimitExceeded = "AbandonedExecutionLimitExceeded";
inline constexpr std::string_view kEventQueueFull = "EventQueueFull";
inline constexpr std::string_view kDeadLetterQueueFull = "DeadLetterQueueFull";
inline constexpr std::string_view kDedupKeysFull = "DedupKeysFull";
inline constexpr std::string_view kQueueStorageFull = "QueueStorageFull";      // the disk of a durable queue is full
inline constexpr std::string_view kQueueStorageFailed = "QueueStorageFailed";  // ... could not sync: open it anew
inline constexpr std::string_view kDestinationBacklogFull = "DestinationBacklogFull";
inline constexpr std::string_view kRecursiveInvocation = "RecursiveInvocation";
inline constexpr std::string_view kNamesFull = "NamesFull";
inline constexpr std::string_view kEngineClosed = "EngineClosed";
inline constexpr std::string_view kNoThreadInTime = "NoThreadInTime";  // the deadline passed before the call began
}  // namespace reason

// Why a call was refused; empty where `status` carries no such name.
std::string_view Reason(const absl::Status& status);

// True when a durable queue could not tell whether it stored the events: post again with the same dedup key.
bool AcceptanceUnknown(const absl::Status& status);

// Marks the error that a handler returns as one that no retry can mend: the event ends at once as NotRetryable.
// An OK status stays OK. A handler that passes on a permanent error of a function it called has to say so again.
[[nodiscard]] absl::Status Permanent(absl::Status status);
bool IsPermanent(const absl::Status& status);

}  // namespace runlet

#endif  // RUNLET_EVENT_STATUS_H_
