// An event that the engine has given up, kept so that nothing is lost silently.
#ifndef RUNLET_QUEUE_DEAD_LETTER_H_
#define RUNLET_QUEUE_DEAD_LETTER_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runlet/event/event.h"

namespace runlet {

// The message attributes with which Lambda sends an event to a dead-letter queue.
struct DeadLetterAttributes {
  std::string request_id = {};     // RequestID
  int error_code = 200;            // ErrorCode: the HTTP status of the last invocation; 200 for a function error
  std::string error_message = {};  // ErrorMessage: the first 1,024 bytes of its message, whole characters
};

// Value: the payload is shared, not copied.
struct DeadLetter {
  RequestId request_id;
  std::string function;
  Condition condition = Condition::kRetriesExhausted;
  int attempts = 0;                  // Lambda's approximateInvokeCount
  std::vector<AttemptError> errors;  // of the first 9 attempts and the last 9
  absl::Time accepted_at;
  absl::Time died_at;
  TimeSplit spent;  // between the two
  EventRef event;

  // The event as bytes. FailedPrecondition where its type had no codec when the function was registered.
  absl::StatusOr<std::string> Bytes() const;
  // The event as what was posted; nullptr when it is not a T.
  template <typename T>
  const T* As() const {
    return event && SameType(event->type, TypeOf<T>()) ? static_cast<const T*>(event->payload()) : nullptr;
  }
  DeadLetterAttributes Attributes() const;
  // One line of JSON that says all, for Simulation::Replay and for people: requestId, function, condition, attempts,
  // acceptedAt, diedAt, errors, and the event's bytes as `payload`, or as `payloadBase64` where they are not UTF-8.
  // Without either where there are none (Bytes()).
  std::string JsonLine() const;
  // The last error, as "type: message"; the condition where no attempt was made.
  std::string ErrorText() const;
};

// Which letters: those that match all that is set.
struct DeadLetterFilter {
  // "f": with all its versions and aliases; "f:3", "f:live", "f:$LATEST": what was posted by that name alone. Empty:
  // every function's.
  std::string function = {};
  std::optional<Condition> condition = std::nullopt;
  absl::Time died_after = absl::InfinitePast();     // inclusive
  absl::Time died_before = absl::InfiniteFuture();  // exclusive
};

// Where the dead letters of a function go instead of the engine's own queue; implemented by the host, chosen in
// EventInvokeConfig. Called from the engine's threads, from several at once.
class DeadLetterQueue {
 public:
  virtual ~DeadLetterQueue() = default;
  // Takes `letters`, and answers OK only once they are safe. On an error all of them stay with the engine, which offers
  // them again after 1 s, doubling to 300 s: a letter may so arrive more than once, with the same request id.
  virtual absl::Status Put(std::span<const DeadLetter> letters) = 0;
};

}  // namespace runlet

#endif  // RUNLET_QUEUE_DEAD_LETTER_H_
