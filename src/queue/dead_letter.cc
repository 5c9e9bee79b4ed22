#include "runlet/queue/dead_letter.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include <utility>

#include "base/planted.h"
#include "event/json_text.h"

namespace runlet {
absl::StatusOr<std::string> DeadLetter::Bytes() const {
  if (!event) return absl::FailedPreconditionError(fmt::format("dead letter {} has no event", request_id.ToString()));
  if (event->codec == nullptr) {
    return absl::FailedPreconditionError(
        fmt::format("dead letter {}: its event type {} had no codec when function \"{}\" was registered",
                    request_id.ToString(), event->type->name, function));
  }
  return event->codec->encode(event->payload());
}

DeadLetterAttributes DeadLetter::Attributes() const {
  DeadLetterAttributes attributes{.request_id = request_id.ToString()};
  if (!errors.empty()) {
    const AttemptError& last = RUNLET_PLANTED("first-error-sent") ? errors.front() : errors.back();
    attributes.error_message = FirstCharacters(last.error.message, 1024);
    return attributes;
  }
  switch (condition) {
    // Throttled to the end.
    case Condition::kEventAgeExceeded:
    case Condition::kZeroReservedConcurrency:
      attributes.error_code = 429;
      attributes.error_message = "Rate Exceeded.";
      break;
    case Condition::kFunctionRemoved:
      attributes.error_code = 404;
      attributes.error_message = fmt::format("Function not found: {}", function);
      break;
    default: attributes.error_code = 400; attributes.error_message = ConditionName(condition);
  }
  return attributes;
}

std::string DeadLetter::JsonLine() const {
  const auto quoted = [](std::string_view text) {
    std::string json;
    AppendJsonString(text, &json);
    return json;
  };
  const auto time = [](absl::Time t) { return absl::FormatTime("\"%Y-%m-%dT%H:%M:%E*SZ\"", t, absl::UTCTimeZone()); };
  std::string line = fmt::format(R"({{"requestId":"{}","function":{},"condition":"{}","attempts":{},"acceptedAt":{},)"
                                 R"("diedAt":{},"errors":[)",
                                 request_id.ToString(), quoted(function), ConditionName(condition), attempts,
                                 time(accepted_at), time(died_at));
  std::string_view comma;
  for (const AttemptError& error : errors) {
    line += fmt::format(R"({}{{"attempt":{},"at":{},"version":{},"errorType":{},"errorMessage":{}}})",
                        std::exchange(comma, ","), error.attempt, time(error.at), quoted(error.version),
                        quoted(error.error.type), quoted(error.error.message));
  }
  line += ']';
  if (const absl::StatusOr<std::string> bytes = Bytes(); bytes.ok()) {
    if (IsUtf8(*bytes) || RUNLET_PLANTED("export-is-text")) {
      line += ",\"payload\":" + quoted(*bytes);
    } else {
      line += ",\"payloadBase64\":\"" + absl::Base64Escape(*bytes) + '"';
    }
  }
  return line + '}';
}

std::string DeadLetter::ErrorText() const {
  if (errors.empty()) return std::string(ConditionName(condition));
  return fmt::format("{}: {}", errors.back().error.type, errors.back().error.message);
}

}  // namespace runlet
