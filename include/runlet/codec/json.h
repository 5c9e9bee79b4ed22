// Codecs by nlohmann/json: include it where functions are registered, and every type that the library can convert (by
// to_json and from_json, NLOHMANN_DEFINE_TYPE_..., or built in, as containers are) travels as JSON.
#ifndef RUNLET_CODEC_JSON_H_
#define RUNLET_CODEC_JSON_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "runlet/event/codec.h"

namespace runlet {

namespace internal_json {

// Text stays text and numbers have their built-in codec.
template <typename T>
concept Converts =
    !std::is_arithmetic_v<T> && !std::is_same_v<T, std::string> && requires(nlohmann::json & json, const T& value) {
  nlohmann::json(value);
  json.get<T>();
};

// The library reads any depth, but copies and converts by recursion: text could end the program.
inline constexpr int kDepthMax = 1000;

// Whether `bytes`, if they are JSON, are nested no deeper than kDepthMax.
inline bool IsShallow(std::string_view bytes) {
  int depth = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    switch (bytes[i]) {
      case '"': in_text = !in_text; break;
      case '\\':
        if (in_text) ++i;
        break;
      case '[':
      case '{':
        if (!in_text && ++depth > kDepthMax) return false;
        break;
      case ']':
      case '}':
        if (!in_text) --depth;
        break;
    }
  }
  return true;
}

// The library writes null for a number that JSON does not have, and nobody could read it back.
inline bool HasOnlyFiniteNumbers(const nlohmann::json& json) {
  if (json.is_structured()) return std::all_of(json.begin(), json.end(), HasOnlyFiniteNumbers);
  return !json.is_number_float() || std::isfinite(json.get<double>());
}

inline absl::StatusOr<std::string> Write(const nlohmann::json& json) {
  if (!HasOnlyFiniteNumbers(json)) return absl::InvalidArgumentError("JSON has no number that is infinite or NaN");
  return json.dump();
}

}  // namespace internal_json

// Decode says InvalidArgument and the parser's words for what is not JSON or not a T, and for what is nested deeper
// than 1,000; Encode for text that is not UTF-8, and for numbers that are infinite or NaN.
template <internal_json::Converts T>
struct Codec<T> {
  static absl::StatusOr<std::string> Encode(const T& value) {
#if defined(__cpp_exceptions)
    try {
      return internal_json::Write(value);
    } catch (const nlohmann::json::exception& e) {
      return absl::InvalidArgumentError(e.what());
    }
#else
    return internal_json::Write(value);
#endif
  }

  static absl::StatusOr<T> Decode(std::string_view bytes) {
    if (!internal_json::IsShallow(bytes)) return absl::InvalidArgumentError("JSON nested deeper than 1000");
#if defined(__cpp_exceptions)
    try {
      return nlohmann::json::parse(bytes).template get<T>();
    } catch (const nlohmann::json::exception& e) {
      return absl::InvalidArgumentError(e.what());
    }
#else
    // Without exceptions the library ends the program over a value of the wrong kind; text that is no JSON is told.
    nlohmann::json json = nlohmann::json::parse(bytes, nullptr, false);
    if (json.is_discarded()) return absl::InvalidArgumentError("not JSON");
    return json.template get<T>();
#endif
  }
};

}  // namespace runlet

#endif  // RUNLET_CODEC_JSON_H_
