// Which function a request means.
#ifndef RUNLET_SRC_HTTP_TARGET_H_
#define RUNLET_SRC_HTTP_TARGET_H_

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "http/service_error.h"
#include "runlet/event/arn.h"

namespace runlet::http {

struct Target {
  std::string function;
  std::string qualifier;  // empty: none was given

  // As the engine takes it: "resize:live".
  std::string name() const { return qualifier.empty() ? function : function + ":" + qualifier; }
  std::string arn(const Account& account) const { return FunctionArn(account, function, qualifier); }
  std::string qualified_arn(const Account& account) const;
};

// From a function's name, ARN or part of one as it stands in a path, and the Qualifier parameter. Not found: it is of
// another region or account.
std::variant<Target, ServiceError> TargetOf(const Account& account, std::string_view function,
                                            const std::optional<std::string>& qualifier);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_TARGET_H_
