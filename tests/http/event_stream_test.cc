#include "http/event_stream.h"

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "tests/catch.h"

namespace runlet::http {
namespace {

std::string EventFrame(std::string_view event_type, std::string_view content_type, std::string_view payload) {
  const Header headers[] = {{":message-type", "event"}, {":event-type", event_type}, {":content-type", content_type}};
  return EventStreamFrame(headers, payload);
}

// A decoder of the test's own, with a checksum worked out bit by bit.
std::uint32_t SlowCrc(std::string_view bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
  }
  return ~crc;
}

std::uint32_t Number(std::string_view bytes) {
  std::uint32_t number = 0;
  for (const char c : bytes) number = number << 8 | static_cast<unsigned char>(c);
  return number;
}

struct Frame {
  std::map<std::string, std::string> headers;
  std::string payload;
};

Frame Take(std::string_view* stream) {
  REQUIRE(stream->size() >= 16);
  const std::uint32_t size = Number(stream->substr(0, 4));
  const std::uint32_t headers_size = Number(stream->substr(4, 4));
  REQUIRE(stream->size() >= size);
  CHECK(Number(stream->substr(8, 4)) == SlowCrc(stream->substr(0, 8)));
  CHECK(Number(stream->substr(size - 4, 4)) == SlowCrc(stream->substr(0, size - 4)));
  Frame frame;
  std::string_view headers = stream->substr(12, headers_size);
  while (!headers.empty()) {
    const std::size_t name_size = static_cast<unsigned char>(headers[0]);
    const std::string name(headers.substr(1, name_size));
    REQUIRE(headers[1 + name_size] == 7);
    const std::size_t value_size = Number(headers.substr(2 + name_size, 2));
    frame.headers[name] = headers.substr(4 + name_size, value_size);
    headers.remove_prefix(4 + name_size + value_size);
  }
  frame.payload = stream->substr(12 + headers_size, size - headers_size - 16);
  stream->remove_prefix(size);
  return frame;
}

TEST_CASE("a frame holds its type, its content type and its payload, and its checksums are right") {
  for (const std::size_t size : {0, 1, 255, 256, 65'536, 1'000'000}) {
    std::string payload(size, '\0');
    for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(i * 131);
    const std::string stream = EventFrame("PayloadChunk", "application/octet-stream", payload) +
                               EventFrame("InvokeComplete", "application/json", "{}");
    std::string_view rest = stream;
    const Frame chunk = Take(&rest);
    CHECK(chunk.headers == std::map<std::string, std::string>{{":message-type", "event"},
                                                              {":event-type", "PayloadChunk"},
                                                              {":content-type", "application/octet-stream"}});
    CHECK(chunk.payload == payload);
    const Frame complete = Take(&rest);
    CHECK(complete.headers.at(":event-type") == "InvokeComplete");
    CHECK(complete.payload == "{}");
    CHECK(rest.empty());
  }
}

std::string Hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

TEST_CASE("frames have the bytes that AWS's own client library takes") {
  // check_event_stream.py decodes these very bytes.
  std::string frame = EventFrame("PayloadChunk", "application/octet-stream", "hello");
  CHECK(Hex(frame) ==
        "0000006f0000005af5fe871f0d3a6d6573736167652d747970650700056576656e740b3a6576656e742d7479706507000c50"
        "61796c6f61644368756e6b0d3a636f6e74656e742d747970650700186170706c69636174696f6e2f6f637465742d73747265"
        "616d68656c6c6f4fe061f2");
  frame = EventFrame("InvokeComplete", "application/json", "{}");
  CHECK(Hex(frame) ==
        "00000066000000541f56c8690d3a6d6573736167652d747970650700056576656e740b3a6576656e742d7479706507000e49"
        "6e766f6b65436f6d706c6574650d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b7dface"
        "259a");
}

}  // namespace
}  // namespace runlet::http
