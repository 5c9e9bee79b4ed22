// What a handler is told about the invocation that it serves.
#ifndef RUNLET_EVENT_CONTEXT_H_
#define RUNLET_EVENT_CONTEXT_H_

#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "runlet/base/time.h"
#include "runlet/event/request_id.h"
#include "runlet/event/response_stream.h"

namespace runlet {

class Context;

// Lambda's invocation types.
enum class InvocationType : std::uint8_t { kRequestResponse, kEvent };

// Why a handler is asked to stop.
enum class StopReason : std::uint8_t { kNone, kDeadline, kCaller, kDrain };

// One invocation, as facts. The strings belong to the engine and outlive the handler's run.
struct Invocation {
  RequestId request_id;
  std::string_view function_name;
  std::string_view function_version = "$LATEST";
  std::string_view qualifier;       // as the caller gave it
  std::string_view client_context;  // RequestResponse only, as Lambda has it
  Instant deadline = Instant::Never();
  int attempt = 1;        // 1 is the first; retries of an event count on
  int depth = 1;          // 1 is an event or a call from outside; a call by a handler is one deeper than that
  int memory_size = 128;  // MB, as configured
  InvocationType type = InvocationType::kRequestResponse;
};

// How a Context reaches whoever runs the handler.
class ContextPort {
 public:
  virtual void Log(const Invocation& invocation, std::string_view line) = 0;
  // Returns at `until`, or before that when `stop` becomes non-zero.
  virtual void SleepUntil(Instant until, const std::atomic<std::uint32_t>& stop) = 0;
  // Never nullptr.
  virtual std::unique_ptr<ResponseStream> OpenStream(const Invocation& invocation, std::string_view content_type) = 0;
  // The handler ends its own thread (pthread_exit): the run gives back all that it holds before the stack goes.
  virtual void OnForcedUnwind() = 0;

 protected:
  ~ContextPort() = default;
};

// Valid while the handler runs; made by the engine, or in a unit test by testing::TestContext. Thread-compatible: a
// handler may lend it to threads that it joins before it returns.
class Context {
 public:
  // `stop` holds a StopReason.
  Context(const Invocation& invocation, const Clock& clock, const std::atomic<std::uint32_t>& stop, ContextPort& port)
      : invocation_(invocation), clock_(clock), stop_(stop), port_(port) {}
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const RequestId& request_id() const { return invocation_.request_id; }
  std::string_view function_name() const { return invocation_.function_name; }
  // The version whose code this is: "$LATEST", or the number behind the version or alias that was called.
  std::string_view function_version() const { return invocation_.function_version; }
  // The version or alias that the caller named, "$LATEST" too; empty where it named none. The end of Lambda's
  // invokedFunctionArn. An event that was posted to "f:$LATEST" is one of "f", and has none.
  std::string_view qualifier() const { return invocation_.qualifier; }
  int attempt() const { return invocation_.attempt; }
  // In MB, as configured. Limits nothing here.
  int memory_limit_in_mb() const { return invocation_.memory_size; }
  InvocationType type() const { return invocation_.type; }
  // What the caller passed in InvokeOptions, unchanged; empty for events.
  std::string_view client_context() const { return invocation_.client_context; }

  // When the caller stops waiting, on the calendar.
  absl::Time deadline() const { return clock_.Calendar() + remaining_time(); }
  // Zero or less once the deadline has passed, as on Lambda's Managed Instances; infinite without a deadline.
  absl::Duration remaining_time() const {
    return invocation_.deadline.never() ? absl::InfiniteDuration()
                                        : absl::Nanoseconds(invocation_.deadline.Since(clock_.Now()));
  }

  // True once nobody wants the result: return soon. Cheap enough for an inner loop: one load and a clock read.
  bool stop_requested() const { return stop_reason() != StopReason::kNone; }
  StopReason stop_reason() const {
    const auto reason = static_cast<StopReason>(stop_.load(std::memory_order_relaxed));
    if (reason != StopReason::kNone) return reason;
    return clock_.Now() >= invocation_.deadline ? StopReason::kDeadline : StopReason::kNone;
  }

  // Sleeps on the engine's clock, so that virtual time passes in a simulation. Returns early, and false, when the
  // handler is asked to stop or its deadline comes first.
  bool Sleep(absl::Duration duration);

  // Where to write the result piece by piece instead of returning it, for those who read it as it comes
  // (InvokeOptions::read_stream). The same stream every time; the first call says what is in it, as a media type.
  ResponseStream& Stream(std::string_view content_type = "application/octet-stream");
  // nullptr: the handler has not asked for it.
  ResponseStream* opened_stream() const { return stream_.get(); }

  // One line for the function's log: goes to EngineOptions::log.
  void Log(std::string_view line) { port_.Log(invocation_, line); }

  const Invocation& invocation() const { return invocation_; }
  ContextPort& port() { return port_; }

 private:
  const Invocation& invocation_;
  const Clock& clock_;
  const std::atomic<std::uint32_t>& stop_;
  ContextPort& port_;
  std::unique_ptr<ResponseStream> stream_;
};

}  // namespace runlet

#endif  // RUNLET_EVENT_CONTEXT_H_
