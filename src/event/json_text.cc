#include "event/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <iterator>

namespace runlet {
namespace {

// How many bytes from the first on stand for themselves in a JSON string: looked at eight at a time.
std::size_t PlainBytes(std::string_view text) {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kTops = 0x8080808080808080;
  const auto has_zero = [](std::uint64_t bytes) { return (bytes - kOnes) & ~bytes & kTops; };
  std::size_t plain = 0;
  for (; plain + 8 <= text.size(); plain += 8) {
    std::uint64_t bytes;
    std::memcpy(&bytes, text.data() + plain, 8);
    const std::uint64_t control = (bytes - 0x20 * kOnes) & ~bytes & kTops;
    if ((control | (bytes & kTops) | has_zero(bytes ^ '"' * kOnes) | has_zero(bytes ^ '\\' * kOnes)) != 0) break;
  }
  for (; plain < text.size(); ++plain) {
    const auto byte = static_cast<unsigned char>(text[plain]);
    if (byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\') break;
  }
  return plain;
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  std::string_view rest() const { return rest_; }
  bool too_deep() const { return too_deep_; }

  // One value after the other, by a stack of what is open, so that no text can end the program by its depth.
  bool OneValue() {
    do {
      if (!Opening()) return false;
      while (!open_.empty()) {
        SkipSpace();
        if (Take(open_.back() == '{' ? '}' : ']')) {
          open_.pop_back();
          continue;
        }
        if (!Take(',')) return false;
        if (open_.back() == '{' && !Key()) return false;
        break;
      }
    } while (!open_.empty());
    SkipSpace();
    return rest_.empty();
  }

 private:
  // A scalar, a closed empty container, or the way down to the first scalar of a container.
  bool Opening() {
    for (;;) {
      SkipSpace();
      if (rest_.empty()) return false;
      const char first = rest_.front();
      if (first != '{' && first != '[') return Scalar();
      if ((too_deep_ = open_.size() == kJsonDepthMax)) return false;
      rest_.remove_prefix(1);
      SkipSpace();
      if (Take(first == '{' ? '}' : ']')) return true;
      open_.push_back(first);
      if (first == '{' && !Key()) return false;
    }
  }

  bool Key() {
    SkipSpace();
    if (!String()) return false;
    SkipSpace();
    return Take(':');
  }

  bool Scalar() {
    for (const std::string_view word : {"true", "false", "null"}) {
      if (rest_.substr(0, word.size()) == word) {
        rest_.remove_prefix(word.size());
        return true;
      }
    }
    return rest_.front() == '"' ? String() : Number();
  }

  bool String() {
    if (!Take('"')) return false;
    for (;;) {
      rest_.remove_prefix(PlainBytes(rest_));
      if (rest_.empty()) return false;
      const auto byte = static_cast<unsigned char>(rest_.front());
      if (byte == '"') return Take('"');
      if (byte < 0x20) return false;
      if (byte == '\\') {
        rest_.remove_prefix(1);
        if (!Escape()) return false;
        continue;
      }
      const std::size_t length = Utf8Length(rest_);
      if (length == 0) return false;
      rest_.remove_prefix(length);
    }
  }

  bool Escape() {
    if (Take('u')) {
      for (int i = 0; i < 4; ++i) {
        if (rest_.empty() || std::string_view("0123456789abcdefABCDEF").find(rest_.front()) == rest_.npos) return false;
        rest_.remove_prefix(1);
      }
      return true;
    }
    if (rest_.empty() || std::string_view("\"\\/bfnrt").find(rest_.front()) == rest_.npos) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool Number() {
    Take('-');
    if (!Take('0') && !Digits()) return false;
    if (Take('.') && !Digits()) return false;
    if (!Take('e') && !Take('E')) return true;
    if (!Take('+')) Take('-');
    return Digits();
  }

  bool Digits() {
    const std::size_t count = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    rest_.remove_prefix(count);
    return count != 0;
  }

  void SkipSpace() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n\r"), rest_.size())); }
  bool Take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::string_view rest_;
  bool too_deep_ = false;
  std::string open_;  // '{' or '[' for each container that is open
};

}  // namespace

std::optional<JsonFault> FindJsonFault(std::string_view text) {
  Scanner scanner(text);
  if (scanner.OneValue()) return std::nullopt;
  return JsonFault{text.size() - scanner.rest().size(), scanner.too_deep()};
}

std::size_t Utf8Length(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : static_cast<unsigned char>(0);
  };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned char first = byte(0);
  if (text.empty()) return 0;
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    // No overlong forms, and no halves of surrogate pairs.
    if ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F)) return 0;
    return follows(1) && follows(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if ((first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F)) return 0;
    return follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = Utf8Length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

namespace {

// The end of the value that valid JSON `text` begins with.
std::size_t ValueEnd(std::string_view text) {
  std::size_t depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      for (++i; text[i] != '"'; ++i) i += text[i] == '\\' ? 1 : 0;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return i;
      --depth;
    } else if (c == ',' && depth == 0) {
      return i;
    }
  }
  return text.size();
}

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\r";
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

void AppendUtf8(std::uint32_t code, std::string* out) {
  const auto tail = [&](int shift) { out->push_back(static_cast<char>(0x80 | (code >> shift & 0x3F))); };
  if (code < 0x80) return out->push_back(static_cast<char>(code));
  if (code < 0x800) {
    out->push_back(static_cast<char>(0xC0 | code >> 6));
  } else if (code < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | code >> 12));
    tail(6);
  } else {
    out->push_back(static_cast<char>(0xF0 | code >> 18));
    tail(12);
    tail(6);
  }
  tail(0);
}

std::uint32_t HexAt(std::string_view text, std::size_t at) {
  std::uint32_t code = 0;
  std::from_chars(text.data() + at, text.data() + at + 4, code, 16);
  return code;
}

// `quoted` is a valid JSON string, quotes included.
std::string Unquoted(std::string_view quoted) {
  constexpr std::string_view kNames = "bfnrt", kMeant = "\b\f\n\r\t";
  const std::string_view text = quoted.substr(1, quoted.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out.push_back(text[i]);
      continue;
    }
    const char name = text[++i];
    if (name != 'u') {
      const std::size_t found = kNames.find(name);
      out.push_back(found == kNames.npos ? name : kMeant[found]);
      continue;
    }
    std::uint32_t code = HexAt(text, i + 1);
    i += 4;
    if (code >= 0xD800 && code < 0xDC00 && text.substr(i + 1, 2) == "\\u") {
      if (const std::uint32_t low = HexAt(text, i + 3); low >= 0xDC00 && low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        i += 6;
      }
    }
    AppendUtf8(code >= 0xD800 && code < 0xE000 ? 0xFFFD : code, &out);
  }
  return out;
}

}  // namespace

std::optional<std::map<std::string, std::string, std::less<>>> ReadFlatJson(std::string_view text) {
  text = Trimmed(text);
  if (text.empty() || text.front() != '{' || !IsJson(text)) return std::nullopt;
  std::map<std::string, std::string, std::less<>> values;
  text = Trimmed(text.substr(1, text.size() - 2));
  while (!text.empty()) {
    std::size_t end = 1;
    while (text[end] != '"') end += text[end] == '\\' ? 2 : 1;
    std::string key = Unquoted(text.substr(0, end + 1));
    text = Trimmed(Trimmed(text.substr(end + 1)).substr(1));
    const std::size_t value_end = ValueEnd(text);
    const std::string_view value = Trimmed(text.substr(0, value_end));
    if (value.front() == '"') {
      values.insert_or_assign(std::move(key), Unquoted(value));
    } else if (value.front() != '{' && value.front() != '[') {
      values.insert_or_assign(std::move(key), std::string(value));
    }
    text = value_end == text.size() ? std::string_view() : Trimmed(text.substr(value_end + 1));
  }
  return values;
}

std::string_view FirstCharacters(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  // At most the three bytes before the cut belong to a character that it would break.
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, bytes_max); ++back) {
    const std::size_t length = Utf8Length(text.substr(bytes_max - back));
    if (length > back) return text.substr(0, bytes_max - back);
    if (length != 0) break;
  }
  return text.substr(0, bytes_max);
}

void AppendJsonString(std::string_view text, std::string* out) {
  out->push_back('"');
  while (!text.empty()) {
    const std::size_t length = Utf8Length(text);
    if (length == 0) {
      *out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
      continue;
    }
    switch (text.front()) {
      case '"': *out += "\\\""; break;
      case '\\': *out += "\\\\"; break;
      case '\b': *out += "\\b"; break;
      case '\f': *out += "\\f"; break;
      case '\n': *out += "\\n"; break;
      case '\r': *out += "\\r"; break;
      case '\t': *out += "\\t"; break;
      default:
        if (length == 1 && static_cast<unsigned char>(text.front()) < 0x20) {
          fmt::format_to(std::back_inserter(*out), "\\u{:04x}", text.front());
        } else {
          *out += text.substr(0, length);
        }
    }
    text.remove_prefix(length);
  }
  out->push_back('"');
}

}  // namespace runlet
