// A function as Lambda's API describes it.
#ifndef RUNLET_SRC_HTTP_FUNCTION_VIEW_H_
#define RUNLET_SRC_HTTP_FUNCTION_VIEW_H_

#include <string_view>

#include "http/operation.h"

namespace runlet::http {

// What stands for the hash of code that is no file.
inline constexpr std::string_view kCodeSha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

// `with_state`: not in lists. The ARN ends with the qualifier, where `target` has one.
Json FunctionConfiguration(const OperationCall& call, const Target& target, const FunctionDescription& description,
                           bool with_state);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_FUNCTION_VIEW_H_
