#include "http/lambda_service.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "http/function_url.h"
#include "http/invoke_stream.h"
#include "http/operation.h"
#include "http/reply.h"
#include "http/routes.h"

namespace runlet::http {
namespace {

constexpr std::string_view kInvoke = "/2015-03-31/functions/";
constexpr std::string_view kInvokeAsync = "/2014-11-13/functions/";
constexpr std::string_view kInvokeStream = "/2021-11-15/functions/";

ServiceError UnknownOperation(const Request& request) {
  return {404, "UnknownOperationException",
          fmt::format("No call of this API is {} {}.", request.method, request.path().substr(0, 256))};
}

}  // namespace

LambdaService::LambdaService(Engine& engine, const Authentication& authentication, bool deduplicate_retries,
                             std::uint64_t seed)
    : engine_(engine),
      authentication_(authentication),
      book_(seed),
      ids_(seed),
      retries_(deduplicate_retries ? std::make_shared<RetryBook>(RetryBook::Limits{}) : nullptr) {}

void LambdaService::Handle(const Request& request, Responder responder) {
  std::string_view path = request.path();
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  if (request.method == "POST") {
    if (const auto function = Between(path, kInvoke, "/invocations")) {
      return Invoke(invocations(), request, *function, std::move(responder));
    }
    if (const auto function = Between(path, kInvokeStream, "/response-streaming-invocations")) {
      return InvokeWithResponseStream(invocations(), request, *function, std::move(responder));
    }
    if (const auto function = Between(path, kInvokeAsync, "/invoke-async")) {
      return InvokeAsync(invocations(), request, *function, std::move(responder));
    }
  }
  if (const std::optional<FunctionUrlRequest> url = FindFunctionUrl(request)) {
    return HandleUrl(request, url->id, url->target, std::move(responder));
  }
  HandleCall(request, std::move(responder));
}

void LambdaService::HandleUrl(const Request& request, std::string_view id, std::string_view target,
                              Responder responder) {
  const auto url = book_.FindUrl(id);
  if (!url.has_value()) {
    return SendError(std::move(responder), NotFound("No function URL has this id."), ids_.Next());
  }
  CallFunctionUrl(invocations(), url->first, url->second, request, target, std::move(responder));
}

void LambdaService::HandleCall(const Request& request, Responder responder) {
  const RequestId id = ids_.Next();
  const std::optional<FoundRoute> route = FindRoute(request.method, request.path());
  if (!route.has_value()) return SendError(std::move(responder), UnknownOperation(request), id);
  const Outcome outcome = route->operation({engine_, book_, request, route->parts});
  if (const auto* error = std::get_if<ServiceError>(&outcome)) return SendError(std::move(responder), *error, id);
  const Answer& answer = std::get<Answer>(outcome);
  SendJson(std::move(responder), answer.status, id, answer.body);
}

}  // namespace runlet::http
