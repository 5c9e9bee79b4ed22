// Reads the JSON object that a request carries, member by member.
#ifndef RUNLET_SRC_HTTP_JSON_FIELDS_H_
#define RUNLET_SRC_HTTP_JSON_FIELDS_H_

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/service_error.h"

namespace runlet::http {

// In the order in which they are put in, as Lambda's answers are.
using Json = nlohmann::ordered_json;

// What is not there, or null, reads as nothing. The first thing that is wrong is kept, and is to be asked for once all
// has been read. Thread-compatible.
class JsonFields {
 public:
  // No body at all counts as {}.
  explicit JsonFields(std::string_view body);
  explicit JsonFields(Json object) : object_(std::move(object)) {}

  std::optional<std::int64_t> Integer(std::string_view name, std::int64_t least, std::int64_t most);
  // Of `longest` characters at most.
  std::optional<std::string> Text(std::string_view name, std::size_t longest);
  // One of `values`.
  std::optional<std::string> OneOf(std::string_view name, const std::vector<std::string_view>& values);
  std::optional<Json> Object(std::string_view name);
  bool Has(std::string_view name) const;
  // The name of the first member that is none of `names`; nullptr where there is none.
  const std::string* Other(const std::vector<std::string_view>& names) const;

  const std::optional<ServiceError>& error() const { return error_; }
  void Fail(ServiceError error);

 private:
  const Json* Find(std::string_view name) const;
  void WrongKind(std::string_view name, std::string_view kind);

  Json object_ = Json::object();
  std::optional<ServiceError> error_;
};

// As messages name a member: "MaximumRetryAttempts" is "maximumRetryAttempts".
std::string MemberName(std::string_view name);

// `json` as text; what is not UTF-8 in it becomes U+FFFD.
std::string Text(const Json& json);
bool IsUtf8(const std::string& text);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_JSON_FIELDS_H_
