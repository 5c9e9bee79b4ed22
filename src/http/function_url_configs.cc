// Function URLs: which functions have one, and how they are served.
#include <fmt/format.h>

#include "http/function_url.h"
#include "http/operations.h"
#include "http/timestamps.h"

namespace runlet::http {
namespace {

std::vector<std::string> ReadList(JsonFields* fields, const Json& object, std::string_view name) {
  std::vector<std::string> list;
  const auto found = object.find(std::string(name));
  if (found == object.end() || found->is_null()) return list;
  if (!found->is_array() || found->size() > 100) {
    fields->Fail(Validation(name, "cors", "Member must be a list of at most 100 strings"));
    return list;
  }
  for (const Json& item : *found) {
    if (!item.is_string()) {
      fields->Fail(Validation(name, "cors", "Member must be a list of at most 100 strings"));
      return list;
    }
    list.push_back(item.get<std::string>());
  }
  return list;
}

void ReadCors(JsonFields* fields, FunctionUrlConfig* config) {
  const std::optional<Json> object = fields->Object("Cors");
  if (!object.has_value()) return;
  Cors cors;
  JsonFields inner(*object);
  if (const auto age = inner.Integer("MaxAge", 0, 86'400)) cors.max_age = static_cast<int>(*age);
  if (inner.error()) fields->Fail(*inner.error());
  const auto credentials = object->find("AllowCredentials");
  cors.allow_credentials = credentials != object->end() && credentials->is_boolean() && credentials->get<bool>();
  cors.allow_headers = ReadList(fields, *object, "AllowHeaders");
  cors.allow_methods = ReadList(fields, *object, "AllowMethods");
  cors.allow_origins = ReadList(fields, *object, "AllowOrigins");
  cors.expose_headers = ReadList(fields, *object, "ExposeHeaders");
  config->cors = std::move(cors);
}

void ReadConfig(JsonFields* fields, FunctionUrlConfig* config) {
  if (const auto auth = fields->OneOf("AuthType", {"NONE", "AWS_IAM"})) config->signed_only = *auth == "AWS_IAM";
  if (const auto mode = fields->OneOf("InvokeMode", {"BUFFERED", "RESPONSE_STREAM"})) {
    config->streams = *mode == "RESPONSE_STREAM";
  }
  ReadCors(fields, config);
}

Json View(const OperationCall& call, const Target& target, const FunctionUrlConfig& config) {
  Json json;
  json["FunctionUrl"] = FunctionUrlOf(config, call.engine.account(), call.request);
  json["FunctionArn"] = target.arn(call.engine.account());
  json["AuthType"] = config.signed_only ? "AWS_IAM" : "NONE";
  if (config.cors.has_value()) {
    Json cors = Json::object();
    cors["AllowCredentials"] = config.cors->allow_credentials;
    const auto add = [&](const char* name, const std::vector<std::string>& list) {
      if (!list.empty()) cors[name] = list;
    };
    add("AllowHeaders", config.cors->allow_headers);
    add("AllowMethods", config.cors->allow_methods);
    add("AllowOrigins", config.cors->allow_origins);
    add("ExposeHeaders", config.cors->expose_headers);
    if (config.cors->max_age > 0) cors["MaxAge"] = config.cors->max_age;
    json["Cors"] = std::move(cors);
  }
  json["CreationTime"] = IsoText(config.created);
  json["LastModifiedTime"] = IsoText(config.modified);
  json["InvokeMode"] = config.streams ? "RESPONSE_STREAM" : "BUFFERED";
  return json;
}

ServiceError NoUrl() { return NotFound("The resource you requested does not exist."); }

// URLs lead to functions and to aliases.
std::variant<KnownTarget, ServiceError> FindUrlTarget(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnown(call);
  const auto* const target = std::get_if<KnownTarget>(&known);
  if (target == nullptr) return known;
  if (target->qualifier == kLatest || IsVersionNumber(target->qualifier)) {
    return Validation(target->qualifier, "qualifier",
                      "Member must satisfy regular expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)");
  }
  return known;
}

}  // namespace

Outcome CreateFunctionUrlConfig(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindUrlTarget(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const auto& target = std::get<KnownTarget>(known);
  JsonFields fields(call.request.body);
  FunctionUrlConfig config;
  ReadConfig(&fields, &config);
  if (!fields.error() && !fields.Has("AuthType"))
    fields.Fail(Validation("null", "authType", "Member must not be null"));
  if (fields.error()) return *fields.error();
  config.id = FunctionUrlId(target.name());
  config.created = config.modified = call.request.time;
  if (!call.book.AddUrl(target.name(), config)) {
    return Conflict(
        fmt::format("Failed to create function url config for [functionArn = {}]. Error message:  "
                    "FunctionUrlConfig exists for this Lambda function",
                    target.arn(call.engine.account())));
  }
  return Created(View(call, target, config));
}

Outcome GetFunctionUrlConfig(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindUrlTarget(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const auto& target = std::get<KnownTarget>(known);
  const std::optional<FunctionUrlConfig> config = call.book.UrlOf(target.name());
  if (!config.has_value()) return NoUrl();
  return Ok(View(call, target, *config));
}

Outcome UpdateFunctionUrlConfig(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindUrlTarget(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const auto& target = std::get<KnownTarget>(known);
  std::optional<FunctionUrlConfig> config = call.book.UrlOf(target.name());
  if (!config.has_value()) return NoUrl();
  JsonFields fields(call.request.body);
  ReadConfig(&fields, &*config);
  if (fields.error()) return *fields.error();
  config->modified = call.request.time;
  call.book.SetUrl(target.name(), *config);
  return Ok(View(call, target, *config));
}

Outcome DeleteFunctionUrlConfig(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindUrlTarget(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  if (!call.book.RemoveUrl(std::get<KnownTarget>(known).name())) return NoUrl();
  return NoContent();
}

Outcome ListFunctionUrlConfigs(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnownFunction(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const std::string& function = std::get<KnownTarget>(known).function;
  const absl::StatusOr<std::vector<Alias>> aliases = call.engine.ListAliases(function);
  std::vector<Target> targets{{function, {}}};
  if (aliases.ok()) {
    for (const Alias& alias : *aliases) targets.push_back({function, alias.name});
  }
  Listed items;
  for (const Target& target : targets) {
    if (const auto config = call.book.UrlOf(target.name()))
      items.emplace_back(target.name(), View(call, target, *config));
  }
  return Page(call, "FunctionUrlConfigs", std::move(items));
}

}  // namespace runlet::http
