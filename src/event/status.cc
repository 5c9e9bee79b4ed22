#include "runlet/event/status.h"

#include <absl/strings/cord.h>

#include "event/status_marks.h"

namespace runlet {
namespace {

constexpr char kFunctionErrorUrl[] = "runlet/error";
constexpr char kThrownUrl[] = "runlet/thrown";
constexpr char kReasonUrl[] = "runlet/reason";
constexpr char kPermanentUrl[] = "runlet/no-retry";             // said by whoever returns the Status
constexpr char kPermanentErrorUrl[] = "runlet/no-retry-error";  // said by the handler that failed with it
constexpr char kAcceptanceUnknownUrl[] = "runlet/acceptance-unknown";

std::string_view CodeName(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk: return "Ok";
    case absl::StatusCode::kCancelled: return "Cancelled";
    case absl::StatusCode::kInvalidArgument: return "InvalidArgument";
    case absl::StatusCode::kDeadlineExceeded: return "DeadlineExceeded";
    case absl::StatusCode::kNotFound: return "NotFound";
    case absl::StatusCode::kAlreadyExists: return "AlreadyExists";
    case absl::StatusCode::kPermissionDenied: return "PermissionDenied";
    case absl::StatusCode::kResourceExhausted: return "ResourceExhausted";
    case absl::StatusCode::kFailedPrecondition: return "FailedPrecondition";
    case absl::StatusCode::kAborted: return "Aborted";
    case absl::StatusCode::kOutOfRange: return "OutOfRange";
    case absl::StatusCode::kUnimplemented: return "Unimplemented";
    case absl::StatusCode::kInternal: return "Internal";
    case absl::StatusCode::kUnavailable: return "Unavailable";
    case absl::StatusCode::kDataLoss: return "DataLoss";
    case absl::StatusCode::kUnauthenticated: return "Unauthenticated";
    default: return "Unknown";
  }
}

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

std::optional<FunctionError> FunctionErrorOf(const absl::Status& status) {
  if (status.ok()) return std::nullopt;
  const auto type = status.GetPayload(kFunctionErrorUrl);
  if (!type.has_value()) return std::nullopt;
  return FunctionError{std::string(*type), std::string(status.message())};
}

std::string_view Reason(const absl::Status& status) {
  if (status.ok()) return {};
  const auto payload = status.GetPayload(kReasonUrl);
  if (!payload.has_value()) return {};
  // The names are static; the payload is a copy that dies here.
  for (const std::string_view name :
       {reason::kConcurrentInvocationLimitExceeded, reason::kReservedFunctionConcurrentInvocationLimitExceeded,
        reason::kFunctionInvocationRateLimitExceeded, reason::kReservedFunctionInvocationRateLimitExceeded,
        reason::kAbandonedExecutionLimitExceeded, reason::kEventQueueFull, reason::kDeadLetterQueueFull,
        reason::kDedupKeysFull, reason::kQueueStorageFull, reason::kQueueStorageFailed, reason::kDestinationBacklogFull,
        reason::kRecursiveInvocation, reason::kNamesFull, reason::kEngineClosed, reason::kNoThreadInTime}) {
    if (*payload == Absl(name)) return name;
  }
  return {};
}

bool AcceptanceUnknown(const absl::Status& status) {
  return !status.ok() && status.GetPayload(kAcceptanceUnknownUrl).has_value();
}

absl::Status Permanent(absl::Status status) {
  if (!status.ok()) status.SetPayload(kPermanentUrl, absl::Cord());
  return status;
}

bool IsPermanent(const absl::Status& status) {
  return !status.ok() &&
         (status.GetPayload(kPermanentUrl).has_value() || status.GetPayload(kPermanentErrorUrl).has_value());
}

absl::Status AsFunctionError(absl::Status status, std::string_view type) {
  // What a handler passes on from a call of its own keeps none of that call's marks.
  status.ErasePayload(kReasonUrl);
  status.ErasePayload(kAcceptanceUnknownUrl);
  status.ErasePayload(kPermanentErrorUrl);
  if (status.ErasePayload(kPermanentUrl)) status.SetPayload(kPermanentErrorUrl, absl::Cord());
  status.SetPayload(kFunctionErrorUrl, absl::Cord(Absl(type)));
  return status;
}

absl::Status AsFunctionError(absl::Status outcome) {
  if (const auto thrown = outcome.GetPayload(kThrownUrl); thrown.has_value()) {
    outcome.ErasePayload(kThrownUrl);
    return AsFunctionError(std::move(outcome), std::string(*thrown));
  }
  const std::string_view type = CodeName(outcome.code());
  return AsFunctionError(std::move(outcome), type);
}

absl::Status Thrown(std::string_view type, std::string_view message) {
  absl::Status status = absl::UnknownError(Absl(message));
  status.SetPayload(kThrownUrl, absl::Cord(Absl(type)));
  return status;
}

absl::Status Refused(absl::StatusCode code, std::string_view why, std::string_view message) {
  absl::Status status(code, Absl(message));
  status.SetPayload(kReasonUrl, absl::Cord(Absl(why)));
  return status;
}

absl::Status UnknownAcceptance(absl::Status status) {
  status.SetPayload(kAcceptanceUnknownUrl, absl::Cord());
  return status;
}

}  // namespace runlet
