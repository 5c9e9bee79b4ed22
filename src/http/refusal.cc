#include "http/refusal.h"

#include <fmt/format.h>

namespace runlet::http {

std::string_view ErrorType(int status) {
  switch (status) {
    case 400: return "BadRequestException";
    case 408: return "RequestTimeoutException";
    case 413: return "RequestEntityTooLargeException";
    case 414: return "RequestUriTooLongException";
    case 417: return "ExpectationFailedException";
    case 431: return "RequestHeaderFieldsTooLargeException";
    case 501: return "NotImplementedException";
    case 503: return "ServiceUnavailableException";
    case 505: return "HttpVersionNotSupportedException";
    default: return "ServiceException";
  }
}

std::string ErrorBody(const Refusal& refusal) {
  return fmt::format(R"({{"Type":"{}","message":"{}"}})", refusal.status < 500 ? "User" : "Service", refusal.message);
}

}  // namespace runlet::http
