#include "http/response_text.h"

#include <string>
#include <vector>

#include "http/refusal.h"
#include "tests/catch.h"

namespace runlet::http {
namespace {

std::string Head(int status, std::vector<Header> headers, HeadText text) {
  text.date = "D";
  std::string out;
  AppendHead({.status = status, .headers = headers}, text, &out);
  return out;
}

TEST_CASE("an answer's head says its status, its headers and its length") {
  CHECK(Head(200, {{"Content-Type", "application/json"}}, {.body_bytes = 12}) ==
        "HTTP/1.1 200 OK\r\nDate: D\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n");
  CHECK(Head(200, {}, {.framing = Framing::kChunks, .closes = true}) ==
        "HTTP/1.1 200 OK\r\nDate: D\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
  CHECK(Head(204, {}, {.framing = Framing::kNone}) == "HTTP/1.1 204 No Content\r\nDate: D\r\n\r\n");
  CHECK(Head(299, {}, {.framing = Framing::kNone}) == "HTTP/1.1 299 Status\r\nDate: D\r\n\r\n");
  CHECK(Head(200, {}, {.framing = Framing::kNone, .keeps_alive_1_0 = true}) ==
        "HTTP/1.1 200 OK\r\nDate: D\r\nConnection: keep-alive\r\n\r\n");
}

TEST_CASE("a status that is none is sent as 500") {
  for (const int status : {0, 100, 199, 600, -1}) {
    CHECK(Head(status, {}, {.framing = Framing::kNone}).starts_with("HTTP/1.1 500 "));
  }
}

TEST_CASE("no header can break out of its line, or say what the wire says") {
  const std::string bare = Head(200, {}, {.body_bytes = 0});
  for (const Header& header : std::vector<Header>{{"X", "a\r\nY: b"},
                                                  {"X", std::string_view("a\0", 2)},
                                                  {"X\r\nY", "b"},
                                                  {"X Y", "b"},
                                                  {"X:", "b"},
                                                  {"", "b"},
                                                  {"caf\xe9", "b"},
                                                  {"content-LENGTH", "7"},
                                                  {"Transfer-Encoding", "chunked"},
                                                  {"Connection", "close"},
                                                  {"Date", "now"}}) {
    INFO(header.name);
    CHECK(Head(200, {header}, {.body_bytes = 0}) == bare);
  }
  CHECK(Head(200, {{"X", "a\tb caf\xe9"}}, {}).find("X: a\tb caf\xe9\r\n") != std::string::npos);
}

TEST_CASE("a date has HTTP's form, and moves with the seconds") {
  DateText date;
  CHECK(date.At(absl::FromUnixSeconds(784'111'777)) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(date.At(absl::FromUnixSeconds(784'111'777) + absl::Milliseconds(999)) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(date.At(absl::FromUnixSeconds(784'111'778)) == "Sun, 06 Nov 1994 08:49:38 GMT");
  CHECK(date.At(absl::FromUnixSeconds(1'795'599'000)) == "Wed, 25 Nov 2026 09:30:00 GMT");
}

TEST_CASE("a chunk begins with its length in hex") {
  std::array<char, 20> space;
  CHECK(ChunkHeader(1, &space) == "1\r\n");
  CHECK(ChunkHeader(255, &space) == "ff\r\n");
  CHECK(ChunkHeader(SIZE_MAX, &space) == "ffffffffffffffff\r\n");
}

TEST_CASE("a refusal is JSON, and blames the client unless it is the server's") {
  CHECK(ErrorBody({408, "too slow"}) == R"({"Type":"User","message":"too slow"})");
  CHECK(ErrorBody({503, "full"}) == R"({"Type":"Service","message":"full"})");
  CHECK(ErrorType(413) == "RequestEntityTooLargeException");
}

}  // namespace
}  // namespace runlet::http
