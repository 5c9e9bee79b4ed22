// One thread and virtual time behind the Executor seam.
#ifndef RUNLET_SRC_TESTING_SIM_EXECUTOR_H_
#define RUNLET_SRC_TESTING_SIM_EXECUTOR_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "runlet/base/executor.h"
#include "runlet/base/random.h"
#include "runlet/base/time.h"
#include "testing/fiber.h"
#include "testing/watchdog.h"

namespace runlet::testing {

// The host's own stack is the driver; work runs on fibers. A fiber runs one piece of work after the other; when a piece
// blocks, its fiber is parked and another goes on, so that only as many fibers are made as pieces block at once.
// Single-threaded.
class SimExecutor final : public Executor {
 public:
  SimExecutor(ManualClock& clock, std::uint64_t seed, Watchdog& watchdog);
  ~SimExecutor() override;

  // Called after every step, on a fiber.
  void set_after_step(std::function<void()> after_step) { after_step_ = std::move(after_step); }

  // Runs steps until `done` (asked between steps) or until nothing can happen up to and including `limit`; then the
  // clock is at most at `limit`. False: nothing more could happen. Only for the driver, or for a handler through Block.
  bool RunUntil(const std::function<bool()>& done, Instant limit);
  // When the next thing happens by itself; Never() for not at all.
  Instant NextDue();
  std::uint64_t steps() const { return steps_; }
  std::size_t parked() const { return parked_.size(); }

  void Attach(Alarm* alarm) override { alarm_ = alarm; }
  int Detach(Instant until) override;
  void Post(Work& work) override;
  void LookAtPosted(const std::function<void(Work&)>& look) override;
  void WakeAt(Instant when) override;
  void Block(const Wait& wait) override;
  void Unblock(const std::atomic<std::uint32_t>*) override {}  // waits are looked at again at every step
  int batch() const override { return 1; }
  bool can_write_off() const override { return true; }
  Worker* CurrentWorker() override { return reinterpret_cast<Worker*>(current_); }

 private:
  // A stack with work on it.
  struct Strand;
  struct Parked {
    Strand* strand;
    Wait wait;
  };

  bool Done(const Wait& wait) const;
  // Runs one ready thing; false if there is none.
  bool Step();
  bool RunSteps(Instant limit);
  bool AdvanceToNext(Instant limit);
  void SwitchTo(Strand& strand);
  Strand& FreeStrand();
  static void StrandMain(void* strand);

  ManualClock& clock_;
  Random random_;
  Watchdog& watchdog_;
  Alarm* alarm_ = nullptr;
  std::function<void()> after_step_;
  std::vector<Work*> ready_;
  std::vector<Parked> parked_;
  std::vector<std::unique_ptr<Strand>> strands_;  // the first is the driver's
  std::vector<Strand*> free_;
  Strand* current_ = nullptr;  // nullptr: the driver
  Instant alarm_at_ = Instant::Never();
  bool detached_ = false;
  std::uint64_t steps_ = 0;

  // What the driver asked for.
  const std::function<bool()>* goal_ = nullptr;
  Instant limit_;
  bool goal_met_ = false;
};

}  // namespace runlet::testing

#endif  // RUNLET_SRC_TESTING_SIM_EXECUTOR_H_
