#include "http/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "http/function_reference.h"
#include "http/percent.h"
#include "runlet/event/function_name.h"

namespace runlet::http {
namespace {

constexpr std::string_view kQualifierPattern = R"([a-zA-Z0-9$_.-]+)";

bool IsQualifierText(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '$' || c == '_' ||
           c == '-' || c == '.';
  });
}

std::optional<ServiceError> CheckQualifier(std::string_view qualifier) {
  if (qualifier.size() > kQualifierMax) {
    return Validation(qualifier, "qualifier", "Member must have length less than or equal to 128");
  }
  if (qualifier.empty()) {
    return Validation(qualifier, "qualifier", "Member must have length greater than or equal to 1");
  }
  if (!IsQualifierText(qualifier)) {
    return Validation(qualifier, "qualifier",
                      fmt::format("Member must satisfy regular expression pattern: {}", kQualifierPattern));
  }
  return std::nullopt;
}

}  // namespace

std::string Target::qualified_arn(const Account& account) const {
  return FunctionArn(account, function, qualifier.empty() ? kLatest : std::string_view(qualifier));
}

std::variant<Target, ServiceError> TargetOf(const Account& account, std::string_view function,
                                            const std::optional<std::string>& qualifier) {
  std::optional<FunctionReference> reference = ParseFunctionReference(function);
  if (!reference.has_value()) {
    return Validation(PercentDecoded(function).value_or(std::string(function)), "functionName",
                      fmt::format("Member must satisfy regular expression pattern: {}", kFunctionReferencePattern));
  }
  if (qualifier.has_value()) {
    if (std::optional<ServiceError> wrong = CheckQualifier(*qualifier)) return *std::move(wrong);
    if (!reference->qualifier.empty() && reference->qualifier != *qualifier) {
      return InvalidParameter("The derived qualifier from the function name does not match the specified qualifier.");
    }
    reference->qualifier = *qualifier;
  }
  if (!reference->region.empty() && reference->region != account.region) {
    return NotFound(
        fmt::format("Functions from '{}' are not reachable in this region ('{}')", reference->region, account.region));
  }
  if (!reference->account.empty() && reference->account != account.id) {
    return NotFound("Function not found: " +
                    FunctionArn({account.region, reference->account}, reference->name,
                                reference->qualifier.empty() ? kLatest : reference->qualifier));
  }
  return Target{std::move(reference->name), std::move(reference->qualifier)};
}

}  // namespace runlet::http
