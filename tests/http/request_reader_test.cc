#include "http/request_reader.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/catch.h"
#include "tests/http/wire_cases.h"

namespace runlet::http {
namespace {

// Feeds `sent` in pieces of at most `piece` bytes, and keeps what comes of it.
class Feed {
 public:
  explicit Feed(const ServerLimits& limits) : reader_(limits) {}

  void Send(std::string_view sent, std::size_t piece) {
    while (!sent.empty() && !over_) {
      const std::span<char> room = reader_.Room();
      REQUIRE_FALSE(room.empty());
      const std::size_t bytes = std::min({piece, sent.size(), room.size()});
      std::memcpy(room.data(), sent.data(), bytes);
      sent.remove_prefix(bytes);
      reader_.Commit(bytes);
      Take();
    }
    if (!over_ && reader_.phase() != RequestReader::Phase::kIdle) Say("wait");
  }

  const std::string& answers() const { return answers_; }
  const std::vector<std::string>& requests() const { return requests_; }
  int continues() const { return continues_; }
  const RequestReader& reader() const { return reader_; }

 private:
  void Say(std::string_view word) {
    if (!answers_.empty()) answers_ += ' ';
    answers_ += word;
  }

  void Take() {
    while (true) {
      switch (reader_.Advance()) {
        case RequestReader::Progress::kNeedMore: return;
        case RequestReader::Progress::kContinue: ++continues_; continue;
        case RequestReader::Progress::kRefused:
          Say(std::to_string(reader_.refusal().status));
          over_ = true;
          return;
        case RequestReader::Progress::kRequest: break;
      }
      const Request& request = reader_.request();
      requests_.push_back(std::string(request.method) + " " + std::string(request.target) + " " +
                          std::string(request.body));
      if (request.oversized_bytes > 0) requests_.back() += "+" + std::to_string(request.oversized_bytes);
      Say("200");
      if (!reader_.keeps_alive()) {
        Say("close");
        over_ = true;
        return;
      }
      reader_.Next();
    }
  }

  RequestReader reader_;
  std::string answers_;
  std::vector<std::string> requests_;
  int continues_ = 0;
  bool over_ = false;
};

TEST_CASE("each request and each malformed text has its answer, however it is cut") {
  const ServerLimits limits = WireLimits();
  const std::vector<WireCase> cases = WireCases();
  CHECK(cases.size() >= 60);
  for (const WireCase& wire_case : cases) {
    for (const std::size_t piece : {std::size_t{1'000'000}, std::size_t{1}, std::size_t{7}}) {
      Feed feed(limits);
      feed.Send(wire_case.sent, piece);
      INFO(wire_case.name << ", in pieces of " << piece);
      CHECK(feed.answers() == wire_case.answers);
    }
  }
}

TEST_CASE("a request's parts are those that were sent") {
  const ServerLimits limits;
  RequestReader reader(limits);
  const std::string sent =
      "POST http://a:1/b%20c?d=e HTTP/1.1\r\nhost: h\r\nX-A:  1 \r\nx-a: 2\r\nContent-Length: 3\r\n\r\nxyzGET";
  std::memcpy(reader.Room().data(), sent.data(), sent.size());
  reader.Commit(sent.size());
  REQUIRE(reader.Advance() == RequestReader::Progress::kRequest);
  const Request& request = reader.request();
  CHECK(request.method == "POST");
  CHECK(request.target == "/b%20c?d=e");
  CHECK(request.body == "xyz");
  REQUIRE(request.headers.size() == 4);
  CHECK(request.headers[1].name == "X-A");
  CHECK(request.headers[1].value == "1");
  CHECK(request.Find("X-A") == "1");
  CHECK(reader.keeps_alive());
  CHECK(reader.has_rest());
  reader.Next();
  CHECK(reader.phase() == RequestReader::Phase::kHead);
}

TEST_CASE("bodies of all sizes come through whole, however they are cut") {
  ServerLimits limits;
  limits.body_bytes_max = 300'000;
  for (const std::size_t size : {0, 1, 1'500, 1'700, 1'792, 2'000, 4'000, 65'536, 65'537, 200'000, 300'000}) {
    std::string body(size, '\0');
    for (std::size_t i = 0; i < size; ++i) body[i] = static_cast<char>(i * 31);
    const std::string by_length =
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" + body;
    std::string by_chunks = "POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (std::size_t at = 0; at < size; at += 1'021) {
      const std::string chunk = body.substr(at, 1'021);
      char length[16];
      std::snprintf(length, sizeof length, "%zx\r\n", chunk.size());
      by_chunks += length + chunk + "\r\n";
    }
    by_chunks += "0\r\n\r\n";
    for (const std::size_t piece : {std::size_t{1'000}, std::size_t{1'000'000}}) {
      Feed feed(limits);
      feed.Send(by_length + by_chunks + by_length, piece);
      INFO(size << " bytes in pieces of " << piece);
      REQUIRE(feed.answers() == "200 200 200");
      CHECK(feed.requests()[0] == "POST /a " + body);
      CHECK(feed.requests()[1] == "POST /b " + body);
      CHECK(feed.requests()[2] == "POST /a " + body);
    }
  }
}

TEST_CASE("a body past the limit is dropped but counted, to the byte") {
  const ServerLimits limits = WireLimits();
  const auto post = [](std::size_t size) {
    return "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
           std::string(size, 'x');
  };
  Feed feed(limits);
  feed.Send(post(1'000) + post(1'001) + post(20'000), 100);
  REQUIRE(feed.answers() == "200 200 200");
  CHECK(feed.requests()[0] == "POST / " + std::string(1'000, 'x'));
  CHECK(feed.requests()[1] == "POST / +1001");
  CHECK(feed.requests()[2] == "POST / +20000");

  Feed chunks(limits);
  chunks.Send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + Many(101, "a\r\n0123456789\r\n") +
                  "0\r\n\r\n",
              100);
  CHECK(chunks.requests() == std::vector<std::string>{"POST / +1010"});
}

TEST_CASE("a client that expects 100-continue is told to go on, once, unless its body is there or unwanted") {
  const ServerLimits limits = WireLimits();
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: ";
  Feed waits(limits);
  waits.Send(head + "5\r\n\r\n", 1'000);
  CHECK(waits.continues() == 1);
  waits.Send("hello", 2);
  CHECK(waits.continues() == 1);
  CHECK(waits.requests() == std::vector<std::string>{"POST / hello"});

  Feed there(limits);
  there.Send(head + "5\r\n\r\nhello", 1'000);
  CHECK(there.continues() == 0);
  CHECK(there.answers() == "200");

  Feed unwanted(limits);
  unwanted.Send(head + "20001\r\n\r\n", 1'000);
  CHECK(unwanted.continues() == 0);
  CHECK(unwanted.requests() == std::vector<std::string>{"POST / +20001"});
  CHECK(unwanted.answers() == "200 close");

  Feed old(limits);
  old.Send("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", 1'000);
  CHECK(old.continues() == 0);
}

TEST_CASE("a reader takes some bytes while its request is answered, and the next request is whole") {
  const ServerLimits limits;
  RequestReader reader(limits);
  const auto put = [&](std::string_view text) {
    const std::span<char> room = reader.Room();
    REQUIRE(room.size() >= text.size());
    std::memcpy(room.data(), text.data(), text.size());
    reader.Commit(text.size());
  };
  // Heads of many sizes, so that the buffer's end falls everywhere.
  for (int filler = 0; filler < 3'000; filler += 7) {
    const std::string first = "GET /first HTTP/1.1\r\nHost: h\r\nX: " + std::string(filler, 'x') + "\r\n\r\n";
    std::string_view rest = first;
    while (!rest.empty()) {
      const std::span<char> room = reader.Room();
      const std::size_t bytes = std::min(room.size(), rest.size());
      std::memcpy(room.data(), rest.data(), bytes);
      reader.Commit(bytes);
      rest.remove_prefix(bytes);
      REQUIRE(reader.Advance() ==
              (rest.empty() ? RequestReader::Progress::kRequest : RequestReader::Progress::kNeedMore));
    }
    put("GET /second HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(reader.request().target == "/first");
    CHECK(reader.has_rest());
    reader.Next();
    REQUIRE(reader.Advance() == RequestReader::Progress::kRequest);
    CHECK(reader.request().target == "/second");
    reader.Next();
    CHECK(reader.phase() == RequestReader::Phase::kIdle);
  }
}

}  // namespace
}  // namespace runlet::http
