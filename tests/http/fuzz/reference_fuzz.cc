// Any text may stand for a function: a reference is taken where the service model's pattern matches, and told whole.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <regex>
#include <string>
#include <string_view>

#include "http/function_reference.h"
#include "http/percent.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace runlet::http;  // NOLINT
  static const std::regex pattern{std::string(kFunctionReferencePattern)};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::optional<FunctionReference> reference = ParseFunctionReference(text);
  const std::optional<std::string> decoded = PercentDecoded(text);
  const bool fits = decoded && decoded->size() <= kFunctionReferenceMax && std::regex_match(*decoded, pattern);
  if (reference.has_value() != fits) std::abort();
  if (!reference) return 0;
  std::string end = reference->name + (reference->qualifier.empty() ? "" : ":" + reference->qualifier);
  if (!decoded->ends_with(end)) std::abort();
  return 0;
}
