// JSON as text: what is it, and how to write a string into it. Reading values is the business of codecs.
#ifndef RUNLET_SRC_EVENT_JSON_TEXT_H_
#define RUNLET_SRC_EVENT_JSON_TEXT_H_

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace runlet {

inline constexpr std::size_t kJsonDepthMax = 1000;

// Where a text ceases to be JSON.
struct JsonFault {
  std::size_t at = 0;     // the first byte that does not fit; the text's size where its end is missing
  bool too_deep = false;  // what opens there is nested too deep
};
// Nothing: `text` is one JSON value (RFC 8259) in valid UTF-8, nested at most kJsonDepthMax deep.
std::optional<JsonFault> FindJsonFault(std::string_view text);
inline bool IsJson(std::string_view text) { return !FindJsonFault(text).has_value(); }

// Appends `text` as a JSON string, quotes included. What is not UTF-8 becomes U+FFFD.
void AppendJsonString(std::string_view text, std::string* out);

bool IsUtf8(std::string_view text);

// Reads the strings and numbers of one JSON object, as text without quotes and escapes, by key; what is nested is left
// out, and of a key that comes twice the last one counts. Empty when `text` is no JSON object.
std::optional<std::map<std::string, std::string, std::less<>>> ReadFlatJson(std::string_view text);

// The length of the UTF-8 sequence that `text` begins with; 0 where it begins with none.
std::size_t Utf8Length(std::string_view text);

// As many whole characters as fit into `bytes_max`.
std::string_view FirstCharacters(std::string_view text, std::size_t bytes_max);

}  // namespace runlet

#endif  // RUNLET_SRC_EVENT_JSON_TEXT_H_
