// The metadata in front of a streamed HTTP response.
#ifndef RUNLET_SRC_HTTP_STREAM_PRELUDE_H_
#define RUNLET_SRC_HTTP_STREAM_PRELUDE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "http/json_fields.h"
#include "runlet/http/stream_head.h"

namespace runlet::http {

// Behind its JSON.
inline constexpr std::string_view kPreludeEnd("\0\0\0\0\0\0\0\0", 8);
inline constexpr std::size_t kPreludeMax = 65'536;

// What a function gives as the statusCode of a response. Nothing where no final response has it: not 200 to 599.
std::optional<int> FinalStatus(const Json& status);

std::string PreludeText(const StreamHead& head);
// Of the JSON text. Nothing where it is no such object, or has no such statusCode.
std::optional<StreamHead> ParsePrelude(std::string_view json);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_STREAM_PRELUDE_H_
