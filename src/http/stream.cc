#include "http/stream.h"

#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <cerrno>
#include <utility>

namespace runlet::http {
namespace {

using boost::system::error_code;

// What both do alike on a stream that reads and writes asynchronously.
template <typename Stream>
class Streaming : public Connection {
 protected:
  template <typename... Arguments>
  Streaming(std::shared_ptr<Loop> loop, std::string peer, bool encrypted, Arguments&&... arguments)
      : Connection(std::move(loop), std::move(peer), encrypted), stream_(std::forward<Arguments>(arguments)...) {}

  void StartRead(std::span<char> room) override {
    stream_.async_read_some(
        boost::asio::buffer(room.data(), room.size()),
        [this, self = shared_from_this()](const error_code& ec, std::size_t bytes) {
          ReadDone(bytes, !ec ? ReadEnd::kBytes : ec == boost::asio::error::eof ? ReadEnd::kEof : ReadEnd::kBroken);
        });
  }

  void StartWrite(std::string_view bytes) override {
    stream_.async_write_some(boost::asio::buffer(bytes.data(), bytes.size()),
                             [this, self = shared_from_this()](const error_code& ec, std::size_t written) {
                               WriteDone(written, static_cast<bool>(ec));
                             });
  }

  void CloseSocket(Socket& socket, bool resets) {
    error_code ignored;
    if (resets) {
      socket.set_option(boost::asio::socket_base::linger(true, 0), ignored);
    } else {
      // A forked child may hold the socket as well: without this the client would not hear of the end.
      socket.shutdown(Socket::shutdown_both, ignored);
    }
    socket.close(ignored);
  }

  Stream stream_;
};

class Plain final : public Streaming<Socket> {
 public:
  Plain(std::shared_ptr<Loop> loop, Socket socket, std::string peer)
      : Streaming(std::move(loop), std::move(peer), false, std::move(socket)), descriptor_(stream_.native_handle()) {}

  void Start() override { Serve(); }

 private:
  std::ptrdiff_t WriteNow(std::span<const iovec> parts) override {
    constexpr int kFlags = MSG_NOSIGNAL | MSG_DONTWAIT;
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts.data());
    message.msg_iovlen = parts.size();
    while (true) {
      const ssize_t sent = parts.size() == 1 ? send(descriptor_, parts[0].iov_base, parts[0].iov_len, kFlags)
                                             : sendmsg(descriptor_, &message, kFlags);
      if (sent >= 0) return sent;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
      if (errno != EINTR) return -1;
    }
  }

  void StartLinger() override {
    error_code ignored;
    stream_.shutdown(Socket::shutdown_send, ignored);
    Discard();
  }

  void CloseStream(bool resets) override { CloseSocket(stream_, resets); }

  const int descriptor_;  // asio's own copy belongs to the loop's thread
};

// OpenSSL's objects belong to the loop's thread: an answer goes there.
class Encrypted final : public Streaming<boost::asio::ssl::stream<Socket>> {
 public:
  Encrypted(std::shared_ptr<Loop> loop, Socket socket, std::string peer,
            std::shared_ptr<boost::asio::ssl::context> context)
      : Streaming(std::move(loop), std::move(peer), true, std::move(socket), *context), context_(std::move(context)) {}

  void Start() override {
    ArmFor(limits().head_time);
    stream_.async_handshake(boost::asio::ssl::stream_base::server,
                            [this, self = shared_from_this()](const error_code& ec) {
                              if (!open()) return;
                              if (ec) return LingerDone();
                              Serve();
                            });
  }

 private:
  std::ptrdiff_t WriteNow(std::span<const iovec>) override { return 0; }

  void StartLinger() override {
    stream_.async_shutdown([this, self = shared_from_this()](const error_code&) { LingerDone(); });
  }

  void CloseStream(bool resets) override { CloseSocket(stream_.next_layer(), resets); }

  const std::shared_ptr<boost::asio::ssl::context> context_;
};

}  // namespace

std::shared_ptr<Connection> PlainConnection(std::shared_ptr<Loop> loop, Socket socket, std::string peer) {
  return std::make_shared<Plain>(std::move(loop), std::move(socket), std::move(peer));
}

std::shared_ptr<Connection> TlsConnection(std::shared_ptr<Loop> loop, Socket socket, std::string peer,
                                          std::shared_ptr<boost::asio::ssl::context> context) {
  return std::make_shared<Encrypted>(std::move(loop), std::move(socket), std::move(peer), std::move(context));
}

}  // namespace runlet::http
