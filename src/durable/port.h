// A store as one engine sees it.
#ifndef RUNLET_SRC_DURABLE_PORT_H_
#define RUNLET_SRC_DURABLE_PORT_H_

#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "durable/store.h"
#include "runlet/base/sync.h"
#include "runlet/durable/queue.h"

namespace runlet::durable {

// Speaks the engine's language: its identities of functions, its instants, events with their types. The store speaks
// the file's. Thread-safe.
class Port final : public Queue, private Audience {
 public:
  Port(std::shared_ptr<Store> store, const Clock& clock);
  ~Port() override;

  Durability durability() const override { return store_->durability(); }
  bool needs_codec() const override { return true; }
  std::shared_ptr<EventQueue> Join(const Clock& clock) override;
  void Attach(QueueListener* listener) override;
  void Announce(const FunctionIdentity& function, const Type* in, const CodecOps* codec) override;

  absl::Status Put(std::span<EventRef> events, Instant now) override;
  std::size_t Claim(const FunctionIdentity& function, std::span<EventRef> out, Instant now, Instant lease) override;
  void Extend(std::span<const EventRef> events, Instant lease) override;
  void Settle(std::span<Settlement> settlements, Instant now) override;
  Instant Advance(Instant now) override;
  std::size_t ClaimExpired(std::span<EventRef> out, Instant now, bool everything) override;
  bool Cancel(const RequestId& id, EventRef* waiting) override;
  bool IsCancelled(const RequestId& id) const override { return store_->IsCancelled(id); }
  std::optional<WaitingEvent> FindWaiting(const RequestId& id, Instant now) const override;
  std::size_t ClaimWaiting(const FunctionIdentity& function, std::span<EventRef> out) override;
  std::size_t ClaimLost(std::span<EventRef> out, Instant now) override;

  std::vector<DeadLetter> ListDead(const DeadLetterFilter& filter, std::size_t max,
                                   std::optional<RequestId> after) const override;
  std::optional<DeadLetter> GetDead(const RequestId& id) const override;
  absl::Status Redrive(const RequestId& id, EventRef fresh, Instant now) override;
  std::vector<DeadLetter> TakeDead(std::span<const RequestId> ids) override;
  std::vector<RequestId> PurgeDead(const DeadLetterFilter& filter) override;

  QueueStats stats() const override;
  std::optional<StorageStats> storage() const override;
  WaitingEvents waiting(const FunctionIdentity& function) const override;

  absl::Status Transaction(const std::function<absl::Status(sqlite3* db)>& work) override {
    return store_->Transaction(work);
  }
  std::string path() const override { return store_->path(); }
  std::vector<Damage> damages() const override { return store_->damages(); }

 private:
  struct Entry {
    const FunctionIdentity* identity = nullptr;
    Known* known = nullptr;
    const Type* in = nullptr;  // where it was announced
    const CodecOps* codec = nullptr;
  };

  // Audience
  QueueListener* listener() const override { return listener_.load(std::memory_order_acquire); }
  const FunctionIdentity* IdentityOf(const Known& known) const override RUNLET_EXCLUDES(mu_);

  // What the store knows `function` as, from now on.
  absl::StatusOr<Known*> Need(const FunctionIdentity& function) const RUNLET_EXCLUDES(mu_);
  Known* Find(const FunctionIdentity* function) const RUNLET_EXCLUDES(mu_);
  // Empty where this engine does not know it.
  Entry EntryOf(const Known* known) const RUNLET_EXCLUDES(mu_);
  absl::StatusOr<NewEvent> RowFor(Event& event, const Known& known, WallClock wall) const;
  // An event from the store, as the engine's.
  void Adopt(Event& event, const FunctionIdentity& function) const;
  void AdoptAll(std::span<const EventRef> events) const;
  // Whatever waits for the functions that this engine knows.
  std::size_t ClaimAll(std::span<EventRef> out);
  DeadLetter LetterOf(StoredLetter stored) const;
  std::vector<DeadLetter> LettersOf(std::vector<StoredLetter> stored) const;
  WallClock wall() const { return WallClock(clock_); }

  const std::shared_ptr<Store> store_;
  const Clock& clock_;
  std::atomic<QueueListener*> listener_{nullptr};
  mutable Mutex mu_;
  mutable std::vector<Entry> entries_ RUNLET_GUARDED_BY(mu_);  // by FunctionIdentity::index
  mutable absl::flat_hash_map<const Known*, std::uint32_t> index_of_ RUNLET_GUARDED_BY(mu_);
};

}  // namespace runlet::durable

#endif  // RUNLET_SRC_DURABLE_PORT_H_
