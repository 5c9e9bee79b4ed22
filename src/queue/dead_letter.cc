#include "runlet/queue/dead_letter.h"

#include <fmt/format.h>

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

std::string DeadLetter::ErrorText() const {
  if (errors.empty()) return std::string(ConditionName(condition));
  return fmt::format("{}: {}", errors.back().error.type, errors.back().error.message);
}

}  // namespace runlet
