// A registered function, or a version or alias of one: who it is, what it runs now, and what it has in use.
#ifndef RUNLET_SRC_FUNCTION_ENTRY_H_
#define RUNLET_SRC_FUNCTION_ENTRY_H_

#include <absl/time/time.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/permits.h"
#include "base/rate_limit.h"
#include "runlet/base/random.h"
#include "runlet/event/function_name.h"
#include "runlet/function/config.h"
#include "runlet/function/handler.h"

namespace runlet {

class Lane;

// A handler with its configuration. Immutable; replaced as a whole.
struct Code {
  Code(Handler its_handler, FunctionConfig its_config, std::string_view its_version = kLatest)
      : handler(std::move(its_handler)),
        config(std::move(its_config)),
        version(its_version),
        timeout_ns(Nanos(config.timeout)) {
    const EventInvokeConfig& event = config.event_invoke;
    if (event.dead_letter_queue != nullptr || event.on_success.is_set() || event.on_failure.is_set()) {
      sinks = std::make_shared<const EventInvokeConfig>(event);
    }
  }

  // What the next execution runs: this, or now and then the other version of a weighted alias.
  const Code& Choose(Random& random) const {
    if (additional == nullptr) [[likely]]
      return *this;
    return random.Unit() < additional_weight ? *additional : *this;
  }

  const Handler handler;
  const FunctionConfig config;
  const std::string_view version;  // the qualifier of the version's entry, or $LATEST
  const std::int64_t timeout_ns;
  std::shared_ptr<const EventInvokeConfig> sinks;  // nullptr: nobody is told how events end
  // Set by the engine before the code is published.
  bool release_on_overrun = false;
  bool own_event_invoke = false;  // chosen for this qualifier
  std::uint64_t revision = 0;     // tells what one version of a function was published from from the next
  std::uint64_t change = 0;       // tells apart all code and configuration of an engine; how it is told of left out
  absl::Time modified;            // when that came
  std::unique_ptr<const Code> additional;
  double additional_weight = 0;
};

// Permits that are set aside for some.
class Allotment {
 public:
  explicit Allotment(int cap = 0) : permits(cap) {}

  Permits permits;
  RateLimit rate;
  // How many there are to be, once others have given them back. Set by Admission alone.
  int share() const { return share_.load(std::memory_order_relaxed); }
  void set_share(int share) { share_.store(share, std::memory_order_relaxed); }

 private:
  std::atomic<int> share_{0};
};

inline constexpr int kUnreserved = -1;

// Made at the first registration of a name and alive until the engine ends, so that a pointer to it never dangles.
// `code` is nullptr while nothing is registered under the name; reading through it needs a Slot's protection.
struct FunctionEntry : FunctionIdentity {
  // `its_function`: nullptr for a function itself.
  FunctionEntry(std::string its_name, std::uint32_t its_index, FunctionEntry* its_function = nullptr)
      : FunctionIdentity{std::move(its_name), its_index},
        function(its_function != nullptr ? *its_function : *this),
        function_name(QualifiedName(name).function),
        qualifier(QualifiedName(name).qualifier),
        latest_name(qualifier.empty() ? name + ":" + std::string(kLatest) : std::string()) {}

  FunctionEntry& function;  // of which it is a version or an alias; else itself
  const std::string_view function_name;
  const std::string_view qualifier;
  const std::string latest_name;  // "f:$LATEST"; a function's other name

  std::atomic<const Code*> code{nullptr};
  std::atomic<Permits*> permits{nullptr};  // those that a call tries first
  Lane* lane = nullptr;                    // the delivery's
  Allotment provisioned;                   // of a version or an alias

  std::atomic<bool> known{false};  // has had code once

  // Of a function itself.
  std::atomic<int> abandoned{0};  // executions that overran and whose threads have not come back
  std::atomic<int> reserved{kUnreserved};
  Allotment reserved_part;
  std::atomic<int> provisioned_sum{0};  // of its versions and aliases; written by Admission alone
  std::atomic<int> metered_slots{0};    // in how many slots it has run
  std::atomic<int> concurrent_max{0};   // most executions that ran at once
  // Its versions and aliases that are registered, in order of registration; guarded by the engine's control plane, as
  // are the next two.
  std::vector<FunctionEntry*> qualified;
  int last_version = 0;                  // published, ever
  std::uint64_t published_revision = 0;  // what that was published from
};

}  // namespace runlet

#endif  // RUNLET_SRC_FUNCTION_ENTRY_H_
