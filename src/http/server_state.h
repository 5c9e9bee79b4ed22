// What all connections of one server share.
#ifndef RUNLET_SRC_HTTP_SERVER_STATE_H_
#define RUNLET_SRC_HTTP_SERVER_STATE_H_

#include <atomic>
#include <cstdint>

#include "base/fork_guard.h"
#include "http/exchange.h"
#include "runlet/base/sync.h"
#include "runlet/base/time.h"
#include "runlet/http/server_options.h"

namespace runlet::http {

// Lives as long as the last connection or the last unanswered request. Thread-safe.
class ServerState {
 public:
  ServerState(const ServerOptions& options, RequestHandler* request_handler)
      : limits(options.limits),
        hashes_dropped(std::holds_alternative<SigV4>(options.authentication)),
        handler(request_handler) {}

  const ServerLimits limits;
  const bool hashes_dropped;      // a signature may cover a body that is too large to keep
  RequestHandler* const handler;  // gone when the server's threads are
  const Clock& clock = SystemClock();
  const ForkGuard fork_guard;
  std::atomic<bool> stopping{false};

  // False when there are as many connections as may be.
  bool TryOpen() {
    MutexLock lock(&mu_);
    if (open_ >= limits.connections_max) return false;
    ++open_;
    return true;
  }
  void Closed() {
    MutexLock lock(&mu_);
    if (--open_ == 0) all_closed_.NotifyAll();
  }
  // False when there are still connections `nanoseconds` later.
  bool WaitAllClosed(std::int64_t nanoseconds) {
    const Instant until = clock.Now().After(nanoseconds);
    MutexLock lock(&mu_);
    while (open_ > 0) {
      const Instant now = clock.Now();
      if (now >= until) return false;
      // A far end is waited for in turns: adding it to the time of day would overflow.
      constexpr std::int64_t kTurn = std::int64_t{3'600'000'000'000};
      all_closed_.WaitFor(&mu_, std::min(until.Since(now), kTurn));
    }
    return true;
  }
  std::size_t open() {
    MutexLock lock(&mu_);
    return open_;
  }

 private:
  Mutex mu_;
  CondVar all_closed_;
  std::size_t open_ RUNLET_GUARDED_BY(mu_) = 0;
};

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_SERVER_STATE_H_
