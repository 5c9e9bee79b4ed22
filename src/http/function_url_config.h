// How a function URL is served.
#ifndef RUNLET_SRC_HTTP_FUNCTION_URL_CONFIG_H_
#define RUNLET_SRC_HTTP_FUNCTION_URL_CONFIG_H_

#include <absl/time/time.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace runlet::http {

// Lambda's Cors of a function URL. Value.
struct Cors {
  bool allow_credentials = false;
  std::vector<std::string> allow_headers = {};
  std::vector<std::string> allow_methods = {};
  std::vector<std::string> allow_origins = {};
  std::vector<std::string> expose_headers = {};
  int max_age = 0;  // seconds
};

// Value.
struct FunctionUrlConfig {
  std::string id = {};       // the first part of the URL's host name
  bool signed_only = false;  // AuthType AWS_IAM
  bool streams = false;      // InvokeMode RESPONSE_STREAM
  std::optional<Cors> cors = std::nullopt;
  absl::Time created = {};
  absl::Time modified = {};
};

// 32 letters and digits: the same for the same function in every run, so that links keep working.
std::string FunctionUrlId(std::string_view name);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_FUNCTION_URL_CONFIG_H_
