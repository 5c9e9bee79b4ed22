// The engine: runs C++ callables with the semantics of AWS Lambda, inside this program.
#ifndef RUNLET_ENGINE_ENGINE_H_
#define RUNLET_ENGINE_ENGINE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "runlet/engine/dead_letters.h"
#include "runlet/engine/inspection.h"
#include "runlet/engine/options.h"
#include "runlet/event/future.h"
#include "runlet/event/type.h"
#include "runlet/function/alias.h"
#include "runlet/function/config.h"
#include "runlet/function/function.h"
#include "runlet/function/handler.h"
#include "runlet/invoke/invoke_options.h"
#include "runlet/observe/metrics.h"
#include "runlet/observe/price.h"

namespace runlet {

struct FunctionEntry;
template <typename In, typename Out>
class BoundFunction;

struct DrainReport {
  std::uint64_t completed = 0;    // events that ended during the drain
  std::uint64_t parked = 0;       // events handed to EngineOptions::on_parked, or left to the durable queue
  std::uint64_t undelivered = 0;  // dead letters and records that their queues and destinations had not taken
  int abandoned = 0;              // threads left behind, in handlers or other code of the host's
};

// Thread-safe. Three verbs, three promises:
//   Invoke  answers by the deadline.
//   Start   does not wait: the Future can be waited on and cancelled.
//   Post    returns once the event is stored; from then on it ends exactly once, in one of the ends of `Condition`.
//
// Handlers may call every verb (Invoke runs the callee on the same thread, to a depth of 16), but not WaitIdle, Drain
// or the destructor. Each engine stands alone: a program may have several.
class Engine {
 public:
  // All defaults.
  Engine();
  // InvalidArgument that names the option, its value and its range.
  static absl::StatusOr<Engine> Create(EngineOptions options);

  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) = delete;
  // Drain(0, destroy_grace). Threads still stuck in handlers keep alive what they touch.
  ~Engine();

  // ---- functions ----

  // Registers `handler` for events of bytes: it is called with std::string_view or std::string, returns something that
  // makes a std::string, absl::StatusOr of it, absl::Status, or void (answered as `null`).
  // AlreadyExists if the name is taken, InvalidArgument for a bad name or a value out of its range.
  template <typename F>
  [[nodiscard]] absl::Status Register(std::string_view name, F&& handler, FunctionConfig config = {}) {
    return Publish(name, Handler::Make<std::string, std::string>(std::forward<F>(handler)), std::move(config), kNew);
  }
  // Registers `handler` for a typed function. It takes the event by value, by const reference or not at all, then
  // optionally Context&; it returns Out, absl::StatusOr<Out>, or absl::Status where Out is void. It must be callable as
  // const, and may be called from several threads at once.
  template <typename In, typename Out, typename F>
  [[nodiscard]] absl::Status Register(const Function<In, Out>& function, F&& handler, FunctionConfig config = {}) {
    return Publish(function.name(), Handler::Make<In, Out>(std::forward<F>(handler)), std::move(config), kNew);
  }
  // Replaces handler and configuration. Executions that run go on with the old ones; queued events run on the new ones.
  // NotFound if nothing is registered under the name.
  template <typename F>
  [[nodiscard]] absl::Status Replace(std::string_view name, F&& handler, FunctionConfig config = {}) {
    return Publish(name, Handler::Make<std::string, std::string>(std::forward<F>(handler)), std::move(config),
                   kExisting);
  }
  template <typename In, typename Out, typename F>
  [[nodiscard]] absl::Status Replace(const Function<In, Out>& function, F&& handler, FunctionConfig config = {}) {
    return Publish(function.name(), Handler::Make<In, Out>(std::forward<F>(handler)), std::move(config), kExisting);
  }
  // Changes what the function reserves, and nothing else; unset: it shares the unreserved concurrency again. What
  // others hold of the permits is handed over as it comes back. Lambda's PutFunctionConcurrency and
  // DeleteFunctionConcurrency.
  [[nodiscard]] absl::Status SetReservedConcurrency(std::string_view name, std::optional<int> reserved);
  // Changes settings of "f", and nothing else: executions that run go on with the old ones. Lambda's
  // UpdateFunctionConfiguration, and PutFunctionRecursionConfig.
  [[nodiscard]] absl::Status UpdateConfiguration(std::string_view name, const ConfigurationChange& change);
  // Changes how the events of "f", of version "f:3" or of alias "f:live" are delivered, as a whole. Each has its own:
  // a version begins with the defaults and the dead_letter_queue of its code, an alias with those of its version.
  // Lambda's PutFunctionEventInvokeConfig.
  [[nodiscard]] absl::Status SetEventInvokeConfig(std::string_view name, const EventInvokeConfig& config);
  // Executions that run go on; waiting events end as FunctionRemoved. "f" goes with all its versions and aliases, "f:3"
  // and "f:live" alone. NotFound if nothing is registered under the name; FailedPrecondition for a version that an
  // alias leads to.
  [[nodiscard]] absl::Status Remove(std::string_view name);

  // ---- versions and aliases ----
  //
  // Every call by name takes Lambda's qualifiers: "f" and "f:$LATEST" run what was registered last, "f:3" a version,
  // "f:live" what the alias leads to then: waiting events follow it.

  // Keeps what is registered under the name now as its next version: "1", "2", ... The version that was published last,
  // if nothing was replaced or changed since. `description`: the version's own, instead of its function's.
  absl::StatusOr<std::string> PublishVersion(std::string_view name,
                                             std::optional<std::string> description = std::nullopt);
  // NotFound for a version that does not exist, InvalidArgument for what Alias rules out; AlreadyExists for a name that
  // is taken, or with UpdateAlias NotFound for one that is not.
  [[nodiscard]] absl::Status CreateAlias(std::string_view name, const Alias& alias);
  [[nodiscard]] absl::Status UpdateAlias(std::string_view name, const Alias& alias);
  // Of "f": "$LATEST" first, then in order of publication; aliases in order of creation.
  absl::StatusOr<std::vector<std::string>> ListVersions(std::string_view name) const;
  absl::StatusOr<std::vector<Alias>> ListAliases(std::string_view name) const;
  // Sets so many permits (and threads) aside for the version "f:3" or the alias "f:live"; 0 for none. Calls that name
  // it take those first, then what its function may use. They are part of what the function reserves, if it does.
  // InvalidArgument for $LATEST, and for more than is free.
  [[nodiscard]] absl::Status SetProvisionedConcurrency(std::string_view name, int provisioned);

  // ---- calls ----

  [[nodiscard]] absl::StatusOr<std::string> Invoke(std::string_view name, std::string_view event,
                                                   const InvokeOptions& options = {});
  template <typename In, typename Out>
  [[nodiscard]] typename Future<Out>::Result Invoke(const Function<In, Out>& function, std::type_identity_t<In> event,
                                                    const InvokeOptions& options = {}) {
    return InvokeTyped<In, Out>(core_.get(), Find(function.name()), function.name(), event, options);
  }

  [[nodiscard]] Future<std::string> Start(std::string_view name, std::string_view event,
                                          const InvokeOptions& options = {});
  template <typename In, typename Out>
  [[nodiscard]] Future<Out> Start(const Function<In, Out>& function, std::type_identity_t<In> event,
                                  const InvokeOptions& options = {}) {
    return StartTyped<In, Out>(core_.get(), Find(function.name()), function.name(), event, options);
  }

  // Event: the id under which the event is known from now on; the first one's, where `options` has a dedup_key that is
  // remembered.
  [[nodiscard]] absl::StatusOr<RequestId> Post(std::string_view name, std::string_view event,
                                               const PostOptions& options = {});
  template <typename In, typename Out>
  [[nodiscard]] absl::StatusOr<RequestId> Post(const Function<In, Out>& function, std::type_identity_t<In> event,
                                               const PostOptions& options = {}) {
    return PostTyped<In, Out>(core_.get(), Find(function.name()), function.name(), event, options);
  }
  // One acceptance for all, or none. OK for an empty batch. InvalidArgument for a dedup_key with several events.
  [[nodiscard]] absl::Status PostAll(std::string_view name, std::span<const std::string> events,
                                     const PostOptions& options = {});
  template <typename In, typename Out>
  [[nodiscard]] absl::Status PostAll(const Function<In, Out>& function, std::vector<In> events,
                                     const PostOptions& options = {}) {
    return PostAllTyped<In, Out>(core_.get(), Find(function.name()), function.name(), events, options);
  }

  // An event that waits ends at once, as Cancelled, and leaves no dead letter. What runs is asked to stop
  // (StopReason::kCaller): if it fails then, it was the event's last attempt, which ends as Cancelled; if it succeeds,
  // it has. What is between two attempts, or about to begin or to end, is one or the other. Where engines share a
  // queue, what waits for another one is ended there, and what another one runs is not asked to stop, but not tried
  // again either. A call that Start has made and that waits for a thread ends unrun, as its Future's Cancel() would
  // end it. NotFound for what has ended or never was, or waits in a durable queue for a function that nobody has
  // registered, or that cannot be read. Looks through all that waits.
  [[nodiscard]] absl::Status Cancel(const RequestId& id);

  // Every event of the function that waits ends at once, as Purged, and leaves no dead letter; says how many. What runs
  // goes on, and is tried again where that is due to it. Of "f": with all its versions and aliases; of "f:$LATEST",
  // "f:3", "f:live": what was posted by that name alone. A dedup_key is remembered all the same. NotFound for a name
  // that was never registered.
  absl::StatusOr<std::size_t> Purge(std::string_view name);

  // An event that is not of the function's type: says so, where overload resolution would only say that nothing fits.
  template <typename In, typename Out, typename E>
    requires(!std::is_convertible_v<E, In>)
  typename Future<Out>::Result Invoke(const Function<In, Out>&, E&&, const InvokeOptions& = {}) {
    static_assert(std::is_convertible_v<E, In>, "runlet: this is not an event of the function's event type");
    __builtin_unreachable();
  }
  template <typename In, typename Out, typename E>
    requires(!std::is_convertible_v<E, In>)
  Future<Out> Start(const Function<In, Out>&, E&&, const InvokeOptions& = {}) {
    static_assert(std::is_convertible_v<E, In>, "runlet: this is not an event of the function's event type");
    __builtin_unreachable();
  }
  template <typename In, typename Out, typename E>
    requires(!std::is_convertible_v<E, In>)
  absl::StatusOr<RequestId> Post(const Function<In, Out>&, E&&, const PostOptions& = {}) {
    static_assert(std::is_convertible_v<E, In>, "runlet: this is not an event of the function's event type");
    __builtin_unreachable();
  }

  // DryRun: OK when a call with this event would not be refused for what it is. Says nothing of capacity.
  [[nodiscard]] absl::Status Check(std::string_view name, std::string_view event);

  // A handle that spares the look-up by name in every call. NotFound, or InvalidArgument when the types differ from the
  // registered ones. Stays valid when the function is replaced or removed; lives no longer than the engine.
  template <typename In, typename Out>
  [[nodiscard]] absl::StatusOr<BoundFunction<In, Out>> Bind(const Function<In, Out>& function);
  // ... of a version or an alias.
  template <typename In, typename Out>
  [[nodiscard]] absl::StatusOr<BoundFunction<In, Out>> Bind(const Function<In, Out>& function,
                                                            std::string_view qualifier);

  // ---- what became of events ----

  DeadLetterView dead_letters() { return DeadLetterView(core_.get()); }
  // Of "f": with all its versions and aliases; of "f:$LATEST", "f:3", "f:live": what was called by that name alone.
  // NotFound for a name that was never registered.
  absl::StatusOr<FunctionMetrics> Metrics(std::string_view name) const;
  // What all executions so far would have cost on Lambda in one month: Bill(Price::X86().WithFreeTier()).
  // Functions are listed in order of first registration, those without executions left out.
  runlet::Bill Bill(const Price& price) const;
  QueueStats queue_stats() const;
  // Of a queue that stores events; empty for others.
  std::optional<StorageStats> queue_storage() const;
  // Every function that was ever registered, in order of first registration.
  std::vector<std::string> FunctionNames() const;
  // What the function, version or alias runs with. NotFound while nothing is registered under the name.
  absl::StatusOr<FunctionConfig> Config(std::string_view name) const;
  // ... and more about it.
  absl::StatusOr<FunctionDescription> Describe(std::string_view name) const;
  // As in EngineOptions.
  const Account& account() const;
  const PayloadLimits& payload_limits() const;
  // Every accepted event has ended, and nothing runs. A dead letter that its DeadLetterQueue still refuses counts as
  // work, but no longer once that has failed ten times in a row.
  bool idle() const;
  // Threads stuck in handlers that overran, and replaced.
  int abandoned() const;
  // What runs, waits and is in use now. Answers in milliseconds, whatever the handlers do.
  Inspection Inspect() const;
  // Where the time of an event or a call that waits or runs, or of a dead letter, went so far. NotFound for any other
  // id: what ended in success is forgotten.
  // Looks through all that waits.
  absl::StatusOr<Explanation> Explain(const RequestId& id) const;

  // ---- life ----

  // With NoThreads: does what is due, runs what is ready now, and says how many pieces of work that was. With other
  // threads there is nothing to do.
  std::size_t Poll();
  // How long an event loop may sleep before the next Poll(), unless it makes calls meanwhile: zero when there is work
  // now, infinite when nothing is due by itself.
  absl::Duration NextPoll() const;
  // Blocks until idle(). DeadlineExceeded with the numbers after `timeout`.
  [[nodiscard]] absl::Status WaitIdle(absl::Duration timeout = absl::InfiniteDuration());
  // Closes the engine for good: new calls are refused. Up to `soft` accepted events go on and end; then handlers are
  // asked to stop (StopReason::kDrain) and no attempt begins; at `hard` (from the call, not before `soft`) what still
  // runs is abandoned and what waits is parked. Returns by then, with 100 ms more at most, in all, for what is in no
  // handler and about to end: a Post on its way, a thread that leaves, a watcher in the host's code. So Drain(0, 0) of
  // an idle engine returns at once, and abandons none. What `on_parked` and observers take on this thread comes on top.
  // A second call returns an empty report.
  DrainReport Drain(absl::Duration soft, absl::Duration hard);

 private:
  template <typename In, typename Out>
  friend class BoundFunction;
  enum PublishMode { kNew, kExisting };

  // A call without its types. An event that is a std::string comes as a std::string_view.
  struct ErasedCall {
    FunctionEntry* entry;  // nullptr: `name` is not known
    std::string_view name;
    const Type* in;
    void* event;
    const Type* out;
    void* result;
  };

  explicit Engine(std::shared_ptr<EngineCore> core);
  FunctionEntry* Find(std::string_view name) const;
  absl::Status Publish(std::string_view name, Handler handler, FunctionConfig config, PublishMode mode);
  static absl::Status InvokeErased(EngineCore* core, const ErasedCall& call, const InvokeOptions& options);
  static StartedCall* StartErased(EngineCore* core, const ErasedCall& call, const InvokeOptions& options,
                                  absl::Status* refused);
  static absl::Status PostErased(EngineCore* core, std::span<const ErasedCall> calls, std::span<RequestId> ids,
                                 const PostOptions& options);
  struct Found {
    FunctionEntry* entry;
    std::string_view name;  // lives as long as the engine
  };
  absl::StatusOr<Found> FindTyped(std::string_view name, const Type* in, const Type* out) const;
  absl::StatusOr<Found> FindTyped(std::string_view name, std::string_view qualifier, const Type* in,
                                  const Type* out) const;

  template <typename In, typename Out>
  static ErasedCall Erase(FunctionEntry* entry, std::string_view name, In& event, std::string_view& view,
                          void* result) {
    if constexpr (std::is_same_v<In, std::string>) {
      view = event;
      return {entry, name, TypeOf<In>(), &view, TypeOf<Out>(), result};
    } else {
      return {entry, name, TypeOf<In>(), &event, TypeOf<Out>(), result};
    }
  }

  template <typename In, typename Out>
  static typename Future<Out>::Result InvokeTyped(EngineCore* core, FunctionEntry* entry, std::string_view name,
                                                  In& event, const InvokeOptions& options) {
    std::string_view view;
    if constexpr (std::is_void_v<Out>) {
      return InvokeErased(core, Erase<In, Out>(entry, name, event, view, nullptr), options);
    } else {
      alignas(Out) unsigned char storage[sizeof(Out)];
      absl::Status status = InvokeErased(core, Erase<In, Out>(entry, name, event, view, storage), options);
      if (!status.ok()) return status;
      const internal_type::Holds<Out> result(storage);
      return typename Future<Out>::Result(std::move(*result));
    }
  }
  template <typename In, typename Out>
  static Future<Out> StartTyped(EngineCore* core, FunctionEntry* entry, std::string_view name, In& event,
                                const InvokeOptions& options) {
    std::string_view view;
    absl::Status refused;
    StartedCall* call = StartErased(core, Erase<In, Out>(entry, name, event, view, nullptr), options, &refused);
    return call != nullptr ? Future<Out>(call) : Future<Out>(std::move(refused));
  }
  template <typename In, typename Out>
  static absl::StatusOr<RequestId> PostTyped(EngineCore* core, FunctionEntry* entry, std::string_view name, In& event,
                                             const PostOptions& options) {
    std::string_view view;
    const ErasedCall call = Erase<In, Out>(entry, name, event, view, nullptr);
    RequestId id;
    absl::Status status = PostErased(core, {&call, 1}, {&id, 1}, options);
    if (!status.ok()) return status;
    return id;
  }
  template <typename In, typename Out>
  static absl::Status PostAllTyped(EngineCore* core, FunctionEntry* entry, std::string_view name,
                                   std::vector<In>& events, const PostOptions& options) {
    std::vector<std::string_view> views(events.size());
    std::vector<ErasedCall> calls;
    calls.reserve(events.size());
    for (std::size_t i = 0; i < events.size(); ++i) {
      calls.push_back(Erase<In, Out>(entry, name, events[i], views[i], nullptr));
    }
    std::vector<RequestId> ids(events.size());
    return PostErased(core, calls, ids, options);
  }

  std::shared_ptr<EngineCore> core_;
};

// A function found once. Value; copy it freely. Thread-safe. Lives no longer than the engine.
template <typename In, typename Out>
class BoundFunction {
 public:
  [[nodiscard]] typename Future<Out>::Result Invoke(In event, const InvokeOptions& options = {}) const {
    return Engine::InvokeTyped<In, Out>(core_, entry_, name_, event, options);
  }
  [[nodiscard]] Future<Out> Start(In event, const InvokeOptions& options = {}) const {
    return Engine::StartTyped<In, Out>(core_, entry_, name_, event, options);
  }
  [[nodiscard]] absl::StatusOr<RequestId> Post(In event, const PostOptions& options = {}) const {
    return Engine::PostTyped<In, Out>(core_, entry_, name_, event, options);
  }
  [[nodiscard]] absl::Status PostAll(std::vector<In> events, const PostOptions& options = {}) const {
    return Engine::PostAllTyped<In, Out>(core_, entry_, name_, events, options);
  }

 private:
  friend class Engine;
  BoundFunction(EngineCore* core, FunctionEntry* entry, std::string_view name)
      : core_(core), entry_(entry), name_(name) {}

  EngineCore* core_;
  FunctionEntry* entry_;
  std::string_view name_;
};

template <typename In, typename Out>
absl::StatusOr<BoundFunction<In, Out>> Engine::Bind(const Function<In, Out>& function) {
  const absl::StatusOr<Found> found = FindTyped(function.name(), TypeOf<In>(), TypeOf<Out>());
  if (!found.ok()) return found.status();
  return BoundFunction<In, Out>(core_.get(), found->entry, found->name);
}

template <typename In, typename Out>
absl::StatusOr<BoundFunction<In, Out>> Engine::Bind(const Function<In, Out>& function, std::string_view qualifier) {
  const absl::StatusOr<Found> found = FindTyped(function.name(), qualifier, TypeOf<In>(), TypeOf<Out>());
  if (!found.ok()) return found.status();
  return BoundFunction<In, Out>(core_.get(), found->entry, found->name);
}

}  // namespace runlet

#endif  // RUNLET_ENGINE_ENGINE_H_
