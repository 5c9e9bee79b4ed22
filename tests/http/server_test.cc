#include "http/server.h"

#include <csignal>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "runlet/base/time.h"
#include "tests/catch.h"
#include "tests/http/client.h"
#include "tests/http/server_fixture.h"
#include "tests/http/wire_cases.h"

namespace runlet::http {
namespace {

std::string Post(std::string_view body, std::string_view more = {}) {
  return "POST / HTTP/1.1\r\nHost: h\r\n" + std::string(more) + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}
const std::string kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

TEST_CASE("a connection serves one request after another", "[realtime]") {
  Answering handler(Echo);
  const std::unique_ptr<Server> server = StartServer(handler);
  CHECK(server->port() != 0);
  CHECK(server->endpoint() == "http://127.0.0.1:" + std::to_string(server->port()));
  Client client(server->port());
  for (const std::string body : {"one", "", "three"}) {
    client.Send(Post(body));
    const Answer answer = client.Read();
    CHECK(answer.status == 200);
    CHECK(answer.body == body);
    CHECK(answer.header("content-type") == "text/plain");
    CHECK(answer.header("date").size() == 29);
    CHECK(answer.header("connection").empty());
  }
  CHECK(server->connections() == 1);
}

TEST_CASE("each request and each malformed text has its answer over a socket, and harms no one else", "[realtime]") {
  Answering handler(Echo);
  const std::unique_ptr<Server> server = StartServer(handler, {.limits = WireLimits()});
  Client bystander(server->port());
  for (const WireCase& wire_case : WireCases()) {
    INFO(wire_case.name);
    Client client(server->port());
    client.Send(wire_case.sent);
    std::istringstream words(wire_case.answers);
    bool closes = false;
    for (std::string word; words >> word;) {
      if (word == "wait") continue;
      if (word == "close") {
        closes = true;
        continue;
      }
      const Answer answer = client.Read();
      CHECK(answer.status == std::stoi(word));
      CHECK(answer.whole);
      if (word == "200") continue;
      closes = true;
      CHECK(answer.header("connection") == "close");
      CHECK(answer.header("content-type") == "application/json");
      CHECK_FALSE(answer.header("x-amzn-errortype").empty());
      CHECK(answer.body.starts_with("{\"Type\":\""));
    }
    if (!closes) client.CloseSending();
    CHECK(client.AtEnd());
    client.Close();

    bystander.Send(Post("still here"));
    REQUIRE(bystander.Read().body == "still here");
  }
}

TEST_CASE("answers come in the order of their requests, from whatever thread", "[realtime]") {
  Elsewhere elsewhere;
  int number = 0;
  Answering handler([&](const Request& request, Responder responder) {
    if (++number % 3 == 0) return Echo(request, std::move(responder));
    auto kept = std::make_shared<Responder>(std::move(responder));
    elsewhere.Post([&request, kept] { Echo(request, std::move(*kept)); });
  });
  const std::unique_ptr<Server> server = StartServer(handler);
  Client client(server->port());
  std::string all;
  for (int i = 0; i < 200; ++i) all += Post(std::to_string(i));
  std::thread sender([&] { client.Send(all); });
  for (int i = 0; i < 200; ++i) REQUIRE(client.Read().body == std::to_string(i));
  sender.join();
}

TEST_CASE("a large body comes whole, both ways", "[realtime]") {
  Elsewhere elsewhere;
  Answering handler([&](const Request& request, Responder responder) {
    auto kept = std::make_shared<Responder>(std::move(responder));
    elsewhere.Post([&request, kept] { Echo(request, std::move(*kept)); });
  });
  const std::unique_ptr<Server> server = StartServer(handler);
  std::string body(6'000'000, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 7 + i / 1000);
  Client client(server->port());
  for (int round = 0; round < 3; ++round) {
    REQUIRE(client.Send(Post(body)));
    REQUIRE(client.Read().body == body);
  }
}

TEST_CASE("a client that expects it is told to continue before it sends the body", "[realtime]") {
  Answering handler(Echo);
  const std::unique_ptr<Server> server = StartServer(handler);
  Client client(server->port());
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  CHECK(client.ReadStatus() == 100);
  client.Send("hello");
  CHECK(client.Read().body == "hello");
}

TEST_CASE("an oversized body is read before its handler hears of it", "[realtime]") {
  Answering handler([](const Request& request, Responder responder) {
    SendText(std::move(responder), std::to_string(request.oversized_bytes) + std::string(request.body), 413);
  });
  const std::unique_ptr<Server> server = StartServer(handler);
  Client client(server->port());
  REQUIRE(client.Send(Post(std::string(6'291'457, 'x'))));
  CHECK(client.Read().body == "6291457");
  REQUIRE(client.Send(Post(std::string(20'000'000, 'x'))));
  CHECK(client.Read().body == "20000000");
}

TEST_CASE("a HEAD is answered without a body, as are statuses that have none", "[realtime]") {
  Answering handler([](const Request& request, Responder responder) {
    SendText(std::move(responder), "hello", request.path() == "/none" ? 204 : 200);
  });
  const std::unique_ptr<Server> server = StartServer(handler);
  Client client(server->port());
  client.Send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\nGET /none HTTP/1.1\r\nHost: h\r\n\r\n" + kGet);
  const Answer head = client.Read(false);
  CHECK(head.header("content-length") == "5");
  const Answer none = client.Read();
  CHECK(none.status == 204);
  CHECK(none.headers.count("content-length") == 0);
  CHECK(client.Read().body == "hello");
}

TEST_CASE("a request that nobody answers is answered with 500", "[realtime]") {
  Answering handler([](const Request&, Responder) {});
  const std::unique_ptr<Server> server = StartServer(handler);
  Client client(server->port());
  client.Send(kGet + kGet);
  CHECK(client.Read().header("x-amzn-errortype") == "ServiceException");
  CHECK(client.ReadStatus() == 500);
}

TEST_CASE("a request knows its peer, its time and its headers", "[realtime]") {
  Request seen;
  std::string peer;
  std::string header;
  Answering handler([&](const Request& request, Responder responder) {
    seen = request;
    peer = request.peer;
    header = request.Find("x-a").value_or("none");
    SendText(std::move(responder), request.target);
  });
  const std::unique_ptr<Server> server = StartServer(handler);
  Client client(server->port());
  client.Send("GET /a%20b?c HTTP/1.1\r\nHost: h\r\nX-A: b\r\n\r\n");
  CHECK(client.Read().body == "/a%20b?c");
  CHECK(peer.starts_with("127.0.0.1:"));
  CHECK(header == "b");
  CHECK(absl::AbsDuration(seen.time - SystemClock().Calendar()) < absl::Minutes(1));
  CHECK_FALSE(seen.encrypted);
}

TEST_CASE("many clients at once are all served, on several threads", "[realtime]") {
  Elsewhere elsewhere;
  Answering handler([&](const Request& request, Responder responder) {
    auto kept = std::make_shared<Responder>(std::move(responder));
    elsewhere.Post([&request, kept] { Echo(request, std::move(*kept)); });
  });
  const std::unique_ptr<Server> server = StartServer(handler, {.threads = 3});
  std::vector<std::thread> clients;
  std::atomic<int> right{0};
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([&, c] {
      Client client(server->port());
      for (int i = 0; i < 100; ++i) {
        const std::string body = std::to_string(c) + "-" + std::to_string(i);
        client.Send(Post(body));
        if (client.Read().body == body) ++right;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  CHECK(right == 800);
}

// ---- answers in pieces ----

TEST_CASE("a piece of an answer arrives before the answer has ended", "[realtime]") {
  Kept kept;
  Answering handler([&](const Request&, Responder responder) { kept.Put(std::move(responder)); });
  const std::unique_ptr<Server> server = StartServer(handler);
  Client client(server->port());
  client.Send(kGet + kGet);
  {
    Responder responder = kept.Take();
    const Header type[] = {{"Content-Type", "text/event-stream"}};
    responder.Begin({.status = 200, .headers = type});
    CHECK(responder.Write("") == Room::kFree);
    CHECK(client.TakeTo("\r\n\r\n").find("Transfer-Encoding: chunked") != std::string::npos);
    CHECK(responder.Write("first") == Room::kFree);
    CHECK(client.Take(10) == "5\r\nfirst\r\n");
    CHECK(responder.Write("second") == Room::kFree);
    std::move(responder).End();
    CHECK(client.Take(16) == "6\r\nsecond\r\n0\r\n\r\n");
  }
  Responder responder = kept.Take();
  responder.Begin({});
  CHECK(responder.Write("x") == Room::kFree);
  std::move(responder).End();
  const Answer answer = client.Read();
  CHECK(answer.body == "x");
  CHECK(answer.whole);
}

TEST_CASE("an answer in pieces to HTTP/1.0 ends with its connection", "[realtime]") {
  Answering handler([](const Request&, Responder responder) {
    responder.Begin({});
    responder.Write("a");
    responder.Write("b");
    std::move(responder).End();
  });
  const std::unique_ptr<Server> server = StartServer(handler);
  Client client(server->port());
  client.Send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const Answer answer = client.Read();
  CHECK(answer.body == "ab");
  CHECK(answer.header("connection") == "close");
  CHECK(answer.header("transfer-encoding").empty());
}

TEST_CASE("an aborted answer is seen not to be whole", "[realtime]") {
  Answering handler([](const Request&, Responder responder) {
    responder.Begin({});
    responder.Write("a");
    std::move(responder).Abort();
  });
  const std::unique_ptr<Server> server = StartServer(handler);
  Client client(server->port());
  client.Send(kGet);
  const Answer answer = client.Read();
  CHECK(answer.body == "a");
  CHECK_FALSE(answer.whole);
  CHECK(client.AtEnd());
}

TEST_CASE("a slow reader holds its writer back, and nobody else", "[realtime]") {
  Kept kept;
  Answering handler([&](const Request& request, Responder responder) {
    if (request.path() == "/stream") return kept.Put(std::move(responder));
    Echo(request, std::move(responder));
  });
  const std::unique_ptr<Server> server = StartServer(handler);
  Client slow(server->port(), 4096);
  slow.Send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
  Responder responder = kept.Take();
  auto room = std::make_shared<Event>();
  responder.Listen([room](Notice notice) {
    if (notice == Notice::kRoom) room->Set();
  });
  responder.Begin({});
  const std::string piece(100'000, 'x');
  std::size_t pieces = 1;
  while (responder.Write(piece) == Room::kFree) REQUIRE(++pieces < 1'000);

  Client other(server->port());
  other.Send(Post("other"));
  CHECK(other.Read().body == "other");
  CHECK_FALSE(room->is_set());

  std::size_t read = 0;
  std::thread reader([&] { read = slow.Read().body.size(); });
  room->Wait();
  CHECK(responder.Write(piece) != Room::kGone);
  std::move(responder).End();
  reader.join();
  CHECK(read == (pieces + 1) * piece.size());
}

// ---- hang-up ----

TEST_CASE("who answers is told when the client hangs up", "[realtime]") {
  Kept kept;
  Answering handler([&](const Request&, Responder responder) { kept.Put(std::move(responder)); });
  const std::unique_ptr<Server> server = StartServer(handler);
  for (const bool resets : {false, true}) {
    Client client(server->port());
    client.Send(kGet);
    Responder responder = kept.Take();
    auto gone = std::make_shared<Event>();
    responder.Listen([gone](Notice notice) {
      if (notice == Notice::kHangUp) gone->Set();
    });
    if (resets) {
      client.Reset();
    } else {
      client.Close();
    }
    gone->Wait();
    if (resets) CHECK(responder.Write("x") == Room::kGone);
    // Told at once where it has happened already.
    bool again = false;
    responder.Listen([&](Notice) { again = true; });
    CHECK_FALSE(again);
    SendText(std::move(responder), "nobody reads this");
  }
}

TEST_CASE("a client that closes its sending side early still gets its answer", "[realtime]") {
  Kept kept;
  Answering handler([&](const Request&, Responder responder) { kept.Put(std::move(responder)); });
  const std::unique_ptr<Server> server = StartServer(handler);
  Client client(server->port());
  client.Send(kGet);
  client.CloseSending();
  Responder responder = kept.Take();
  auto closed = std::make_shared<Event>();
  responder.Listen([closed](Notice) { closed->Set(); });
  closed->Wait();
  SendText(std::move(responder), "late");
  CHECK(client.Read().body == "late");
  CHECK(client.AtEnd());
}

TEST_CASE("writing to a client that has gone raises no signal", "[realtime]") {
  Kept kept;
  Answering handler([&](const Request&, Responder responder) { kept.Put(std::move(responder)); });
  const std::unique_ptr<Server> server = StartServer(handler);
  Client client(server->port());
  client.Send(kGet);
  Responder responder = kept.Take();
  responder.Begin({});
  client.Reset();
  while (responder.Write("x") != Room::kGone) {
  }
  std::move(responder).End();
}

// ---- limits ----

TEST_CASE("a slow head and a slow body are answered with 408, an idle connection is closed", "[realtime]") {
  Answering handler(Echo);
  ServerOptions options;
  options.limits.head_time = absl::Milliseconds(20);
  options.limits.body_time = absl::Milliseconds(20);
  options.limits.idle_time = absl::Milliseconds(20);
  const std::unique_ptr<Server> server = StartServer(handler, options);
  {
    Client client(server->port());
    client.Send("GET / HT");
    CHECK(client.ReadStatus() == 408);
    CHECK(client.AtEnd());
  }
  {
    Client client(server->port());
    client.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    CHECK(client.ReadStatus() == 408);
    CHECK(client.AtEnd());
  }
  {
    Client client(server->port());
    CHECK(client.AtEnd());
  }
  {
    Client client(server->port());
    client.Send(kGet);
    CHECK(client.ReadStatus() == 200);
    CHECK(client.AtEnd());
  }
}

TEST_CASE("a connection whose answer came late is closed when idle", "[realtime]") {
  Elsewhere elsewhere;
  Answering handler([&](const Request& request, Responder responder) {
    auto kept = std::make_shared<Responder>(std::move(responder));
    elsewhere.Post([&request, kept] { Echo(request, std::move(*kept)); });
  });
  ServerOptions options;
  options.limits.idle_time = absl::Milliseconds(20);
  const std::unique_ptr<Server> server = StartServer(handler, options);
  Client client(server->port());
  client.Send(Post("x"));
  CHECK(client.ReadStatus() == 200);
  CHECK(client.AtEnd());
}

TEST_CASE("a client that does not read its answer is cut off", "[realtime]") {
  Kept kept;
  Answering handler([&](const Request&, Responder responder) { kept.Put(std::move(responder)); });
  ServerOptions options;
  options.limits.write_time = absl::Milliseconds(20);
  const std::unique_ptr<Server> server = StartServer(handler, options);
  Client client(server->port(), 4096);
  client.Send(kGet);
  Responder responder = kept.Take();
  auto gone = std::make_shared<Event>();
  responder.Listen([gone](Notice notice) {
    if (notice == Notice::kHangUp) gone->Set();
  });
  responder.Begin({});
  while (responder.Write(std::string(100'000, 'x')) == Room::kFree) {
  }
  gone->Wait();
  CHECK(responder.Write("x") == Room::kGone);
  std::move(responder).End();
}

TEST_CASE("connections past the limit are answered with 503", "[realtime]") {
  Answering handler(Echo);
  ServerOptions options;
  options.limits.connections_max = 2;
  const std::unique_ptr<Server> server = StartServer(handler, options);
  Client first(server->port());
  Client second(server->port());
  first.Send(kGet);
  second.Send(kGet);
  CHECK(first.ReadStatus() == 200);
  CHECK(second.ReadStatus() == 200);
  {
    Client third(server->port());
    const Answer answer = third.Read();
    CHECK(answer.status == 503);
    CHECK(answer.header("x-amzn-errortype") == "ServiceUnavailableException");
    CHECK(third.AtEnd());
  }
  first.Close();
  second.Send(kGet);
  CHECK(second.ReadStatus() == 200);
  while (server->connections() == 2) std::this_thread::yield();
  Client fourth(server->port());
  fourth.Send(kGet);
  CHECK(fourth.ReadStatus() == 200);
}

// ---- what may not be ----

TEST_CASE("an address that others can reach needs an authentication that was chosen", "[realtime]") {
  Answering handler(Echo);
  for (const std::string address : {"0.0.0.0", "::", "10.0.0.1", "::ffff:127.0.0.1"}) {
    const auto server = Server::Start({.address = address}, &handler);
    REQUIRE_FALSE(server.ok());
    CHECK(server.status().code() == absl::StatusCode::kInvalidArgument);
    CHECK(std::string(server.status().message()).find(address) != std::string::npos);
  }
  CHECK(Server::Start({.address = "0.0.0.0", .authentication = kNoAuthentication}, &handler).ok());
  CHECK(
      Server::Start({.address = "0.0.0.0", .authentication = SigV4{.keys = {{"AK", "secret", {"*"}}}}}, &handler).ok());
  CHECK(Server::Start({.address = "127.1.2.3"}, &handler).ok());
}

TEST_CASE("options that cannot be are refused by name", "[realtime]") {
  Answering handler(Echo);
  const auto message = [&](const ServerOptions& options) {
    return std::string(Server::Start(options, &handler).status().message());
  };
  CHECK(message({.address = "localhost"}).find("\"localhost\"") != std::string::npos);
  CHECK(message({.threads = 65}) == "threads of 65 is outside its range of 0 to 64");
  CHECK(message({.authentication = SigV4{}}).find("no access key") != std::string::npos);
  CHECK(message({.authentication = SigV4{.keys = {{"A-", "s", {}}}}}).find("id of an access key") != std::string::npos);
  CHECK(message({.authentication = SigV4{.keys = {{"A", "", {}}}}}) == "access key A has no secret");
  CHECK(message({.authentication = SigV4{.keys = {{"A", "s", {}}, {"A", "s", {}}}}}) == "access key A is given twice");
  CHECK(message({.authentication = SigV4{.keys = {{"A", "s", {"f g"}}}}}).starts_with("access key A: "));
  ServerOptions options;
  options.limits.head_bytes_max = 511;
  CHECK(message(options) == "head_bytes_max of 511 is outside its range of 512 to 1048576");
  options = {};
  options.limits.idle_time = absl::ZeroDuration();
  CHECK(message(options) == "idle_time of 0 is outside its range of 1 ms to 24 h");
  options = {};
  options.limits.drained_bytes_max = 5;
  CHECK(message(options).starts_with("drained_bytes_max of 5 is outside its range of 6291456 to "));
}

TEST_CASE("a port that is taken is Unavailable, by name", "[realtime]") {
  Answering handler(Echo);
  const std::unique_ptr<Server> server = StartServer(handler);
  const auto second = Server::Start({.port = server->port()}, &handler);
  CHECK(second.status().code() == absl::StatusCode::kUnavailable);
  CHECK(std::string(second.status().message()).find(std::to_string(server->port())) != std::string::npos);
}

}  // namespace
}  // namespace runlet::http
