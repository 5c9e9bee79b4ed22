// What an engine in a program does not have: told as empty where clients ask, refused where they want to change it.
#include <fmt/format.h>

#include "http/operations.h"

namespace runlet::http {
namespace {

// `view` of a function that is registered.
template <typename F>
Outcome OfFunction(const OperationCall& call, F view) {
  std::variant<KnownTarget, ServiceError> known = FindKnown(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  return view(std::get<KnownTarget>(known));
}

}  // namespace

Outcome GetPolicy(const OperationCall& call) {
  return OfFunction(
      call, [](const KnownTarget&) -> Outcome { return NotFound("The resource you requested does not exist."); });
}

Outcome GetFunctionCodeSigningConfig(const OperationCall& call) {
  return OfFunction(call, [](const KnownTarget& target) -> Outcome {
    Json json;
    json["CodeSigningConfigArn"] = "";
    json["FunctionName"] = target.function;
    return Ok(json);
  });
}

Outcome GetRuntimeManagementConfig(const OperationCall& call) {
  return OfFunction(call, [&](const KnownTarget& target) -> Outcome {
    return Ok({{"UpdateRuntimeOn", "Auto"}, {"FunctionArn", target.arn(call.engine.account())}});
  });
}

Outcome ListEventSourceMappings(const OperationCall&) { return Ok({{"EventSourceMappings", Json::array()}}); }
Outcome GetEventSourceMapping(const OperationCall&) { return NotFound("The resource you requested does not exist."); }
Outcome ListLayers(const OperationCall&) { return Ok({{"Layers", Json::array()}}); }

Outcome NotOffered(const OperationCall& call) {
  return InvalidParameter(
      fmt::format("{} {} is not offered here: this endpoint serves functions that live in a program, which has no code "
                  "packages, layers, policies, code signing or event source mappings.",
                  call.request.method, call.request.path()));
}

}  // namespace runlet::http
