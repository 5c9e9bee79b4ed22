// The way from a handler to a caller who follows the call: reads its stream, or wants the end of its log.
#ifndef RUNLET_SRC_INVOKE_CALL_PORT_H_
#define RUNLET_SRC_INVOKE_CALL_PORT_H_

#include <memory>
#include <optional>
#include <string_view>

#include "invoke/stream_pipe.h"
#include "observe/log_tail.h"
#include "runlet/event/context.h"

namespace runlet {

// Stands before the port of all calls. Thread-safe.
class CallPort final : public ContextPort {
 public:
  // Either may be missing.
  CallPort(ContextPort& others, std::shared_ptr<StreamPipe> pipe, std::unique_ptr<LogTail> log_tail)
      : others_(others), pipe_(std::move(pipe)), log_tail_(std::move(log_tail)) {}

  void Log(const Invocation& invocation, std::string_view line) override {
    if (log_tail_ != nullptr) log_tail_->AddLine(line);
    others_.Log(invocation, line);
  }
  void SleepUntil(Instant until, const std::atomic<std::uint32_t>& stop) override { others_.SleepUntil(until, stop); }
  std::unique_ptr<ResponseStream> OpenStream(const Invocation& invocation, std::string_view content_type) override {
    if (pipe_ == nullptr) return others_.OpenStream(invocation, content_type);
    pipe_->Open(content_type);
    return std::make_unique<PipeWriter>(pipe_, true);
  }
  void OnForcedUnwind() override { others_.OnForcedUnwind(); }

  StreamPipe* pipe() const { return pipe_.get(); }
  LogTail* log_tail() const { return log_tail_.get(); }

 private:
  ContextPort& others_;
  const std::shared_ptr<StreamPipe> pipe_;
  const std::unique_ptr<LogTail> log_tail_;
};

}  // namespace runlet

#endif  // RUNLET_SRC_INVOKE_CALL_PORT_H_
