// A client that sends exactly the bytes it is told to.
#ifndef RUNLET_TESTS_HTTP_CLIENT_H_
#define RUNLET_TESTS_HTTP_CLIENT_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace runlet::http {

struct Answer {
  int status = 0;                              // 0: the connection ended instead
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  bool whole = false;

  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  }
};

// Blocks, but never longer than a minute for one read. Where it cannot connect, every read finds the end.
class Client {
 public:
  explicit Client(std::uint16_t port, int receive_buffer = 0)
      : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer > 0) setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    const timeval patience{60, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) Close();
  }
  ~Client() { Close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // False where the server has closed.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void CloseSending() { shutdown(socket_, SHUT_WR); }
  void Close() {
    if (socket_ >= 0) close(std::exchange(socket_, -1));
  }
  // Ends with a reset.
  void Reset() {
    const linger now{1, 0};
    setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    Close();
  }

  // `has_body` false: the answer to a HEAD.
  Answer Read(bool has_body = true) {
    Answer answer;
    const std::string head = TakeTo("\r\n\r\n");
    if (head.empty()) return answer;
    answer.status = std::atoi(head.substr(9, 3).c_str());
    for (std::size_t at = head.find("\r\n") + 2; at + 2 < head.size();) {
      const std::size_t end = head.find("\r\n", at);
      const std::size_t colon = head.find(": ", at);
      std::string name = head.substr(at, colon - at);
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      answer.headers[name] = head.substr(colon + 2, end - colon - 2);
      at = end + 2;
    }
    if (!has_body || answer.status == 204 || answer.status == 304 || answer.status == 100) {
      answer.whole = true;
    } else if (answer.header("transfer-encoding") == "chunked") {
      ReadChunks(&answer);
    } else if (answer.headers.count("content-length") > 0) {
      const std::size_t size = std::stoull(answer.header("content-length"));
      answer.body = Take(size);
      answer.whole = answer.body.size() == size;
    } else {
      while (Receive()) {
      }
      answer.body = std::exchange(received_, {});
      answer.whole = true;
    }
    return answer;
  }
  // The status alone.
  int ReadStatus() { return Read().status; }
  // Whether the server has closed, and nothing came before.
  bool AtEnd() { return received_.empty() && !Receive(); }
  // Exactly that many bytes, fewer where the connection ended.
  std::string Take(std::size_t size) {
    while (received_.size() < size && Receive()) {
    }
    std::string taken = received_.substr(0, size);
    received_.erase(0, size);
    return taken;
  }
  // Up to and with `end`; empty where the connection ended before.
  std::string TakeTo(std::string_view end) {
    std::size_t found;
    while ((found = received_.find(end)) == std::string::npos) {
      if (!Receive()) return {};
    }
    return Take(found + end.size());
  }

 private:
  void ReadChunks(Answer* answer) {
    while (true) {
      const std::string line = TakeTo("\r\n");
      if (line.empty()) return;
      const std::size_t size = std::stoull(line, nullptr, 16);
      const std::string chunk = Take(size + 2);
      answer->body += chunk.substr(0, std::min(size, chunk.size()));
      if (chunk.size() < size + 2) return;
      if (size == 0) {
        answer->whole = true;
        return;
      }
    }
  }

  bool Receive() {
    char bytes[16'384];
    const ssize_t count = recv(socket_, bytes, sizeof bytes, 0);
    if (count <= 0) return false;
    received_.append(bytes, static_cast<std::size_t>(count));
    return true;
  }

  int socket_;
  std::string received_;
};

}  // namespace runlet::http

#endif  // RUNLET_TESTS_HTTP_CLIENT_H_
