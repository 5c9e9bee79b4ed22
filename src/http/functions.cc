// Functions themselves: what there is, its settings, its end.
#include <fmt/format.h>

#include "http/function_view.h"
#include "http/operations.h"
#include "http/sigv4.h"

namespace runlet::http {
namespace {

constexpr std::string_view kHostRegisters =
    "The functions of this endpoint are C++ callables of the program that serves it: it registers and replaces them "
    "with runlet::Engine::Register and Replace, and code cannot be uploaded.";

void AddVersions(const OperationCall& call, const std::string& function, Listed* items) {
  const absl::StatusOr<std::vector<std::string>> versions = call.engine.ListVersions(function);
  if (!versions.ok()) return;
  for (const std::string& version : *versions) {
    const Target target{function, version};
    const absl::StatusOr<FunctionDescription> description = call.engine.Describe(target.name());
    if (description.ok()) {
      items->emplace_back(target.name(), FunctionConfiguration(call, target, *description, false));
    }
  }
}

// The configuration of the version that the target leads to: an alias has a description and a revision of its own.
std::variant<KnownTarget, ServiceError> FindVersion(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnown(call);
  auto* const target = std::get_if<KnownTarget>(&known);
  if (target == nullptr || target->qualifier.empty() || target->qualifier == target->description.version) return known;
  const Target version{target->function, target->description.version};
  absl::StatusOr<FunctionDescription> description = call.engine.Describe(version.name());
  if (!description.ok()) return FunctionNotFound(call.engine.account(), *target);
  target->description = *std::move(description);
  return known;
}

}  // namespace

Outcome CreateFunction(const OperationCall&) { return InvalidParameter(std::string(kHostRegisters)); }

Outcome UpdateFunctionCode(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnown(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  return InvalidParameter(std::string(kHostRegisters));
}

Outcome ListFunctions(const OperationCall& call) {
  const std::optional<std::string> version = call.Query("FunctionVersion");
  if (version.has_value() && *version != "ALL") {
    return Validation(*version, "functionVersion", "Member must satisfy enum value set: [ALL]");
  }
  Listed items;
  for (const std::string& function : call.engine.FunctionNames()) {
    if (call.caller != nullptr && !MayCall(*call.caller, function)) continue;
    if (version.has_value()) {
      AddVersions(call, function, &items);
    } else if (const auto description = call.engine.Describe(function); description.ok()) {
      items.emplace_back(function, FunctionConfiguration(call, {function, {}}, *description, false));
    }
  }
  return Page(call, "Functions", std::move(items));
}

Outcome GetFunction(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindVersion(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const auto& target = std::get<KnownTarget>(known);
  Json json;
  json["Configuration"] = FunctionConfiguration(call, target, target.description, true);
  json["Code"] = {{"RepositoryType", "InProcess"}, {"Location", ""}};
  if (const Tags tags = call.book.TagsOf(target.function); !tags.empty()) json["Tags"] = tags;
  if (const auto function = call.engine.Describe(target.function);
      function.ok() && function->config.reserved_concurrency.has_value()) {
    json["Concurrency"] = {{"ReservedConcurrentExecutions", *function->config.reserved_concurrency}};
  }
  return Ok(json);
}

Outcome GetFunctionConfiguration(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindVersion(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const auto& target = std::get<KnownTarget>(known);
  return Ok(FunctionConfiguration(call, target, target.description, true));
}

Outcome UpdateFunctionConfiguration(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnownFunction(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const auto& target = std::get<KnownTarget>(known);
  JsonFields fields(call.request.body);
  ConfigurationChange change;
  if (const auto timeout = fields.Integer("Timeout", 1, 900)) change.timeout = absl::Seconds(*timeout);
  if (const auto memory = fields.Integer("MemorySize", 128, 10'240)) change.memory_size = static_cast<int>(*memory);
  change.description = fields.Text("Description", 256);
  const std::optional<std::string> revision = fields.Text("RevisionId", 64);
  if (const std::string* other = fields.Other({"Timeout", "MemorySize", "Description", "RevisionId", "FunctionName"})) {
    fields.Fail(InvalidParameter(
        fmt::format("{} cannot be changed here: Timeout, MemorySize and Description can. {}", *other, kHostRegisters)));
  }
  if (fields.error()) return *fields.error();
  if (auto stale = CheckRevision(call, revision, target.description)) return *std::move(stale);
  if (absl::Status changed = call.engine.UpdateConfiguration(target.function, change); !changed.ok()) {
    return absl::IsNotFound(changed) ? FunctionNotFound(call.engine.account(), target)
                                     : InvalidParameter(std::string(changed.message()));
  }
  return GetFunctionConfiguration(call);
}

Outcome DeleteFunction(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnown(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const auto& target = std::get<KnownTarget>(known);
  if (target.qualifier == kLatest) {
    return InvalidParameter("$LATEST version cannot be deleted without deleting the function.");
  }
  const absl::Status removed = call.engine.Remove(target.name());
  if (absl::IsFailedPrecondition(removed)) return Conflict(std::string(removed.message()));
  if (!removed.ok()) return FunctionNotFound(call.engine.account(), target);
  call.book.Forget(target.name());
  return NoContent();
}

}  // namespace runlet::http
