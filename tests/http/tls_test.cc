#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "http/server.h"
#include "tests/catch.h"
#include "tests/http/client.h"
#include "tests/http/server_fixture.h"

namespace runlet::http {
namespace {

struct Pair {
  std::string certificate;
  std::string key;
};

std::string Text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

// Signed by itself, for an hour.
Pair MakePair() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_sign(certificate, key, EVP_sha256());
  BIO* certificate_text = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(certificate_text, certificate);
  BIO* key_text = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(key_text, key, nullptr, nullptr, 0, nullptr, nullptr);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return {Text(certificate_text), Text(key_text)};
}

// A client that believes everyone.
class TlsClient {
 public:
  explicit TlsClient(std::uint16_t port) : context_(SSL_CTX_new(TLS_client_method())) {
    bio_ = BIO_new_ssl_connect(context_);
    BIO_set_conn_hostname(bio_, ("127.0.0.1:" + std::to_string(port)).c_str());
    connected_ = BIO_do_connect(bio_) == 1 && BIO_do_handshake(bio_) == 1;
  }
  ~TlsClient() {
    BIO_free_all(bio_);
    SSL_CTX_free(context_);
    ERR_clear_error();
  }
  bool connected() const { return connected_; }
  void Send(std::string_view text) {
    while (!text.empty()) {
      const int sent = BIO_write(bio_, text.data(), static_cast<int>(text.size()));
      if (sent <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  std::string Take(std::size_t size) {
    std::string taken;
    char bytes[16'384];
    while (taken.size() < size) {
      const int got = BIO_read(bio_, bytes, static_cast<int>(std::min(size - taken.size(), sizeof bytes)));
      if (got <= 0) break;
      taken.append(bytes, static_cast<std::size_t>(got));
    }
    return taken;
  }
  std::string TakeHead() {
    std::string head;
    while (!head.ends_with("\r\n\r\n")) {
      const std::string next = Take(1);
      if (next.empty()) break;
      head += next;
    }
    return head;
  }

 private:
  SSL_CTX* context_;
  BIO* bio_;
  bool connected_ = false;
};

std::string Post(const std::string& body) {
  return "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST_CASE("a server speaks TLS, with large bodies and answers from other threads", "[realtime]") {
  const Pair pair = MakePair();
  Elsewhere elsewhere;
  std::atomic<bool> encrypted{false};
  Answering handler([&](const Request& request, Responder responder) {
    encrypted = request.encrypted;
    auto kept = std::make_shared<Responder>(std::move(responder));
    elsewhere.Post([&request, kept] { Echo(request, std::move(*kept)); });
  });
  std::unique_ptr<Server> server = StartServer(handler, {.tls = {.certificate = pair.certificate, .key = pair.key}});
  CHECK(server->endpoint().starts_with("https://127.0.0.1:"));
  {
    TlsClient client(server->port());
    REQUIRE(client.connected());
    for (const std::size_t size : {5, 100'000, 3'000'000}) {
      const std::string body(size, 'x');
      client.Send(Post(body));
      CHECK(client.TakeHead().starts_with("HTTP/1.1 200 OK\r\n"));
      CHECK(client.Take(size) == body);
    }
    CHECK(encrypted);
  }
  CHECK(server->Stop(absl::Seconds(10)) == 0);
}

TEST_CASE("who speaks plain HTTP to a server of TLS, or nothing, is closed", "[realtime]") {
  const Pair pair = MakePair();
  Answering handler(Echo);
  ServerOptions options{.tls = {.certificate = pair.certificate, .key = pair.key}};
  options.limits.head_time = absl::Milliseconds(20);
  const std::unique_ptr<Server> server = StartServer(handler, options);
  Client plain(server->port());
  plain.Send(Post("hi"));
  while (!plain.Take(1).empty()) {  // an alert, perhaps
  }
  Client silent(server->port());
  CHECK(silent.AtEnd());
  CHECK(TlsClient(server->port()).connected());
}

TEST_CASE("certificates and keys that are none are refused by name, and nothing of them is told", "[realtime]") {
  const Pair pair = MakePair();
  const Pair other = MakePair();
  Answering handler(Echo);
  const auto message = [&](const Tls& tls) {
    const auto server = Server::Start({.tls = tls}, &handler);
    CHECK(server.status().code() == absl::StatusCode::kInvalidArgument);
    return std::string(server.status().message());
  };
  CHECK(message({.certificate = pair.certificate}) == "TLS: the key is missing");
  CHECK(message({.key = pair.key}) == "TLS: the certificate is missing");
  CHECK(message({.certificate_file = "a", .certificate = pair.certificate, .key = pair.key}) ==
        "TLS: the certificate is given as a file and as text");
  CHECK(message({.certificate_file = "/nowhere/c.pem", .key = pair.key}).find("\"/nowhere/c.pem\"") !=
        std::string::npos);
  CHECK(message({.certificate = pair.certificate, .key = other.key}).starts_with("TLS: the key "));
  const std::string broken = message({.certificate = pair.certificate, .key = "secret that is no key"});
  CHECK(broken.starts_with("TLS: the key cannot be used"));
  CHECK(broken.find("secret") == std::string::npos);
}

}  // namespace
}  // namespace runlet::http
