// What a server shows its clients to be believed.
#ifndef RUNLET_SRC_HTTP_TLS_H_
#define RUNLET_SRC_HTTP_TLS_H_

#include <absl/status/statusor.h>

#include <boost/asio/ssl/context.hpp>
#include <memory>

#include "runlet/http/server_options.h"

namespace runlet::http {

// TLS 1.2 and newer. InvalidArgument that names what is missing, cannot be read or does not fit together; it quotes
// nothing of the key.
absl::StatusOr<std::shared_ptr<boost::asio::ssl::context>> TlsContext(const Tls& tls);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_TLS_H_
