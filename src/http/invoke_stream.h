// InvokeWithResponseStream: one call of a function, answered as it goes.
#ifndef RUNLET_SRC_HTTP_INVOKE_STREAM_H_
#define RUNLET_SRC_HTTP_INVOKE_STREAM_H_

#include <string_view>

#include "http/exchange.h"
#include "http/invoke.h"

namespace runlet::http {

// `function` as it stands in the path.
void InvokeWithResponseStream(const Invocations& invocations, const Request& request, std::string_view function,
                              Responder responder);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_INVOKE_STREAM_H_
