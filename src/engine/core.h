// What an engine is made of. Held by the Engine, by calls on their way, and by threads that Drain had to leave behind.
#ifndef RUNLET_SRC_ENGINE_CORE_H_
#define RUNLET_SRC_ENGINE_CORE_H_

#include <memory>

#include "base/fork_guard.h"
#include "capacity/admission.h"
#include "capacity/elastic_pool.h"
#include "capacity/poll_executor.h"
#include "capacity/slot.h"
#include "delivery/delivery.h"
#include "engine/control_plane.h"
#include "function/registry.h"
#include "invoke/invoker.h"
#include "runlet/base/sync.h"
#include "runlet/engine/engine.h"
#include "runlet/engine/options.h"

namespace runlet {

class EngineCore final : public Alarm, public std::enable_shared_from_this<EngineCore> {
 public:
  // `options` have been checked.
  explicit EngineCore(EngineOptions options);
  ~EngineCore();

  absl::Status Cancel(const RequestId& id);
  Inspection Inspect() const;
  absl::StatusOr<Explanation> Explain(const RequestId& id);
  absl::Status WaitIdle(absl::Duration timeout);
  DrainReport Drain(absl::Duration soft, absl::Duration hard);
  absl::Status CheckAlive(std::string_view function) const;
  // ... and not drained.
  absl::Status CheckOpen(std::string_view function) const;

  // Alarm
  Instant Ring(Instant now) override;

 private:
  friend class Engine;
  friend class DeadLetterView;

  // Of the function, its versions and its aliases.
  FunctionMetrics SumOf(const FunctionEntry& function) const;
  bool NothingRuns() const;
  bool Idle() const;

  const EngineOptions options_;
  const ForkGuard fork_guard_;
  const Clock& clock_;
  ElasticPool* pool_ = nullptr;  // the own executor, by kind; set while it is made
  PollExecutor* poll_ = nullptr;
  std::unique_ptr<Executor> own_executor_;
  Executor& executor_;
  Slots slots_;
  Registry registry_;
  Admission admission_;
  const std::shared_ptr<EventQueue> queue_;
  Invoker invoker_;
  Delivery delivery_;
  ControlPlane control_plane_;
};

}  // namespace runlet

#endif  // RUNLET_SRC_ENGINE_CORE_H_
