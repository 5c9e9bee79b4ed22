#include "http/lambda_service.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <variant>

#include "http/function_reference.h"
#include "http/function_url.h"
#include "http/invoke_stream.h"
#include "http/operation.h"
#include "http/query.h"
#include "http/reply.h"
#include "http/routes.h"
#include "http/sigv4.h"

namespace runlet::http {
namespace {

// The calls that wait for a function, each with what stands around its name.
struct InvokeRoute {
  std::string_view prefix;
  std::string_view suffix;
  InvokeKind kind;  // unless a header tells another
  void (*call)(const Invocations&, const Request&, std::string_view function, Responder);
};
constexpr InvokeRoute kInvokeRoutes[] = {
    {"/2015-03-31/functions/", "/invocations", InvokeKind::kRequestResponse, Invoke},
    {"/2021-11-15/functions/", "/response-streaming-invocations", InvokeKind::kRequestResponse,
     InvokeWithResponseStream},
    {"/2014-11-13/functions/", "/invoke-async", InvokeKind::kEvent, InvokeAsync},
};

ServiceError UnknownOperation(const Request& request) {
  return {404, "UnknownOperationException",
          fmt::format("No call of this API is {} {}.", request.method, request.path().substr(0, 256))};
}

// The calls whose path names a function have it in the first part.
bool NamesFunction(std::string_view path) {
  return path.find("/functions/") != std::string_view::npos || path.find("/tags/") != std::string_view::npos;
}

Outcome Run(const FoundRoute& route, const OperationCall& call, Mutex* changes) {
  if (!route.takes_turns) return route.operation(call);
  MutexLock turn(changes);
  return route.operation(call);
}

}  // namespace

LambdaService::LambdaService(Engine& engine, const Authentication& authentication, bool deduplicate_retries,
                             std::uint64_t seed)
    : engine_(engine),
      authentication_(authentication),
      sigv4_(std::get_if<SigV4>(&authentication_)),
      book_(seed),
      ids_(seed),
      retries_(deduplicate_retries ? std::make_shared<RetryBook>(RetryBook::Limits{}) : nullptr) {}

void LambdaService::Handle(const Request& request, Responder responder) {
  std::string_view path = request.path();
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  if (request.method == "POST") {
    for (const InvokeRoute& route : kInvokeRoutes) {
      const std::optional<std::string_view> function = Between(path, route.prefix, route.suffix);
      if (!function.has_value()) continue;
      if (Admit(request, {.function = function, .call = route.kind, .query = request.query()}, &responder)
              .has_value()) {
        route.call(invocations(), request, *function, std::move(responder));
      }
      return;
    }
  }
  if (const std::optional<FunctionUrlRequest> url = FindFunctionUrl(request)) {
    return HandleUrl(request, *url, std::move(responder));
  }
  HandleCall(request, path, std::move(responder));
}

std::variant<const AccessKey*, ServiceError> LambdaService::Authorize(const Request& request,
                                                                      const Wanted& wanted) const {
  if (sigv4_ == nullptr || wanted.open) return nullptr;
  std::variant<const AccessKey*, SignatureFault> verified = VerifySignature(request, *sigv4_);
  if (const auto* fault = std::get_if<SignatureFault>(&verified)) {
    return ServiceError{.status = 403, .type = fault->type, .message = fault->message, .has_type = false};
  }
  const AccessKey* const key = std::get<const AccessKey*>(verified);
  if (MayChange(*key)) return key;
  const std::optional<FunctionReference> reference =
      wanted.function.has_value() ? ParseFunctionReference(*wanted.function) : std::nullopt;
  const bool denied = wanted.changes || (reference.has_value() && !MayCall(*key, reference->name));
  // What is no name at all is told by the call.
  if (!denied) return key;
  return Denied(key->id, reference.has_value() ? FunctionArn(engine_.account(), reference->name, {}) : "*");
}

std::optional<const AccessKey*> LambdaService::Admit(const Request& request, const Wanted& wanted,
                                                     Responder* responder) {
  const auto refuse = [&](const ServiceError& error) {
    SendError(std::move(*responder), error, ids_.Next());
    return std::nullopt;
  };
  const std::variant<const AccessKey*, ServiceError> caller = Authorize(request, wanted);
  if (const auto* error = std::get_if<ServiceError>(&caller)) return refuse(*error);
  if (request.oversized_bytes > 0) {
    if (!wanted.call.has_value()) return refuse(TooLarge(request.oversized_bytes));
    const bool event = request.Find("X-Amz-Invocation-Type") == "Event";
    return refuse(
        PayloadTooLarge(engine_.payload_limits(), event ? InvokeKind::kEvent : *wanted.call, request.oversized_bytes));
  }
  if (!IsQuery(wanted.query)) return refuse(InvalidParameter("The query of the request is not percent-encoded."));
  return std::get<const AccessKey*>(caller);
}

void LambdaService::HandleUrl(const Request& request, const FunctionUrlRequest& url, Responder responder) {
  const auto found = book_.FindUrl(url.id);
  if (!found.has_value()) {
    return SendError(std::move(responder), NotFound("No function URL has this id."), ids_.Next());
  }
  const auto& [name, config] = *found;
  const QualifiedName qualified(name);
  if (!Admit(request,
             {.function = qualified.function, .call = InvokeKind::kRequestResponse, .open = !config.signed_only},
             &responder)
           .has_value()) {
    return;
  }
  CallFunctionUrl(invocations(), name, config, request, url.target, std::move(responder));
}

void LambdaService::HandleCall(const Request& request, std::string_view path, Responder responder) {
  const std::optional<FoundRoute> route = FindRoute(request.method, path);
  Wanted wanted{.changes = route.has_value() && route->changes, .query = request.query()};
  if (route.has_value() && NamesFunction(path)) wanted.function = route->parts[0];
  const std::optional<const AccessKey*> caller = Admit(request, wanted, &responder);
  if (!caller.has_value()) return;
  const RequestId id = ids_.Next();
  if (!route.has_value()) return SendError(std::move(responder), UnknownOperation(request), id);
  const Outcome outcome = Run(*route, {engine_, book_, request, *caller, route->parts}, &changes_);
  if (const auto* error = std::get_if<ServiceError>(&outcome)) return SendError(std::move(responder), *error, id);
  const Answer& answer = std::get<Answer>(outcome);
  SendJson(std::move(responder), answer.status, id, answer.body);
}

}  // namespace runlet::http
