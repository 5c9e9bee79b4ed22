// Bytes in, requests out: HTTP/1.1 from the server's side, without a socket.
#ifndef RUNLET_SRC_HTTP_REQUEST_READER_H_
#define RUNLET_SRC_HTTP_REQUEST_READER_H_

#include <boost/beast/http/basic_parser.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/exchange.h"
#include "http/refusal.h"
#include "http/sha256.h"
#include "runlet/http/server_options.h"

namespace runlet::http {

// The start line, the headers and the chunks, by Beast's grammar and stricter: what two parsers might read in two ways
// is refused. Keeps offsets, for the bytes may move while more of them come.
class HeadParser final : public boost::beast::http::basic_parser<true> {
 public:
  struct Range {
    std::uint32_t begin = 0;
    std::uint32_t size = 0;

    std::string_view In(const char* base) const { return {base + begin, size}; }
  };
  struct Field {
    Range name;
    Range value;
  };
  using error_code = boost::beast::error_code;

  // One request's. `fields` are filled. `dropped`: takes what is dropped of the chunks; nullptr: nobody asks.
  HeadParser(const ServerLimits& limits, std::vector<Field>* fields, Sha256Pieces* dropped);
  // Before each put(): where the request begins, from which offsets count, and where its bytes end by now.
  void SetBytes(const char* begin, const char* end) {
    begin_ = begin;
    end_ = end;
  }

  Range method;
  Range target;
  int minor_version = 1;
  std::optional<std::uint64_t> content_bytes;
  bool is_chunked = false;
  bool wants_continue = false;
  std::optional<Refusal> refusal;

  // The chunks joined. Once past the limit they are only counted.
  std::string chunks;
  std::uint64_t chunk_bytes = 0;

 private:
  using string_view = boost::beast::string_view;
  using field = boost::beast::http::field;
  using verb = boost::beast::http::verb;

  void on_request_impl(verb, string_view method_text, string_view target_text, int version, error_code& ec) override;
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(field kind, string_view name, string_view value, error_code& ec) override;
  void on_header_impl(error_code& ec) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view, error_code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code& ec) override;
  void on_finish_impl(error_code&) override {}

  Range RangeOf(string_view text) const;
  void Refuse(int status, std::string_view message, error_code& ec);
  void ReadTransferEncoding(std::string_view value, error_code& ec);
  void ReadContentLength(std::string_view value, error_code& ec);
  void CheckTarget(std::string_view text, error_code& ec);

  bool StandsBehind(string_view name, string_view value) const;

  const ServerLimits& limits_;
  std::vector<Field>* const fields_;
  Sha256Pieces* const dropped_;
  const char* begin_ = nullptr;
  const char* end_ = nullptr;
  int hosts_ = 0;
  bool head_done_ = false;
};

// One connection's. Thread-compatible. Memory: 2 KiB while small requests come, never more than twice the limits.
//
// In turn: Room(), bytes are put there, Commit(), Advance() until it wants more bytes; after each request Next().
// Between Room() and Commit() nothing else is called.
class RequestReader {
 public:
  // `limits` outlives the reader. `hashes_dropped`: tells the hash of a body that is dropped, for a signature may cover
  // it.
  explicit RequestReader(const ServerLimits& limits, bool hashes_dropped = false);
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  // Where the next bytes go; stays in place until Commit(). Empty only between a request and Next(), when enough of
  // what follows has been taken.
  std::span<char> Room();
  void Commit(std::size_t bytes);

  enum class Progress : std::uint8_t {
    kNeedMore,
    kContinue,  // the client waits for a "100 Continue"; said once
    kRequest,   // request() is whole
    kRefused,   // refusal() says why; the end of this reader
  };
  Progress Advance();

  // After kRequest, until Next(). `peer`, `encrypted` and `time` are left to the owner.
  Request& request() { return request_; }
  // After kRefused.
  const Refusal& refusal() const { return *parser_->refusal; }
  // Whether the client's wish allows another request on this connection. After kRequest.
  bool keeps_alive() const { return keeps_alive_; }
  // Done with the request: what follows is read.
  void Next();

  enum class Phase : std::uint8_t { kIdle, kHead, kBody, kRequest };
  Phase phase() const;
  // Whether bytes after the request are there already.
  bool has_rest() const { return parsed_ < end_; }

 private:
  enum class Body : std::uint8_t { kNone, kInBuffer, kInBlock, kChunked, kDropped };

  Progress AdvanceHead();
  Progress RefuseHead(const boost::beast::error_code& ec);
  Progress StartBody();
  Progress AdvanceBody();
  Progress AdvanceChunks();
  Progress Refuse(int status, std::string_view message);
  Progress Finish();
  void MakeRoom(std::size_t wanted);
  void Move(char* to);
  void GrowBlock();

  const ServerLimits& limits_;
  Sha256Pieces dropped_;
  Sha256Pieces* const dropped_hash_;  // where what is dropped is hashed; nullptr: it is not
  std::string dropped_sha256_;
  std::vector<HeadParser::Field> fields_;
  std::optional<HeadParser> parser_;  // made anew for each request
  Phase phase_ = Phase::kHead;        // kIdle is kHead without a byte

  // [begin_, parsed_) is understood, [parsed_, end_) is not yet.
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_;
  std::size_t begin_ = 0;
  std::size_t parsed_ = 0;
  std::size_t end_ = 0;

  Body body_ = Body::kNone;
  std::uint64_t body_bytes_ = 0;
  std::uint64_t body_read_ = 0;
  std::size_t head_end_ = 0;
  std::unique_ptr<char[]> block_;  // a body that is too large for the buffer
  std::size_t block_capacity_ = 0;
  bool block_is_room_ = false;

  Request request_;
  std::vector<Header> headers_;
  bool keeps_alive_ = false;
};

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_REQUEST_READER_H_
