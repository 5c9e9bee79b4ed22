#include "http/exchange.h"

#include <string>
#include <thread>
#include <utility>

#include "tests/catch.h"
#include "tests/http/recorded_exchange.h"

namespace runlet::http {
namespace {

// Answers with what `answer` makes of it.
class Answering final : public RequestHandler {
 public:
  explicit Answering(std::function<void(const Request&, Responder)> answer) : answer_(std::move(answer)) {}
  void Handle(const Request& request, Responder responder) override { answer_(request, std::move(responder)); }

 private:
  std::function<void(const Request&, Responder)> answer_;
};

TEST_CASE("a request's target falls into path and query at the first question mark") {
  Request request;
  request.target = "/a%3Fb?c=d?e";
  CHECK(request.path() == "/a%3Fb");
  CHECK(request.query() == "c=d?e");

  request.target = "/a";
  CHECK(request.path() == "/a");
  CHECK(request.query().empty());
}

TEST_CASE("a header is found whatever its case, and the first of that name counts") {
  const Header headers[] = {{"X-Amz-Log-Type", "Tail"}, {"x-amz-log-type", "None"}};
  Request request;
  request.headers = headers;
  CHECK(request.Find("x-amz-LOG-type") == "Tail");
  CHECK_FALSE(request.Find("x-amz-log").has_value());
}

TEST_CASE("an answer is sent once, from any thread, and the responder knows it") {
  std::thread later;
  Answering handler([&](const Request& request, Responder responder) {
    later = std::thread([&request, responder = std::move(responder)]() mutable {
      const Header type[] = {{"Content-Type", "text/plain"}};
      std::move(responder).Send({.status = 201, .headers = type}, request.body);
    });
  });
  RecordedExchange exchange("POST", "/", {}, "hello");
  exchange.Run(handler);
  later.join();
  CHECK(exchange.status() == 201);
  CHECK(exchange.body() == "hello");
  CHECK(exchange.header("content-type") == "text/plain");
}

TEST_CASE("a responder that is forgotten drops its request") {
  Answering handler([](const Request&, Responder) {});
  RecordedExchange exchange("GET", "/");
  exchange.Run(handler);
  CHECK(exchange.dropped());
}

TEST_CASE("a responder moved to another answers there alone") {
  Answering handler([](const Request&, Responder responder) {
    Responder other(std::move(responder));
    CHECK(static_cast<bool>(other));
    other.Begin({.status = 200, .headers = {}});
    CHECK(other.Write("a") == Room::kFree);
    CHECK(other.Write("b") == Room::kFree);
    std::move(other).End();
  });
  RecordedExchange exchange("GET", "/");
  exchange.Run(handler);
  CHECK(exchange.pieces() == std::vector<std::string>{"a", "b"});
  CHECK_FALSE(exchange.dropped());
}

}  // namespace
}  // namespace runlet::http
