// A call of the control plane: what it is given, and what comes out.
#ifndef RUNLET_SRC_HTTP_OPERATION_H_
#define RUNLET_SRC_HTTP_OPERATION_H_

#include <absl/time/time.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "http/api_book.h"
#include "http/exchange.h"
#include "http/json_fields.h"
#include "http/query.h"
#include "http/service_error.h"
#include "http/target.h"
#include "runlet/engine/engine.h"
#include "runlet/http/server_options.h"

namespace runlet::http {

struct Answer {
  int status = 200;
  std::string body = {};
};
inline Answer Ok(const Json& json) { return {200, Text(json)}; }
inline Answer Created(const Json& json) { return {201, Text(json)}; }
inline Answer Accepted(const Json& json) { return {202, Text(json)}; }
inline Answer NoContent() { return {204, {}}; }

using Outcome = std::variant<Answer, ServiceError>;

struct OperationCall {
  Engine& engine;
  ApiBook& book;
  const Request& request;
  const AccessKey* caller;  // nullptr: everyone may do everything
  // What stands in the path where the route has a {}, as it came.
  std::array<std::string_view, 3> parts;

  std::optional<std::string> Query(std::string_view name) const { return FindQuery(request.query(), name); }
  // The function that the first part and the Qualifier parameter mean.
  std::variant<Target, ServiceError> FindTarget() const {
    return TargetOf(engine.account(), parts[0], Query("Qualifier"));
  }
};
using Operation = Outcome (*)(const OperationCall& call);

// A function that is registered.
struct KnownTarget : Target {
  FunctionDescription description;
};
std::variant<KnownTarget, ServiceError> FindKnown(const OperationCall& call);
// ... without a qualifier.
std::variant<KnownTarget, ServiceError> FindKnownFunction(const OperationCall& call);

// As NotFound, but as the calls that are no invocations say it.
ServiceError FunctionNotFound(const Account& account, const Target& target);

// One page of a list: at most `largest` items, MaxItems of the query, from Marker on. Items come in order of their
// keys.
using Listed = std::vector<std::pair<std::string, Json>>;
Outcome Page(const OperationCall& call, std::string_view key, Listed items, std::size_t largest = 50);

// PreconditionFailedException where the request names another RevisionId.
std::optional<ServiceError> CheckRevision(const OperationCall& call, const std::optional<std::string>& wanted,
                                          const FunctionDescription& description);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_OPERATION_H_
