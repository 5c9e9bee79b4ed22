#include "runlet/event/function_name.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>

namespace runlet {

absl::Status CheckFunctionName(std::string_view name) {
  if (IsFunctionName(name)) return absl::OkStatus();
  if (name.empty()) return absl::InvalidArgumentError("function name \"\" is empty: it needs 1 to 64 characters");
  // A wrong name may be anything, and long: quote a readable part of it.
  constexpr std::size_t kQuoted = 80;
  const std::string quoted = absl::CHexEscape(std::string(name.substr(0, kQuoted)));
  if (name.size() > kFunctionNameMax) {
    return absl::InvalidArgumentError(fmt::format("function name \"{}{}\" has {} characters: the limit is {}", quoted,
                                                  name.size() > kQuoted ? "..." : "", name.size(), kFunctionNameMax));
  }
  return absl::InvalidArgumentError(
      fmt::format("function name \"{}\" may hold only letters, digits, hyphens and underscores", quoted));
}

}  // namespace runlet
