// A server of HTTP/1.1 on threads of its own.
#ifndef RUNLET_SRC_HTTP_SERVER_H_
#define RUNLET_SRC_HTTP_SERVER_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "http/exchange.h"
#include "runlet/http/server_options.h"

namespace runlet::http {

// Thread-safe, but Stop() and the destructor, which are called from none of its own threads. It sets no signal handler,
// and raises no SIGPIPE; its threads have the signal mask of the one that starts it. In a forked child it does nothing.
class Server {
 public:
  // Listens when it returns. `handler` outlives the server. InvalidArgument for options that cannot be, Unavailable for
  // an address that cannot be listened on, each naming it.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options, RequestHandler* handler);
  // Stop(0).
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The port that was given, or found.
  std::uint16_t port() const;
  // "http://127.0.0.1:9001", "https://[::1]:443".
  std::string endpoint() const;
  // Connections that are open now.
  std::size_t connections() const;

  // Accepts no more, closes idle connections at once and the others after their answers. After `grace` it closes what
  // is left, and says how many requests went unanswered so; their Responders stay valid. A second call returns 0.
  int Stop(absl::Duration grace);

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_SERVER_H_
