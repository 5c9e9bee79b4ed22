// Where a handler writes its result piece by piece.
#ifndef RUNLET_EVENT_RESPONSE_STREAM_H_
#define RUNLET_EVENT_RESPONSE_STREAM_H_

#include <absl/status/status.h>

#include <string_view>

namespace runlet {

// What Context::Stream() gives. A handler that streams has answered with all that it wrote: what it returns besides is
// dropped, unless it is an error. Only functions whose result is bytes (std::string) can stream; the execution of
// another ends as Runtime.MarshalError. Thread-compatible; valid while the handler runs.
class ResponseStream {
 public:
  virtual ~ResponseStream() = default;

  // Hands `bytes` on to whoever reads; blocks while the reader is kStreamBuffer behind. Where nobody reads as it comes
  // (Invoke, Post, Start without read_stream) everything is kept, and becomes the result.
  //
  // Cancelled once the reader has gone, DeadlineExceeded once the deadline has passed, Aborted when the handler is
  // asked to stop while it waits for the reader; ResourceExhausted beyond PayloadLimits::stream, or, where all is kept,
  // PayloadLimits::response: the execution then ends as Function.ResponseSizeTooLarge.
  [[nodiscard]] virtual absl::Status Write(std::string_view bytes) = 0;
};

}  // namespace runlet

#endif  // RUNLET_EVENT_RESPONSE_STREAM_H_
