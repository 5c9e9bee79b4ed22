// Which functions have run on the way to an event or a call.
#ifndef RUNLET_EVENT_LINEAGE_H_
#define RUNLET_EVENT_LINEAGE_H_

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "runlet/event/function_name.h"

namespace runlet {

// How often each function has been invoked. A handler's own invocations pass theirs on to what it posts, starts and
// invokes. Most things have none, and cost a null pointer. Value.
class Lineage {
 public:
  Lineage() = default;
  Lineage(const Lineage& other) : counts_(other.empty() ? nullptr : std::make_unique<Counts>(*other.counts_)) {}
  Lineage(Lineage&&) noexcept = default;
  Lineage& operator=(Lineage other) noexcept {
    counts_ = std::move(other.counts_);
    return *this;
  }

  bool empty() const { return counts_ == nullptr; }
  int CountOf(const FunctionIdentity& function) const {
    if (empty()) return 0;
    const auto found = Find(function);
    return found == counts_->end() ? 0 : found->second;
  }
  void Add(const FunctionIdentity& function, int times = 1) {
    if (empty()) counts_ = std::make_unique<Counts>();
    if (const auto found = Find(function); found != counts_->end()) {
      found->second += times;
    } else {
      counts_->emplace_back(&function, times);
    }
  }
  void Add(const Lineage& other) {
    if (other.empty()) return;
    for (const auto& [function, times] : *other.counts_) Add(*function, times);
  }
  // f(function, times) for each.
  template <typename F>
  void ForEach(F f) const {
    if (empty()) return;
    for (const auto& [function, times] : *counts_) f(*function, times);
  }

 private:
  using Counts = std::vector<std::pair<const FunctionIdentity*, int>>;
  Counts::iterator Find(const FunctionIdentity& function) const {
    return std::find_if(counts_->begin(), counts_->end(), [&](const auto& count) { return count.first == &function; });
  }

  std::unique_ptr<Counts> counts_;
};

// As often may one lineage invoke one function: Lambda's recursive loop detection stops at about as many.
inline constexpr int kRecursionMax = 16;

}  // namespace runlet

#endif  // RUNLET_EVENT_LINEAGE_H_
