// The text of an answer.
#ifndef RUNLET_SRC_HTTP_RESPONSE_TEXT_H_
#define RUNLET_SRC_HTTP_RESPONSE_TEXT_H_

#include <absl/time/time.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/exchange.h"

namespace runlet::http {

// "Wed, 25 Nov 2026 09:30:00 GMT", written once a second. Thread-compatible.
class DateText {
 public:
  // Valid until the next call.
  std::string_view At(absl::Time time);

 private:
  std::int64_t second_ = -1;
  std::array<char, 32> text_{};
};

// How a client knows where a body ends.
enum class Framing : std::uint8_t {
  kLength,  // Content-Length
  kChunks,  // Transfer-Encoding: chunked
  kClose,   // the connection ends: HTTP/1.0
  kNone,    // the status allows no body
};

// 204 and 304 have none, and say nothing of its length.
bool MayHaveBody(int status);

struct HeadText {
  Framing framing = Framing::kLength;
  std::uint64_t body_bytes = 0;  // with kLength
  bool closes = false;
  bool keeps_alive_1_0 = false;  // a client of HTTP/1.0 that asked to stay wants to be told
  std::string_view date = {};
};

// Appends status line, headers and the empty line. A status outside 200 to 599 is sent as 500; headers that are the
// wire's own, or that would break out of their line, are left out.
void AppendHead(const ResponseHead& head, const HeadText& text, std::string* out);

// "1f\r\n", in `space`.
std::string_view ChunkHeader(std::size_t bytes, std::array<char, 20>* space);
inline constexpr std::string_view kChunkEnd = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_RESPONSE_TEXT_H_
