#include "http/tls.h"

#include <fmt/format.h>
#include <openssl/ssl.h>

#include <boost/asio/buffer.hpp>
#include <string_view>
#include <utility>

namespace runlet::http {
namespace {

using boost::asio::ssl::context;
using boost::system::error_code;

absl::Status Wrong(std::string_view what, std::string_view file, const error_code& ec) {
  return absl::InvalidArgumentError(fmt::format("TLS: the {} {}{}{}cannot be used: {}", what, file.empty() ? "" : "\"",
                                                file, file.empty() ? "" : "\" ", ec.message()));
}

absl::Status CheckPair(std::string_view what, const std::string& file, const std::string& text) {
  if (file.empty() && text.empty()) return absl::InvalidArgumentError(fmt::format("TLS: the {} is missing", what));
  if (!file.empty() && !text.empty()) {
    return absl::InvalidArgumentError(fmt::format("TLS: the {} is given as a file and as text", what));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<context>> TlsContext(const Tls& tls) {
  if (absl::Status status = CheckPair("certificate", tls.certificate_file, tls.certificate); !status.ok())
    return status;
  if (absl::Status status = CheckPair("key", tls.key_file, tls.key); !status.ok()) return status;

  auto made = std::make_shared<context>(context::tls_server);
  SSL_CTX_set_min_proto_version(made->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_mode(made->native_handle(), SSL_MODE_RELEASE_BUFFERS);  // 10,000 idle clients hold none

  error_code ec;
  if (!tls.certificate_file.empty()) {
    made->use_certificate_chain_file(tls.certificate_file, ec);
  } else {
    made->use_certificate_chain(boost::asio::buffer(tls.certificate), ec);
  }
  if (ec) return Wrong("certificate", tls.certificate_file, ec);
  if (!tls.key_file.empty()) {
    made->use_private_key_file(tls.key_file, context::pem, ec);
  } else {
    made->use_private_key(boost::asio::buffer(tls.key), context::pem, ec);
  }
  if (ec) return Wrong("key", tls.key_file, ec);
  if (SSL_CTX_check_private_key(made->native_handle()) != 1) {
    return absl::InvalidArgumentError("TLS: the key does not belong to the certificate");
  }
  return made;
}

}  // namespace runlet::http
