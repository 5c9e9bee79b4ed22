// How an HTTP server listens, whom it believes and what it bears. Needs the target runlet::http.
#ifndef RUNLET_HTTP_SERVER_OPTIONS_H_
#define RUNLET_HTTP_SERVER_OPTIONS_H_

#include <absl/time/time.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace runlet::http {

// One pair of AWS credentials, made up by the host, and what its owner may do. Value.
//
// With "*": everything. With names: call these functions, also by their URLs, and read their settings, the account's
// and the lists; change nothing (AccessDeniedException), so that no owner of a key can delete a function, open it to
// everyone by a URL, or have another called by it.
struct AccessKey {
  std::string id = {};      // "AKIDEXAMPLE": 1 to 128 letters, digits and underscores
  std::string secret = {};  // not empty
  // Names of functions, without qualifiers; "*" stands for all, and for the right to change them. Empty: none.
  std::vector<std::string> functions = {};
};

// Requests must be signed with one of the keys (AWS Signature Version 4).
struct SigV4 {
  std::vector<AccessKey> keys = {};
  // How far a signature's date may lie from the server's clock, both ways.
  absl::Duration clock_skew = absl::Minutes(5);
};

// Whoever reaches the port may call everything. Signatures are not looked at.
struct NoAuthentication {};
inline constexpr NoAuthentication kNoAuthentication{};

// The first is the default, nobody's choice: everything is served, on a loopback address only.
using Authentication = std::variant<std::monostate, NoAuthentication, SigV4>;

// In PEM. Give both as files or both as text; without them the server speaks plain HTTP.
struct Tls {
  std::string certificate_file = {};  // the server's own first, then the chain
  std::string key_file = {};
  std::string certificate = {};
  std::string key = {};

  bool chosen() const { return !certificate_file.empty() || !key_file.empty() || !certificate.empty() || !key.empty(); }
};

// What one client may take. Reaching a limit is answered with the status named, as JSON, and the connection is closed.
struct ServerLimits {
  std::size_t connections_max = 12'000;  // 503. One descriptor each: raise RLIMIT_NOFILE for many
  std::size_t head_bytes_max = 16'384;   // 431. Request line and headers; 512 to 1 MiB
  std::size_t headers_max = 100;         // 431
  // A larger body is read and dropped, and the request handled without it, so that the client hears what is wrong...
  std::uint64_t body_bytes_max = 6'291'456;
  // ... up to this size: 413.
  std::uint64_t drained_bytes_max = 268'435'456;

  absl::Duration idle_time = absl::Seconds(75);   // between requests: closed without a word
  absl::Duration head_time = absl::Seconds(10);   // from the first byte of a request to the end of its headers: 408
  absl::Duration body_time = absl::Seconds(120);  // from there to the end of its body: 408
  absl::Duration write_time = absl::Seconds(30);  // that a client may leave an answer unread: closed
  std::size_t unread_bytes_max = 262'144;         // of a streamed answer, before its writer is told to wait
};

struct ServerOptions {
  // An IPv4 or IPv6 address. Other than 127.0.0.0/8 and ::1 only with an `authentication` that was chosen.
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any that is free
  int threads = 0;         // 1 to 64; 0: half the processors, 1 to 4
  Authentication authentication = {};
  Tls tls = {};
  ServerLimits limits = {};
};

}  // namespace runlet::http

#endif  // RUNLET_HTTP_SERVER_OPTIONS_H_
