// What the queue's verbs write.
#ifndef RUNLET_SRC_DURABLE_CHANGES_H_
#define RUNLET_SRC_DURABLE_CHANGES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "durable/committer.h"
#include "durable/row.h"
#include "durable/tables.h"
#include "runlet/event/event.h"
#include "runlet/queue/event_queue.h"

namespace runlet::durable {

// What whoever leads the committer knows and goes on with: nobody else may look at it.
struct LeadersNotes {
  std::int64_t last_seq = 0;
  std::int64_t last_ord = 0;
  std::int64_t keys = 0;  // remembered, about
  // Every event that was in the file at opening is in memory. Until then, new ones are left to whoever loads them, so
  // that they do not overtake.
  bool loaded = false;
  std::int64_t loaded_until = 0;  // seq
};

struct NewEvent {
  EventRow row;
  std::string encoded;  // where the event is not bytes itself
  std::string_view payload;
  std::string_view key;
  std::int64_t key_until = 0;
  std::optional<RequestId> known{};  // out: the key is remembered, for this event
};

// Puts events, all or none.
class PutChange : public Change {
 public:
  PutChange(std::vector<NewEvent>& events, LeadersNotes& notes, std::int64_t wall, std::size_t keys_max)
      : events_(events), notes_(notes), wall_(wall), keys_max_(keys_max) {}
  absl::Status Write(Tables& tables) override;
  bool needs_sync() const override { return true; }
  // Whoever loads the file will find them.
  bool left_to_loader() const { return left_to_loader_; }
  // How many keys are remembered, where that is too many: then nothing is written.
  std::size_t keys_used() const { return keys_used_; }

 protected:
  absl::Status WriteAll(Tables& tables);

 private:
  absl::Status CountKeys(Tables& tables);

  std::vector<NewEvent>& events_;
  LeadersNotes& notes_;
  const std::int64_t wall_;
  const std::size_t keys_max_;
  bool left_to_loader_ = false;
  std::size_t keys_used_ = 0;
};

// Puts one event in place of a letter.
class RedriveChange final : public PutChange {
 public:
  RedriveChange(const RequestId& letter, std::vector<NewEvent>& events, LeadersNotes& notes, std::int64_t wall)
      : PutChange(events, notes, wall, SIZE_MAX), letter_(letter) {}
  absl::Status Write(Tables& tables) override;
  bool found() const { return found_; }
  // The letter's, when it was found.
  std::int64_t ord() const { return ord_; }

 private:
  const RequestId letter_;
  bool found_ = false;
  std::int64_t ord_ = 0;
};

// Notes that events run, and reads the payloads that are not in memory.
class ClaimChange final : public Change {
 public:
  struct Item {
    std::int64_t seq = 0;
    bool runs = false;    // an attempt begins
    bool marked = false;  // ... of a suspect
    bool away = false;
    StoredPayload payload{};  // out
  };
  explicit ClaimChange(std::vector<Item>& items) : items_(items) {}
  absl::Status Write(Tables& tables) override;

 private:
  std::vector<Item>& items_;
};

// How events go on, or end.
class SettleChange final : public Change {
 public:
  struct Item {
    Settlement::Kind kind = Settlement::Kind::kDone;
    EventRow row;          // as it shall be; of one that ends, its seq alone
    DeadRow dead;          // kDead; its ord is chosen when it is written
    bool suspect = false;  // no longer
  };
  SettleChange(std::vector<Item>& items, LeadersNotes& notes) : items_(items), notes_(notes) {}
  absl::Status Write(Tables& tables) override;
  bool needs_sync() const override;

 private:
  absl::Status WriteItem(Tables& tables, Item& item);

  std::vector<Item>& items_;
  LeadersNotes& notes_;
};

// Reads the next events that are not in memory.
class LoadChange final : public Change {
 public:
  LoadChange(LeadersNotes& notes, std::size_t max) : notes_(notes), max_(max) {}
  absl::Status Write(Tables& tables) override;
  bool alone() const override { return true; }
  // Where damage keeps it from reading on, those in front of it.
  std::vector<StoredEvent>& events() { return events_; }
  bool all() const { return all_; }

 private:
  LeadersNotes& notes_;
  const std::size_t max_;
  std::vector<StoredEvent> events_;
  bool all_ = false;
};

// Anything else.
template <typename F>
class AnyChange final : public Change {
 public:
  explicit AnyChange(F write, bool sync = false) : write_(std::move(write)), sync_(sync) {}
  absl::Status Write(Tables& tables) override { return write_(tables); }
  bool needs_sync() const override { return sync_; }

 private:
  F write_;
  const bool sync_;
};

}  // namespace runlet::durable

#endif  // RUNLET_SRC_DURABLE_CHANGES_H_
