#include "runlet/event/arn.h"

#include <fmt/format.h>

namespace runlet {

absl::Status CheckAccount(const Account& account) {
  constexpr std::string_view kDigits = "0123456789";
  constexpr std::string_view kRegion = "abcdefghijklmnopqrstuvwxyz0123456789-";
  if (account.id.size() != 12 || account.id.find_first_not_of(kDigits) != std::string::npos) {
    return absl::InvalidArgumentError(fmt::format("account id \"{}\" is not 12 digits", account.id));
  }
  if (account.region.empty() || account.region.find_first_not_of(kRegion) != std::string::npos) {
    return absl::InvalidArgumentError(
        fmt::format("region \"{}\" is not made of lower-case letters, digits and hyphens", account.region));
  }
  return absl::OkStatus();
}

std::string FunctionArn(const Account& account, std::string_view function, std::string_view qualifier) {
  return fmt::format("arn:aws:lambda:{}:{}:function:{}{}{}", account.region, account.id, function,
                     qualifier.empty() ? "" : ":", qualifier);
}

}  // namespace runlet
