// Answers requests to Lambda's API, wherever they come from.
#ifndef RUNLET_SRC_HTTP_LAMBDA_SERVICE_H_
#define RUNLET_SRC_HTTP_LAMBDA_SERVICE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "http/api_book.h"
#include "http/exchange.h"
#include "http/invoke.h"
#include "http/request_ids.h"
#include "http/retry_book.h"
#include "runlet/engine/engine.h"
#include "runlet/http/server_options.h"

namespace runlet::http {

// Calls that it has begun may end after it: they keep what they need, and the engine. Thread-safe.
class LambdaService final : public RequestHandler {
 public:
  // `engine` outlives all calls.
  LambdaService(Engine& engine, const Authentication& authentication, bool deduplicate_retries, std::uint64_t seed);

  void Handle(const Request& request, Responder responder) override;

  ApiBook& book() { return book_; }

 private:
  Invocations invocations() { return {engine_, ids_, retries_}; }
  void HandleUrl(const Request& request, std::string_view id, std::string_view target, Responder responder);
  void HandleCall(const Request& request, Responder responder);

  Engine& engine_;
  const Authentication authentication_;
  ApiBook book_;
  RequestIds ids_;
  const std::shared_ptr<RetryBook> retries_;
};

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_LAMBDA_SERVICE_H_
