#include "http/exchange.h"

#include <absl/strings/match.h>

namespace runlet::http {

std::optional<std::string_view> FindHeader(std::span<const Header> headers, std::string_view name) {
  for (const Header& header : headers) {
    if (absl::EqualsIgnoreCase({header.name.data(), header.name.size()}, {name.data(), name.size()})) {
      return header.value;
    }
  }
  return std::nullopt;
}

}  // namespace runlet::http
