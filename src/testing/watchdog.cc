#include "testing/watchdog.h"

#include <optional>

namespace runlet::testing {

Watchdog::~Watchdog() {
  {
    MutexLock lock(&mu_);
    over_ = true;
    ended_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

void Watchdog::Begin() {
  if (limit_ns_ == 0) return;
  MutexLock lock(&mu_);
  ++depth_;
  if (!thread_.joinable()) thread_ = std::thread([this] { Watch(); });
}

void Watchdog::End() {
  if (limit_ns_ == 0) return;
  MutexLock lock(&mu_);
  --depth_;
  ++step_;
}

void Watchdog::NextStep() {
  if (limit_ns_ == 0) return;
  MutexLock lock(&mu_);
  ++step_;
  function_.clear();
}

void Watchdog::HandlerBegins(std::string_view function) {
  if (limit_ns_ == 0) return;
  MutexLock lock(&mu_);
  function_ = function;
}

void Watchdog::Watch() {
  std::optional<std::uint64_t> reported;
  mu_.Lock();
  while (!over_) {
    const std::uint64_t seen = step_;
    if (ended_.WaitFor(&mu_, limit_ns_)) continue;
    if (over_ || depth_ == 0 || step_ != seen || reported == seen) continue;
    reported = seen;
    const std::string function = function_;
    mu_.Unlock();
    report_(function, seen);
    mu_.Lock();
  }
  mu_.Unlock();
}

}  // namespace runlet::testing
