// What is left of the retry budget.
#ifndef RUNLET_SRC_DELIVERY_RETRY_TOKENS_H_
#define RUNLET_SRC_DELIVERY_RETRY_TOKENS_H_

#include <algorithm>

#include "runlet/base/sync.h"
#include "runlet/base/time.h"
#include "runlet/function/retry_budget.h"

namespace runlet {

// A token for each retry that may begin. They come with time and with first attempts, and ten seconds' worth of time
// (or ten tokens) is kept at most. Thread-safe.
class RetryTokens {
 public:
  explicit RetryTokens(const RetryBudget& budget)
      : budget_(budget), most_(std::max(10.0, 10 * budget.per_second)), tokens_(most_) {}

  // A first attempt begins.
  void Earn() RUNLET_EXCLUDES(mu_) {
    MutexLock lock(&mu_);
    tokens_ = std::min(most_, tokens_ + budget_.share);
  }
  // False: the retry has to wait.
  [[nodiscard]] bool TryTake(Instant now) RUNLET_EXCLUDES(mu_) {
    MutexLock lock(&mu_);
    if (now > since_) {
      tokens_ = std::min(most_, tokens_ + budget_.per_second * static_cast<double>(now.Since(since_)) / 1e9);
      since_ = now;
    }
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  const RetryBudget budget_;
  const double most_;
  Mutex mu_;
  double tokens_ RUNLET_GUARDED_BY(mu_);
  Instant since_ RUNLET_GUARDED_BY(mu_);
};

}  // namespace runlet

#endif  // RUNLET_SRC_DELIVERY_RETRY_TOKENS_H_
