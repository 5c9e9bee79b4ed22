#include "http/request_reader.h"

#include <absl/strings/match.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/http/error.hpp>
#include <cstring>
#include <functional>
#include <utility>

namespace runlet::http {
namespace {

namespace beast_http = boost::beast::http;

constexpr std::size_t kFirstCapacity = 2048;
// Kept for idle connections.
constexpr std::size_t kIdleCapacityMax = 8192;
// Of the buffer, for what comes while a request is answered: a client that hangs up is noticed by reading.
constexpr std::size_t kSpare = 256;
// "0\r\n\r\n". Beast asserts that it never sees less of a last chunk, and no chunked body ends with less.
constexpr std::size_t kShortestEnd = 5;
// A chunk's header, or the trailers, must fit in here.
constexpr std::size_t kChunkRoom = 4096;
constexpr std::size_t kFirstBlock = 65'536;
// What is dropped goes through the buffer.
constexpr std::size_t kDropRoom = 16'384;

std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return absl::EqualsIgnoreCase({a.data(), a.size()}, {b.data(), b.size()});
}

bool IsDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// What follows the scheme and the host of "http://host/path?query"; the text itself in any other form.
std::string_view WithoutHost(std::string_view target) {
  for (const std::string_view scheme : {std::string_view("http://"), std::string_view("https://")}) {
    if (!EqualsIgnoreCase(target.substr(0, scheme.size()), scheme)) continue;
    const std::size_t path = target.find_first_of("/?", scheme.size());
    return path == std::string_view::npos ? std::string_view() : target.substr(path);
  }
  return target;
}

// Beast looks at a head again only when the empty line behind it has come: a client that ends lines with LF alone would
// wait for its time-out.
bool HasBareLineFeed(std::string_view text) {
  for (std::size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) {
    if (at == 0 || text[at - 1] != '\r') return true;
  }
  return false;
}

bool IsHost(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    return c > ' ' && c < 0x7f && std::string_view("/?#@\\,\"<>").find(c) == std::string_view::npos;
  });
}

}  // namespace

HeadParser::HeadParser(const ServerLimits& limits, std::vector<Field>* fields, Sha256Pieces* dropped)
    : limits_(limits), fields_(fields), dropped_(dropped) {
  header_limit(static_cast<std::uint32_t>(limits.head_bytes_max));
  body_limit(boost::none);  // a body's length is ours to judge
  fields_->clear();
}

HeadParser::Range HeadParser::RangeOf(string_view text) const {
  return {static_cast<std::uint32_t>(text.data() - begin_), static_cast<std::uint32_t>(text.size())};
}

void HeadParser::Refuse(int status, std::string_view message, error_code& ec) {
  if (!refusal) refusal = Refusal{status, std::string(message)};
  ec = beast_http::error::bad_value;
}

void HeadParser::on_request_impl(verb, string_view method_text, string_view target_text, int version, error_code& ec) {
  method = RangeOf(method_text);
  minor_version = version - 10;
  CheckTarget(View(target_text), ec);
  if (ec) return;
  const std::string_view path = WithoutHost(View(target_text));
  target = path.empty() ? Range{RangeOf(target_text).begin, 0} : RangeOf({path.data(), path.size()});
}

void HeadParser::CheckTarget(std::string_view text, error_code& ec) {
  if (std::any_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c >= 0x7f; })) {
    return Refuse(400, "the request target holds a byte that must be percent-encoded", ec);
  }
  if (text.find('#') != std::string_view::npos) return Refuse(400, "the request target holds a fragment", ec);
  if (text.front() == '/') return;
  const std::string_view path = WithoutHost(text);
  if (path.data() == text.data()) return Refuse(400, "the request target is not a path", ec);
  if (!path.empty() && path.front() == '?') return Refuse(400, "the request target has no path before its query", ec);
  const std::size_t host = text.find("//") + 2;
  const std::string_view name = text.substr(host, text.size() - path.size() - host);
  if (name.empty() || !IsHost(name)) Refuse(400, "the request target names no valid host", ec);
}

void HeadParser::on_field_impl(field kind, string_view name, string_view value, error_code& ec) {
  if (head_done_) return;  // trailers, which nobody reads
  if (!StandsBehind(name, value)) return Refuse(400, "a header is folded over several lines", ec);
  if (fields_->size() == limits_.headers_max) {
    return Refuse(431, fmt::format("more than {} headers", limits_.headers_max), ec);
  }
  fields_->push_back({RangeOf(name), RangeOf(value)});

  if (kind == field::transfer_encoding) {
    ReadTransferEncoding(View(value), ec);
  } else if (kind == field::content_length) {
    ReadContentLength(View(value), ec);
  } else if (kind == field::host) {
    if (++hosts_ > 1) return Refuse(400, "more than one Host header", ec);
    if (!IsHost(View(value))) Refuse(400, "the Host header is not a host", ec);
  } else if (kind == field::expect) {
    if (!EqualsIgnoreCase(View(value), "100-continue"))
      return Refuse(417, "the only expectation met is 100-continue", ec);
    wants_continue = minor_version > 0;
  }
}

// Whether the value is on the line of its name. Beast joins a folded one in a buffer of its own, unless all of it is on
// a later line.
bool HeadParser::StandsBehind(string_view name, string_view value) const {
  const char* const name_end = name.data() + name.size();
  const bool in_place = std::greater_equal<>()(value.data(), name_end) && std::less_equal<>()(value.data(), end_);
  return in_place && std::find(name_end, value.data(), '\r') == value.data();
}

void HeadParser::ReadTransferEncoding(std::string_view value, error_code& ec) {
  if (minor_version == 0) return Refuse(400, "Transfer-Encoding in a request of HTTP/1.0", ec);
  if (is_chunked) return Refuse(400, "more than one Transfer-Encoding header", ec);
  if (!EqualsIgnoreCase(value, "chunked")) return Refuse(501, "the only transfer encoding understood is chunked", ec);
  is_chunked = true;
}

void HeadParser::ReadContentLength(std::string_view value, error_code& ec) {
  if (content_bytes) return Refuse(400, "more than one Content-Length header", ec);
  if (!IsDigits(value) || value.size() > 19) return Refuse(400, "the Content-Length is not a number of bytes", ec);
  std::uint64_t bytes = 0;
  for (const char c : value) bytes = bytes * 10 + static_cast<std::uint64_t>(c - '0');
  content_bytes = bytes;
}

void HeadParser::on_header_impl(error_code& ec) {
  head_done_ = true;
  if (minor_version > 0 && hosts_ == 0) Refuse(400, "the Host header is missing", ec);
}

std::size_t HeadParser::on_chunk_body_impl(std::uint64_t, string_view body, error_code& ec) {
  chunk_bytes += body.size();
  if (chunk_bytes > limits_.drained_bytes_max) {
    Refuse(413, fmt::format("the body has more than {} bytes", limits_.drained_bytes_max), ec);
  } else if (chunk_bytes <= limits_.body_bytes_max) {
    chunks.append(body.data(), body.size());
  } else {
    if (dropped_ != nullptr) {
      if (!chunks.empty()) dropped_->Add(chunks);
      dropped_->Add(View(body));
    }
    chunks = std::string();
  }
  return body.size();
}

RequestReader::RequestReader(const ServerLimits& limits, bool hashes_dropped)
    : limits_(limits),
      dropped_hash_(hashes_dropped ? &dropped_ : nullptr),
      buffer_(new char[kFirstCapacity]),
      capacity_(kFirstCapacity) {
  parser_.emplace(limits_, &fields_, dropped_hash_);
}

RequestReader::Phase RequestReader::phase() const {
  return phase_ == Phase::kHead && begin_ == end_ ? Phase::kIdle : phase_;
}

void RequestReader::Move(char* to) {
  std::memmove(to, buffer_.get() + begin_, end_ - begin_);
  parsed_ -= begin_;
  end_ -= begin_;
  head_end_ -= std::min(head_end_, begin_);
  begin_ = 0;
}

// Afterwards at least `wanted` bytes are free, besides the spare.
void RequestReader::MakeRoom(std::size_t wanted) {
  const std::size_t needed = end_ - begin_ + wanted + kSpare;
  const bool shrinks = begin_ == end_ && capacity_ > kIdleCapacityMax && needed <= kFirstCapacity;
  if (needed > capacity_ || shrinks) {
    const std::size_t capacity = shrinks ? kFirstCapacity : std::max(needed, 2 * capacity_);
    std::unique_ptr<char[]> other(new char[capacity]);
    Move(other.get());
    buffer_ = std::move(other);
    capacity_ = capacity;
  } else if (begin_ == end_ || end_ + wanted + kSpare > capacity_) {
    Move(buffer_.get());
  }
}

void RequestReader::GrowBlock() {
  const std::size_t grown = std::max(kFirstBlock, 2 * block_capacity_);
  const std::size_t capacity = static_cast<std::size_t>(std::min<std::uint64_t>(body_bytes_, grown));
  std::unique_ptr<char[]> larger(new char[capacity]);
  if (body_read_ > 0) std::memcpy(larger.get(), block_.get(), static_cast<std::size_t>(body_read_));
  block_ = std::move(larger);
  block_capacity_ = capacity;
}

std::span<char> RequestReader::Room() {
  block_is_room_ = false;
  switch (phase_) {
    case Phase::kRequest: return {buffer_.get() + end_, capacity_ - end_};
    case Phase::kIdle:
    case Phase::kHead: MakeRoom(kFirstCapacity / 4); break;
    case Phase::kBody:
      if (body_ == Body::kInBlock && !has_rest()) {
        if (body_read_ == block_capacity_) GrowBlock();
        block_is_room_ = true;
        return {block_.get() + body_read_, block_capacity_ - static_cast<std::size_t>(body_read_)};
      }
      if (body_ == Body::kChunked) {
        // What has been understood of the chunks may go; the head stays.
        std::memmove(buffer_.get() + head_end_, buffer_.get() + parsed_, end_ - parsed_);
        end_ -= parsed_ - head_end_;
        parsed_ = head_end_;
        MakeRoom(kChunkRoom);
      }
      if (body_ == Body::kDropped) MakeRoom(kDropRoom);
      break;
  }
  return {buffer_.get() + end_, capacity_ - kSpare - end_};
}

void RequestReader::Commit(std::size_t bytes) {
  if (block_is_room_) {
    body_read_ += bytes;
  } else {
    end_ += bytes;
  }
  block_is_room_ = false;
}

RequestReader::Progress RequestReader::Advance() {
  switch (phase_) {
    case Phase::kRequest: return Progress::kRequest;
    case Phase::kBody: return body_ == Body::kChunked ? AdvanceChunks() : AdvanceBody();
    default: return AdvanceHead();
  }
}

RequestReader::Progress RequestReader::Refuse(int status, std::string_view message) {
  if (!parser_->refusal) parser_->refusal = Refusal{status, std::string(message)};
  return Progress::kRefused;
}

RequestReader::Progress RequestReader::AdvanceHead() {
  if (parser_->refusal) return Progress::kRefused;
  // Some old clients end a body with empty lines that they do not count.
  while (parsed_ == begin_ && end_ - begin_ >= 2 && buffer_[begin_] == '\r' && buffer_[begin_ + 1] == '\n') {
    begin_ += 2;
    parsed_ = begin_;
  }
  if (begin_ == end_ || (end_ - begin_ == 1 && buffer_[begin_] == '\r')) return Progress::kNeedMore;
  parser_->SetBytes(buffer_.get() + begin_, buffer_.get() + end_);
  boost::beast::error_code ec;
  parsed_ += parser_->put({buffer_.get() + parsed_, end_ - parsed_}, ec);
  if (ec && ec != beast_http::error::need_more) return RefuseHead(ec);
  const std::size_t head_bytes = (parser_->is_header_done() ? parsed_ : end_) - begin_;
  if (head_bytes > limits_.head_bytes_max) return RefuseHead(beast_http::error::header_limit);
  if (parser_->is_header_done()) return StartBody();
  if (HasBareLineFeed({buffer_.get() + begin_, end_ - begin_})) return RefuseHead(beast_http::error::bad_line_ending);
  return Progress::kNeedMore;
}

RequestReader::Progress RequestReader::RefuseHead(const boost::beast::error_code& ec) {
  const std::string_view head(buffer_.get() + begin_, end_ - begin_);
  const std::string_view line = head.substr(0, head.find_first_of("\r\n"));
  if (ec == beast_http::error::header_limit) {
    if (line.size() == head.size()) {
      return Refuse(414, fmt::format("the request line has more than {} bytes", limits_.head_bytes_max));
    }
    return Refuse(431, fmt::format("request line and headers have more than {} bytes", limits_.head_bytes_max));
  }
  if (ec == beast_http::error::bad_version) {
    const std::string_view version = line.substr(line.rfind(' ') + 1);
    const bool is_version = version.size() == 8 && version.starts_with("HTTP/") && IsDigits(version.substr(5, 1)) &&
                            version[6] == '.' && IsDigits(version.substr(7));
    if (is_version && !version.starts_with("HTTP/1.0") && !version.starts_with("HTTP/1.1")) {
      return Refuse(505, "the versions understood are HTTP/1.1 and HTTP/1.0");
    }
    return Refuse(400, "the request line does not end with a version and CR LF");
  }
  if (ec == beast_http::error::bad_method) return Refuse(400, "the request line does not begin with a method");
  if (ec == beast_http::error::bad_target) return Refuse(400, "the request target is malformed");
  if (ec == beast_http::error::bad_field) return Refuse(400, "the name of a header is malformed");
  if (ec == beast_http::error::bad_line_ending) return Refuse(400, "a line does not end with CR LF");
  if (ec == beast_http::error::bad_content_length || ec == beast_http::error::multiple_content_length) {
    return Refuse(400, "Content-Length and what else tells the body's length contradict each other");
  }
  if (ec == beast_http::error::bad_transfer_encoding) {
    return Refuse(400, "Transfer-Encoding and what else tells the body's length contradict each other");
  }
  return Refuse(400, "a header is malformed");
}

RequestReader::Progress RequestReader::StartBody() {
  phase_ = Phase::kBody;
  head_end_ = parsed_;
  body_read_ = 0;
  body_bytes_ = parser_->content_bytes.value_or(0);
  keeps_alive_ = parser_->keep_alive();
  const bool waits = std::exchange(parser_->wants_continue, false) && !has_rest();
  if (parser_->is_chunked) {
    body_ = Body::kChunked;
    parser_->eager(true);
    return waits ? Progress::kContinue : AdvanceChunks();
  }
  if (body_bytes_ == 0) {
    body_ = Body::kNone;
    return Finish();
  }
  if (body_bytes_ > limits_.body_bytes_max) {
    body_ = Body::kDropped;
    if (waits) {  // it need not come at all; whether it does, nobody knows
      keeps_alive_ = false;
      return Finish();
    }
    if (body_bytes_ > limits_.drained_bytes_max) {
      return Refuse(413, fmt::format("the body has more than {} bytes", limits_.drained_bytes_max));
    }
    return AdvanceBody();
  }
  body_ = body_bytes_ + kSpare <= capacity_ - head_end_ ? Body::kInBuffer : Body::kInBlock;
  if (body_ == Body::kInBlock) GrowBlock();
  return waits ? Progress::kContinue : AdvanceBody();
}

RequestReader::Progress RequestReader::AdvanceBody() {
  const std::size_t bytes = static_cast<std::size_t>(std::min<std::uint64_t>(end_ - parsed_, body_bytes_ - body_read_));
  if (body_ == Body::kInBlock && bytes > 0) {
    while (block_capacity_ < body_read_ + bytes) GrowBlock();
    std::memcpy(block_.get() + body_read_, buffer_.get() + parsed_, bytes);
  }
  if (body_ == Body::kDropped && dropped_hash_ != nullptr) dropped_hash_->Add({buffer_.get() + parsed_, bytes});
  body_read_ += bytes;
  parsed_ += bytes;
  if (body_read_ == body_bytes_) return Finish();
  if (body_ == Body::kDropped && parsed_ == end_) {
    parsed_ = head_end_;
    end_ = head_end_;
  }
  return Progress::kNeedMore;
}

RequestReader::Progress RequestReader::AdvanceChunks() {
  if (parser_->refusal) return Progress::kRefused;
  if (end_ - parsed_ < kShortestEnd) return Progress::kNeedMore;
  boost::beast::error_code ec;
  parsed_ += parser_->put({buffer_.get() + parsed_, end_ - parsed_}, ec);
  if (ec && ec != beast_http::error::need_more) return Refuse(400, "the chunks of the body are malformed");
  if (parser_->is_done()) return Finish();
  if (end_ - parsed_ >= kChunkRoom) return Refuse(400, "a chunk of the body begins with too long a line");
  return Progress::kNeedMore;
}

RequestReader::Progress RequestReader::Finish() {
  const char* const base = buffer_.get() + begin_;
  headers_.clear();
  for (const HeadParser::Field& field : fields_) {
    headers_.push_back({field.name.In(base), field.value.In(base)});
  }
  request_ = Request();
  request_.method = parser_->method.In(base);
  request_.target = parser_->target.size > 0 ? parser_->target.In(base) : std::string_view("/");
  request_.minor_version = parser_->minor_version;
  request_.headers = headers_;
  switch (body_) {
    case Body::kNone: break;
    case Body::kInBuffer: request_.body = {buffer_.get() + head_end_, static_cast<std::size_t>(body_bytes_)}; break;
    case Body::kInBlock: request_.body = {block_.get(), static_cast<std::size_t>(body_bytes_)}; break;
    case Body::kDropped: request_.oversized_bytes = body_bytes_; break;
    case Body::kChunked:
      if (parser_->chunk_bytes > limits_.body_bytes_max) {
        request_.oversized_bytes = parser_->chunk_bytes;
      } else {
        request_.body = parser_->chunks;
      }
      break;
  }
  if (request_.oversized_bytes > 0) {
    dropped_sha256_ = dropped_.TakeHex();
    request_.oversized_sha256 = dropped_sha256_;
  }
  phase_ = Phase::kRequest;
  return Progress::kRequest;
}

void RequestReader::Next() {
  phase_ = Phase::kHead;
  begin_ = parsed_;
  block_ = nullptr;
  block_capacity_ = 0;
  parser_.emplace(limits_, &fields_, dropped_hash_);
  if (begin_ > 0 && end_ - begin_ <= kFirstCapacity / 2) Move(buffer_.get());
}

}  // namespace runlet::http
