// Remembers calls whose client may ask again because it has lost the answer.
#ifndef RUNLET_SRC_HTTP_RETRY_BOOK_H_
#define RUNLET_SRC_HTTP_RETRY_BOOK_H_

#include <absl/time/time.h>

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/exchange.h"
#include "runlet/base/sync.h"

namespace runlet::http {

// An answer that owns its text.
struct KeptAnswer {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};

  void SendTo(Responder responder) const;
};

// SDKs send one id with all attempts of a call. The first attempt makes the call, and all get its answer, while it runs
// and for a while after: so long, and so many calls and bytes, are kept. Thread-safe.
class RetryBook {
 public:
  struct Limits {
    absl::Duration window = absl::Minutes(5);
    std::size_t calls = 1000;
    std::size_t bytes = 64 << 20;
  };
  explicit RetryBook(const Limits& limits) : limits_(limits) {}

  // Takes `responder` and answers it, now or later, unless this is the first attempt, or no more calls can be kept:
  // then gives it back.
  std::optional<Responder> Join(const std::string& key, absl::Time now, Responder responder) RUNLET_EXCLUDES(mu_);
  // The call of the first attempt has ended so. `final`: further attempts get the same answer; else the next is a call
  // of its own (it was refused, and never ran).
  void End(const std::string& key, absl::Time now, KeptAnswer answer, bool final) RUNLET_EXCLUDES(mu_);

 private:
  struct Entry {
    std::vector<Responder> waiting;
    std::shared_ptr<const KeptAnswer> answer;  // nullptr while the call runs
  };

  void ForgetOld(absl::Time now) RUNLET_REQUIRES(mu_);

  const Limits limits_;
  Mutex mu_;
  std::map<std::string, Entry> entries_ RUNLET_GUARDED_BY(mu_);
  std::deque<std::pair<absl::Time, std::string>> ended_ RUNLET_GUARDED_BY(mu_);  // oldest first
  std::size_t bytes_ RUNLET_GUARDED_BY(mu_) = 0;
};

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_RETRY_BOOK_H_
