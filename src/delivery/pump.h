// One turn of work for one function's events.
#ifndef RUNLET_SRC_DELIVERY_PUMP_H_
#define RUNLET_SRC_DELIVERY_PUMP_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "delivery/batch.h"
#include "delivery/delivery.h"
#include "delivery/finished.h"
#include "event/any_value.h"
#include "invoke/execution.h"
#include "runlet/base/executor.h"

namespace runlet {

// Holds one permit and runs events one after the other, 32 at most, so that functions take turns. Made for each turn;
// deletes itself. When an event overruns, the watcher finishes the turn, and only the stuck thread stays behind.
class Pump final : public Work, public Execution {
 public:
  // `pending` is true until it begins.
  Pump(Delivery& delivery, Lane& lane, std::atomic<bool>& pending)
      : delivery_(delivery), lane_(lane), pending_(pending) {
    invoker = &delivery.invoker_;
    entry = &lane.entry;
  }

  void Run() override;
  void Drop() override;
  void OnOverrun(Instant now) override;
  void OnForcedUnwind() override;
  Instant Since() const override { return accepted_; }
  TimeSplit SpentBefore() const override;

 private:
  ~Pump() = default;

  static constexpr std::size_t kTurn = Finished::kMax;

  friend class Delivery;

  // False: the turn was taken away.
  bool RunTurn();
  bool RunEvent(EventRef event);
  // The event as a value of the type that the function takes now; its bytes go to *bytes. nullptr where it has none.
  std::unique_ptr<AnyValue> Convert(const HandlerOps& ops, std::string* bytes);
  // What the function answered, for its destination; nullptr where that cannot become bytes.
  std::shared_ptr<const std::string> ResponseOf(const HandlerOps& ops, void* result);
  void Conclude(const absl::Status& status, std::shared_ptr<const std::string> response);
  // The host's code ends the thread, and the event has been settled: gives back all that the turn holds. Deletes this.
  void LeaveUnwound();
  // The claimed event ends without the attempt that the claim has counted. True, as the turn goes on.
  bool EndUnrun(Condition condition);
  // Of the code that is about to run, or of what was removed.
  void UseSinks(std::shared_ptr<const EventInvokeConfig> sinks);
  std::size_t Claim();
  bool SiblingsHaveSome() const;
  EventRef StealFromSiblings();
  void Put(Settlement settlement);
  void Put(Settlement settlement, Slot& slot, Instant now);
  void Flush(Slot& slot, Instant now);
  // Gives back the batch, the place among the lane's pumps and the gate's.
  void EndTurn(Slot& slot, Instant now);
  void* ResultStorage(const Type* type);
  Delivery::Attempt AttemptUntil(Instant ended) const { return {started, StopAskedAt(), ended, cancelled}; }

  Delivery& delivery_;
  Lane& lane_;
  std::atomic<bool>& pending_;
  Gate* gate_ = nullptr;
  Batch batch_;
  EventRef event_;  // running
  std::uint64_t fence_ = 0;
  Instant accepted_;
  std::optional<TimeSplit> spent_;  // before this attempt; empty for a first one that was only queued
  Instant now_;                     // the end of the last event, the start of the next
  Finished finished_;
  std::shared_ptr<const EventInvokeConfig> sinks_;
  std::unique_ptr<unsigned char[]> result_;
  std::size_t result_size_ = 0;
};

}  // namespace runlet

#endif  // RUNLET_SRC_DELIVERY_PUMP_H_
