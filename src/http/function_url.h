// Functions reached by a browser: a request as an event, a result as a response.
#ifndef RUNLET_SRC_HTTP_FUNCTION_URL_H_
#define RUNLET_SRC_HTTP_FUNCTION_URL_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/exchange.h"
#include "http/function_url_config.h"
#include "http/invoke.h"
#include "runlet/event/arn.h"

namespace runlet::http {

// "http://<id>.lambda-url.us-east-1.localhost:9001/", at the server that `request` has reached.
std::string FunctionUrlOf(const FunctionUrlConfig& config, const Account& account, const Request& request);

// Which function URL a request is for, and the target below it.
struct FunctionUrlRequest {
  std::string_view id;
  std::string_view target;  // path and query
};
// By its Host, <id>.lambda-url.anything, or by a path that begins with /lambda-url/<id>/, for clients that cannot find
// such a host.
std::optional<FunctionUrlRequest> FindFunctionUrl(const Request& request);

// The event of payload format 2.0.
std::string FunctionUrlEvent(const FunctionUrlConfig& config, const Account& account, const Request& request,
                             std::string_view target, std::string_view request_id);

// What the result of a function means.
struct UrlResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
};
UrlResponse ReadUrlResult(std::string_view result);

// Calls the function by the engine's `name`.
void CallFunctionUrl(const Invocations& invocations, const std::string& name, const FunctionUrlConfig& config,
                     const Request& request, std::string_view target, Responder responder);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_FUNCTION_URL_H_
