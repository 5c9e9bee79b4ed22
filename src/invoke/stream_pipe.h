// What a handler streams, on its way to whoever reads it.
#ifndef RUNLET_SRC_INVOKE_STREAM_PIPE_H_
#define RUNLET_SRC_INVOKE_STREAM_PIPE_H_

#include <absl/status/status.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "runlet/base/executor.h"
#include "runlet/base/sync.h"
#include "runlet/base/time.h"
#include "runlet/event/future.h"
#include "runlet/event/response_stream.h"

namespace runlet {

// One writer, the handler; one reader, or nobody, where all is kept to become the result. Ends when the call does.
// Thread-safe.
class StreamPipe {
 public:
  static constexpr std::size_t kUnbounded = static_cast<std::size_t>(-1);

  // So many bytes may wait in it, and pass through it.
  StreamPipe(const Clock& clock, Executor& executor, Instant deadline, std::size_t buffer, std::size_t limit)
      : clock_(clock), executor_(executor), deadline_(deadline), limit_(limit), buffer_(buffer) {}

  // ---- the writer's side ----
  void Open(std::string_view content_type) RUNLET_EXCLUDES(mu_);
  absl::Status Write(std::string_view bytes) RUNLET_EXCLUDES(mu_);
  // A writer that waits for the reader gives up.
  void Interrupt() RUNLET_EXCLUDES(mu_);
  // The call has ended.
  void End() RUNLET_EXCLUDES(mu_);
  bool too_large() const RUNLET_EXCLUDES(mu_);

  // ---- the reader's side ----
  StreamState ReadNow(std::string* bytes) RUNLET_EXCLUDES(mu_);
  // Blocks until ReadNow() has something to say, or until `until`.
  void AwaitReadable(Instant until) RUNLET_EXCLUDES(mu_);
  void WhenReadable(std::function<void()> callback) RUNLET_EXCLUDES(mu_);
  // Nobody reads as it comes: the writer need not wait.
  void KeepAll() RUNLET_EXCLUDES(mu_);
  // Nobody reads.
  void Abandon() RUNLET_EXCLUDES(mu_);
  // Empty before Open(). What the execution is can be told once it is not.
  std::string content_type() const RUNLET_EXCLUDES(mu_);

 private:
  // To be called after a change, without the lock.
  void Wake();
  bool Readable() const RUNLET_REQUIRES(mu_) { return !bytes_.empty() || ended_; }
  // Puts in what there is room for.
  absl::Status Put(std::string_view* bytes, std::uint32_t* seen, std::function<void()>* tell) RUNLET_EXCLUDES(mu_);

  const Clock& clock_;
  Executor& executor_;
  const Instant deadline_;
  const std::size_t limit_;
  mutable Mutex mu_;
  std::atomic<std::uint32_t> changes_{0};  // written with the lock held
  std::size_t buffer_ RUNLET_GUARDED_BY(mu_);
  std::string bytes_ RUNLET_GUARDED_BY(mu_);
  std::size_t passed_ RUNLET_GUARDED_BY(mu_) = 0;
  std::string content_type_ RUNLET_GUARDED_BY(mu_);
  std::function<void()> listener_ RUNLET_GUARDED_BY(mu_);
  bool too_large_ RUNLET_GUARDED_BY(mu_) = false;
  bool interrupted_ RUNLET_GUARDED_BY(mu_) = false;
  bool abandoned_ RUNLET_GUARDED_BY(mu_) = false;
  bool ended_ RUNLET_GUARDED_BY(mu_) = false;
};

// The handler's end of a pipe.
class PipeWriter final : public ResponseStream {
 public:
  // `is_read`: somebody reads as it comes.
  PipeWriter(std::shared_ptr<StreamPipe> pipe, bool is_read) : pipe_(std::move(pipe)), is_read_(is_read) {}

  absl::Status Write(std::string_view bytes) override { return pipe_->Write(bytes); }
  StreamPipe& pipe() const { return *pipe_; }
  bool is_read() const { return is_read_; }

 private:
  const std::shared_ptr<StreamPipe> pipe_;
  const bool is_read_;
};

}  // namespace runlet

#endif  // RUNLET_SRC_INVOKE_STREAM_PIPE_H_
