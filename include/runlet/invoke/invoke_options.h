// What the caller of Invoke and Start decides.
#ifndef RUNLET_INVOKE_INVOKE_OPTIONS_H_
#define RUNLET_INVOKE_INVOKE_OPTIONS_H_

#include <absl/time/time.h>

#include <cstddef>
#include <string_view>

namespace runlet {

struct InvokeOptions {
  // Shortens the function's timeout for this call; never lengthens it. Zero or less has passed already.
  absl::Duration timeout = absl::InfiniteDuration();
  // Over the cap a call is refused at once, as on Lambda; here it may wait this long for a place instead. What it waits
  // comes on top of the timeout.
  absl::Duration wait_for_capacity = absl::ZeroDuration();
  // Handed to the handler as it is. At most 3,583 bytes.
  std::string_view client_context = {};
};

inline constexpr std::size_t kClientContextMax = 3583;

// Sizes of what travels as bytes, inclusive. Lambda's.
struct PayloadLimits {
  std::size_t request = 6'291'456;
  std::size_t response = 6'291'556;
  std::size_t event = 1'048'576;
};

}  // namespace runlet

#endif  // RUNLET_INVOKE_INVOKE_OPTIONS_H_
