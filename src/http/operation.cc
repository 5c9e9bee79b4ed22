#include "http/operation.h"

#include <absl/strings/numbers.h>

#include <algorithm>

namespace runlet::http {

ServiceError FunctionNotFound(const Account& account, const Target& target) {
  return NotFound("Function not found: " + target.arn(account));
}

std::variant<KnownTarget, ServiceError> FindKnown(const OperationCall& call) {
  std::variant<Target, ServiceError> target = call.FindTarget();
  if (auto* error = std::get_if<ServiceError>(&target)) return std::move(*error);
  Target& found = std::get<Target>(target);
  absl::StatusOr<FunctionDescription> description = call.engine.Describe(found.name());
  if (!description.ok()) return FunctionNotFound(call.engine.account(), found);
  return KnownTarget{std::move(found), *std::move(description)};
}

std::variant<KnownTarget, ServiceError> FindKnownFunction(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnown(call);
  if (const auto* target = std::get_if<KnownTarget>(&known); target != nullptr && !target->qualifier.empty()) {
    return InvalidParameter(
        "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "
        "Please specify either a function name or an unqualified function ARN.");
  }
  return known;
}

Outcome Page(const OperationCall& call, std::string_view key, Listed items, std::size_t largest) {
  std::size_t size = largest;
  if (const std::optional<std::string> max = call.Query("MaxItems")) {
    std::uint64_t wanted = 0;
    if (!absl::SimpleAtoi(*max, &wanted) || wanted < 1) {
      return Validation(*max, "maxItems", "Member must have value greater than or equal to 1");
    }
    if (wanted > 10'000) return Validation(*max, "maxItems", "Member must have value less than or equal to 10000");
    size = std::min<std::size_t>(size, wanted);
  }
  std::sort(items.begin(), items.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  auto item = items.begin();
  if (const std::optional<std::string> marker = call.Query("Marker"); marker.has_value() && !marker->empty()) {
    item = std::upper_bound(items.begin(), items.end(), *marker,
                            [](const std::string& last, const auto& each) { return last < each.first; });
  }
  Json page;
  Json& list = page[std::string(key)] = Json::array();
  for (; item != items.end() && list.size() < size; ++item) list.push_back(std::move(item->second));
  if (item != items.end()) page["NextMarker"] = std::prev(item)->first;
  return Ok(page);
}

std::optional<ServiceError> CheckRevision(const OperationCall& call, const std::optional<std::string>& wanted,
                                          const FunctionDescription& description) {
  if (!wanted.has_value() || *wanted == call.book.RevisionId(description.revision)) return std::nullopt;
  return ServiceError{412, "PreconditionFailedException",
                      "The RevisionId provided does not match the latest RevisionId. Call the GetFunction or the "
                      "GetAlias API to retrieve the latest RevisionId"};
}

}  // namespace runlet::http
