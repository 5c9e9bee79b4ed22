// Versions and aliases.
#include <fmt/format.h>

#include "http/function_view.h"
#include "http/operations.h"
#include "http/percent.h"

namespace runlet::http {
namespace {

constexpr std::string_view kAliasPattern = "(?!^[0-9]+$)([a-zA-Z0-9-_]+)";

Json View(const OperationCall& call, const std::string& function, const Alias& alias) {
  const Target target{function, alias.name};
  Json json;
  json["AliasArn"] = target.arn(call.engine.account());
  json["Name"] = alias.name;
  json["FunctionVersion"] = alias.version;
  json["Description"] = alias.description;
  if (!alias.additional_version.empty()) {
    json["RoutingConfig"] = {{"AdditionalVersionWeights", {{alias.additional_version, alias.additional_weight}}}};
  }
  if (const auto description = call.engine.Describe(target.name()); description.ok()) {
    json["RevisionId"] = call.book.RevisionId(description->revision);
  }
  return json;
}

std::optional<Alias> FindAlias(const OperationCall& call, const std::string& function, std::string_view name) {
  const absl::StatusOr<std::vector<Alias>> aliases = call.engine.ListAliases(function);
  if (!aliases.ok()) return std::nullopt;
  for (const Alias& alias : *aliases) {
    if (alias.name == name) return alias;
  }
  return std::nullopt;
}

// RoutingConfig: {"AdditionalVersionWeights": {"2": 0.1}}.
void ReadRouting(JsonFields* fields, Alias* alias) {
  const std::optional<Json> routing = fields->Object("RoutingConfig");
  if (!routing.has_value()) return;
  JsonFields inner(*routing);
  const std::optional<Json> weights = inner.Object("AdditionalVersionWeights");
  if (inner.error()) fields->Fail(*inner.error());
  alias->additional_version.clear();
  alias->additional_weight = 0;
  if (!weights.has_value() || weights->empty()) return;
  if (weights->size() > 1) {
    return fields->Fail(InvalidParameter("Number of items in AdditionalVersionWeights cannot be greater than 1"));
  }
  const auto weight = weights->begin();
  if (!weight->is_number()) return fields->Fail(InvalidContent("AdditionalVersionWeights is not a map of numbers"));
  const double share = weight->get<double>();
  if (!(share >= 0 && share <= 1)) {
    return fields->Fail(Validation(weights->dump(), "routingConfig.additionalVersionWeights",
                                   "Map value must satisfy constraint: [Member must have value less than or equal to "
                                   "1.0, Member must have value greater than or equal to 0.0]"));
  }
  if (weight.key() == kLatest) {
    return fields->Fail(Validation(weights->dump(), "routingConfig.additionalVersionWeights",
                                   "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: "
                                   "[0-9]+]"));
  }
  alias->additional_version = weight.key();
  alias->additional_weight = share;
}

void ReadAlias(JsonFields* fields, Alias* alias) {
  if (auto version = fields->Text("FunctionVersion", 1024)) alias->version = *std::move(version);
  if (auto description = fields->Text("Description", 256)) alias->description = *std::move(description);
  ReadRouting(fields, alias);
}

ServiceError FromAliasStatus(const OperationCall& call, const std::string& function, const Alias& alias,
                             const absl::Status& status) {
  const Account& account = call.engine.account();
  switch (status.code()) {
    case absl::StatusCode::kAlreadyExists:
      return Conflict("Alias already exists: " + FunctionArn(account, function, alias.name));
    case absl::StatusCode::kNotFound: {
      const bool leads_nowhere = !call.engine.Describe(Target{function, alias.version}.name()).ok();
      return FunctionNotFound(account, {function, leads_nowhere ? alias.version : alias.additional_version});
    }
    default: return InvalidParameter(std::string(status.message()));
  }
}

std::string AliasName(const OperationCall& call) {
  return PercentDecoded(call.parts[1]).value_or(std::string(call.parts[1]));
}

}  // namespace

Outcome PublishVersion(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnownFunction(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const auto& target = std::get<KnownTarget>(known);
  JsonFields fields(call.request.body);
  std::optional<std::string> description = fields.Text("Description", 256);
  const std::optional<std::string> sha = fields.Text("CodeSha256", 128);
  const std::optional<std::string> revision = fields.Text("RevisionId", 64);
  if (fields.error()) return *fields.error();
  if (sha.has_value() && !sha->empty() && *sha != kCodeSha256) {
    return InvalidParameter(
        fmt::format("CodeSHA256 ({}) is different from current CodeSHA256 in $LATEST ({}). Please "
                    "try again with the CodeSHA256 in $LATEST.",
                    *sha, kCodeSha256));
  }
  if (auto stale = CheckRevision(call, revision, target.description)) return *std::move(stale);
  if (description.has_value() && description->empty()) description.reset();
  const absl::StatusOr<std::string> version = call.engine.PublishVersion(target.function, std::move(description));
  if (!version.ok()) return FunctionNotFound(call.engine.account(), target);
  const Target published{target.function, *version};
  const absl::StatusOr<FunctionDescription> view = call.engine.Describe(published.name());
  if (!view.ok()) return FunctionNotFound(call.engine.account(), published);
  return Created(FunctionConfiguration(call, published, *view, true));
}

Outcome ListVersionsByFunction(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnownFunction(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const std::string& function = std::get<KnownTarget>(known).function;
  const absl::StatusOr<std::vector<std::string>> versions = call.engine.ListVersions(function);
  if (!versions.ok()) return FunctionNotFound(call.engine.account(), {function, {}});
  Listed items;
  for (const std::string& version : *versions) {
    const Target target{function, version};
    const absl::StatusOr<FunctionDescription> description = call.engine.Describe(target.name());
    if (!description.ok()) continue;
    // In order of publication, $LATEST first.
    const std::string key = fmt::format("{:0>20}", version == kLatest ? "0" : version);
    items.emplace_back(key, FunctionConfiguration(call, target, *description, false));
  }
  return Page(call, "Versions", std::move(items));
}

Outcome CreateAlias(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnownFunction(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const std::string& function = std::get<KnownTarget>(known).function;
  JsonFields fields(call.request.body);
  Alias alias;
  alias.name = fields.Text("Name", 128).value_or("");
  ReadAlias(&fields, &alias);
  if (!fields.error() && !CheckAliasName(function, alias.name).ok()) {
    fields.Fail(Validation(alias.name, "name",
                           fmt::format("Member must satisfy regular expression pattern: {}", kAliasPattern)));
  }
  if (!fields.error() && alias.version.empty())
    fields.Fail(Validation("null", "functionVersion", "Member must not be null"));
  if (fields.error()) return *fields.error();
  if (absl::Status created = call.engine.CreateAlias(function, alias); !created.ok()) {
    return FromAliasStatus(call, function, alias, created);
  }
  return Created(View(call, function, alias));
}

Outcome GetAlias(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnownFunction(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const std::string& function = std::get<KnownTarget>(known).function;
  const std::string name = AliasName(call);
  const std::optional<Alias> alias = FindAlias(call, function, name);
  if (!alias.has_value()) {
    return NotFound("Cannot find alias arn: " + FunctionArn(call.engine.account(), function, name));
  }
  return Ok(View(call, function, *alias));
}

Outcome UpdateAlias(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnownFunction(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const std::string& function = std::get<KnownTarget>(known).function;
  const std::string name = AliasName(call);
  const absl::StatusOr<FunctionDescription> description = call.engine.Describe(Target{function, name}.name());
  std::optional<Alias> alias = FindAlias(call, function, name);
  if (!alias.has_value() || !description.ok()) {
    return NotFound("Alias not found: " + FunctionArn(call.engine.account(), function, name));
  }
  JsonFields fields(call.request.body);
  ReadAlias(&fields, &*alias);
  const std::optional<std::string> revision = fields.Text("RevisionId", 64);
  if (fields.error()) return *fields.error();
  if (auto stale = CheckRevision(call, revision, *description)) return *std::move(stale);
  if (absl::Status updated = call.engine.UpdateAlias(function, *alias); !updated.ok()) {
    return FromAliasStatus(call, function, *alias, updated);
  }
  return Ok(View(call, function, *alias));
}

Outcome DeleteAlias(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnownFunction(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const std::string& function = std::get<KnownTarget>(known).function;
  const Target target{function, AliasName(call)};
  if (!FindAlias(call, function, target.qualifier).has_value()) return NoContent();
  call.engine.Remove(target.name()).IgnoreError();
  call.book.Forget(target.name());
  return NoContent();
}

Outcome ListAliases(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnownFunction(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const std::string& function = std::get<KnownTarget>(known).function;
  const std::optional<std::string> version = call.Query("FunctionVersion");
  const absl::StatusOr<std::vector<Alias>> aliases = call.engine.ListAliases(function);
  if (!aliases.ok()) return FunctionNotFound(call.engine.account(), {function, {}});
  Listed items;
  for (const Alias& alias : *aliases) {
    if (version.has_value() && alias.version != *version && alias.additional_version != *version) continue;
    items.emplace_back(alias.name, View(call, function, alias));
  }
  return Page(call, "Aliases", std::move(items));
}

}  // namespace runlet::http
