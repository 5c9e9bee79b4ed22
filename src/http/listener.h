// Where connections come from.
#ifndef RUNLET_SRC_HTTP_LISTENER_H_
#define RUNLET_SRC_HTTP_LISTENER_H_

#include <absl/status/status.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/loop.h"
#include "http/stream.h"

namespace runlet::http {

// Accepts on the first loop's thread, and hands connections to the loops in turn.
class Listener {
 public:
  // `tls` may be null: plain HTTP.
  Listener(std::vector<std::shared_ptr<Loop>> loops, std::shared_ptr<boost::asio::ssl::context> tls);

  // Before the loops start. Unavailable where it cannot listen.
  absl::Status Listen(const boost::asio::ip::tcp::endpoint& endpoint);
  std::uint16_t port() const { return port_; }

  // On the first loop's thread.
  void Accept();
  void Close();

 private:
  using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

  void Accepted(const boost::system::error_code& ec);
  void HandOut(Socket socket);
  void AcceptLater();

  const std::vector<std::shared_ptr<Loop>> loops_;
  const std::shared_ptr<boost::asio::ssl::context> tls_;
  Acceptor acceptor_;
  boost::asio::steady_timer pause_;
  std::optional<Socket> accepted_;
  boost::asio::ip::tcp::endpoint peer_;
  std::uint16_t port_ = 0;
  std::size_t next_loop_ = 0;
};

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_LISTENER_H_
