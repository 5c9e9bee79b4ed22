#include "http/payload_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>

namespace runlet::http {
namespace {

// The library's events: only depth and errors matter.
class Watcher {
 public:
  using Json = nlohmann::json;

  bool null() { return true; }
  bool boolean(bool) { return true; }
  bool number_integer(Json::number_integer_t) { return true; }
  bool number_unsigned(Json::number_unsigned_t) { return true; }
  bool number_float(Json::number_float_t, const Json::string_t&) { return true; }
  bool string(Json::string_t&) { return true; }
  bool binary(Json::binary_t&) { return true; }
  bool key(Json::string_t&) { return true; }
  bool start_object(std::size_t) { return Deeper(); }
  bool end_object() { return Higher(); }
  bool start_array(std::size_t) { return Deeper(); }
  bool end_array() { return Higher(); }
  bool parse_error(std::size_t position, const std::string&, const Json::exception& error) {
    number_too_large = error.id == kOutOfRange;
    where = position;
    return false;
  }

  bool too_deep = false;
  bool number_too_large = false;
  std::size_t where = 0;

 private:
  static constexpr int kOutOfRange = 406;

  bool Deeper() {
    too_deep = ++depth_ > kPayloadDepthMax;
    return !too_deep;
  }
  bool Higher() {
    --depth_;
    return true;
  }

  int depth_ = 0;
};

// The library refuses numbers that no double holds; JSON and Lambda do not. The same grammar without such: of each run
// of digits outside of strings two are enough to tell whether it is a number.
std::string WithShortNumbers(std::string_view payload) {
  std::string text;
  text.reserve(payload.size());
  bool in_string = false;
  int digits = 0;
  for (std::size_t i = 0; i < payload.size(); ++i) {
    const char c = payload[i];
    digits = !in_string && c >= '0' && c <= '9' ? digits + 1 : 0;
    if (digits > 2) continue;
    text += c;
    if (c == '"') in_string = !in_string;
    if (in_string && c == '\\' && i + 1 < payload.size()) text += payload[++i];
  }
  return text;
}

}  // namespace

std::string PayloadError(std::string_view payload) {
  Watcher watcher;
  if (nlohmann::json::sax_parse(payload, &watcher)) return {};
  if (watcher.number_too_large) return PayloadError(WithShortNumbers(payload));
  if (watcher.too_deep) return fmt::format("nested deeper than {} levels", kPayloadDepthMax);
  return fmt::format("not JSON at byte {} of {}", std::min(watcher.where, payload.size()), payload.size());
}

}  // namespace runlet::http
