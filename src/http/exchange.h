// One request of a client's, and the answer to it: what lies between the wire and those who know what the bytes mean.
#ifndef RUNLET_SRC_HTTP_EXCHANGE_H_
#define RUNLET_SRC_HTTP_EXCHANGE_H_

#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace runlet::http {

struct Header {
  std::string_view name = {};
  std::string_view value = {};
};

// The value of the first header of that name, whatever its case.
std::optional<std::string_view> FindHeader(std::span<const Header> headers, std::string_view name);

// What a client asked, whole. All views end with the exchange: when Send(), End() or Abort() has returned.
struct Request {
  std::string_view method = {};  // as sent: "POST"
  // Path and query as sent, percent-encoding and all: "/2015-03-31/functions/f/invocations?Qualifier=1". Begins with a
  // slash: the host of an absolute form is cut off.
  std::string_view target = {};
  int minor_version = 1;  // of HTTP/1.x
  // In order of arrival, values trimmed; names and values hold no control characters.
  std::span<const Header> headers = {};
  std::string_view body = {};  // chunks joined; empty where it was oversized
  // A body past the server's limit was read and dropped: how long it was, or said to be. Its hash, in hexadecimal,
  // where the server hashes such bodies and it came.
  std::uint64_t oversized_bytes = 0;
  std::string_view oversized_sha256 = {};
  std::string_view peer = {};  // "127.0.0.1:50312", "[::1]:50312"
  bool encrypted = false;      // came through TLS
  absl::Time time = {};        // on the calendar, when its last byte had come

  std::optional<std::string_view> Find(std::string_view name) const { return FindHeader(headers, name); }
  std::string_view path() const { return target.substr(0, target.find('?')); }
  // Without the question mark; empty where there is none.
  std::string_view query() const {
    const std::size_t mark = target.find('?');
    return mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
  }
};

// The wire adds Date, Content-Length or Transfer-Encoding, and Connection; headers must not name these. A header with a
// control character (CR, LF, NUL) in name or value is left out, so that no text of a function's can split an answer.
struct ResponseHead {
  int status = 200;
  std::span<const Header> headers = {};
};

// What became of a piece of a streamed answer.
enum class Room : std::uint8_t {
  kFree,  // taken; write on
  kFull,  // taken, but the client reads slowly: write on after Notice::kRoom, or hold all that memory
  kGone,  // dropped: the client has hung up, or the server has stopped
};

enum class Notice : std::uint8_t {
  kRoom,    // after Room::kFull: there is room again
  kHangUp,  // the client has closed its side, or its connection broke. At most once; an answer may still be sent, since
            // some clients close their sending side early, but most likely nobody reads it
};

// The wire's side of a Responder. Thread-safe, but for the order of calls, which the Responder keeps.
class Exchange {
 public:
  virtual void Send(const ResponseHead& head, std::string_view body) = 0;
  virtual void Begin(const ResponseHead& head) = 0;
  virtual Room Write(std::string_view piece) = 0;
  virtual void End() = 0;
  virtual void Abort() = 0;
  virtual void Listen(std::function<void(Notice)> listener) = 0;
  // The Responder went without an answer.
  virtual void Drop() = 0;

 protected:
  ~Exchange() = default;
};

// The duty to answer one request: once, from any thread, at any time, even after the server has stopped (then it goes
// nowhere). Nothing blocks. Move-only; one thread at a time. Destroyed without an answer it answers 500.
class Responder {
 public:
  explicit Responder(Exchange* exchange) : exchange_(exchange) {}
  Responder(Responder&& other) noexcept : exchange_(std::exchange(other.exchange_, nullptr)) {}
  Responder& operator=(Responder&& other) noexcept {
    Responder(std::move(other)).Swap(*this);
    return *this;
  }
  ~Responder() {
    if (exchange_ != nullptr) exchange_->Drop();
  }

  // The whole answer, ended. `body` may be (part of) the request's.
  void Send(const ResponseHead& head, std::string_view body) && { Take()->Send(head, body); }

  // An answer in pieces: Begin() once, then Write() any number of times, then End() or Abort(). Each piece leaves at
  // once; an empty one leaves the head alone, which otherwise waits for the first piece.
  void Begin(const ResponseHead& head) { exchange_->Begin(head); }
  Room Write(std::string_view piece) { return exchange_->Write(piece); }
  void End() && { Take()->End(); }
  // Closes the connection, so that the client sees that the answer is not whole.
  void Abort() && { Take()->Abort(); }

  // Who is told about room and hang-up, from a thread of the server's, one call at a time; within this call if the
  // client has gone already. No call begins after the answer has ended, but one may be running still: let it own what
  // it touches.
  void Listen(std::function<void(Notice)> listener) { exchange_->Listen(std::move(listener)); }

  // False when moved from or answered.
  explicit operator bool() const { return exchange_ != nullptr; }

 private:
  Exchange* Take() { return std::exchange(exchange_, nullptr); }
  void Swap(Responder& other) noexcept { std::swap(exchange_, other.exchange_); }

  Exchange* exchange_;
};

// Who answers the requests of a server.
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  // On a thread of the server's, for many connections at once: must not block. `request` stays valid until the answer
  // has ended, wherever `responder` goes meanwhile.
  virtual void Handle(const Request& request, Responder responder) = 0;
};

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_EXCHANGE_H_
