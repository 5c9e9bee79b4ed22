// Times as the API writes them: each call has a form of its own, and some clients refuse another.
#ifndef RUNLET_SRC_HTTP_TIMESTAMPS_H_
#define RUNLET_SRC_HTTP_TIMESTAMPS_H_

#include <absl/time/time.h>

#include <string>

namespace runlet::http {

// "2026-01-31T10:11:12.123+0000": LastModified of functions and of provisioned concurrency.
inline std::string LastModifiedText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3S+0000", time, absl::UTCTimeZone());
}
// "2026-01-31T10:11:12.123Z": function URLs.
inline std::string IsoText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}
// Seconds since 1970: event invoke configurations.
inline double EpochSeconds(absl::Time time) { return static_cast<double>(absl::ToUnixMillis(time)) / 1000; }

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_TIMESTAMPS_H_
