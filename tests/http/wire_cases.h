// What clients may send, and what not, with the answers that a server of echoes gives.
#ifndef RUNLET_TESTS_HTTP_WIRE_CASES_H_
#define RUNLET_TESTS_HTTP_WIRE_CASES_H_

#include <string>
#include <vector>

#include "runlet/http/server_options.h"

namespace runlet::http {

struct WireCase {
  std::string name;
  std::string sent;
  // Statuses in order of the answers: "200 400". Whatever is refused closes the connection; "200 close" says that an
  // answer does, "200 wait" that more of a request is awaited afterwards.
  std::string answers;
};

inline ServerLimits WireLimits() {
  ServerLimits limits;
  limits.head_bytes_max = 4'096;
  limits.headers_max = 20;
  limits.body_bytes_max = 1'000;
  limits.drained_bytes_max = 20'000;
  return limits;
}

inline std::string Many(int count, const std::string& text) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

inline std::vector<WireCase> WireCases() {
  const std::string get = "GET / HTTP/1.1\r\n";
  const std::string host = "Host: h\r\n";
  const std::string post = "POST /p HTTP/1.1\r\nHost: h\r\n";
  const std::string chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
  const std::string next = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";
  const auto with = [&](const std::string& header) { return get + host + header + "\r\n\r\n"; };
  return {
      // ---- what is in order ----
      {"a plain request", get + host + "\r\n", "200"},
      {"two in one segment", get + host + "\r\n" + next, "200 200"},
      {"fifty in one segment", Many(50, next), Many(49, "200 ") + "200"},
      {"a body by Content-Length", post + "Content-Length: 5\r\n\r\nhello" + next, "200 200"},
      {"a Content-Length of zero", post + "Content-Length: 0\r\n\r\n" + next, "200 200"},
      {"a Content-Length with leading zeros", post + "Content-Length: 0005\r\n\r\nhello" + next, "200 200"},
      {"a body in chunks", chunked + "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n" + next, "200 200"},
      {"chunks in upper case and with leading zeros", chunked + "00A\r\n0123456789\r\n0\r\n\r\n" + next, "200 200"},
      {"chunk extensions", chunked + "5;a=b;c=\"d e\"\r\nhello\r\n0;x\r\n\r\n" + next, "200 200"},
      {"trailers", chunked + "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n" + next, "200 200"},
      {"a coding in capitals", post + "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n" + next, "200 200"},
      {"tabs and blanks around a value", with("X:\t  a b \t "), "200"},
      {"an empty value", with("X:"), "200"},
      {"Latin-1 in a value", with("X: caf\xe9"), "200"},
      {"an empty line before a request", "\r\n" + next, "200"},
      {"an empty line between requests", next + "\r\n" + next, "200 200"},
      {"an absolute target", "GET http://other:80/x?y HTTP/1.1\r\nHost: h\r\n\r\n", "200"},
      {"an absolute target without a path", "GET http://other HTTP/1.1\r\nHost: h\r\n\r\n", "200"},
      {"an unknown method", "BREW / HTTP/1.1\r\nHost: h\r\n\r\n", "200"},
      {"HTTP/1.0 closes", "GET / HTTP/1.0\r\n\r\n", "200 close"},
      {"HTTP/1.0 that asks to stay", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + next, "200 200"},
      {"Connection: close", get + host + "Connection: close\r\n\r\n" + next, "200 close"},
      {"Connection: close among others", get + host + "Connection: x, Close\r\n\r\n", "200 close"},
      {"a body on a GET", get + host + "Content-Length: 2\r\n\r\nhi" + next, "200 200"},
      {"an upgrade is not taken", get + host + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + next, "200 200"},
      {"an oversized body is drained", post + "Content-Length: 1001\r\n\r\n" + std::string(1001, 'x') + next,
       "200 200"},
      {"oversized chunks are drained",
       chunked + Many(11, "64\r\n" + std::string(100, 'x') + "\r\n") + "0\r\n\r\n" + next, "200 200"},
      {"a body of the limit", post + "Content-Length: 1000\r\n\r\n" + std::string(1000, 'x') + next, "200 200"},
      {"a head of the limit", get + host + "X: " + std::string(4096 - 16 - 9 - 3 - 4, 'x') + "\r\n\r\n", "200"},
      {"as many headers as the limit", get + host + Many(19, "A: b\r\n") + "\r\n", "200"},

      // ---- lengths that contradict each other ----
      {"Content-Length and Transfer-Encoding",
       post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next, "400"},
      {"Transfer-Encoding and Content-Length",
       post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + next, "400"},
      {"two Content-Lengths", post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "400"},
      {"two Content-Lengths alike", post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "400"},
      {"a list of Content-Lengths", post + "Content-Length: 5, 5\r\n\r\nhello", "400"},
      {"a Content-Length with a plus", post + "Content-Length: +5\r\n\r\nhello", "400"},
      {"a negative Content-Length", post + "Content-Length: -1\r\n\r\n", "400"},
      {"a Content-Length in hex", post + "Content-Length: 0x5\r\n\r\nhello", "400"},
      {"a Content-Length with a blank inside", post + "Content-Length: 1 0\r\n\r\n0123456789", "400"},
      {"a Content-Length with a fraction", post + "Content-Length: 5.0\r\n\r\nhello", "400"},
      {"an empty Content-Length", post + "Content-Length:\r\n\r\n", "400"},
      {"a Content-Length past 64 bits", post + "Content-Length: 18446744073709551617\r\n\r\nx", "400"},
      {"a Content-Length past what is drained", post + "Content-Length: 20001\r\n\r\n", "413"},
      {"a Content-Length of 2^63", post + "Content-Length: 9223372036854775808\r\n\r\n", "413"},
      {"Content_Length is another header", post + "Content_Length: 5\r\n\r\n" + next, "200 200"},
      {"two Transfer-Encodings", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       "400"},
      {"chunked and identity", post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "501"},
      {"identity", post + "Transfer-Encoding: identity\r\n\r\n", "501"},
      {"gzip and chunked", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501"},
      {"chunked with a control character",
       post + "Transfer-Encoding: \x0b"
              "chunked\r\n\r\n0\r\n\r\n",
       "400"},
      {"chunked in quotes", post + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", "501"},
      {"xchunked", post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501"},
      {"an empty Transfer-Encoding", post + "Transfer-Encoding:\r\n\r\n", "501"},
      {"Transfer-Encoding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
      {"a blank before the colon", post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400"},
      {"a folded Transfer-Encoding", post + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "400"},

      // ---- chunks ----
      {"a chunk without a size", chunked + "\r\nhello\r\n0\r\n\r\n", "400"},
      {"a chunk size that is no number", chunked + "z\r\nhello\r\n0\r\n\r\n", "400"},
      {"a chunk size with 0x", chunked + "0x5\r\nhello\r\n0\r\n\r\n", "400"},
      {"a chunk size with a minus", chunked + "-5\r\nhello\r\n0\r\n\r\n", "400"},
      {"a chunk size with a blank before", chunked + " 5\r\nhello\r\n0\r\n\r\n", "400"},
      {"a chunk size past 64 bits", chunked + "11111111111111111\r\nhello\r\n0\r\n\r\n", "400"},
      {"a chunk longer than its size", chunked + "4\r\nhello\r\n0\r\n\r\n", "400"},
      {"a chunk that ends with LF", chunked + "5\r\nhello\n0\r\n\r\n", "400"},
      {"a chunk size that ends with LF", chunked + "5\nhello\r\n0\r\n\r\n", "400"},
      {"a chunk size that ends with CR", chunked + "5\rhello\r\n0\r\n\r\n", "400"},
      {"a chunk line without an end", chunked + "5;" + std::string(5'000, 'a'), "400"},
      {"a chunk extension with a control character", chunked + "5;a=\x01\r\nhello\r\n0\r\n\r\n", "400"},
      {"a Content-Length in the trailers", chunked + "0\r\nContent-Length: 5\r\n\r\nhello", "400"},
      {"a trailer that is no header", chunked + "0\r\nGET / HTTP/1.1\r\n\r\n", "400"},
      {"chunks past what is drained", chunked + Many(201, "64\r\n" + std::string(100, 'x') + "\r\n"), "413"},

      // ---- lines ----
      {"lines that end with LF", "GET / HTTP/1.1\nHost: h\n\n", "400"},
      {"a header that ends with LF", get + "Host: h\nX: y\r\n\r\n", "400"},
      {"a head that ends with LF", get + "Host: h\r\n\n", "400"},
      {"a CR alone in a value", with("X: a\rb"), "400"},
      {"a NUL in a value", with(std::string("X: a\0b", 6)), "400"},
      {"a NUL in a name", with(std::string("X\0Y: a", 6)), "400"},
      {"a NUL in the target", std::string("GET /a\0b HTTP/1.1\r\n", 19) + host + "\r\n", "400"},
      {"a DEL in a value", with("X: \x7f"), "400"},
      {"a folded header", with("X: a\r\n b"), "400"},
      {"a folded header with nothing before", with("X:\r\n\tb"), "400"},
      {"a folded header with nothing behind", with("X: a\r\n "), "400"},
      {"a first header that begins with a blank", get + " X: a\r\n" + host + "\r\n", "400"},
      {"a header without a colon", with("X"), "400"},
      {"a header without a name", with(": x"), "400"},
      {"a name with a blank", with("X Y: a"), "400"},
      {"a name with a slash", with("X/Y: a"), "400"},
      {"a name beyond ASCII", with("X\xc3\xa9: a"), "400"},
      {"two Hosts", get + host + host + "\r\n", "400"},
      {"no Host", get + "\r\n", "400"},
      {"a Host with a path", get + "Host: a/b\r\n\r\n", "400"},
      {"a Host with a blank", get + "Host: a b\r\n\r\n", "400"},
      {"an unknown expectation", with("Expect: 200-ok"), "417"},
      {"a malformed Connection", with("Connection: ,;"), "400"},

      // ---- request lines ----
      {"no version", "GET /\r\n\r\n", "400"},
      {"HTTP/0.9 with a version", "GET / HTTP/0.9\r\n\r\n", "505"},
      {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", "505"},
      {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", "505"},
      {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
      {"a version in lower case", "GET / http/1.1\r\nHost: h\r\n\r\n", "400"},
      {"a version with more digits", "GET / HTTP/1.10\r\nHost: h\r\n\r\n", "400"},
      {"two blanks before the target", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"two blanks before the version", "GET /  HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"a blank behind the version", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", "400"},
      {"a blank in the target", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"a tab as separator", "GET\t/\tHTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"a method with a colon", "GE:T / HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"no method", " / HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"a blank before the method", " GET / HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"an authority as target", "CONNECT host:443 HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"an asterisk as target", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"a target without a slash", "GET a HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"an absolute target without a host", "GET http:///x HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"an absolute target with a user", "GET http://u@h/x HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"an absolute target with only a query", "GET http://h?x HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"another scheme", "GET ftp://h/x HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"a fragment", "GET /#a HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"bytes beyond ASCII in the target", "GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"three empty lines before a request", "\r\n\r\n\r\n" + next, "200"},
      {"the hello of TLS", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), "400"},
      {"rubbish", "\xde\xad\xbe\xef\r\n\r\n", "400"},

      // ---- limits ----
      {"a head past the limit", get + host + "X: " + std::string(4096 - 16 - 9 - 3 - 3, 'x') + "\r\n\r\n", "431"},
      {"a head past the limit without an end", get + host + "X: " + std::string(5'000, 'x'), "431"},
      {"a request line past the limit", "GET /" + std::string(5'000, 'x'), "414"},
      {"more headers than the limit", get + host + Many(20, "A: b\r\n") + "\r\n", "431"},

      // ---- after a good request ----
      {"a bad request behind a good one", next + "GET / HTTP/1.1\nHost: h\n\n", "200 400"},
      {"rubbish behind a body", post + "Content-Length: 5\r\n\r\nhello, world\r\n\r\n", "200 400"},
      {"a request inside a body stays inside",
       post + "Content-Length: " + std::to_string(next.size()) + "\r\n\r\n\r\n" + next, "200"},
      {"half a head", "GET / HTTP/1.1\r\nHo", "wait"},
      {"half a body", post + "Content-Length: 5\r\n\r\nhe", "wait"},
      {"half a chunk", chunked + "5\r\nhe", "wait"},
      {"half a request behind a good one", next + "GET /", "200 wait"},
  };
}

}  // namespace runlet::http

#endif  // RUNLET_TESTS_HTTP_WIRE_CASES_H_
