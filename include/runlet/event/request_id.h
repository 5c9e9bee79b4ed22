// The id of an invocation, the same in results, contexts, logs and dead letters.
#ifndef RUNLET_EVENT_REQUEST_ID_H_
#define RUNLET_EVENT_REQUEST_ID_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace runlet {

// A version 4 UUID, as Lambda's request ids are. All attempts of one event have the same id. Value.
class RequestId {
 public:
  // The nil id: names no invocation.
  constexpr RequestId() = default;
  // Sets the version and variant bits; the other 122 bits are the caller's.
  static constexpr RequestId FromBits(std::uint64_t high, std::uint64_t low) {
    return RequestId((high & ~0xF000ULL) | 0x4000ULL, (low & ~(0xC0ULL << 56)) | (0x80ULL << 56));
  }
  // The 128 bits, as FromBits() takes them.
  constexpr std::uint64_t high() const { return high_; }
  constexpr std::uint64_t low() const { return low_; }
  // Reads the form that ToString() writes, in either case. Empty for anything else.
  static std::optional<RequestId> Parse(std::string_view text);

  // 36 characters: 8-4-4-4-12 lower-case hexadecimal digits.
  std::string ToString() const;

  friend constexpr auto operator<=>(const RequestId&, const RequestId&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const RequestId& id) {
    return H::combine(std::move(h), id.high_, id.low_);
  }

 private:
  constexpr RequestId(std::uint64_t high, std::uint64_t low) : high_(high), low_(low) {}

  std::uint64_t high_ = 0;
  std::uint64_t low_ = 0;
};

}  // namespace runlet

#endif  // RUNLET_EVENT_REQUEST_ID_H_
