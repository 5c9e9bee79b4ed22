#include "queue/shortage.h"

#include <fmt/format.h>

#include <string>

#include "event/status_marks.h"

namespace runlet {

absl::Status Shortage::AsStatus() const {
  constexpr auto kCode = absl::StatusCode::kResourceExhausted;
  switch (of) {
    case Of::kNothing: return absl::OkStatus();
    case Of::kDeadLetters:
      return Refused(kCode, reason::kDeadLetterQueueFull,
                     fmt::format("dead-letter queue is full: {} of {} letters", used, limit));
    case Of::kDedupKeys:
      return Refused(kCode, reason::kDedupKeysFull, fmt::format("{} of {} dedup keys are remembered", used, limit));
    case Of::kEvents: {
      const std::string batch = asked == 1 ? std::string() : fmt::format(", {} more do not fit", asked);
      return Refused(kCode, reason::kEventQueueFull,
                     fmt::format("event queue is full: {} of {} events{}", used, limit, batch));
    }
    case Of::kBytes:
      if (asked > limit) {
        return absl::OutOfRangeError(
            fmt::format("{} payload bytes never fit into an event queue of {} bytes", asked, limit));
      }
      return Refused(
          kCode, reason::kEventQueueFull,
          fmt::format("event queue is full: {} of {} payload bytes, {} more do not fit", used, limit, asked));
  }
  return absl::OkStatus();
}

}  // namespace runlet
