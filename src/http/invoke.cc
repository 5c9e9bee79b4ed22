#include "http/invoke.h"

#include <absl/strings/escaping.h>

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "http/payload_check.h"
#include "http/reply.h"
#include "runlet/event/invocation_record.h"
#include "runlet/event/status.h"

namespace runlet::http {
namespace {

// What is needed of a request once it may be gone.
struct Pending {
  Responder responder;
  RequestId id;
  std::string trace;
  bool log_tail;
  // Where further attempts of the client may wait for the answer.
  std::shared_ptr<RetryBook> retries;
  std::string retry_key;
  absl::Time time;
};

void Remember(const Pending& pending, const ResponseHead& head, std::string_view body, bool final) {
  if (pending.retries == nullptr) return;
  KeptAnswer answer{.status = head.status, .headers = {}, .body = std::string(body)};
  for (const Header& header : head.headers) answer.headers.emplace_back(header.name, header.value);
  pending.retries->End(pending.retry_key, pending.time, std::move(answer), final);
}

// The answer to a call that ran, well or not.
void SendResult(Pending pending, std::string_view version, std::string_view log, bool failed, std::string_view body) {
  const std::string id = pending.id.ToString();
  const std::string trace = TraceOf(id, pending.trace);
  std::string encoded;
  ReplyHeaders headers;
  headers.Add("Content-Type", "application/json");
  headers.Add("x-amzn-RequestId", id);
  headers.Add("x-amzn-Remapped-Content-Length", "0");
  headers.Add("X-Amz-Executed-Version", version);
  headers.Add("X-Amzn-Trace-Id", trace);
  if (failed) headers.Add("X-Amz-Function-Error", "Unhandled");
  if (pending.log_tail) {
    encoded = absl::Base64Escape({log.data(), log.size()});
    headers.Add("X-Amz-Log-Result", encoded);
  }
  const ResponseHead head{.status = 200, .headers = headers.all()};
  Remember(pending, head, body, true);
  std::move(pending.responder).Send(head, body);
}

void SendRefusal(Pending pending, const ServiceError& error) {
  const std::string id = pending.id.ToString();
  if (pending.retries != nullptr) {
    const Header headers[] = {
        {"Content-Type", "application/json"}, {"x-amzn-RequestId", id}, {"x-amzn-ErrorType", error.type}};
    Remember(pending, {.status = error.status, .headers = headers}, error.Body(), false);
  }
  SendError(std::move(pending.responder), error, pending.id);
}

void CallFunction(const Invocations& invocations, InvokeRequest invoke, Pending pending) {
  Future<std::string> call = invocations.engine.Start(
      invoke.target.name(), invoke.payload,
      {.client_context = invoke.client_context, .run_here = true, .log_tail = invoke.log_tail});
  pending.id = call.request_id() == RequestId() ? invocations.ids.Next() : call.request_id();
  std::move(call).Then([pending = std::move(pending), target = std::move(invoke.target),
                        account = &invocations.engine.account()](Future<std::string> ended) mutable {
    const std::string version = ended.executed_version();
    const std::string log = pending.log_tail ? ended.log_tail() : std::string();
    const absl::StatusOr<std::string> result = std::move(ended).Get();
    if (result.ok()) return SendResult(std::move(pending), version, log, false, *result);
    if (const std::optional<FunctionError> error = FunctionErrorOf(result.status())) {
      return SendResult(std::move(pending), version, log, true, ErrorPayload(*error));
    }
    SendRefusal(std::move(pending), FromRefusal(result.status(), *account, target.function, target.qualifier));
  });
}

// All attempts to post an event are one event.
PostOptions PostOnce(const Invocations& invocations, std::string_view retry_id) {
  PostOptions options;
  if (invocations.retries != nullptr && retry_id.size() <= kDedupKeyMax) options.dedup_key = retry_id;
  return options;
}

void PostEvent(const Invocations& invocations, const InvokeRequest& invoke, Responder responder) {
  const absl::StatusOr<RequestId> id =
      invocations.engine.Post(invoke.target.name(), invoke.payload, PostOnce(invocations, invoke.retry_id));
  if (id.ok()) return SendJson(std::move(responder), 202, *id, {});
  SendError(std::move(responder),
            FromRefusal(id.status(), invocations.engine.account(), invoke.target.function, invoke.target.qualifier),
            invocations.ids.Next());
}

}  // namespace

void AnswerDryRun(const Invocations& invocations, const InvokeRequest& invoke, Responder responder) {
  const RequestId id = invocations.ids.Next();
  const absl::Status would = invocations.engine.Check(invoke.target.name(), invoke.payload);
  if (would.ok()) return SendJson(std::move(responder), 204, id, {});
  SendError(std::move(responder),
            FromRefusal(would, invocations.engine.account(), invoke.target.function, invoke.target.qualifier), id);
}

void Invoke(const Invocations& invocations, const Request& request, std::string_view function, Responder responder) {
  std::variant<InvokeRequest, ServiceError> read = ReadInvoke(invocations.engine, request, function, false);
  if (const auto* error = std::get_if<ServiceError>(&read)) {
    return SendError(std::move(responder), *error, invocations.ids.Next());
  }
  auto& invoke = std::get<InvokeRequest>(read);
  switch (invoke.kind) {
    case InvokeKind::kEvent: return PostEvent(invocations, invoke, std::move(responder));
    case InvokeKind::kDryRun: return AnswerDryRun(invocations, invoke, std::move(responder));
    case InvokeKind::kRequestResponse: break;
  }
  Pending pending{std::move(responder), {}, std::string(invoke.trace), invoke.log_tail, nullptr, {}, request.time};
  if (invocations.retries != nullptr && !invoke.retry_id.empty()) {
    pending.retry_key = invoke.target.name() + " " + std::string(invoke.retry_id);
    std::optional<Responder> first =
        invocations.retries->Join(pending.retry_key, request.time, std::move(pending.responder));
    if (!first.has_value()) return;
    pending.responder = *std::move(first);
    pending.retries = invocations.retries;
  }
  CallFunction(invocations, std::move(invoke), std::move(pending));
}

void InvokeAsync(const Invocations& invocations, const Request& request, std::string_view function,
                 Responder responder) {
  const RequestId id = invocations.ids.Next();
  const Account& account = invocations.engine.account();
  std::variant<Target, ServiceError> target = TargetOf(account, function, std::nullopt);
  if (const auto* error = std::get_if<ServiceError>(&target)) return SendError(std::move(responder), *error, id);
  const Target& found = std::get<Target>(target);
  const PayloadLimits& limits = invocations.engine.payload_limits();
  if (request.body.size() > limits.event) {
    return SendError(std::move(responder), PayloadTooLarge(limits, InvokeKind::kEvent, request.body.size()), id);
  }
  const std::string_view payload = request.body.empty() ? std::string_view("{}") : request.body;
  if (const std::string wrong = PayloadError(payload); !wrong.empty()) {
    return SendError(
        std::move(responder),
        InvalidContent("Could not parse request body into json: Could not parse payload into json: " + wrong), id);
  }
  const absl::StatusOr<RequestId> posted = invocations.engine.Post(
      found.name(), payload, PostOnce(invocations, request.Find("amz-sdk-invocation-id").value_or("")));
  if (posted.ok()) return SendJson(std::move(responder), 202, *posted, R"({"Status":202})");
  SendError(std::move(responder), FromRefusal(posted.status(), account, found.function, found.qualifier), id);
}

}  // namespace runlet::http
