// How clients name a function: in all the forms that Lambda takes.
#ifndef RUNLET_SRC_HTTP_FUNCTION_REFERENCE_H_
#define RUNLET_SRC_HTTP_FUNCTION_REFERENCE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace runlet::http {

inline constexpr std::size_t kFunctionReferenceMax = 256;

// The service model's pattern of the whole text, for the message of its ValidationException.
inline constexpr std::string_view kFunctionReferencePattern =
    R"((arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?)"
    R"(([a-zA-Z0-9-_\.]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?)";

// The parts of "resize", "resize:live", "123456789012:function:resize:3",
// "arn:aws:lambda:eu-west-1:123456789012:function:resize:$LATEST". What the text does not tell is empty. Value.
struct FunctionReference {
  std::string region;
  std::string account;
  std::string name;  // of any length that fits, and perhaps with dots: which no function's name has
  std::string qualifier;
};

// `text` as it stands in a path: one level of percent-encoding is taken off. Nothing where it is none: empty, longer
// than kFunctionReferenceMax once decoded, or not of the pattern.
std::optional<FunctionReference> ParseFunctionReference(std::string_view text);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_FUNCTION_REFERENCE_H_
