// Ids of requests that lead to no invocation.
#ifndef RUNLET_SRC_HTTP_REQUEST_IDS_H_
#define RUNLET_SRC_HTTP_REQUEST_IDS_H_

#include <atomic>
#include <cstdint>

#include "runlet/base/random.h"
#include "runlet/event/request_id.h"

namespace runlet::http {

// Thread-safe.
class RequestIds {
 public:
  explicit RequestIds(std::uint64_t seed) : seed_(seed) {}

  RequestId Next() {
    Random random(seed_ + count_.fetch_add(1, std::memory_order_relaxed));
    const std::uint64_t high = random.Next();
    return RequestId::FromBits(high, random.Next());
  }

 private:
  const std::uint64_t seed_;
  std::atomic<std::uint64_t> count_{0};
};

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_REQUEST_IDS_H_
