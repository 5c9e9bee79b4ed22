#include "runlet/event/invocation_record.h"

#include <fmt/format.h>

#include "base/planted.h"
#include "event/json_text.h"

namespace runlet {
namespace {

std::string Quoted(std::string_view text) {
  std::string quoted;
  AppendJsonString(text, &quoted);
  return quoted;
}

std::string AsJson(std::string bytes) {
  if (bytes.empty()) return "{}";
  return IsJson(bytes) ? bytes : Quoted(bytes);
}

bool FromPlatform(std::string_view type) {
  return type.substr(0, 8) == "Sandbox." || type == "Runtime.ExitError" || type == "Function.ResponseSizeTooLarge";
}

}  // namespace

std::string ErrorPayload(const FunctionError& error) {
  if (FromPlatform(error.type)) {
    return fmt::format(R"({{"errorType":{},"errorMessage":{}}})", Quoted(error.type), Quoted(error.message));
  }
  return fmt::format(R"({{"errorMessage":{},"errorType":{},"stackTrace":[]}})", Quoted(error.message),
                     Quoted(error.type));
}

absl::StatusOr<std::string> InvocationRecord::Json(const Account& account) const {
  if (!event || event->codec == nullptr) {
    return absl::FailedPreconditionError(
        fmt::format("invocation record {}: its event type {} had no codec when function \"{}\" was registered",
                    request_id.ToString(), event ? event->type->name : "", function));
  }
  absl::StatusOr<std::string> payload = event->codec->encode(event->payload());
  if (!payload.ok()) return payload.status();
  const QualifiedName name(function);
  std::string json = fmt::format(
      R"({{"version":"1.0","timestamp":"{}","requestContext":{{"requestId":"{}","functionArn":{},"condition":"{}",)"
      R"("approximateInvokeCount":{}}},"requestPayload":{})",
      absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", timestamp, absl::UTCTimeZone()), request_id.ToString(),
      Quoted(FunctionArn(account, name.function, name.qualifier.empty() ? kLatest : name.qualifier)),
      ConditionName(condition), approximate_invoke_count, AsJson(*std::move(payload)));
  if (error.has_value()) {
    json += fmt::format(R"(,"responseContext":{{"statusCode":200,"executedVersion":{},"functionError":"Unhandled"}},)"
                        R"("responsePayload":{})",
                        Quoted(executed_version), ErrorPayload(*error));
  } else if (condition == Condition::kSuccess || RUNLET_PLANTED("record-of-no-run")) {
    json += fmt::format(R"(,"responseContext":{{"statusCode":200,"executedVersion":{}}})", Quoted(executed_version));
    if (response.has_value()) json += ",\"responsePayload\":" + (response->empty() ? "\"\"" : AsJson(*response));
  }
  json += '}';
  return json;
}

}  // namespace runlet
