// The account as a whole, loop detection and tags.
#include <fmt/format.h>

#include "event/characters.h"
#include "http/function_reference.h"
#include "http/operations.h"

namespace runlet::http {
namespace {

constexpr std::size_t kTagsMax = 50;
constexpr std::size_t kTagKeyMax = 128;
constexpr std::size_t kTagValueMax = 256;

// Tags belong to functions, which are named by their ARN.
std::variant<std::string, ServiceError> TaggedFunction(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnown(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const auto& target = std::get<KnownTarget>(known);
  if (!target.qualifier.empty()) {
    return InvalidParameter("Tags on function aliases and versions are not supported. Please specify a function ARN.");
  }
  return target.function;
}

Tags ReadTags(JsonFields* fields) {
  Tags tags;
  const std::optional<Json> object = fields->Object("Tags");
  if (!object.has_value() || object->empty()) {
    fields->Fail(InvalidParameter("An error occurred and the request cannot be processed: no tags were given."));
    return tags;
  }
  for (auto tag = object->begin(); tag != object->end(); ++tag) {
    if (!tag->is_string()) {
      fields->Fail(InvalidContent("Could not parse request body into json: the value of a tag is not a string"));
      return tags;
    }
    std::string value = tag->get<std::string>();
    const std::size_t key_size = Characters(tag.key());
    const std::size_t value_size = Characters(value);
    if (key_size == 0 || key_size > kTagKeyMax || value_size > kTagValueMax) {
      fields->Fail(
          InvalidParameter(fmt::format("A tag has a key of {} and a value of {} characters: the limits are {} and {}",
                                       key_size, value_size, kTagKeyMax, kTagValueMax)));
    }
    tags.emplace(tag.key(), std::move(value));
  }
  return tags;
}

}  // namespace

Outcome GetAccountSettings(const OperationCall& call) {
  const Inspection inspection = call.engine.Inspect();
  std::size_t functions = 0;
  for (const FunctionInspection& each : inspection.functions) {
    functions += each.registered && QualifiedName(each.function).qualifier.empty() ? 1u : 0u;
  }
  Json json;
  json["AccountLimit"] = {{"TotalCodeSize", 80'530'636'800},
                          {"CodeSizeUnzipped", 262'144'000},
                          {"CodeSizeZipped", 52'428'800},
                          {"ConcurrentExecutions", inspection.concurrency},
                          {"UnreservedConcurrentExecutions", inspection.unreserved}};
  json["AccountUsage"] = {{"TotalCodeSize", 0}, {"FunctionCount", functions}};
  return Ok(json);
}

Outcome PutFunctionRecursionConfig(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnownFunction(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const auto& target = std::get<KnownTarget>(known);
  JsonFields fields(call.request.body);
  const std::optional<std::string> loop = fields.OneOf("RecursiveLoop", {"Allow", "Terminate"});
  if (fields.error()) return *fields.error();
  if (!loop.has_value()) return Validation("null", "recursiveLoop", "Member must not be null");
  const absl::Status set = call.engine.UpdateConfiguration(
      target.function, {.recursive_loop = *loop == "Allow" ? RecursiveLoop::kAllow : RecursiveLoop::kTerminate});
  if (!set.ok()) return FunctionNotFound(call.engine.account(), target);
  return Ok({{"RecursiveLoop", *loop}});
}

Outcome GetFunctionRecursionConfig(const OperationCall& call) {
  std::variant<KnownTarget, ServiceError> known = FindKnownFunction(call);
  if (auto* error = std::get_if<ServiceError>(&known)) return std::move(*error);
  const bool allow = std::get<KnownTarget>(known).description.config.recursive_loop == RecursiveLoop::kAllow;
  return Ok({{"RecursiveLoop", allow ? "Allow" : "Terminate"}});
}

Outcome TagResource(const OperationCall& call) {
  std::variant<std::string, ServiceError> function = TaggedFunction(call);
  if (auto* error = std::get_if<ServiceError>(&function)) return std::move(*error);
  JsonFields fields(call.request.body);
  const Tags tags = ReadTags(&fields);
  if (fields.error()) return *fields.error();
  if (!call.book.AddTags(std::get<std::string>(function), tags, kTagsMax)) {
    return InvalidParameter("Number of tags exceeds resource tag limit.");
  }
  return NoContent();
}

Outcome UntagResource(const OperationCall& call) {
  std::variant<std::string, ServiceError> function = TaggedFunction(call);
  if (auto* error = std::get_if<ServiceError>(&function)) return std::move(*error);
  std::vector<std::string> keys;
  for (auto& [name, value] : QueryParameters(call.request.query())) {
    if (name == "tagKeys") keys.push_back(std::move(value));
  }
  if (keys.empty()) return Validation("null", "tagKeys", "Member must not be null");
  call.book.RemoveTags(std::get<std::string>(function), keys);
  return NoContent();
}

Outcome ListTags(const OperationCall& call) {
  std::variant<std::string, ServiceError> function = TaggedFunction(call);
  if (auto* error = std::get_if<ServiceError>(&function)) return std::move(*error);
  Json json;
  json["Tags"] = call.book.TagsOf(std::get<std::string>(function));
  if (json["Tags"].is_null()) json["Tags"] = Json::object();
  return Ok(json);
}

}  // namespace runlet::http
