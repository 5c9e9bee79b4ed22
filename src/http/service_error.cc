#include "http/service_error.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "runlet/event/function_name.h"
#include "runlet/event/status.h"

namespace runlet::http {
namespace {

std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

// The model gives these a capital letter, and clients look for no other.
bool SpeaksInCapitals(std::string_view type) {
  return type == "ResourceNotFoundException" || type == "ServiceException" || type == "AccessDeniedException";
}

// What the engine calls itself is passed on; a deadline that passed before a thread was free is a lack of capacity too.
std::string_view ThrottleReason(const absl::Status& refusal) {
  const std::string_view reason = Reason(refusal);
  return reason.empty() || reason == reason::kNoThreadInTime ? reason::kConcurrentInvocationLimitExceeded : reason;
}

}  // namespace

std::string JsonString(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string ServiceError::Body() const {
  std::string body = "{";
  if (!reason.empty()) body += fmt::format(R"("Reason":"{}",)", reason);
  if (has_type) body += fmt::format(R"("Type":"{}",)", status < 500 ? "User" : "Service");
  body += fmt::format(R"("{}":{}}})", SpeaksInCapitals(type) ? "Message" : "message", JsonString(message));
  return body;
}

ServiceError NotFound(std::string message) { return {404, "ResourceNotFoundException", std::move(message)}; }
ServiceError InvalidParameter(std::string message) {
  return {400, "InvalidParameterValueException", std::move(message)};
}
ServiceError InvalidContent(std::string message) { return {400, "InvalidRequestContentException", std::move(message)}; }
ServiceError Conflict(std::string message) { return {409, "ResourceConflictException", std::move(message)}; }
ServiceError Denied(std::string_view id, std::string_view resource) {
  return {.status = 403,
          .type = "AccessDeniedException",
          .message = fmt::format("User: {} is not authorized to perform this operation on resource: {}", id, resource),
          .has_type = false};
}

ServiceError TooLarge(std::uint64_t bytes) {
  return {.status = 413,
          .type = "RequestEntityTooLargeException",
          .message = fmt::format("A request of {} bytes is too large.", bytes),
          .has_type = false};
}
ServiceError ServiceFailure(std::string message) { return {500, "ServiceException", std::move(message)}; }

ServiceError Validation(std::string_view value, std::string_view field, std::string_view constraint) {
  return {.status = 400,
          .type = "ValidationException",
          .message = fmt::format("1 validation error detected: Value '{}' at '{}' failed to satisfy constraint: {}",
                                 value, field, constraint),
          .has_type = false};
}

ServiceError FromRefusal(const absl::Status& refusal, const Account& account, std::string_view function,
                         std::string_view qualifier) {
  const std::string_view reason = Reason(refusal);
  switch (refusal.code()) {
    case absl::StatusCode::kNotFound:
      return NotFound("Function not found: " + FunctionArn(account, function, qualifier.empty() ? kLatest : qualifier));
    case absl::StatusCode::kResourceExhausted:
      return {429, "TooManyRequestsException", "Rate Exceeded.", ThrottleReason(refusal)};
    case absl::StatusCode::kDeadlineExceeded:
      if (reason != reason::kNoThreadInTime) break;
      return {429, "TooManyRequestsException", "Rate Exceeded.", ThrottleReason(refusal)};
    case absl::StatusCode::kOutOfRange: return {413, "RequestEntityTooLargeException", MessageOf(refusal), {}, false};
    case absl::StatusCode::kInvalidArgument: return InvalidContent(MessageOf(refusal));
    case absl::StatusCode::kFailedPrecondition:
      if (reason == reason::kRecursiveInvocation) {
        return {400, "RecursiveInvocationException", MessageOf(refusal)};
      }
      return InvalidParameter(MessageOf(refusal));
    default: break;
  }
  return ServiceFailure(MessageOf(refusal));
}

}  // namespace runlet::http
