// Which events are claimed, and which of them have been cancelled since.
#ifndef RUNLET_SRC_QUEUE_CLAIMS_H_
#define RUNLET_SRC_QUEUE_CLAIMS_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/asymmetric_fence.h"
#include "runlet/event/request_id.h"

namespace runlet {

// By id: whoever has claimed an event may hold the only reference to it. Thread-compatible, but for may_be_cancelled().
class Claims {
 public:
  // Room for so many at once. Nothing else here allocates.
  void Reserve(std::size_t claims) {
    if (claims <= claims_.capacity()) return;
    const std::size_t room = std::max(claims, 2 * claims_.capacity());
    cancelled_.reserve(room);
    claims_.reserve(room);
  }

  // Its number, for End().
  std::uint32_t Begin(const RequestId& id) {
    std::uint32_t number = free_;
    if (number == kNone) {
      number = static_cast<std::uint32_t>(claims_.size());
      claims_.emplace_back();
    } else {
      free_ = claims_[number].next_free;
    }
    claims_[number] = {id, kNone, State::kClaimed};
    return number;
  }
  // Whether it has been cancelled.
  bool End(std::uint32_t number) {
    Claim& claim = claims_[number];
    const bool cancelled = claim.state == State::kCancelled;
    if (cancelled) [[unlikely]] {
      cancelled_.erase(std::find(cancelled_.begin(), cancelled_.end(), claim.id));
      any_cancelled_.store(!cancelled_.empty(), std::memory_order_seq_cst);
    }
    claim.state = State::kFree;
    claim.next_free = free_;
    free_ = number;
    return cancelled;
  }

  // False: no such event is claimed.
  bool Cancel(const RequestId& id) {
    for (Claim& claim : claims_) {
      if (claim.state == State::kFree || claim.id != id) continue;
      if (claim.state == State::kCancelled) return true;
      claim.state = State::kCancelled;
      cancelled_.push_back(id);
      any_cancelled_.store(true, std::memory_order_seq_cst);
      return true;
    }
    return false;
  }
  // Without a lock. One half of a pair of fences, whose other half is a HeavyFence() after Cancel().
  bool may_be_cancelled() const { return any_cancelled_.load(kLightLoadOrder); }
  bool IsCancelled(const RequestId& id) const {
    return std::find(cancelled_.begin(), cancelled_.end(), id) != cancelled_.end();
  }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  enum class State : std::uint8_t { kFree, kClaimed, kCancelled };
  struct Claim {
    RequestId id;
    std::uint32_t next_free = kNone;
    State state = State::kFree;
  };

  std::vector<Claim> claims_;  // by number; as many as there ever were at once
  std::uint32_t free_ = kNone;
  std::vector<RequestId> cancelled_;
  std::atomic<bool> any_cancelled_{false};
};

}  // namespace runlet

#endif  // RUNLET_SRC_QUEUE_CLAIMS_H_
