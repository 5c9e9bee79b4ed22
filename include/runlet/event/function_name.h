// What a function may be called, and who a function is.
#ifndef RUNLET_EVENT_FUNCTION_NAME_H_
#define RUNLET_EVENT_FUNCTION_NAME_H_

#include <absl/status/status.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace runlet {

inline constexpr std::size_t kFunctionNameMax = 64;

// Lambda's grammar: 1 to 64 ASCII letters, digits, hyphens and underscores.
constexpr bool IsFunctionName(std::string_view name) {
  if (name.empty() || name.size() > kFunctionNameMax) return false;
  for (char c : name) {
    const bool word =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (!word) return false;
  }
  return true;
}

// InvalidArgument that quotes `name` and says which rule it breaks.
absl::Status CheckFunctionName(std::string_view name);

inline constexpr std::size_t kQualifierMax = 128;
inline constexpr std::string_view kLatest = "$LATEST";

// A function's name with Lambda's qualifier: "resize", "resize:$LATEST", "resize:3" (a version), "resize:live" (an
// alias). Calls by name take all of these. Refers to what it was made from.
struct QualifiedName {
  constexpr explicit QualifiedName(std::string_view name) : function(name.substr(0, name.find(':'))) {
    if (function.size() < name.size()) qualifier = name.substr(function.size() + 1);
  }
  std::string_view function;
  std::string_view qualifier;  // empty where there is none
};

// InvalidArgument that says which rule `name`, which may have a qualifier, breaks.
absl::Status CheckQualifiedName(std::string_view name);
// Lambda's grammar: 1 to 128 letters, digits, hyphens and underscores, not digits alone, which are versions.
// InvalidArgument that says which rule is broken.
absl::Status CheckAliasName(std::string_view function, std::string_view alias);
// Digits alone.
bool IsVersionNumber(std::string_view qualifier);

// A function, or a version or alias of one, as the other rooms know it: made at its first registration, alive until the
// engine ends, whatever code is registered under it meanwhile. Compared by address.
struct FunctionIdentity {
  std::string name;         // a QualifiedName, never with $LATEST
  std::uint32_t index = 0;  // 0, 1, 2, ... in order of first registration
};

}  // namespace runlet

#endif  // RUNLET_EVENT_FUNCTION_NAME_H_
