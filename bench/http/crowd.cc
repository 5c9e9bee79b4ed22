// Many clients that do little: crowd PORT COUNT idle|slow, or crowd PORT 1 first-byte
//
//   idle        each sends one request, takes its answer and stays
//   slow        each sends one byte of a head now and then, and never ends it
//   first-byte  calls the function `stream`, and prints the milliseconds to the first byte of its body and to its end
//
// Prints "ready" once all are there, and ends with its standard input.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

int Connect(int port) {
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (client < 0 || connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    std::perror("connect");
    std::exit(1);
  }
  return client;
}

void Send(int client, std::string_view text) {
  if (send(client, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) {
    std::perror("send");
    std::exit(1);
  }
}

bool InputEnds(int milliseconds) {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  if (poll(&input, 1, milliseconds) == 0) return false;
  char byte;
  return read(STDIN_FILENO, &byte, 1) <= 0;
}

void Ready() {
  std::puts("ready");
  std::fflush(stdout);
}

void StayIdle(const std::vector<int>& clients) {
  char answer[4096];
  for (const int client : clients) {
    Send(client, "GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n");
    if (recv(client, answer, sizeof answer, 0) <= 0) std::exit(1);
  }
  Ready();
  while (!InputEnds(-1)) {
  }
}

void BeSlow(const std::vector<int>& clients) {
  for (const int client : clients) Send(client, "GET / HTTP/1.1\r\nHost: h\r\nX: ");
  Ready();
  // Each client sends a byte every second; a tenth of them at a time.
  for (std::size_t turn = 0; !InputEnds(100); ++turn) {
    for (std::size_t i = turn % 10; i < clients.size(); i += 10) Send(clients[i], "x");
  }
}

void FirstByte(int client) {
  const auto start = Clock::now();
  Send(client,
       "POST /2021-11-15/functions/stream/response-streaming-invocations HTTP/1.1\r\nHost: h\r\n"
       "Content-Length: 2\r\n\r\n{}");
  const auto milliseconds = [&] { return std::chrono::duration<double, std::milli>(Clock::now() - start).count(); };
  std::string received;
  double first = -1;
  char bytes[4096];
  while (received.find("\r\n0\r\n\r\n") == std::string::npos) {
    const ssize_t count = recv(client, bytes, sizeof bytes, 0);
    if (count <= 0) break;
    received.append(bytes, static_cast<std::size_t>(count));
    const std::size_t body = received.find("\r\n\r\n");
    if (first < 0 && body != std::string::npos && received.find("first", body) != std::string::npos) {
      first = milliseconds();
    }
  }
  std::printf("first byte after %.1f ms, end after %.1f ms\n", first, milliseconds());
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return 2;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const std::string_view what = arguments[3];
  std::vector<int> clients;
  for (int i = std::atoi(arguments[2]); i > 0; --i) clients.push_back(Connect(std::atoi(arguments[1])));
  if (what == "idle") StayIdle(clients);
  if (what == "slow") BeSlow(clients);
  if (what == "first-byte") FirstByte(clients.front());
}
