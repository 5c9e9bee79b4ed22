#include "http/json_fields.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <algorithm>

#include "event/characters.h"
#include "http/payload_check.h"

namespace runlet::http {
namespace {

ServiceError Unreadable(std::string_view why) {
  return InvalidContent(fmt::format("Could not parse request body into json: {}", why));
}

}  // namespace

std::string MemberName(std::string_view name) {
  std::string member(name);
  if (!member.empty()) member[0] = absl::ascii_tolower(static_cast<unsigned char>(member[0]));
  return member;
}

std::string Text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

bool IsUtf8(const std::string& text) {
  const Json json(text);
  return json.dump(-1, ' ', false, Json::error_handler_t::ignore) == Text(json);
}

JsonFields::JsonFields(std::string_view body) {
  if (body.empty()) return;
  if (const std::string wrong = PayloadError(body); !wrong.empty()) {
    Fail(Unreadable(wrong));
  } else if (Json parsed = Json::parse(body, nullptr, false); parsed.is_object()) {
    object_ = std::move(parsed);
  } else {
    Fail(Unreadable("not an object"));
  }
}

void JsonFields::Fail(ServiceError error) {
  if (!error_.has_value()) error_ = std::move(error);
}

const Json* JsonFields::Find(std::string_view name) const {
  const auto found = object_.find(std::string(name));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool JsonFields::Has(std::string_view name) const { return Find(name) != nullptr; }

void JsonFields::WrongKind(std::string_view name, std::string_view kind) {
  Fail(Unreadable(fmt::format("{} is not {}", name, kind)));
}

std::optional<std::int64_t> JsonFields::Integer(std::string_view name, std::int64_t least, std::int64_t most) {
  const Json* const member = Find(name);
  if (member == nullptr) return std::nullopt;
  if (!member->is_number_integer()) {
    WrongKind(name, "an integer");
    return std::nullopt;
  }
  const bool huge = member->is_number_unsigned() &&
                    member->get<std::uint64_t>() > static_cast<std::uint64_t>(std::max<std::int64_t>(most, 0));
  const std::int64_t value = huge ? most : member->get<std::int64_t>();
  if (huge || value > most) {
    Fail(Validation(http::Text(*member), MemberName(name),
                    fmt::format("Member must have value less than or equal to {}", most)));
  } else if (value < least) {
    Fail(Validation(http::Text(*member), MemberName(name),
                    fmt::format("Member must have value greater than or equal to {}", least)));
  }
  return value;
}

std::optional<std::string> JsonFields::Text(std::string_view name, std::size_t longest) {
  const Json* const member = Find(name);
  if (member == nullptr) return std::nullopt;
  if (!member->is_string()) {
    WrongKind(name, "a string");
    return std::nullopt;
  }
  std::string text = member->get<std::string>();
  if (Characters(text) > longest) {
    Fail(Validation(text, MemberName(name), fmt::format("Member must have length less than or equal to {}", longest)));
  }
  return text;
}

std::optional<std::string> JsonFields::OneOf(std::string_view name, const std::vector<std::string_view>& values) {
  std::optional<std::string> text = Text(name, 256);
  if (text.has_value() && std::find(values.begin(), values.end(), *text) == values.end()) {
    Fail(Validation(*text, MemberName(name),
                    fmt::format("Member must satisfy enum value set: [{}]", fmt::join(values, ", "))));
  }
  return text;
}

std::optional<Json> JsonFields::Object(std::string_view name) {
  const Json* const member = Find(name);
  if (member == nullptr) return std::nullopt;
  if (!member->is_object()) {
    WrongKind(name, "an object");
    return std::nullopt;
  }
  return *member;
}

const std::string* JsonFields::Other(const std::vector<std::string_view>& names) const {
  for (auto member = object_.begin(); member != object_.end(); ++member) {
    if (!member->is_null() && std::find(names.begin(), names.end(), member.key()) == names.end()) return &member.key();
  }
  return nullptr;
}

}  // namespace runlet::http
