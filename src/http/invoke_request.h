// What a client asks of a function: the headers and the body of Invoke and InvokeWithResponseStream.
#ifndef RUNLET_SRC_HTTP_INVOKE_REQUEST_H_
#define RUNLET_SRC_HTTP_INVOKE_REQUEST_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "http/exchange.h"
#include "http/service_error.h"
#include "http/target.h"
#include "runlet/engine/engine.h"

namespace runlet::http {

enum class InvokeKind : std::uint8_t { kRequestResponse, kEvent, kDryRun };

struct InvokeRequest {
  Target target;
  InvokeKind kind = InvokeKind::kRequestResponse;
  bool log_tail = false;
  std::string client_context = {};  // decoded
  std::string_view payload = {};    // as it came; "{}" where there was none
  std::string_view retry_id = {};   // the same in all attempts of one call of an SDK's; empty: not told
  std::string_view trace = {};      // X-Amzn-Trace-Id
};

// Of a payload of so many bytes, for a call of this kind.
ServiceError PayloadTooLarge(const PayloadLimits& limits, InvokeKind kind, std::uint64_t bytes);

// `function`: as it stands in the path.
std::variant<InvokeRequest, ServiceError> ReadInvoke(const Engine& engine, const Request& request,
                                                     std::string_view function, bool streamed);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_INVOKE_REQUEST_H_
