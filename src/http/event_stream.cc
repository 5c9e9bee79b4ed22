#include "http/event_stream.h"

#include <zlib.h>

#include <cstdint>

namespace runlet::http {
namespace {

constexpr char kText = 7;  // the type of a header's value
constexpr std::size_t kPreludeBytes = 8;
constexpr std::size_t kChecksumBytes = 4;

void Append32(std::uint32_t value, std::string* out) {
  for (int shift = 24; shift >= 0; shift -= 8) *out += static_cast<char>(value >> shift & 0xFF);
}

void Append16(std::size_t value, std::string* out) {
  *out += static_cast<char>(value >> 8 & 0xFF);
  *out += static_cast<char>(value & 0xFF);
}

std::uint32_t Checksum(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

}  // namespace

std::string EventStreamFrame(std::span<const Header> headers, std::string_view payload) {
  std::size_t header_bytes = 0;
  for (const Header& header : headers) header_bytes += 1 + header.name.size() + 1 + 2 + header.value.size();
  const std::size_t total = kPreludeBytes + kChecksumBytes + header_bytes + payload.size() + kChecksumBytes;
  std::string frame;
  frame.reserve(total);
  Append32(static_cast<std::uint32_t>(total), &frame);
  Append32(static_cast<std::uint32_t>(header_bytes), &frame);
  Append32(Checksum(frame), &frame);
  for (const Header& header : headers) {
    frame += static_cast<char>(header.name.size());
    frame += header.name;
    frame += kText;
    Append16(header.value.size(), &frame);
    frame += header.value;
  }
  frame += payload;
  Append32(Checksum(frame), &frame);
  return frame;
}

}  // namespace runlet::http
