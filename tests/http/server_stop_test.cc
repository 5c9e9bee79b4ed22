#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "http/server.h"
#include "tests/catch.h"
#include "tests/http/client.h"
#include "tests/http/server_fixture.h"

namespace runlet::http {
namespace {

const std::string kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

std::size_t Entries(const char* folder) {
  const std::filesystem::directory_iterator entries(folder);
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

TEST_CASE("a stop closes what is idle at once", "[realtime]") {
  Answering handler(Echo);
  std::unique_ptr<Server> server = StartServer(handler);
  const std::uint16_t port = server->port();
  Client fresh(port);
  Client used(port);
  used.Send(kGet);
  CHECK(used.ReadStatus() == 200);
  Client half(port);
  half.Send("GET / HT");
  CHECK(server->Stop(absl::Hours(1)) == 0);
  CHECK(fresh.AtEnd());
  CHECK(used.AtEnd());
  CHECK(half.AtEnd());
  CHECK(server->Stop(absl::Hours(1)) == 0);
  // Nobody listens any more: the port is free.
  CHECK(Server::Start({.port = port}, &handler).ok());
}

TEST_CASE("a stop waits for what runs, whose answer says that the connection closes", "[realtime]") {
  Kept kept;
  Answering handler([&](const Request&, Responder responder) { kept.Put(std::move(responder)); });
  std::unique_ptr<Server> server = StartServer(handler);
  Client client(server->port());
  client.Send(kGet + kGet);
  Responder responder = kept.Take();
  Client idle(server->port());
  int unanswered = -1;
  std::thread stopping([&] { unanswered = server->Stop(absl::Hours(1)); });
  CHECK(idle.AtEnd());  // it has begun
  SendText(std::move(responder), "done");
  const Answer answer = client.Read();
  CHECK(answer.body == "done");
  CHECK(answer.header("connection") == "close");
  CHECK(client.AtEnd());
  client.Close();
  stopping.join();
  CHECK(unanswered == 0);
}

TEST_CASE("a stop waits for a body that is on its way", "[realtime]") {
  Answering handler(Echo);
  std::unique_ptr<Server> server = StartServer(handler);
  Client client(server->port());
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  CHECK(client.ReadStatus() == 100);
  Client idle(server->port());
  int unanswered = -1;
  std::thread stopping([&] { unanswered = server->Stop(absl::Hours(1)); });
  CHECK(idle.AtEnd());
  client.Send("hello");
  CHECK(client.Read().body == "hello");
  client.Close();
  stopping.join();
  CHECK(unanswered == 0);
}

TEST_CASE("what is unanswered when the grace is over is counted, told and cut off", "[realtime]") {
  Kept kept;
  Answering handler([&](const Request&, Responder responder) { kept.Put(std::move(responder)); });
  std::unique_ptr<Server> server = StartServer(handler);
  Client client(server->port());
  client.Send(kGet);
  Responder responder = kept.Take();
  bool told = false;
  responder.Listen([&](Notice notice) { told = notice == Notice::kHangUp; });
  Client streaming(server->port());
  streaming.Send(kGet);
  Responder stream = kept.Take();
  stream.Begin({});
  CHECK(stream.Write("x") == Room::kFree);

  CHECK(server->Stop(absl::Milliseconds(1)) == 2);
  CHECK(told);
  CHECK(client.AtEnd());
  CHECK_FALSE(streaming.Read().whole);
  server = nullptr;
  // The answers go nowhere, even now.
  CHECK(stream.Write("y") == Room::kGone);
  bool told_late = false;
  stream.Listen([&](Notice notice) { told_late = notice == Notice::kHangUp; });
  CHECK(told_late);
  std::move(stream).End();
  SendText(std::move(responder), "late");
}

TEST_CASE("five hundred servers come and go, and leave nothing behind", "[realtime]") {
  Answering handler(Echo);
  const auto cycle = [&](int round) {
    std::unique_ptr<Server> server = StartServer(handler, {.threads = 1 + round % 3});
    Client idle(server->port());
    Client client(server->port());
    client.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi");
    REQUIRE(client.Read().body == "hi");
    CHECK(server->Stop(absl::Seconds(10)) == 0);
  };
  for (int round = 0; round < 20; ++round) cycle(round);
  const std::size_t descriptors = Entries("/proc/self/fd");
  const std::size_t threads = Entries("/proc/self/task");
  for (int round = 0; round < 480; ++round) cycle(round);
  CHECK(Entries("/proc/self/fd") == descriptors);
  CHECK(Entries("/proc/self/task") == threads);
}

TEST_CASE("a forked child that ends as usual does its parent's server no harm", "[realtime]") {
  Kept kept;
  Answering handler([&](const Request& request, Responder responder) {
    if (request.path() == "/keep") return kept.Put(std::move(responder));
    Echo(request, std::move(responder));
  });
  std::unique_ptr<Server> server = StartServer(handler);
  Client client(server->port());
  client.Send(kGet);
  CHECK(client.ReadStatus() == 200);
  Client waiting(server->port());
  waiting.Send("GET /keep HTTP/1.1\r\nHost: h\r\n\r\n");
  Responder responder = kept.Take();

  const pid_t child = fork();
  if (child == 0) {
    SendText(std::move(responder), "from the child");
    server = nullptr;
    _exit(0);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);

  client.Send(kGet);
  CHECK(client.ReadStatus() == 200);
  SendText(std::move(responder), "from the parent");
  CHECK(waiting.Read().body == "from the parent");
  CHECK(server->Stop(absl::Seconds(10)) == 0);
}

TEST_CASE("the host's signal handlers stay", "[realtime]") {
  struct Handlers {
    void (*term)(int) = nullptr;
    void (*interrupt)(int) = nullptr;
    void (*pipe)(int) = nullptr;
    bool operator==(const Handlers&) const = default;
  };
  const auto read = [] {
    const auto of = [](int number) {
      struct sigaction action {};
      sigaction(number, nullptr, &action);
      return action.sa_handler;
    };
    return Handlers{of(SIGTERM), of(SIGINT), of(SIGPIPE)};
  };
  const Handlers before = read();
  Answering handler(Echo);
  std::unique_ptr<Server> server = StartServer(handler);
  CHECK(read() == before);
  server = nullptr;
  CHECK(read() == before);
}

TEST_CASE("a server without descriptors for more clients serves those it has, and more when there are some again",
          "[realtime]") {
  Answering handler(Echo);
  const std::unique_ptr<Server> server = StartServer(handler);
  Client first(server->port());
  first.Send(kGet);
  CHECK(first.ReadStatus() == 200);

  Client second(server->port());  // its descriptor on the server's side must wait
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  second.Send(kGet);
  CHECK(second.ReadStatus() == 200);
  Client third(server->port());
  const rlimit none{3, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  first.Send(kGet);
  CHECK(first.ReadStatus() == 200);
  setrlimit(RLIMIT_NOFILE, &before);
  third.Send(kGet);
  CHECK(third.ReadStatus() == 200);
}

}  // namespace
}  // namespace runlet::http
