// How the engine marks a Status. Kept from users, so that only the engine stamps function errors.
#ifndef RUNLET_SRC_EVENT_STATUS_MARKS_H_
#define RUNLET_SRC_EVENT_STATUS_MARKS_H_

#include <absl/status/status.h>

#include <string_view>

#include "runlet/event/status.h"

namespace runlet {

// `status` as the error of a function that ran: replaces a mark that it already has.
absl::Status AsFunctionError(absl::Status status, std::string_view type);
// The same for what came out of a handler: the type is that of what it threw, else the name of the code it returned.
absl::Status AsFunctionError(absl::Status outcome);
// What a handler threw, on its way from the handler's thunk to AsFunctionError.
absl::Status Thrown(std::string_view type, std::string_view message);

// A refusal with a name.
absl::Status Refused(absl::StatusCode code, std::string_view why, std::string_view message);

// `status` as that of events that may have been stored or not.
absl::Status UnknownAcceptance(absl::Status status);

}  // namespace runlet

#endif  // RUNLET_SRC_EVENT_STATUS_MARKS_H_
