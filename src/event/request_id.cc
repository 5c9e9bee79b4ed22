#include "runlet/event/request_id.h"

#include <array>

namespace runlet {
namespace {

constexpr std::size_t kTextSize = 36;
constexpr bool IsDash(std::size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::optional<RequestId> RequestId::Parse(std::string_view text) {
  if (text.size() != kTextSize) return std::nullopt;
  std::array<std::uint64_t, 2> words{};
  int digits = 0;
  for (std::size_t i = 0; i < kTextSize; ++i) {
    if (IsDash(i)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const int value = HexValue(text[i]);
    if (value < 0) return std::nullopt;
    auto& word = words[digits < 16 ? 0 : 1];
    word = word << 4 | static_cast<std::uint64_t>(value);
    ++digits;
  }
  return RequestId(words[0], words[1]);
}

std::string RequestId::ToString() const {
  std::string text(kTextSize, '-');
  int digit = 0;
  for (std::size_t i = 0; i < kTextSize; ++i) {
    if (IsDash(i)) continue;
    const std::uint64_t word = digit < 16 ? high_ : low_;
    text[i] = "0123456789abcdef"[word >> (60 - 4 * (digit % 16)) & 0xF];
    ++digit;
  }
  return text;
}

}  // namespace runlet
