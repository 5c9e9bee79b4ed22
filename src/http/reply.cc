#include "http/reply.h"

#include <utility>

namespace runlet::http {

void SendError(Responder responder, const ServiceError& error, const RequestId& id) {
  const std::string text = id.ToString();
  const std::string retry_after = std::to_string(error.retry_after());
  ReplyHeaders headers;
  headers.Add("Content-Type", "application/json");
  headers.Add("x-amzn-RequestId", text);
  headers.Add("x-amzn-ErrorType", error.type);
  if (error.retry_after() > 0) headers.Add("Retry-After", retry_after);
  std::move(responder).Send({.status = error.status, .headers = headers.all()}, error.Body());
}

void SendJson(Responder responder, int status, const RequestId& id, std::string_view body) {
  const std::string text = id.ToString();
  ReplyHeaders headers;
  if (!body.empty()) headers.Add("Content-Type", "application/json");
  headers.Add("x-amzn-RequestId", text);
  std::move(responder).Send({.status = status, .headers = headers.all()}, body);
}

std::string TraceOf(std::string_view id, std::string_view sent) {
  if (!sent.empty()) return std::string(sent);
  // 36 characters: 8-4-4-4-12.
  std::string trace;
  trace.reserve(64);
  trace += "Root=1-";
  trace += id.substr(0, 8);
  trace += '-';
  trace += id.substr(9, 4);
  trace += id.substr(14, 4);
  trace += id.substr(19, 4);
  trace += id.substr(24, 12);
  trace += ";Sampled=0";
  return trace;
}

}  // namespace runlet::http
