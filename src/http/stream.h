// Connections over plain TCP and over TLS.
#ifndef RUNLET_SRC_HTTP_STREAM_H_
#define RUNLET_SRC_HTTP_STREAM_H_

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

#include "http/connection.h"

namespace runlet::http {

using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

std::shared_ptr<Connection> PlainConnection(std::shared_ptr<Loop> loop, Socket socket, std::string peer);
// `context` outlives the connection.
std::shared_ptr<Connection> TlsConnection(std::shared_ptr<Loop> loop, Socket socket, std::string peer,
                                          std::shared_ptr<boost::asio::ssl::context> context);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_STREAM_H_
