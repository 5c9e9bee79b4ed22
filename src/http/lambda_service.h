// Answers requests to Lambda's API, wherever they come from.
#ifndef RUNLET_SRC_HTTP_LAMBDA_SERVICE_H_
#define RUNLET_SRC_HTTP_LAMBDA_SERVICE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <variant>

#include "http/api_book.h"
#include "http/exchange.h"
#include "http/function_url.h"
#include "http/invoke.h"
#include "http/request_ids.h"
#include "http/retry_book.h"
#include "http/service_error.h"
#include "runlet/base/sync.h"
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
  // What a request is for.
  struct Wanted {
    std::optional<std::string_view> function = std::nullopt;  // as it stands in a path; nothing: none in particular
    std::optional<InvokeKind> call = std::nullopt;            // nothing: it is no call of a function
    bool changes = false;                                     // functions or settings
    std::string_view query = {};  // to be understood here; that of a function URL is its function's
    bool open = false;            // to everyone: a function URL without authentication
  };
  // Who asks, and may have it; nullptr where everyone may.
  std::variant<const AccessKey*, ServiceError> Authorize(const Request& request, const Wanted& wanted) const;
  // The one way in: ... and whose body is here. Nothing: `responder` has been answered.
  std::optional<const AccessKey*> Admit(const Request& request, const Wanted& wanted, Responder* responder);
  Invocations invocations() { return {engine_, ids_, retries_}; }
  void HandleUrl(const Request& request, const FunctionUrlRequest& url, Responder responder);
  void HandleCall(const Request& request, std::string_view path, Responder responder);

  Engine& engine_;
  const Authentication authentication_;
  const SigV4* const sigv4_;  // nullptr: everyone is believed
  ApiBook book_;
  RequestIds ids_;
  // One change of the control plane at a time: none is lost, and of two with one RevisionId one is made.
  Mutex changes_;
  const std::shared_ptr<RetryBook> retries_;
};

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_LAMBDA_SERVICE_H_
