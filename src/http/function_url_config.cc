#include "http/function_url_config.h"

#include <cstdint>

namespace runlet::http {

std::string FunctionUrlId(std::string_view name) {
  constexpr std::string_view kDigits = "abcdefghijklmnopqrstuvwxyz234567";
  constexpr std::uint64_t kPrime = 1099511628211u;
  std::uint64_t hash = 14695981039346656037u;  // FNV-1a
  std::string id;
  for (int i = 0; i < 32; ++i) {
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * kPrime;
    hash = (hash ^ static_cast<std::uint64_t>(i)) * kPrime;
    id += kDigits[(hash >> 40) & 31];
  }
  return id;
}

}  // namespace runlet::http
