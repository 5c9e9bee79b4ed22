// Which functions there are, their versions and aliases, and what is set aside for them.
#ifndef RUNLET_SRC_ENGINE_CONTROL_PLANE_H_
#define RUNLET_SRC_ENGINE_CONTROL_PLANE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "capacity/admission.h"
#include "capacity/elastic_pool.h"
#include "capacity/slot.h"
#include "delivery/delivery.h"
#include "function/registry.h"
#include "invoke/invoker.h"
#include "runlet/base/sync.h"
#include "runlet/function/alias.h"
#include "runlet/queue/event_queue.h"

namespace runlet {

// Changes take effect whole: a call sees all of one or nothing. What is replaced goes on for those who run it.
// Thread-safe.
class ControlPlane {
 public:
  struct Wiring {
    Executor& executor;
    ElasticPool* pool;  // nullptr where the threads are not the engine's
    Slots& slots;
    Registry& registry;
    Admission& admission;
    EventQueue& queue;
    Invoker& invoker;
    Delivery& delivery;
    std::size_t names_max;
  };
  explicit ControlPlane(const Wiring& wiring) : w_(wiring) {}

  // What Engine's functions of these names do.
  absl::Status Publish(std::string_view name, Handler handler, FunctionConfig config, bool existing)
      RUNLET_EXCLUDES(mu_);
  absl::Status Remove(std::string_view name) RUNLET_EXCLUDES(mu_);
  absl::Status SetReservedConcurrency(std::string_view name, std::optional<int> reserved) RUNLET_EXCLUDES(mu_);
  absl::Status SetProvisionedConcurrency(std::string_view name, int provisioned) RUNLET_EXCLUDES(mu_);
  absl::Status SetEventInvokeConfig(std::string_view name, const EventInvokeConfig& config) RUNLET_EXCLUDES(mu_);
  absl::Status UpdateConfiguration(std::string_view name, const ConfigurationChange& change) RUNLET_EXCLUDES(mu_);
  absl::StatusOr<std::string> PublishVersion(std::string_view name, std::optional<std::string> description)
      RUNLET_EXCLUDES(mu_);
  absl::Status SetAlias(std::string_view name, const Alias& alias, bool existing) RUNLET_EXCLUDES(mu_);
  absl::StatusOr<std::vector<std::string>> ListVersions(std::string_view name) RUNLET_EXCLUDES(mu_);
  absl::StatusOr<std::vector<Alias>> ListAliases(std::string_view name) RUNLET_EXCLUDES(mu_);

 private:
  // Code that nobody is given any more; to be retired without the lock, as the host's destructors may run.
  using Replaced = std::vector<const Code*>;

  absl::Status CheckPublish(std::string_view name, const Handler& handler, const FunctionConfig& config) const;
  absl::Status CheckEventInvoke(std::string_view name, const EventInvokeConfig& config, const Handler& handler) const;
  absl::Status CheckDestination(std::string_view name, std::string_view setting, const Destination& destination,
                                const Handler& handler) const;
  // What is registered under `name` now; nullptr for nothing. Stays while the lock is held.
  const Code* CodeOf(std::string_view name) const RUNLET_REQUIRES(mu_);
  static const Code* CodeOf(const FunctionEntry& entry) { return entry.code.load(std::memory_order_relaxed); }
  absl::StatusOr<const Code*> VersionCode(std::string_view function, std::string_view version) const
      RUNLET_REQUIRES(mu_);
  absl::StatusOr<std::unique_ptr<Code>> AliasCode(std::string_view function, const Alias& alias,
                                                  const Code* before) const RUNLET_REQUIRES(mu_);
  std::unique_ptr<Code> MakeCode(Handler handler, FunctionConfig config, std::string_view version) const;
  // The same handler with another configuration.
  std::unique_ptr<Code> WithConfig(const Code& code, const std::function<void(FunctionConfig&)>& change) const;
  // ... told of otherwise.
  std::unique_ptr<Code> WithEventInvoke(const Code& code, const EventInvokeConfig& config) const;
  // ResourceExhausted where that would be one too many.
  absl::StatusOr<FunctionEntry*> EntryFor(std::string_view name) RUNLET_REQUIRES(mu_);
  void SetCode(FunctionEntry& entry, std::unique_ptr<Code> code, Replaced* replaced) RUNLET_REQUIRES(mu_);
  // Aliases of $LATEST go with it, unless they are told of in a way that `handler` does not allow.
  std::vector<FunctionEntry*> AliasesOfLatest(const FunctionEntry& function) const RUNLET_REQUIRES(mu_);
  absl::Status CheckFollowers(const FunctionEntry& function, const Handler& handler) const RUNLET_REQUIRES(mu_);
  void FollowLatest(const FunctionEntry& function, Replaced* replaced) RUNLET_REQUIRES(mu_);
  void SetRecursiveLoop(const FunctionEntry& function, RecursiveLoop loop, Replaced* replaced) RUNLET_REQUIRES(mu_);
  // FailedPrecondition where an alias leads to the version.
  absl::Status CheckUnused(const FunctionEntry& version) const RUNLET_REQUIRES(mu_);
  void SetExtraThreads();
  void Retire(const Replaced& replaced);
  void Tell(Activity::Kind kind, const FunctionEntry& entry) const;
  // Tells the queue what the function, its versions and its aliases take now; `registered`: `entry` is new. The queue
  // may tell of events of theirs in turn, so nobody may hold the lock.
  void Announce(const FunctionEntry& entry, bool registered) RUNLET_EXCLUDES(mu_);
  // After what `entry` may use has changed.
  void TellReplaced(FunctionEntry& entry) RUNLET_EXCLUDES(mu_);

  const Wiring w_;
  Mutex mu_;  // one change at a time
  std::uint64_t revisions_ RUNLET_GUARDED_BY(mu_) = 0;
  std::uint64_t changes_ RUNLET_GUARDED_BY(mu_) = 0;
};

}  // namespace runlet

#endif  // RUNLET_SRC_ENGINE_CONTROL_PLANE_H_
