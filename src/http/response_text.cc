#include "http/response_text.h"

#include <absl/strings/match.h>
#include <absl/time/civil_time.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

namespace runlet::http {
namespace {

std::string_view Reason(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Status";
  }
}

using CharacterSet = std::array<bool, 256>;

constexpr CharacterSet TokenCharacters() {
  CharacterSet set{};
  for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789")) set[static_cast<unsigned char>(c)] = true;
  for (char c = 'a'; c <= 'z'; ++c) set[static_cast<unsigned char>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) set[static_cast<unsigned char>(c)] = true;
  return set;
}

// All but controls; a tab is none here.
constexpr CharacterSet ValueCharacters() {
  CharacterSet set{};
  for (std::size_t c = 0; c < set.size(); ++c) set[c] = c == '\t' || (c >= ' ' && c != 0x7f);
  return set;
}

constexpr CharacterSet kTokenCharacters = TokenCharacters();
constexpr CharacterSet kValueCharacters = ValueCharacters();

bool AllIn(const CharacterSet& set, std::string_view text) {
  return std::all_of(text.begin(), text.end(), [&](char c) { return set[static_cast<unsigned char>(c)]; });
}

bool IsWiresOwn(std::string_view name) {
  for (const std::string_view own :
       {std::string_view("content-length"), std::string_view("transfer-encoding"), std::string_view("connection"),
        std::string_view("keep-alive"), std::string_view("date"), std::string_view("upgrade")}) {
    if (name.size() == own.size() && absl::EqualsIgnoreCase({name.data(), name.size()}, {own.data(), own.size()})) {
      return true;
    }
  }
  return false;
}

bool MayBeSent(const Header& header) {
  return !header.name.empty() && AllIn(kTokenCharacters, header.name) && AllIn(kValueCharacters, header.value) &&
         !IsWiresOwn(header.name);
}

// Puts texts behind each other at the end of a string, in room that was made once.
class Writer {
 public:
  // Not more than `bytes_max` are put.
  Writer(std::string* out, std::size_t bytes_max) : out_(out), end_(out->size()) { out->resize(end_ + bytes_max); }
  ~Writer() { out_->resize(end_); }

  Writer& Put(std::string_view text) {
    std::memcpy(out_->data() + end_, text.data(), text.size());
    end_ += text.size();
    return *this;
  }
  Writer& Put(std::uint64_t number) {
    const fmt::format_int text(number);
    return Put(std::string_view(text.data(), text.size()));
  }

 private:
  std::string* const out_;
  std::size_t end_;
};

// No shorter than what AppendHead() puts beside the texts that it is given.
constexpr std::size_t kOwnBytesMax = 256;

}  // namespace

std::string_view DateText::At(absl::Time time) {
  constexpr std::array<std::string_view, 7> kDays = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  constexpr std::size_t kSize = 29;
  const std::int64_t second = absl::ToUnixSeconds(time);
  if (second != second_) {
    second_ = second;
    const absl::CivilSecond civil = absl::ToCivilSecond(time, absl::UTCTimeZone());
    fmt::format_to_n(text_.begin(), text_.size(), "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     kDays[static_cast<std::size_t>(absl::GetWeekday(civil))], civil.day(),
                     kMonths[static_cast<std::size_t>(civil.month() - 1)], civil.year(), civil.hour(), civil.minute(),
                     civil.second());
  }
  return {text_.data(), kSize};
}

bool MayHaveBody(int status) { return status != 204 && status != 304; }

void AppendHead(const ResponseHead& head, const HeadText& text, std::string* out) {
  std::size_t bytes_max = kOwnBytesMax + text.date.size();
  for (const Header& header : head.headers) bytes_max += header.name.size() + header.value.size() + 4;
  Writer to(out, bytes_max);
  const int status = head.status >= 200 && head.status <= 599 ? head.status : 500;
  to.Put("HTTP/1.1 ").Put(static_cast<std::uint64_t>(status)).Put(" ").Put(Reason(status));
  to.Put("\r\nDate: ").Put(text.date).Put("\r\n");
  for (const Header& header : head.headers) {
    if (MayBeSent(header)) to.Put(header.name).Put(": ").Put(header.value).Put("\r\n");
  }
  if (text.framing == Framing::kLength) {
    to.Put("Content-Length: ").Put(text.body_bytes).Put("\r\n");
  } else if (text.framing == Framing::kChunks) {
    to.Put("Transfer-Encoding: chunked\r\n");
  }
  if (text.closes) {
    to.Put("Connection: close\r\n");
  } else if (text.keeps_alive_1_0) {
    to.Put("Connection: keep-alive\r\n");
  }
  to.Put("\r\n");
}

std::string_view ChunkHeader(std::size_t bytes, std::array<char, 20>* space) {
  char* const end = fmt::format_to(space->data(), "{:x}\r\n", bytes);
  return {space->data(), static_cast<std::size_t>(end - space->data())};
}

}  // namespace runlet::http
