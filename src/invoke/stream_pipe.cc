#include "invoke/stream_pipe.h"

#include <fmt/format.h>

#include <algorithm>

namespace runlet {

void StreamPipe::Wake() { executor_.Unblock(&changes_); }

void StreamPipe::Open(std::string_view content_type) {
  MutexLock lock(&mu_);
  content_type_ = content_type.empty() ? "application/octet-stream" : content_type;
}

absl::Status StreamPipe::Put(std::string_view* bytes, std::uint32_t* seen, std::function<void()>* tell) {
  MutexLock lock(&mu_);
  if (abandoned_) return absl::CancelledError("nobody reads what the handler streams");
  if (ended_) return absl::DeadlineExceededError("the call has ended: nobody reads what the handler streams");
  if (too_large_ || bytes->size() > limit_ - passed_) {
    too_large_ = true;
    return absl::ResourceExhaustedError(
        fmt::format("{} bytes streamed and {} more: the limit is {} bytes", passed_, bytes->size(), limit_));
  }
  *seen = changes_.load(std::memory_order_relaxed);
  const std::size_t room = buffer_ - std::min(buffer_, bytes_.size());
  const std::size_t taken = std::min(room, bytes->size());
  if (taken == 0 && interrupted_ && !bytes->empty()) {
    return absl::AbortedError("the handler was asked to stop while it waited for the reader of its stream");
  }
  if (taken == 0) return absl::OkStatus();
  bytes_ += bytes->substr(0, taken);
  bytes->remove_prefix(taken);
  passed_ += taken;
  changes_.store(++*seen, std::memory_order_release);
  std::swap(*tell, listener_);
  return absl::OkStatus();
}

absl::Status StreamPipe::Write(std::string_view bytes) {
  do {
    if (clock_.Now() >= deadline_) return absl::DeadlineExceededError("the deadline of the call has passed");
    const std::size_t before = bytes.size();
    std::uint32_t seen = 0;
    std::function<void()> tell;
    if (absl::Status status = Put(&bytes, &seen, &tell); !status.ok()) return status;
    if (bytes.size() != before) Wake();
    if (tell) tell();
    if (!bytes.empty()) executor_.Block({&changes_, seen, deadline_});
  } while (!bytes.empty());
  return absl::OkStatus();
}

void StreamPipe::Interrupt() {
  {
    MutexLock lock(&mu_);
    interrupted_ = true;
    changes_.fetch_add(1, std::memory_order_release);
  }
  Wake();
}

void StreamPipe::End() {
  std::function<void()> tell;
  {
    MutexLock lock(&mu_);
    ended_ = true;
    changes_.fetch_add(1, std::memory_order_release);
    std::swap(tell, listener_);
  }
  Wake();
  if (tell) tell();
}

bool StreamPipe::too_large() const {
  MutexLock lock(&mu_);
  return too_large_;
}

StreamState StreamPipe::ReadNow(std::string* bytes) {
  bytes->clear();
  {
    MutexLock lock(&mu_);
    if (bytes_.empty()) return ended_ ? StreamState::kEnd : StreamState::kNothingYet;
    bytes->swap(bytes_);
    changes_.fetch_add(1, std::memory_order_release);
  }
  Wake();
  return StreamState::kBytes;
}

void StreamPipe::AwaitReadable(Instant until) {
  for (;;) {
    std::uint32_t seen;
    {
      MutexLock lock(&mu_);
      if (Readable()) return;
      seen = changes_.load(std::memory_order_relaxed);
    }
    if (!until.never() && clock_.Now() >= until) return;
    executor_.Block({&changes_, seen, until});
  }
}

void StreamPipe::WhenReadable(std::function<void()> callback) {
  {
    MutexLock lock(&mu_);
    if (!Readable()) {
      listener_ = std::move(callback);
      return;
    }
  }
  callback();
}

void StreamPipe::KeepAll() {
  {
    MutexLock lock(&mu_);
    buffer_ = kUnbounded;
    changes_.fetch_add(1, std::memory_order_release);
  }
  Wake();
}

void StreamPipe::Abandon() {
  std::function<void()> dropped;
  std::string unread;
  {
    MutexLock lock(&mu_);
    abandoned_ = true;
    std::swap(dropped, listener_);
    unread.swap(bytes_);
    changes_.fetch_add(1, std::memory_order_release);
  }
  Wake();
}

std::string StreamPipe::content_type() const {
  MutexLock lock(&mu_);
  return content_type_;
}

}  // namespace runlet
