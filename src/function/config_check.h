// The ranges of FunctionConfig.
#ifndef RUNLET_SRC_FUNCTION_CONFIG_CHECK_H_
#define RUNLET_SRC_FUNCTION_CONFIG_CHECK_H_

#include <absl/status/status.h>

#include <string_view>

#include "runlet/base/random.h"
#include "runlet/function/config.h"

namespace runlet {

// InvalidArgument that names the function, the setting, its value and its range.
absl::Status CheckDescription(std::string_view function, std::string_view description);
absl::Status CheckConfig(std::string_view function, const FunctionConfig& config);

// The wait before the attempt that follows failed attempt number `attempt`.
std::int64_t RetryWaitNs(const RetryPolicy& policy, int attempt, Random& random);

}  // namespace runlet

#endif  // RUNLET_SRC_FUNCTION_CONFIG_CHECK_H_
