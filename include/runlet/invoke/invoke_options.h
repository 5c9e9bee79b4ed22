// What the callers of Invoke, Start and Post decide.
#ifndef RUNLET_INVOKE_INVOKE_OPTIONS_H_
#define RUNLET_INVOKE_INVOKE_OPTIONS_H_

#include <absl/time/time.h>

#include <cstddef>
#include <string_view>

#include "runlet/event/request_id.h"

namespace runlet {

struct InvokeOptions {
  // Shortens the function's timeout for this call; never lengthens it. Zero or less has passed already.
  absl::Duration timeout = absl::InfiniteDuration();
  // Over the cap a call is refused at once, as on Lambda; here it may wait this long for a place instead. What it waits
  // comes on top of the timeout.
  absl::Duration wait_for_capacity = absl::ZeroDuration();
  // Handed to the handler as it is. At most 3,583 bytes.
  std::string_view client_context = {};
  // Under which the call shall be known, instead of one of the engine's choice. It is for the caller to use none twice.
  RequestId request_id = {};
  // Start only: a function whose run_on is kCaller runs inside Start(), on the calling thread, and has ended when that
  // returns. Spares the hand-off to a thread, as Invoke does.
  bool run_here = false;
  // Start only: the caller reads the result as the handler streams it (Future::Read).
  bool read_stream = false;
  // Start only: keeps the end of the execution's log for Future::log_tail. Lambda's LogType Tail.
  bool log_tail = false;
};

inline constexpr std::size_t kClientContextMax = 3583;

struct PostOptions {
  // The first attempt begins no earlier; counts toward the event's age. 0, or less than the function's
  // maximum_event_age.
  absl::Duration delay = absl::ZeroDuration();
  // Of posts by one name (a function's, or that of one of its versions or aliases) with the same key within the window,
  // the first is accepted, and its id is what the others get, whatever has become of it meanwhile. At most 128 bytes.
  // Empty: none.
  std::string_view dedup_key = {};
  absl::Duration dedup_window = absl::Minutes(5);  // 1 ms to 24 h
};

// So much may a handler be ahead of the reader of its stream, in bytes. With NoThreads, where reader and handler share
// a thread, there is no such bound.
inline constexpr std::size_t kStreamBuffer = 262'144;

inline constexpr std::size_t kDedupKeyMax = 128;

// Sizes of what travels as bytes, inclusive. Lambda's.
struct PayloadLimits {
  std::size_t request = 6'291'456;
  std::size_t response = 6'291'556;
  std::size_t event = 1'048'576;
  std::size_t stream = 209'715'200;  // a result that is read as it is streamed
};

}  // namespace runlet

#endif  // RUNLET_INVOKE_INVOKE_OPTIONS_H_
