// Reserved and provisioned concurrency.
#include <fmt/format.h>

#include "http/operations.h"
#include "http/timestamps.h"

namespace runlet::http {
namespace {

Json Reserved(int executions) { return {{"ReservedConcurrentExecutions", executions}}; }

Json Provisioned(const OperationCall& call, const Target& target, int provisioned, bool ready) {
  Json json;
  json["RequestedProvisionedConcurrentExecutions"] = provisioned;
  json["AvailableProvisionedConcurrentExecutions"] = ready ? provisioned : 0;
  json["AllocatedProvisionedConcurrentExecutions"] = ready ? provisioned : 0;
  json["Status"] = ready ? "READY" : "IN_PROGRESS";
  json["LastModified"] = LastModifiedText(call.book.ProvisionedAt(target.name()));
  return json;
}

ServiceError NoProvisioned() {
  return {404, "ProvisionedConcurrencyConfigNotFoundException",
          "No Provisioned Concurrency Config found for this function"};
}

int ProvisionedSum(const Inspection& inspection, const std::string& function) {
  int sum = 0;
  for (const FunctionInspection& each : inspection.functions) {
    if (QualifiedName(each.function).function == function) sum += each.provisioned_concurrency;
  }
  return sum;
}

// Why the engine has not reserved so many.
ServiceError CannotReserve(const OperationCall& call, const std::string& function, std::int64_t reserved) {
  const Inspection inspection = call.engine.Inspect();
  if (const int provisioned = ProvisionedSum(inspection, function); reserved < provisioned) {
    return InvalidParameter(fmt::format(
        "ReservedConcurrentExecutions {} should not be lower than function's total provisioned concurrency [{}].",
        reserved, provisioned));
  }
  return {.status = 400,
          .type = "InvalidParameterValueException",
          .message = fmt::format("Specified ReservedConcurrentExecutions for function decreases account's "
                                 "UnreservedConcurrentExecution below its minimum value of [{}].",
                                 inspection.unreserved_minimum),
          .has_type = false};
}

// These calls must name a version or an alias.
std::variant<KnownTarget, ServiceError> FindQualified(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnown(call);
  const auto* const target = std::get_if<KnownTarget>(&known);
  if (target == nullptr) return known;
  if (target->qualifier.empty()) {
    return Validation("null", "qualifier", "Member must not be null");
  }
  if (target->qualifier == kLatest) {
    return InvalidParameter("Provisioned Concurrency Configs cannot be applied to unpublished function versions.");
  }
  return known;
}

}  // namespace

Outcome PutFunctionConcurrency(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnownFunction(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  JsonFields fields(call.request.body);
  const auto reserved = fields.Integer("ReservedConcurrentExecutions", 0, 1'000'000);
  if (fields.error()) return *fields.error();
  if (!reserved.has_value()) return Validation("null", "reservedConcurrentExecutions", "Member must not be null");
  const auto& target = std::get<KnownTarget>(known);
  const absl::Status set = call.engine.SetReservedConcurrency(target.function, static_cast<int>(*reserved));
  if (set.ok()) return Ok(Reserved(static_cast<int>(*reserved)));
  if (absl::IsNotFound(set)) return FunctionNotFound(call.engine.account(), target);
  return CannotReserve(call, target.function, *reserved);
}

Outcome GetFunctionConcurrency(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnownFunction(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const std::optional<int> reserved = std::get<KnownTarget>(known).description.config.reserved_concurrency;
  return Ok(reserved.has_value() ? Reserved(*reserved) : Json::object());
}

Outcome DeleteFunctionConcurrency(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnownFunction(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const auto& target = std::get<KnownTarget>(known);
  const absl::Status set = call.engine.SetReservedConcurrency(target.function, std::nullopt);
  if (!set.ok()) return InvalidParameter(std::string(set.message()));
  return NoContent();
}

Outcome PutProvisionedConcurrencyConfig(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindQualified(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const auto& target = std::get<KnownTarget>(known);
  JsonFields fields(call.request.body);
  const auto wanted = fields.Integer("ProvisionedConcurrentExecutions", 1, 1'000'000);
  if (fields.error()) return *fields.error();
  if (!wanted.has_value()) return Validation("null", "provisionedConcurrentExecutions", "Member must not be null");
  const absl::Status set = call.engine.SetProvisionedConcurrency(target.name(), static_cast<int>(*wanted));
  if (!set.ok()) return InvalidParameter(std::string(set.message()));
  call.book.SetProvisionedAt(target.name(), call.request.time);
  return Accepted(Provisioned(call, target, static_cast<int>(*wanted), false));
}

Outcome GetProvisionedConcurrencyConfig(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindQualified(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const auto& target = std::get<KnownTarget>(known);
  const int provisioned = target.description.provisioned_concurrency;
  if (provisioned == 0) return NoProvisioned();
  return Ok(Provisioned(call, target, provisioned, true));
}

Outcome DeleteProvisionedConcurrencyConfig(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindQualified(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const absl::Status set = call.engine.SetProvisionedConcurrency(std::get<KnownTarget>(known).name(), 0);
  if (!set.ok()) return InvalidParameter(std::string(set.message()));
  return NoContent();
}

Outcome ListProvisionedConcurrencyConfigs(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnownFunction(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const std::string& function = std::get<KnownTarget>(known).function;
  Listed items;
  for (const FunctionInspection& each : call.engine.Inspect().functions) {
    const QualifiedName name(each.function);
    if (name.function != function || each.provisioned_concurrency == 0) continue;
    const Target target{function, std::string(name.qualifier)};
    Json json{{"FunctionArn", target.arn(call.engine.account())}};
    json.update(Provisioned(call, target, each.provisioned_concurrency, true));
    items.emplace_back(each.function, std::move(json));
  }
  return Page(call, "ProvisionedConcurrencyConfigs", std::move(items));
}

}  // namespace runlet::http
