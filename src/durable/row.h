// What a row says of its event, besides the payload, and the checksums by which damage is found.
#ifndef RUNLET_SRC_DURABLE_ROW_H_
#define RUNLET_SRC_DURABLE_ROW_H_

#include <absl/time/time.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runlet/event/event.h"
#include "runlet/event/request_id.h"
#include "runlet/event/time_split.h"

namespace runlet::durable {

// Longer payloads stand in a table of their own, so that a retry does not write them again.
inline constexpr std::size_t kInlinePayloadMax = 2048;

// What few events have. Times are nanoseconds since 1970.
struct Extra {
  int throttles = 0;
  TimeSplit spent;
  std::int64_t since = 0;  // until when `spent` counts; 0: nothing was noted
  std::vector<AttemptError> errors;
  std::vector<std::pair<std::string, int>> lineage;  // functions by name

  bool empty() const { return throttles == 0 && since == 0 && errors.empty() && lineage.empty(); }
};
// Empty for an empty one.
std::string EncodeExtra(const Extra& extra);
// Empty where `bytes` are damaged.
std::optional<Extra> DecodeExtra(std::string_view bytes);

// A row of runlet_event without its payload.
struct EventRow {
  std::int64_t seq = 0;
  std::int64_t function = 0;  // runlet_function.id
  RequestId id;
  std::int64_t accepted = 0;
  std::optional<std::int64_t> age;
  std::optional<std::int64_t> due;
  int attempts = 0;
  std::string extra;
};

// A row of runlet_dead without its payload.
struct DeadRow {
  std::int64_t ord = 0;
  std::int64_t function = 0;
  RequestId id;
  Condition condition = Condition::kRetriesExhausted;
  std::int64_t accepted = 0;
  std::int64_t died = 0;
  int attempts = 0;
  std::string extra;
};

// The lower half of a row's crc.
std::uint32_t ChecksumOf(const EventRow& row);
std::uint32_t ChecksumOf(const DeadRow& row);
// The upper half.
std::uint32_t ChecksumOf(std::string_view payload);

inline std::int64_t JoinChecksums(std::uint32_t payload, std::uint32_t fields) {
  return static_cast<std::int64_t>(std::uint64_t{payload} << 32 | fields);
}
inline std::uint32_t PayloadChecksum(std::int64_t crc) {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(crc) >> 32);
}
inline std::uint32_t FieldsChecksum(std::int64_t crc) { return static_cast<std::uint32_t>(crc); }

// A request id as the 16 bytes that its text shows.
struct IdBytes {
  explicit IdBytes(const RequestId& id);
  std::string_view view() const { return {bytes, sizeof bytes}; }
  char bytes[16];
};
// Empty for anything but 16 bytes.
std::optional<RequestId> ReadId(std::string_view bytes);

}  // namespace runlet::durable

#endif  // RUNLET_SRC_DURABLE_ROW_H_
