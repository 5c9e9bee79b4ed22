#include "runlet/event/function_name.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include <algorithm>

namespace runlet {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsWord(char c) { return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_'; }

// What is wrong may be anything, and long: quote a readable part of it.
std::string Quoted(std::string_view text) {
  constexpr std::size_t kQuoted = 140;
  return absl::CHexEscape(std::string(text.substr(0, kQuoted))) + (text.size() > kQuoted ? "..." : "");
}

absl::Status CheckQualifier(std::string_view function, std::string_view kind, std::string_view qualifier,
                            bool (*may_hold)(char), std::string_view what) {
  if (qualifier.empty() || qualifier.size() > kQualifierMax) {
    return absl::InvalidArgumentError(
        fmt::format("{} \"{}\" of function \"{}\" has {} characters, outside its range of 1 to {}", kind,
                    Quoted(qualifier), function, qualifier.size(), kQualifierMax));
  }
  if (std::all_of(qualifier.begin(), qualifier.end(), may_hold)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{} \"{}\" of function \"{}\" may hold only {}", kind, Quoted(qualifier), function, what));
}

}  // namespace

bool IsVersionNumber(std::string_view qualifier) {
  return !qualifier.empty() && std::all_of(qualifier.begin(), qualifier.end(), IsDigit);
}

absl::Status CheckQualifiedName(std::string_view name) {
  const QualifiedName parts(name);
  if (absl::Status function = CheckFunctionName(parts.function); !function.ok()) return function;
  if (parts.function.size() == name.size()) return absl::OkStatus();
  return CheckQualifier(
      parts.function, "qualifier", parts.qualifier, [](char c) { return IsWord(c) || c == '$'; },
      "letters, digits, hyphens, underscores and $");
}

absl::Status CheckAliasName(std::string_view function, std::string_view alias) {
  if (alias == kLatest || IsVersionNumber(alias)) {
    return absl::InvalidArgumentError(
        fmt::format("alias \"{}\" of function \"{}\" would be a version: digits alone and $LATEST are no alias names",
                    alias, function));
  }
  return CheckQualifier(function, "alias", alias, IsWord, "letters, digits, hyphens and underscores");
}

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
