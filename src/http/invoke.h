// Invoke: one call of a function, answered whole.
#ifndef RUNLET_SRC_HTTP_INVOKE_H_
#define RUNLET_SRC_HTTP_INVOKE_H_

#include <memory>
#include <string_view>

#include "http/exchange.h"
#include "http/invoke_request.h"
#include "http/request_ids.h"
#include "http/retry_book.h"
#include "runlet/engine/engine.h"

namespace runlet::http {

// `retries`: nullptr where a repeated request is another call.
struct Invocations {
  Engine& engine;
  RequestIds& ids;
  std::shared_ptr<RetryBook> retries;
};

// `function` as it stands in the path.
void Invoke(const Invocations& invocations, const Request& request, std::string_view function, Responder responder);
// The deprecated call that knows events alone.
void InvokeAsync(const Invocations& invocations, const Request& request, std::string_view function,
                 Responder responder);
// Answers whether a call would be refused for what it is.
void AnswerDryRun(const Invocations& invocations, const InvokeRequest& invoke, Responder responder);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_INVOKE_H_
