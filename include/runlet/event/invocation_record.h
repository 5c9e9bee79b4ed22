// What a destination is told of an event that has ended.
#ifndef RUNLET_EVENT_INVOCATION_RECORD_H_
#define RUNLET_EVENT_INVOCATION_RECORD_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <optional>
#include <string>

#include "runlet/event/arn.h"
#include "runlet/event/event.h"
#include "runlet/event/status.h"

namespace runlet {

// Lambda's invocation record of asynchronous invocation. Value: the payload is shared, not copied.
struct InvocationRecord {
  absl::Time timestamp;  // of the end
  RequestId request_id;
  std::string function;
  std::string executed_version = "$LATEST";
  Condition condition = Condition::kSuccess;
  int approximate_invoke_count = 0;
  EventRef event;
  // What the function answered, as bytes. Empty where its result has no codec; void answers `null`.
  std::optional<std::string> response;
  // How the last attempt failed. Neither is set where no attempt was made.
  std::optional<FunctionError> error;

  // The event as what was posted; nullptr when it is not a T.
  template <typename T>
  const T* As() const {
    return event && SameType(event->type, TypeOf<T>()) ? static_cast<const T*>(event->payload()) : nullptr;
  }
  // The record as JSON, in the form and with the order of keys that Lambda sends. Bytes that are no JSON stand there as
  // a string, and no bytes at all as {}. FailedPrecondition where the event's type has no codec.
  absl::StatusOr<std::string> Json(const Account& account) const;
};

// What Lambda answers for a function that failed: {"errorMessage":...,"errorType":...,"stackTrace":[]}; what the
// platform ended (Sandbox.*, Runtime.ExitError, Function.ResponseSizeTooLarge) has the type first and no stack trace.
std::string ErrorPayload(const FunctionError& error);

}  // namespace runlet

#endif  // RUNLET_EVENT_INVOCATION_RECORD_H_
