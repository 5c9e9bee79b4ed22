#include "http/invoke_stream.h"

#include <absl/strings/escaping.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "http/event_stream.h"
#include "http/json_fields.h"
#include "http/reply.h"
#include "http/stream_reply.h"
#include "runlet/event/invocation_record.h"
#include "runlet/event/status.h"

namespace runlet::http {
namespace {

std::string ChunkFrame(std::string_view bytes) {
  static constexpr Header kHeaders[] = {
      {":event-type", "PayloadChunk"}, {":content-type", "application/octet-stream"}, {":message-type", "event"}};
  return EventStreamFrame(kHeaders, bytes);
}

std::string CompleteFrame(const absl::Status& status, bool log_wanted, std::string_view log) {
  Json json = Json::object();
  if (const std::optional<FunctionError> error = FunctionErrorOf(status)) {
    json["ErrorCode"] = "Unhandled";
    json["ErrorDetails"] = ErrorPayload(*error);
  }
  if (log_wanted) json["LogResult"] = absl::Base64Escape({log.data(), log.size()});
  static constexpr Header kHeaders[] = {
      {":event-type", "InvokeComplete"}, {":content-type", "application/json"}, {":message-type", "event"}};
  return EventStreamFrame(kHeaders, Text(json));
}

class EventStreamReply final : public StreamReply {
 public:
  EventStreamReply(Future<std::string> started, Responder responder, InvokeRequest invoke, RequestId id,
                   const Account& account)
      : StreamReply(std::move(started), std::move(responder)),
        target_(std::move(invoke.target)),
        trace_(invoke.trace),
        log_wanted_(invoke.log_tail),
        id_(id),
        account_(account) {}

 private:
  void Begin() override { BeginAs(call().executed_version()); }
  Room Write(std::string_view bytes) override { return responder().Write(ChunkFrame(bytes)); }
  void End(const absl::Status& status, std::string_view log) override {
    responder().Write(CompleteFrame(status, log_wanted_, log));
    std::move(responder()).End();
  }
  void EndUnbegun(const absl::Status& status, std::string_view log) override {
    if (!status.ok() && !FunctionErrorOf(status).has_value()) {
      return SendError(std::move(responder()), FromRefusal(status, account_, target_.function, target_.qualifier), id_);
    }
    BeginAs(version_);
    End(status, log);
  }
  void OnEnded(const Future<std::string>& ended) override { version_ = ended.executed_version(); }

  void BeginAs(const std::string& version) {
    const std::string id = id_.ToString();
    const std::string trace = TraceOf(id, trace_);
    ReplyHeaders headers;
    headers.Add("Content-Type", "application/vnd.amazon.eventstream");
    headers.Add("x-amzn-RequestId", id);
    headers.Add("X-Amz-Executed-Version", version);
    headers.Add("X-Amzn-Trace-Id", trace);
    responder().Begin({.status = 200, .headers = headers.all()});
  }

  const Target target_;
  const std::string trace_;
  const bool log_wanted_;
  const RequestId id_;
  const Account& account_;
  std::string version_;
};

}  // namespace

void InvokeWithResponseStream(const Invocations& invocations, const Request& request, std::string_view function,
                              Responder responder) {
  std::variant<InvokeRequest, ServiceError> read = ReadInvoke(invocations.engine, request, function, true);
  if (const auto* error = std::get_if<ServiceError>(&read)) {
    return SendError(std::move(responder), *error, invocations.ids.Next());
  }
  auto& invoke = std::get<InvokeRequest>(read);
  if (invoke.kind == InvokeKind::kDryRun) return AnswerDryRun(invocations, invoke, std::move(responder));
  Future<std::string> call = invocations.engine.Start(
      invoke.target.name(), invoke.payload,
      {.client_context = invoke.client_context, .read_stream = true, .log_tail = invoke.log_tail});
  const RequestId id = call.request_id() == RequestId() ? invocations.ids.Next() : call.request_id();
  std::make_shared<EventStreamReply>(std::move(call), std::move(responder), std::move(invoke), id,
                                     invocations.engine.account())
      ->Start();
}

}  // namespace runlet::http
