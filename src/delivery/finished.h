// What the events of a turn have come to, as long as the queue has not been told.
#ifndef RUNLET_SRC_DELIVERY_FINISHED_H_
#define RUNLET_SRC_DELIVERY_FINISHED_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include "function/config_check.h"
#include "runlet/queue/event_queue.h"

namespace runlet {

// Filled by its owner, so that cheap events are settled together; emptied by the owner, and by others who cannot wait
// for it: the next event of the turn may take its whole timeout.
class Finished {
 public:
  static constexpr std::size_t kMax = 32;
  // Told to the same sinks.
  struct List {
    std::array<Settlement, kMax> items;
    std::size_t count = 0;
    std::shared_ptr<const EventInvokeConfig> sinks;

    std::span<Settlement> settlements() { return std::span(items).first(count); }
  };

  Finished() = default;
  ~Finished() { delete list_.load(std::memory_order_relaxed); }
  Finished(const Finished&) = delete;
  Finished& operator=(const Finished&) = delete;

  // How many there are now; at kMax they have to be taken. Only by the owner.
  std::size_t Add(Settlement settlement, const std::shared_ptr<const EventInvokeConfig>& sinks) {
    List* list = list_.exchange(nullptr, std::memory_order_acquire);
    if (list == nullptr) {
      list = spare_ != nullptr ? spare_.release() : new List;
      list->sinks = sinks;
    }
    list->items[list->count++] = std::move(settlement);
    const std::size_t count = list->count;
    // Whoever adds the first looks next whether somebody will come for it.
    list_.store(list, count == 1 ? std::memory_order_seq_cst : std::memory_order_release);
    return count;
  }
  bool empty() const { return list_.load(std::memory_order_relaxed) == nullptr; }
  // nullptr when there are none, or one is just being added. Thread-safe.
  std::unique_ptr<List> Take() {
    if (list_.load(std::memory_order_seq_cst) == nullptr) return nullptr;
    return std::unique_ptr<List>(list_.exchange(nullptr, std::memory_order_acquire));
  }
  // For the next ones. Only by the owner.
  void Reuse(std::unique_ptr<List> list) {
    for (Settlement& settlement : list->settlements()) settlement.event = EventRef();
    list->count = 0;
    spare_ = std::move(list);
  }

 private:
  std::atomic<List*> list_{nullptr};  // not empty
  std::unique_ptr<List> spare_;
};

}  // namespace runlet

#endif  // RUNLET_SRC_DELIVERY_FINISHED_H_
