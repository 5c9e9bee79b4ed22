#include "http/function_url.h"

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <absl/strings/match.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include <map>
#include <memory>

#include "http/json_fields.h"
#include "http/payload_check.h"
#include "http/query.h"
#include "http/reply.h"
#include "http/stream_prelude.h"
#include "http/stream_reply.h"
#include "runlet/event/status.h"

namespace runlet::http {
namespace {

constexpr std::string_view kDomain = ".lambda-url.";
constexpr std::string_view kPathPrefix = "/lambda-url/";

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }
std::string Lower(std::string_view text) { return absl::AsciiStrToLower(Absl(text)); }

// Text that stands in an event as it is; anything else goes as base64.
bool IsTextType(std::string_view content_type) {
  const std::string type = Lower(content_type.substr(0, content_type.find(';')));
  return type.empty() || type.starts_with("text/") || type == "application/json" || type == "application/javascript" ||
         type == "application/xml" || type.ends_with("+json") || type.ends_with("+xml");
}

// Headers of one name joined by commas, names in lower case; cookies apart.
struct EventHeaders {
  std::map<std::string, std::string> headers;
  std::vector<std::string> cookies;
};

EventHeaders HeadersOf(const Request& request) {
  EventHeaders found;
  for (const Header& header : request.headers) {
    std::string name = Lower(header.name);
    if (name == "cookie") {
      for (absl::string_view cookie : absl::StrSplit(Absl(header.value), "; ", absl::SkipEmpty())) {
        found.cookies.emplace_back(cookie);
      }
      continue;
    }
    std::string& value = found.headers[name];
    if (!value.empty()) value += ',';
    value += header.value;
  }
  return found;
}

std::string_view PeerAddress(std::string_view peer) {
  const std::string_view address = peer.substr(0, peer.rfind(':'));
  return address.starts_with('[') && address.size() > 1 ? address.substr(1, address.size() - 2) : address;
}

void AddBody(const Request& request, const EventHeaders& headers, Json* event) {
  if (!request.body.empty()) {
    const auto type = headers.headers.find("content-type");
    const std::string body(request.body);
    const bool text = IsTextType(type == headers.headers.end() ? std::string_view() : type->second) && IsUtf8(body);
    (*event)["body"] = text ? body : absl::Base64Escape(body);
    (*event)["isBase64Encoded"] = !text;
  } else {
    (*event)["isBase64Encoded"] = false;
  }
}

std::string HeaderText(const Json& value) { return value.is_string() ? value.get<std::string>() : Text(value); }

void AddCorsHeaders(const FunctionUrlConfig& config, std::string_view origin, UrlResponse* response) {
  if (!config.cors.has_value() || origin.empty()) return;
  const Cors& cors = *config.cors;
  const auto allowed = [&](const std::string& each) { return each == "*" || each == origin; };
  if (std::none_of(cors.allow_origins.begin(), cors.allow_origins.end(), allowed)) return;
  response->headers.emplace_back("access-control-allow-origin", origin);
  response->headers.emplace_back("vary", "Origin");
  if (cors.allow_credentials) response->headers.emplace_back("access-control-allow-credentials", "true");
  if (!cors.expose_headers.empty()) {
    response->headers.emplace_back("access-control-expose-headers",
                                   fmt::format("{}", fmt::join(cors.expose_headers, ",")));
  }
}

void AddPreflightHeaders(const Cors& cors, UrlResponse* response) {
  const auto add = [&](const char* name, const std::vector<std::string>& list) {
    if (!list.empty()) response->headers.emplace_back(name, fmt::format("{}", fmt::join(list, ",")));
  };
  add("access-control-allow-methods", cors.allow_methods);
  add("access-control-allow-headers", cors.allow_headers);
  response->headers.emplace_back("access-control-max-age", std::to_string(cors.max_age));
}

void Send(Responder responder, const UrlResponse& response, const RequestId& id) {
  const std::string text = id.ToString();
  std::vector<Header> headers{{"x-amzn-RequestId", text}};
  for (const auto& [name, value] : response.headers) headers.push_back({name, value});
  std::move(responder).Send({.status = response.status, .headers = headers}, response.body);
}

UrlResponse InternalError() {
  return {.status = 502, .headers = {{"content-type", "text/plain"}}, .body = "Internal Server Error"};
}

UrlResponse FromHead(const StreamHead& head, std::string_view body) {
  UrlResponse response{.status = head.status_code, .headers = head.headers, .body = std::string(body)};
  for (const std::string& cookie : head.cookies) response.headers.emplace_back("set-cookie", cookie);
  return response;
}

// What a function has streamed for a client that wants it whole.
UrlResponse FromStream(std::string_view content_type, std::string_view bytes) {
  if (content_type != kHttpIntegrationResponse) {
    return {.status = 200, .headers = {{"content-type", std::string(content_type)}}, .body = std::string(bytes)};
  }
  const std::size_t end = bytes.find(kPreludeEnd);
  const std::optional<StreamHead> head =
      end == std::string_view::npos ? std::nullopt : ParsePrelude(bytes.substr(0, end));
  return head.has_value() ? FromHead(*head, bytes.substr(end + kPreludeEnd.size())) : InternalError();
}

// A response in pieces: the status comes with the first of them.
class UrlStreamReply final : public StreamReply {
 public:
  UrlStreamReply(Future<std::string> started, Responder responder, RequestId id, const Account& account,
                 std::string name, FunctionUrlConfig config, std::string origin)
      : StreamReply(std::move(started), std::move(responder)),
        id_(id),
        account_(account),
        name_(std::move(name)),
        config_(std::move(config)),
        origin_(std::move(origin)) {}

 private:
  void Begin() override {
    content_type_ = call().stream_content_type();
    awaits_prelude_ = content_type_ == kHttpIntegrationResponse;
    if (!awaits_prelude_) {
      BeginAs({.status = 200,
               .headers = {{"content-type", content_type_.empty() ? "application/octet-stream" : content_type_}},
               .body = {}});
    }
  }

  Room Write(std::string_view bytes) override {
    if (!awaits_prelude_) return responder().Write(bytes);
    prelude_ += bytes;
    const std::size_t end = prelude_.find(kPreludeEnd);
    if (end == std::string::npos && prelude_.size() <= kPreludeMax) return Room::kFree;
    const std::optional<StreamHead> head =
        end == std::string::npos ? std::nullopt : ParsePrelude(std::string_view(prelude_).substr(0, end));
    if (!head.has_value()) {
      Send(std::move(responder()), InternalError(), id_);
      return Room::kGone;
    }
    awaits_prelude_ = false;
    BeginAs(FromHead(*head, {}));
    return responder().Write(std::string_view(prelude_).substr(end + kPreludeEnd.size()));
  }

  void End(const absl::Status& status, std::string_view) override {
    if (awaits_prelude_) return Send(std::move(responder()), InternalError(), id_);
    // What came may not be taken for all.
    status.ok() ? std::move(responder()).End() : std::move(responder()).Abort();
  }

  void EndUnbegun(const absl::Status& status, std::string_view) override {
    if (status.ok()) return Send(std::move(responder()), {}, id_);
    if (FunctionErrorOf(status).has_value()) return Send(std::move(responder()), InternalError(), id_);
    const QualifiedName name(name_);
    SendError(std::move(responder()), FromRefusal(status, account_, name.function, name.qualifier), id_);
  }

  void OnEnded(const Future<std::string>&) override {}

  void BeginAs(UrlResponse response) {
    AddCorsHeaders(config_, origin_, &response);
    const std::string id = id_.ToString();
    std::vector<Header> headers{{"x-amzn-RequestId", id}};
    for (const auto& [name, value] : response.headers) headers.push_back({name, value});
    responder().Begin({.status = response.status, .headers = headers});
  }

  const RequestId id_;
  const Account& account_;
  const std::string name_;
  const FunctionUrlConfig config_;
  const std::string origin_;
  std::string content_type_;
  std::string prelude_;
  bool awaits_prelude_ = false;
};

void AnswerWhole(const Invocations& invocations, Future<std::string> call, Responder responder, RequestId id,
                 const std::string& name, const FunctionUrlConfig& config, std::string origin) {
  std::move(call).Then([responder = std::move(responder), id, name, config, origin = std::move(origin),
                        account = &invocations.engine.account(),
                        most = invocations.engine.payload_limits().response](Future<std::string> ended) mutable {
    const std::string streamed_as = ended.stream_content_type();
    const absl::StatusOr<std::string> result = std::move(ended).Get();
    UrlResponse response;
    if (result.ok()) {
      response = result->size() > most ? InternalError()
                 : streamed_as.empty() ? ReadUrlResult(*result)
                                       : FromStream(streamed_as, *result);
    } else if (FunctionErrorOf(result.status()).has_value()) {
      response = InternalError();
    } else {
      const QualifiedName parts(name);
      return SendError(std::move(responder), FromRefusal(result.status(), *account, parts.function, parts.qualifier),
                       id);
    }
    AddCorsHeaders(config, origin, &response);
    Send(std::move(responder), response, id);
  });
}

}  // namespace

std::string FunctionUrlOf(const FunctionUrlConfig& config, const Account& account, const Request& request) {
  const std::string_view host = request.Find("Host").value_or("");
  const std::size_t colon = host.rfind(':');
  const bool has_port = colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos;
  return fmt::format("{}://{}{}{}.localhost{}/", request.encrypted ? "https" : "http", config.id, kDomain,
                     account.region, has_port ? host.substr(colon) : "");
}

std::optional<FunctionUrlRequest> FindFunctionUrl(const Request& request) {
  const std::string_view host = request.Find("Host").value_or("");
  if (const std::size_t end = host.find(kDomain); end != std::string_view::npos && end > 0) {
    return FunctionUrlRequest{host.substr(0, end), request.target};
  }
  if (!request.target.starts_with(kPathPrefix)) return std::nullopt;
  std::string_view rest = request.target.substr(kPathPrefix.size());
  const std::string_view id = rest.substr(0, rest.find_first_of("/?"));
  rest.remove_prefix(id.size());
  return FunctionUrlRequest{id, rest};
}

std::string FunctionUrlEvent(const FunctionUrlConfig& config, const Account& account, const Request& request,
                             std::string_view target, std::string_view request_id) {
  const std::string_view path = target.substr(0, target.find('?'));
  const std::string_view raw_path = path.empty() ? std::string_view("/") : path;
  const std::string_view query = path.size() < target.size() ? target.substr(path.size() + 1) : std::string_view();
  EventHeaders headers = HeadersOf(request);
  const std::string domain = fmt::format("{}{}{}.localhost", config.id, kDomain, account.region);
  const std::string_view source = PeerAddress(request.peer);
  headers.headers.emplace("x-forwarded-for", source);
  headers.headers.emplace("x-forwarded-proto", request.encrypted ? "https" : "http");

  Json event;
  event["version"] = "2.0";
  event["routeKey"] = "$default";
  event["rawPath"] = raw_path;
  event["rawQueryString"] = query;
  if (!headers.cookies.empty()) event["cookies"] = headers.cookies;
  event["headers"] = headers.headers;
  if (!query.empty()) {
    Json& parameters = event["queryStringParameters"] = Json::object();
    for (const auto& [name, value] : QueryParameters(query)) {
      Json& joined = parameters[name];
      joined = joined.is_string() ? joined.get<std::string>() + "," + value : value;
    }
  }
  const auto agent = headers.headers.find("user-agent");
  Json& context = event["requestContext"];
  context["accountId"] = config.signed_only ? account.id : "anonymous";
  context["apiId"] = config.id;
  context["domainName"] = domain;
  context["domainPrefix"] = config.id;
  context["http"] = {{"method", request.method},
                     {"path", raw_path},
                     {"protocol", request.minor_version == 0 ? "HTTP/1.0" : "HTTP/1.1"},
                     {"sourceIp", source},
                     {"userAgent", agent == headers.headers.end() ? "" : agent->second}};
  context["requestId"] = request_id;
  context["routeKey"] = "$default";
  context["stage"] = "$default";
  context["time"] = absl::FormatTime("%d/%b/%Y:%H:%M:%S +0000", request.time, absl::UTCTimeZone());
  context["timeEpoch"] = absl::ToUnixMillis(request.time);
  AddBody(request, headers, &event);
  return Text(event);
}

UrlResponse ReadUrlResult(std::string_view result) {
  const auto whole = [&](std::string body) {
    return UrlResponse{.status = 200, .headers = {{"content-type", "application/json"}}, .body = std::move(body)};
  };
  if (!PayloadError(result).empty()) return whole(std::string(result));
  const Json json = Json::parse(result, nullptr, false);
  if (json.is_string()) return whole(json.get<std::string>());
  if (!json.is_object() || !json.contains("statusCode")) return whole(std::string(result));
  UrlResponse response;
  const std::optional<int> status = FinalStatus(json["statusCode"]);
  if (!status.has_value()) return InternalError();
  response.status = *status;
  bool typed = false;
  if (const auto headers = json.find("headers"); headers != json.end() && headers->is_object()) {
    for (auto header = headers->begin(); header != headers->end(); ++header) {
      typed = typed || absl::EqualsIgnoreCase(header.key(), "content-type");
      response.headers.emplace_back(header.key(), HeaderText(*header));
    }
  }
  if (!typed) response.headers.emplace_back("content-type", "application/json");
  if (const auto cookies = json.find("cookies"); cookies != json.end() && cookies->is_array()) {
    for (const Json& cookie : *cookies) response.headers.emplace_back("set-cookie", HeaderText(cookie));
  }
  const auto body = json.find("body");
  if (body == json.end() || body->is_null()) return response;
  response.body = HeaderText(*body);
  const auto encoded = json.find("isBase64Encoded");
  if (encoded != json.end() && encoded->is_boolean() && encoded->get<bool>()) {
    std::string bytes;
    if (!absl::Base64Unescape(response.body, &bytes)) return InternalError();
    response.body = std::move(bytes);
  }
  return response;
}

void CallFunctionUrl(const Invocations& invocations, const std::string& name, const FunctionUrlConfig& config,
                     const Request& request, std::string_view target, Responder responder) {
  const RequestId id = invocations.ids.Next();
  std::string origin(request.Find("Origin").value_or(""));
  if (config.cors.has_value() && request.method == "OPTIONS" && !origin.empty() &&
      request.Find("Access-Control-Request-Method").has_value()) {
    UrlResponse preflight;
    AddCorsHeaders(config, origin, &preflight);
    AddPreflightHeaders(*config.cors, &preflight);
    return Send(std::move(responder), preflight, id);
  }
  const PayloadLimits& limits = invocations.engine.payload_limits();
  const std::string event = FunctionUrlEvent(config, invocations.engine.account(), request, target, id.ToString());
  if (event.size() > limits.request) {
    return SendError(std::move(responder), PayloadTooLarge(limits, InvokeKind::kRequestResponse, event.size()), id);
  }
  Future<std::string> call = invocations.engine.Start(name, event, {.request_id = id, .read_stream = true});
  if (!config.streams) {
    return AnswerWhole(invocations, std::move(call), std::move(responder), id, name, config, std::move(origin));
  }
  std::make_shared<UrlStreamReply>(std::move(call), std::move(responder), id, invocations.engine.account(), name,
                                   config, std::move(origin))
      ->Start();
}

}  // namespace runlet::http
