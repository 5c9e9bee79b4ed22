// Status and headers of what a function streams to a browser. Needs the target runlet::http.
#ifndef RUNLET_HTTP_STREAM_HEAD_H_
#define RUNLET_HTTP_STREAM_HEAD_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runlet/event/context.h"
#include "runlet/event/response_stream.h"

namespace runlet::http {

// What stands before the body in a stream of this type: Lambda's metadata prelude.
inline constexpr std::string_view kHttpIntegrationResponse = "application/vnd.awslambda.http-integration-response";

// Value.
struct StreamHead {
  int status_code = 200;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::vector<std::string> cookies = {};  // become Set-Cookie headers
};

// Begins the handler's stream with `head`, for a client that comes through a function URL. Before any other use of
// ctx.Stream(), which this returns, for the body.
ResponseStream& BeginStream(Context& ctx, const StreamHead& head);

}  // namespace runlet::http

#endif  // RUNLET_HTTP_STREAM_HEAD_H_
