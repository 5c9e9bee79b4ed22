#include "durable/row.h"

#include <zlib.h>

#include <algorithm>

namespace runlet::durable {
namespace {

constexpr std::uint8_t kExtraVersion = 1;

// A number as LEB128 of its zigzag, written to where there is room for ten bytes. Returns its end.
char* PutNumber(std::int64_t value, char* to) {
  auto bits = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
  for (; bits >= 0x80; bits >>= 7) *to++ = static_cast<char>(bits | 0x80);
  *to++ = static_cast<char>(bits);
  return to;
}

// Texts have their length in front.
class Writer {
 public:
  void Number(std::int64_t value) {
    char digits[10];
    bytes_.append(digits, PutNumber(value, digits));
  }
  void Text(std::string_view text) {
    Number(static_cast<std::int64_t>(text.size()));
    bytes_ += text;
  }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

std::uint32_t Crc(std::uint32_t before, std::string_view bytes) {
  return static_cast<std::uint32_t>(
      crc32_z(before, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

// The checksum of a row's fields, as if they had been written one behind the other. For a row of a dozen numbers.
class FieldsChecksumOf {
 public:
  void Number(std::int64_t value) { end_ = PutNumber(value, end_); }
  void Maybe(std::optional<std::int64_t> value) {
    Number(value.has_value() ? 1 : 0);
    Number(value.value_or(0));
  }
  void Id(const RequestId& id) { end_ = std::copy_n(IdBytes(id).bytes, sizeof(IdBytes), end_); }
  // The last of them.
  std::uint32_t End(std::string_view text) {
    Number(static_cast<std::int64_t>(text.size()));
    return Crc(Crc(0, {bytes_, static_cast<std::size_t>(end_ - bytes_)}), text);
  }

 private:
  char bytes_[16 * 10 + sizeof(IdBytes)];
  char* end_ = bytes_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  std::int64_t Number() {
    std::uint64_t bits = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const auto byte = static_cast<std::uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      bits |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return static_cast<std::int64_t>(bits >> 1) ^ -static_cast<std::int64_t>(bits & 1);
    }
    good_ = false;
    return 0;
  }
  std::string_view Text() {
    const auto size = static_cast<std::uint64_t>(Number());
    if (size > rest_.size()) {
      good_ = false;
      return {};
    }
    const std::string_view text = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return text;
  }
  // A count of things that take a byte each at least.
  std::size_t Count() {
    const auto count = static_cast<std::uint64_t>(Number());
    if (count <= rest_.size()) return count;
    good_ = false;
    return 0;
  }
  bool good() const { return good_; }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

constexpr absl::Duration TimeSplit::*kParts[] = {&TimeSplit::queued, &TimeSplit::throttled, &TimeSplit::backing_off,
                                                 &TimeSplit::running, &TimeSplit::stopping};

}  // namespace

std::string EncodeExtra(const Extra& extra) {
  if (extra.empty()) return {};
  Writer out;
  out.Number(kExtraVersion);
  out.Number(extra.throttles);
  out.Number(extra.since);
  for (const auto part : kParts) out.Number(absl::ToInt64Nanoseconds(extra.spent.*part));
  out.Number(static_cast<std::int64_t>(extra.errors.size()));
  for (const AttemptError& error : extra.errors) {
    out.Number(error.attempt);
    out.Number(absl::ToUnixNanos(error.at));
    out.Text(error.version);
    out.Text(error.error.type);
    out.Text(error.error.message);
  }
  out.Number(static_cast<std::int64_t>(extra.lineage.size()));
  for (const auto& [function, times] : extra.lineage) {
    out.Text(function);
    out.Number(times);
  }
  return out.Take();
}

std::optional<Extra> DecodeExtra(std::string_view bytes) {
  Extra extra;
  if (bytes.empty()) return extra;
  Reader in(bytes);
  if (in.Number() != kExtraVersion) return std::nullopt;
  extra.throttles = static_cast<int>(in.Number());
  extra.since = in.Number();
  for (const auto part : kParts) extra.spent.*part = absl::Nanoseconds(in.Number());
  for (std::size_t left = in.Count(); left > 0 && in.good(); --left) {
    AttemptError& error = extra.errors.emplace_back();
    error.attempt = static_cast<int>(in.Number());
    error.at = absl::FromUnixNanos(in.Number());
    error.version = in.Text();
    error.error.type = in.Text();
    error.error.message = in.Text();
  }
  for (std::size_t left = in.Count(); left > 0 && in.good(); --left) {
    const std::string_view function = in.Text();
    extra.lineage.emplace_back(function, static_cast<int>(in.Number()));
  }
  if (!in.good() || !in.at_end()) return std::nullopt;
  return extra;
}

std::uint32_t ChecksumOf(const EventRow& row) {
  FieldsChecksumOf fields;
  fields.Number(row.seq);
  fields.Number(row.function);
  fields.Id(row.id);
  fields.Number(row.accepted);
  fields.Maybe(row.age);
  fields.Maybe(row.due);
  fields.Number(row.attempts);
  return fields.End(row.extra);
}

std::uint32_t ChecksumOf(const DeadRow& row) {
  FieldsChecksumOf fields;
  fields.Number(row.ord);
  fields.Number(row.function);
  fields.Id(row.id);
  fields.Number(static_cast<std::int64_t>(row.condition));
  fields.Number(row.accepted);
  fields.Number(row.died);
  fields.Number(row.attempts);
  return fields.End(row.extra);
}

std::uint32_t ChecksumOf(std::string_view payload) { return Crc(0, payload); }

IdBytes::IdBytes(const RequestId& id) {
  for (int i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>(id.high() >> (56 - 8 * i));
    bytes[8 + i] = static_cast<char>(id.low() >> (56 - 8 * i));
  }
}

std::optional<RequestId> ReadId(std::string_view bytes) {
  if (bytes.size() != 16) return std::nullopt;
  std::uint64_t halves[2] = {};
  for (std::size_t i = 0; i < 16; ++i) halves[i / 8] = halves[i / 8] << 8 | static_cast<std::uint8_t>(bytes[i]);
  return RequestId::FromBits(halves[0], halves[1]);
}

}  // namespace runlet::durable
