#include "http/stream_prelude.h"

#include "http/payload_check.h"

namespace runlet::http {

std::optional<int> FinalStatus(const Json& status) {
  if (!status.is_number_integer() || status < 200 || status > 599) return std::nullopt;
  return status.get<int>();
}

std::string PreludeText(const StreamHead& head) {
  Json json;
  json["statusCode"] = head.status_code;
  Json& headers = json["headers"] = Json::object();
  for (const auto& [name, value] : head.headers) headers[name] = value;
  if (!head.cookies.empty()) json["cookies"] = head.cookies;
  return Text(json) + std::string(kPreludeEnd);
}

std::optional<StreamHead> ParsePrelude(std::string_view text) {
  if (!PayloadError(text).empty()) return std::nullopt;
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  StreamHead head;
  if (const auto status = json.find("statusCode"); status != json.end()) {
    const std::optional<int> code = FinalStatus(*status);
    if (!code.has_value()) return std::nullopt;
    head.status_code = *code;
  }
  if (const auto headers = json.find("headers"); headers != json.end() && headers->is_object()) {
    for (auto header = headers->begin(); header != headers->end(); ++header) {
      head.headers.emplace_back(header.key(), header->is_string() ? header->get<std::string>() : Text(*header));
    }
  }
  if (const auto cookies = json.find("cookies"); cookies != json.end() && cookies->is_array()) {
    for (const Json& cookie : *cookies) {
      if (cookie.is_string()) head.cookies.push_back(cookie.get<std::string>());
    }
  }
  return head;
}

ResponseStream& BeginStream(Context& ctx, const StreamHead& head) {
  ResponseStream& stream = ctx.Stream(kHttpIntegrationResponse);
  // What is wrong with the stream is told to the next Write().
  stream.Write(PreludeText(head)).IgnoreError();
  return stream;
}

}  // namespace runlet::http
