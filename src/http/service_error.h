// The errors of Lambda's API, as its clients know them.
#ifndef RUNLET_SRC_HTTP_SERVICE_ERROR_H_
#define RUNLET_SRC_HTTP_SERVICE_ERROR_H_

#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "runlet/event/arn.h"

namespace runlet::http {

// Value.
struct ServiceError {
  int status = 500;
  std::string_view type;  // "ResourceNotFoundException": static text
  std::string message;
  std::string_view reason = {};  // of a throttle: static text
  bool has_type = true;          // the body says whose fault it was: Lambda's framework and some of its checks do not

  // {"Type":"User","message":"..."}, with the key that this error has: "Message" for some, "message" for others.
  std::string Body() const;
  // Seconds after which to try again; 0: not said.
  int retry_after() const { return status == 429 ? 1 : 0; }
};

ServiceError NotFound(std::string message);
ServiceError InvalidParameter(std::string message);
ServiceError InvalidContent(std::string message);
ServiceError Conflict(std::string message);
// The key `id` may not do this to `resource`.
ServiceError Denied(std::string_view id, std::string_view resource);
// A body that was not even read.
ServiceError TooLarge(std::uint64_t bytes);
ServiceError ServiceFailure(std::string message);
// "1 validation error detected: Value 'x' at 'qualifier' failed to satisfy constraint: Member must ..."
ServiceError Validation(std::string_view value, std::string_view field, std::string_view constraint);

// What a call by name was refused with, or a change of a function: `function` and `qualifier` are what was asked for.
ServiceError FromRefusal(const absl::Status& refusal, const Account& account, std::string_view function,
                         std::string_view qualifier);

// `text` as a JSON string, quotes included; what is not UTF-8 becomes U+FFFD.
std::string JsonString(std::string_view text);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_SERVICE_ERROR_H_
