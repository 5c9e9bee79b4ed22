// A Context for unit tests of handlers, without an engine.
#ifndef RUNLET_TESTING_TEST_CONTEXT_H_
#define RUNLET_TESTING_TEST_CONTEXT_H_

#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runlet/base/time.h"
#include "runlet/event/context.h"

namespace runlet::testing {

struct TestContextOptions {
  std::string function_name = "function";
  std::string client_context = {};
  absl::Duration timeout = absl::Seconds(3);
  int attempt = 1;
  int memory_size = 128;
  InvocationType type = InvocationType::kRequestResponse;
};

// Time stands still until it is told to move, or until the handler sleeps. Thread-compatible.
class TestContext : private ContextPort {
 public:
  explicit TestContext(TestContextOptions options = {});

  Context& context() { return context_; }
  operator Context&() { return context_; }  // NOLINT(google-explicit-constructor): made to be passed as one

  ManualClock& clock() { return clock_; }
  // What the handler sees in stop_reason() from now on.
  void RequestStop(StopReason reason) { stop_.store(static_cast<std::uint32_t>(reason)); }
  // The lines of Context::Log.
  const std::vector<std::string>& log() const { return log_; }
  // What was written to Context::Stream, and as what.
  const std::string& streamed() const { return streamed_; }
  const std::string& stream_content_type() const { return stream_content_type_; }

 private:
  void Log(const Invocation& invocation, std::string_view line) override;
  void SleepUntil(Instant until, const std::atomic<std::uint32_t>& stop) override;
  std::unique_ptr<ResponseStream> OpenStream(const Invocation& invocation, std::string_view content_type) override;
  void OnForcedUnwind() override {}

  const TestContextOptions options_;
  ManualClock clock_;
  std::atomic<std::uint32_t> stop_{0};
  std::vector<std::string> log_;
  std::string streamed_;
  std::string stream_content_type_;
  Invocation invocation_;
  Context context_;
};

}  // namespace runlet::testing

#endif  // RUNLET_TESTING_TEST_CONTEXT_H_
