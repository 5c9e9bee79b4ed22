#include "http/invoke_request.h"

#include <absl/strings/escaping.h>
#include <absl/strings/match.h>
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "http/payload_check.h"
#include "http/query.h"
#include "runlet/event/function_name.h"
#include "runlet/invoke/invoke_options.h"

namespace runlet::http {
namespace {

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

// What the headers say, as text.
struct Headers {
  std::string_view type = "RequestResponse";
  std::string_view log = "None";
  std::optional<std::string_view> client_context;
  std::optional<std::string_view> tenant;
  std::optional<std::string_view> durable_name;
  std::optional<std::string_view> request_id;
};

Headers ReadHeaders(const Request& request, InvokeRequest* invoke) {
  Headers found;
  for (const Header& header : request.headers) {
    // All that matter here begin so.
    if (header.name.size() < 11 || (header.name[0] | 0x20) != 'x') {
      if (absl::EqualsIgnoreCase(Absl(header.name), "amz-sdk-invocation-id")) invoke->retry_id = header.value;
      continue;
    }
    const auto is = [&](std::string_view name) { return absl::EqualsIgnoreCase(Absl(header.name), Absl(name)); };
    if (is("X-Amz-Invocation-Type")) {
      found.type = header.value;
    } else if (is("X-Amz-Log-Type")) {
      found.log = header.value;
    } else if (is("X-Amz-Client-Context")) {
      found.client_context = header.value;
    } else if (is("X-Amzn-Trace-Id")) {
      invoke->trace = header.value;
    } else if (is("x-amzn-RequestId")) {
      found.request_id = header.value;
    } else if (is("X-Amz-Tenant-Id")) {
      found.tenant = header.value;
    } else if (is("X-Amz-Durable-Execution-Name")) {
      found.durable_name = header.value;
    }
  }
  return found;
}

std::optional<ServiceError> ReadKind(const Headers& headers, bool streamed, InvokeRequest* invoke) {
  if (headers.type == "Event" && !streamed) {
    invoke->kind = InvokeKind::kEvent;
  } else if (headers.type == "DryRun") {
    invoke->kind = InvokeKind::kDryRun;
  } else if (headers.type != "RequestResponse") {
    return Validation(headers.type, "invocationType",
                      streamed ? "Member must satisfy enum value set: [RequestResponse, DryRun]"
                               : "Member must satisfy enum value set: [Event, RequestResponse, DryRun]");
  }
  if (headers.log != "None" && headers.log != "Tail") {
    return Validation(headers.log, "logType", "Member must satisfy enum value set: [None, Tail]");
  }
  invoke->log_tail = headers.log == "Tail";
  return std::nullopt;
}

// Of a text that is JSON.
bool IsObject(std::string_view json) {
  const std::size_t begin = json.find_first_not_of(" \t\r\n");
  return begin != std::string_view::npos && json[begin] == '{';
}

std::optional<ServiceError> ReadClientContext(std::string_view header, InvokeRequest* invoke) {
  if (header.size() > kClientContextMax) {
    return InvalidContent(fmt::format("Client context must be at most {} bytes when Base64-encoded, not {}.",
                                      kClientContextMax, header.size()));
  }
  std::string text;
  if (!absl::Base64Unescape(Absl(header), &text) || !PayloadError(text).empty() || !IsObject(text)) {
    return InvalidContent("Client context must be a valid Base64-encoded JSON object.");
  }
  // Lambda passes none to events.
  if (invoke->kind != InvokeKind::kEvent) invoke->client_context = std::move(text);
  return std::nullopt;
}

// What only functions of other kinds take.
std::optional<ServiceError> CheckForeign(const Headers& headers) {
  if (headers.tenant.has_value()) {
    return InvalidParameter(
        "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from "
        "your request and try again.");
  }
  if (headers.durable_name.has_value()) {
    return InvalidParameter(
        "The invoked function is not a durable function. Remove the durable execution name from "
        "your request and try again.");
  }
  return std::nullopt;
}

// $LATEST.PUBLISHED is the version that was published last.
std::optional<ServiceError> ResolvePublished(const Engine& engine, Target* target) {
  if (target->qualifier != "$LATEST.PUBLISHED") return std::nullopt;
  const absl::StatusOr<std::vector<std::string>> versions = engine.ListVersions(target->function);
  if (!versions.ok()) return std::nullopt;  // told when it is called
  if (versions->size() < 2) {
    return ServiceError{400, "NoPublishedVersionException",
                        fmt::format("Function {} has no published versions.", target->arn(engine.account()))};
  }
  target->qualifier = versions->back();
  return std::nullopt;
}

}  // namespace

ServiceError PayloadTooLarge(const PayloadLimits& limits, InvokeKind kind, std::uint64_t bytes) {
  return {.status = 413,
          .type = "RequestEntityTooLargeException",
          .message = kind == InvokeKind::kEvent
                         ? fmt::format("{} byte payload is too large for the Event invocation type (limit {} bytes)",
                                       bytes, limits.event)
                         : fmt::format("Request must be smaller than {} bytes for the InvokeFunction operation",
                                       limits.request),
          .has_type = false};
}

std::variant<InvokeRequest, ServiceError> ReadInvoke(const Engine& engine, const Request& request,
                                                     std::string_view function, bool streamed) {
  const std::string_view query = request.query();
  std::variant<Target, ServiceError> target =
      TargetOf(engine.account(), function, query.empty() ? std::nullopt : FindQuery(query, "Qualifier"));
  if (auto* error = std::get_if<ServiceError>(&target)) return std::move(*error);
  InvokeRequest invoke{.target = std::get<Target>(std::move(target))};
  const Headers headers = ReadHeaders(request, &invoke);
  if (auto error = ReadKind(headers, streamed, &invoke)) return *std::move(error);
  if (auto error = CheckForeign(headers)) return *std::move(error);
  if (headers.request_id.has_value() && !RequestId::Parse(*headers.request_id).has_value()) {
    return InvalidContent("The x-amzn-RequestId header is not a valid UUID.");
  }
  const PayloadLimits& limits = engine.payload_limits();
  if (request.body.size() > (invoke.kind == InvokeKind::kEvent ? limits.event : limits.request)) {
    return PayloadTooLarge(limits, invoke.kind, request.body.size());
  }
  if (headers.client_context.has_value()) {
    if (auto error = ReadClientContext(*headers.client_context, &invoke)) return *std::move(error);
  }
  if (auto error = ResolvePublished(engine, &invoke.target)) return *std::move(error);
  if (!CheckQualifiedName(invoke.target.name()).ok()) {  // too long, or with dots: a name that no function has
    return FromRefusal(absl::NotFoundError(""), engine.account(), invoke.target.function, invoke.target.qualifier);
  }
  invoke.payload = request.body.empty() ? std::string_view("{}") : request.body;
  if (const std::string wrong = PayloadError(invoke.payload); !wrong.empty()) {
    // That there is no such function is the greater mistake.
    if (const auto known = engine.Describe(invoke.target.name()); !known.ok()) {
      return FromRefusal(known.status(), engine.account(), invoke.target.function, invoke.target.qualifier);
    }
    return InvalidContent("Could not parse request body into json: Could not parse payload into json: " + wrong);
  }
  return invoke;
}

}  // namespace runlet::http
