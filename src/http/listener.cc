#include "http/listener.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <string_view>
#include <utility>

#include "http/refusal.h"
#include "http/response_text.h"

namespace runlet::http {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr int kBacklog = 4096;
// Without descriptors or memory nothing can be accepted; trying at once would spin.
constexpr std::chrono::milliseconds kPause{50};

std::string PeerText(const tcp::endpoint& peer) {
  const std::string address = peer.address().to_string();
  return peer.address().is_v6() ? fmt::format("[{}]:{}", address, peer.port())
                                : fmt::format("{}:{}", address, peer.port());
}

// One try, whether the client reads it or not.
void SendFull(Socket& socket) {
  const std::string body = ErrorBody({503, "the server has as many connections as it may have"});
  const std::array<Header, 2> headers = {{{"Content-Type", "application/json"}, {"x-amzn-ErrorType", ErrorType(503)}}};
  std::string answer;
  DateText date;
  AppendHead({.status = 503, .headers = headers},
             {.framing = Framing::kLength,
              .body_bytes = body.size(),
              .closes = true,
              .keeps_alive_1_0 = false,
              .date = date.At(SystemClock().Calendar())},
             &answer);
  answer += body;
  // What it has sent must have been read, or closing would take the answer away from the client.
  std::array<char, 4096> unread;
  while (recv(socket.native_handle(), unread.data(), unread.size(), MSG_DONTWAIT) > 0) {
  }
  [[maybe_unused]] const ssize_t sent =
      send(socket.native_handle(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  error_code ignored;
  socket.shutdown(Socket::shutdown_both, ignored);
  socket.close(ignored);
}

}  // namespace

Listener::Listener(std::vector<std::shared_ptr<Loop>> loops, std::shared_ptr<boost::asio::ssl::context> tls)
    : loops_(std::move(loops)),
      tls_(std::move(tls)),
      acceptor_(loops_.front()->context()),
      pause_(loops_.front()->context()) {}

absl::Status Listener::Listen(const tcp::endpoint& endpoint) {
  error_code ec;
  acceptor_.open(endpoint.protocol(), ec);
  if (!ec) acceptor_.set_option(Acceptor::reuse_address(true), ec);
  if (!ec) acceptor_.bind(endpoint, ec);
  if (!ec) acceptor_.listen(kBacklog, ec);
  tcp::endpoint bound;
  if (!ec) bound = acceptor_.local_endpoint(ec);
  if (ec) return absl::UnavailableError(fmt::format("cannot listen on {}: {}", PeerText(endpoint), ec.message()));
  port_ = bound.port();
  return absl::OkStatus();
}

void Listener::Accept() {
  accepted_.emplace(loops_[next_loop_]->context());
  acceptor_.async_accept(*accepted_, peer_, [this](const error_code& ec) { Accepted(ec); });
}

void Listener::Accepted(const error_code& ec) {
  if (!acceptor_.is_open()) return;
  if (ec == boost::asio::error::connection_aborted) return Accept();
  if (ec) return AcceptLater();
  HandOut(std::move(*accepted_));
  Accept();
}

void Listener::HandOut(Socket socket) {
  const std::shared_ptr<Loop>& loop = loops_[next_loop_];
  if (!loop->state().TryOpen()) return SendFull(socket);
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  std::shared_ptr<Connection> connection = tls_ == nullptr
                                               ? PlainConnection(loop, std::move(socket), PeerText(peer_))
                                               : TlsConnection(loop, std::move(socket), PeerText(peer_), tls_);
  next_loop_ = (next_loop_ + 1) % loops_.size();
  boost::asio::post(loop->context(), [connection = std::move(connection), loop = loop.get()] {
    loop->Add(connection);
    connection->Start();
  });
}

void Listener::AcceptLater() {
  pause_.expires_after(kPause);
  pause_.async_wait([this](const error_code& ec) {
    if (!ec && acceptor_.is_open()) Accept();
  });
}

void Listener::Close() {
  error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
}

}  // namespace runlet::http
