#include "runlet/queue/dead_letter.h"

#include <fmt/format.h>

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
    attributes.error_message = FirstCharacters(errors.back().error.message, 1024);
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

std::string DeadLetter::ErrorText() const {
  if (errors.empty()) return std::string(ConditionName(condition));
  return fmt::format("{}: {}", errors.back().error.type, errors.back().error.message);
}

}  // namespace runlet
