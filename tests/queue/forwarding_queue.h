// A queue in front of another one: for tests that change a verb or two.
#ifndef RUNLET_TESTS_QUEUE_FORWARDING_QUEUE_H_
#define RUNLET_TESTS_QUEUE_FORWARDING_QUEUE_H_

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "runlet/queue/event_queue.h"

namespace runlet::queue_test {

class ForwardingQueue : public EventQueue {
 public:
  explicit ForwardingQueue(std::unique_ptr<EventQueue> queue) : queue_(std::move(queue)) {}

  Durability durability() const override { return queue_->durability(); }
  bool needs_codec() const override { return queue_->needs_codec(); }
  void Attach(QueueListener* listener) override { queue_->Attach(listener); }
  absl::Status Put(std::span<EventRef> events, Instant now) override { return queue_->Put(events, now); }
  std::size_t Claim(const FunctionIdentity& f, std::span<EventRef> out, Instant now, Instant lease) override {
    return queue_->Claim(f, out, now, lease);
  }
  void Extend(std::span<const EventRef> events, Instant lease) override { queue_->Extend(events, lease); }
  void Settle(std::span<Settlement> settlements, Instant now) override { queue_->Settle(settlements, now); }
  Instant Advance(Instant now) override { return queue_->Advance(now); }
  std::size_t ClaimExpired(std::span<EventRef> out, Instant now, bool everything) override {
    return queue_->ClaimExpired(out, now, everything);
  }
  bool Cancel(const RequestId& id, EventRef* waiting) override { return queue_->Cancel(id, waiting); }
  bool IsCancelled(const RequestId& id) const override { return queue_->IsCancelled(id); }
  std::optional<WaitingEvent> FindWaiting(const RequestId& id, Instant now) const override {
    return queue_->FindWaiting(id, now);
  }
  WaitingEvents waiting(const FunctionIdentity& f) const override { return queue_->waiting(f); }
  std::size_t ClaimWaiting(const FunctionIdentity& f, std::span<EventRef> out) override {
    return queue_->ClaimWaiting(f, out);
  }
  std::size_t ClaimLost(std::span<EventRef> out, Instant now) override { return queue_->ClaimLost(out, now); }
  std::vector<DeadLetter> ListDead(const DeadLetterFilter& filter, std::size_t max,
                                   std::optional<RequestId> after) const override {
    return queue_->ListDead(filter, max, after);
  }
  std::optional<DeadLetter> GetDead(const RequestId& id) const override { return queue_->GetDead(id); }
  absl::Status Redrive(const RequestId& id, EventRef fresh, Instant now) override {
    return queue_->Redrive(id, std::move(fresh), now);
  }
  std::vector<DeadLetter> TakeDead(std::span<const RequestId> ids) override { return queue_->TakeDead(ids); }
  std::vector<RequestId> PurgeDead(const DeadLetterFilter& filter) override { return queue_->PurgeDead(filter); }
  QueueStats stats() const override { return queue_->stats(); }

 private:
  const std::unique_ptr<EventQueue> queue_;
};

}  // namespace runlet::queue_test

#endif  // RUNLET_TESTS_QUEUE_FORWARDING_QUEUE_H_
