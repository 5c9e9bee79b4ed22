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
  constexpr std::string_view kDigits = "0123456789abcdef";
  // Where each byte's two digits stand.
  constexpr std::size_t kPlaces[2][8] = {{0, 2, 4, 6, 9, 11, 14, 16}, {19, 21, 24, 26, 28, 30, 32, 34}};
  const std::uint64_t words[2] = {high_, low_};
  std::string text(kTextSize, '-');
  for (std::size_t word = 0; word < 2; ++word) {
    for (std::size_t i = 0; i < 8; ++i) {
      const std::uint64_t byte = words[word] >> (56 - 8 * i);
      text[kPlaces[word][i]] = kDigits[byte >> 4 & 0xF];
      text[kPlaces[word][i] + 1] = kDigits[byte & 0xF];
    }
  }
  return text;
}

}  // namespace runlet
