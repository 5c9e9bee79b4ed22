// Which events are claimed, and which of them have been cancelled since.
#ifndef RUNLET_SRC_QUEUE_CLAIMS_H_
#define RUNLET_SRC_QUEUE_CLAIMS_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/asymmetric_fence.h"
#include "runlet/event/request_id.h"

namespace runlet {

// By id: whoever has claimed an event may hold the only reference to it. Thread-compatible, but for may_be_cancelled().
class Claims {
 public:
  // Room for so many at once. Nothing else here allocates.
  void Reserve(std::size_t claims) {
    if (claims > room_) [[unlikely]]
      Grow(std::max(claims, 2 * room_));
  }

  // Its number, for End().
  std::uint32_t Begin(const RequestId& id) {
    const std::uint32_t number = numbers_[begun_++];
    claims_[number] = {id, State::kClaimed};
    return number;
  }
  // Whether it has been cancelled.
  bool End(std::uint32_t number) {
    const State state = std::exchange(claims_[number].state, State::kFree);
    numbers_[--begun_] = number;
    if (state != State::kCancelled) [[likely]]
      return false;
    cancelled_.erase(std::find(cancelled_.begin(), cancelled_.end(), claims_[number].id));
    any_cancelled_.store(!cancelled_.empty(), std::memory_order_seq_cst);
    return true;
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
  enum class State : std::uint8_t { kFree, kClaimed, kCancelled };
  struct Claim {
    RequestId id;
    State state = State::kFree;
  };

  [[gnu::cold]] void Grow(std::size_t room) {
    cancelled_.reserve(room);
    numbers_.reserve(room);
    claims_.resize(room);
    for (std::size_t number = room_; number < room; ++number) numbers_.push_back(static_cast<std::uint32_t>(number));
    room_ = room;
  }

  std::vector<Claim> claims_;           // by number
  std::vector<std::uint32_t> numbers_;  // the free ones from begun_ on
  std::size_t begun_ = 0;
  std::size_t room_ = 0;
  std::vector<RequestId> cancelled_;
  std::atomic<bool> any_cancelled_{false};
};

}  // namespace runlet

#endif  // RUNLET_SRC_QUEUE_CLAIMS_H_
