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

// A function as the other rooms know it: made at its first registration, alive until the engine ends, whatever code is
// registered under it meanwhile. Compared by address.
struct FunctionIdentity {
  std::string name;
  std::uint32_t index = 0;  // 0, 1, 2, ... in order of first registration
};

}  // namespace runlet

#endif  // RUNLET_EVENT_FUNCTION_NAME_H_
