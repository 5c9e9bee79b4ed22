// An open file with what waits in it.
#ifndef RUNLET_SRC_DURABLE_STORE_H_
#define RUNLET_SRC_DURABLE_STORE_H_

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fork_guard.h"
#include "durable/changes.h"
#include "durable/committer.h"
#include "durable/file.h"
#include "durable/row_event.h"
#include "queue/shortage.h"
#include "runlet/base/sync.h"
#include "runlet/durable/queue.h"
#include "runlet/queue/event_queue.h"

namespace runlet::durable {

// A function as the store knows it: by name, whichever engines have registered it.
struct Known {
  Known(std::string name, std::uint32_t index, std::int64_t its_row) : identity{std::move(name), index}, row(its_row) {}

  const FunctionIdentity identity;
  const std::int64_t row;       // runlet_function.id
  int ports = 0;                // that know it
  std::vector<EventRef> shelf;  // what was found for it while there was none
  bool starved = false;         // ready events could not be claimed, because that could not be stored
};

// One engine's side: who is told, under which identities of its own.
class Audience {
 public:
  virtual QueueListener* listener() const = 0;
  // nullptr where it does not know the function. Thread-safe.
  virtual const FunctionIdentity* IdentityOf(const Known& known) const = 0;
  int telling = 0;  // the store's

 protected:
  ~Audience() = default;
};

// The waiting events are in memory, in a memory queue that does all that has to do with order and time; what becomes of
// them is written to the file first. Under the one lock the memory queue is asked and the change takes its place in the
// committer's order, so that both agree; the commit itself is waited for without it. Payloads beyond a limit stay in
// the file until their event is claimed. Thread-safe.
class Store {
 public:
  static absl::StatusOr<std::shared_ptr<Store>> Open(const std::string& path, const Options& options);
  ~Store();

  const Options& options() const { return options_; }
  const std::string& path() const { return file_.path; }
  bool forked() const { return fork_guard_.forked(); }
  Durability durability() const { return options_.durability; }

  // ---- who is there ----
  void Add(Audience* audience) RUNLET_EXCLUDES(mu_);
  void Remove(Audience* audience) RUNLET_EXCLUDES(mu_);
  // Waits until nobody tells `audience` anything any more.
  void WaitUntold(Audience* audience) RUNLET_EXCLUDES(mu_);
  // The function of that name, which the caller knows from now on. `clock` is that of the engine.
  absl::StatusOr<Known*> Enter(std::string_view name, const Clock& clock) RUNLET_EXCLUDES(mu_);
  void Leave(Known* known, Instant now) RUNLET_EXCLUDES(mu_);
  // What was found for it becomes ready.
  void Unshelve(Known* known, Instant now) RUNLET_EXCLUDES(mu_);

  // ---- the verbs of EventQueue, with functions as the store knows them ----
  // `rows` belong to `events`, one by one.
  absl::Status Put(std::span<EventRef> events, std::vector<NewEvent>& rows, std::span<Known* const> functions,
                   Instant now, WallClock wall) RUNLET_EXCLUDES(mu_);
  std::size_t Claim(Known* known, std::span<EventRef> out, Instant now, Instant lease) RUNLET_EXCLUDES(mu_);
  void Extend(std::span<const EventRef> events, Instant lease) RUNLET_EXCLUDES(mu_);
  // `functions`: of each settlement's event; nullptr where it is not known.
  void Settle(std::span<Settlement> settlements, std::span<Known* const> functions, Instant now, WallClock wall)
      RUNLET_EXCLUDES(mu_);
  Instant Advance(Instant now, WallClock wall) RUNLET_EXCLUDES(mu_);
  // Claims that are no attempts, of events whose functions `audience` knows.
  using ClaimVerb = std::function<std::size_t(EventQueue& scheduler, std::span<EventRef> out)>;
  std::size_t ClaimBy(const ClaimVerb& verb, const Audience& audience, std::span<EventRef> out, Instant now)
      RUNLET_EXCLUDES(mu_);
  std::size_t ClaimWaiting(const Known& known, std::span<EventRef> out, Instant now) RUNLET_EXCLUDES(mu_);
  // An event that waits for another engine is that one's to end, as if it had been claimed there. One whose function no
  // engine has registered cannot be ended, and is not found.
  bool Cancel(const RequestId& id, const Audience& audience, EventRef* waiting, Instant now) RUNLET_EXCLUDES(mu_);
  std::optional<WaitingEvent> FindWaiting(const RequestId& id, Instant now) const RUNLET_EXCLUDES(mu_);
  bool IsCancelled(const RequestId& id) const {
    const EventQueue* const scheduler = shared_scheduler_.load(std::memory_order_acquire);
    return scheduler != nullptr && scheduler->IsCancelled(id);
  }
  // Brings the next events into memory, unless `wanted` are ready for the function.
  void LoadSome(const Known& known, std::size_t wanted, Instant now, WallClock wall) RUNLET_EXCLUDES(mu_);
  // Brings all events into memory, or waits for whoever does.
  void LoadAll(Instant now, WallClock wall) RUNLET_EXCLUDES(mu_);

  absl::Status Redrive(const RequestId& id, EventRef fresh, std::vector<NewEvent>& row, Known* known, Instant now,
                       WallClock wall) RUNLET_EXCLUDES(mu_);
  std::vector<StoredLetter> ListDead(const DeadLetterFilter& filter, std::size_t max, std::optional<RequestId> after)
      RUNLET_EXCLUDES(mu_);
  std::optional<StoredLetter> GetDead(const RequestId& id) RUNLET_EXCLUDES(mu_);
  // All or nothing of these two: an error is why nothing has gone.
  absl::StatusOr<std::vector<StoredLetter>> TakeDead(std::span<const RequestId> ids) RUNLET_EXCLUDES(mu_);
  absl::StatusOr<std::vector<RequestId>> PurgeDead(const DeadLetterFilter& filter) RUNLET_EXCLUDES(mu_);
  // Of a row of runlet_function.
  std::string FunctionName(std::int64_t row) const RUNLET_EXCLUDES(mu_);
  Known* FindKnown(std::int64_t row) const RUNLET_EXCLUDES(mu_);
  // nullptr for an identity that is not the store's.
  Known* KnownOf(const FunctionIdentity& scheduled) const RUNLET_EXCLUDES(mu_);
  // Of an event that the scheduler has accepted.
  Known* KnownOf(const EventRef& event) const RUNLET_EXCLUDES(mu_);

  QueueStats stats(const std::function<bool(const Known&)>& is_mine) const RUNLET_EXCLUDES(mu_);
  StorageStats storage(WallClock wall, Instant now) const RUNLET_EXCLUDES(mu_, reader_mu_);
  WaitingEvents waiting(const Known& known) const RUNLET_EXCLUDES(mu_);
  std::vector<Damage> damages() const RUNLET_EXCLUDES(mu_);
  absl::Status Transaction(const std::function<absl::Status(sqlite3* db)>& work) RUNLET_EXCLUDES(mu_);

 private:
  // What the listeners are told once the lock is released.
  struct News {
    std::vector<const FunctionIdentity*> ready;
    Instant due = Instant::Never();
    bool ended = false;  // and others than who has ended it want to know
    bool empty() const { return ready.empty() && due.never() && !ended; }
  };
  class Collector final : public QueueListener {
   public:
    explicit Collector(Store& store) : store_(store) {}
    void OnReady(const FunctionIdentity& function) override;
    void OnDue(Instant due) override;

   private:
    Store& store_;
  };
  // Accepted inside of a transaction of the host's, which is not committed yet.
  struct Posted {
    std::vector<EventRef> events;
    std::vector<Known*> functions;
    std::size_t bytes = 0;
    bool left_to_loader = false;
    Instant now;
  };

  Store(File file, const Options& options);
  absl::Status Recover(Tables& tables);
  absl::Status ReadNumbers(Tables& tables);
  absl::Status RecoverRuns(Tables& tables);
  void Close();

  News TakeNews() RUNLET_REQUIRES(mu_) { return std::exchange(news_, {}); }
  // ... all but `except`.
  void Tell(const News& news, const Audience* except = nullptr) RUNLET_EXCLUDES(mu_);

  Shortage ShortageFor(std::size_t events, std::size_t bytes) const RUNLET_REQUIRES(mu_);
  std::int64_t Live() const RUNLET_REQUIRES(mu_);
  void Schedule(std::vector<EventRef>& events, std::span<Known* const> functions, Instant now) RUNLET_REQUIRES(mu_);
  // Keeps the payload in memory, or leaves it in the file where there is no room for it.
  EventRef Reside(EventRef event) RUNLET_REQUIRES(mu_);
  // `event` leaves memory for good.
  void Unreside(const Event& event) RUNLET_REQUIRES(mu_);
  // Gives the events their payloads, which were read; those whose payload is damaged go. Returns how many are left.
  std::size_t FilterDamaged(std::span<EventRef> events, std::vector<ClaimChange::Item>& items, Instant now)
      RUNLET_EXCLUDES(mu_);
  // A claimed event leaves the scheduler, and has not ended.
  void TakeBack(const EventRef& claimed) RUNLET_REQUIRES(mu_);
  void ReleaseAll(std::span<EventRef> events, Instant now) RUNLET_REQUIRES(mu_);
  std::size_t StopBeforeSuspect(std::span<EventRef> claimed, Instant now, bool* marked) RUNLET_REQUIRES(mu_);
  // As the verb, with what it claims for others given back.
  std::size_t ClaimFor(const Audience& audience, const ClaimVerb& verb, std::span<EventRef> out, News* of_others,
                       Instant now) RUNLET_REQUIRES(mu_);
  // Claimed events get their payloads. Returns how many are left.
  std::size_t ReadClaimed(std::span<EventRef> claimed, Instant now) RUNLET_EXCLUDES(mu_);
  Known* ScheduledFor(const Event& event) const RUNLET_REQUIRES(mu_) {
    return functions_[event.lane->function->index].get();
  }
  // The next of the suspects may run, if none does.
  void NextSuspect(Instant now) RUNLET_REQUIRES(mu_);
  // It is no suspect any more. False: it was none.
  bool Acquit(std::int64_t seq, Instant now) RUNLET_REQUIRES(mu_);
  using HeldBack = std::deque<std::pair<EventRef, Known*>>;
  // Out of turn.
  void Admit(HeldBack::iterator suspect, Instant now) RUNLET_REQUIRES(mu_);

  // Reads the next events into memory. False when there are no more, or somebody else is at it.
  bool Load(Instant now, WallClock wall) RUNLET_EXCLUDES(mu_);
  void TakeLoaded(std::vector<StoredEvent>& events, Instant now, WallClock wall, std::vector<Damage>* damages)
      RUNLET_REQUIRES(mu_);
  void Place(EventRef event, Known* known, Instant now) RUNLET_REQUIRES(mu_);
  void Report(Damage damage, std::uint64_t rows = 1) RUNLET_EXCLUDES(mu_);

  void EndTransaction(std::vector<Posted>& posted, bool committed) RUNLET_EXCLUDES(mu_);
  static SettleChange::Item ItemOf(Settlement::Kind kind, Condition condition, const Event& event, const Known& known,
                                   Instant now, WallClock wall);
  void SettleInMemory(std::span<Settlement> settlements, Instant now) RUNLET_REQUIRES(mu_);
  void Owe(std::vector<SettleChange::Item> items, Instant now) RUNLET_EXCLUDES(mu_);
  void PayOwed(Instant now) RUNLET_EXCLUDES(mu_);

  // Takes the damaged ones out. Each is told once.
  void ReportDamaged(std::vector<StoredLetter>* letters) RUNLET_EXCLUDES(mu_);
  // Letters could not be read, unless `read` is OK. Those of a page that cannot be read are told once.
  void ReportUnread(const absl::Status& read) RUNLET_EXCLUDES(mu_);
  LetterQuery QueryOf(const DeadLetterFilter& filter, std::size_t max) const RUNLET_EXCLUDES(mu_);
  void RememberGone(const RequestId& id, std::int64_t ord) RUNLET_REQUIRES(mu_);
  std::int64_t OrderOf(const RequestId& id) RUNLET_EXCLUDES(mu_);

  const Options options_;
  const ForkGuard fork_guard_;
  File file_;
  bool broken_ = false;     // could not be recovered
  std::uint64_t life_ = 0;  // whose claims are in the file, once it is recovered; random
  LeadersNotes notes_;
  Committer committer_;
  Collector collector_{*this};

  mutable Mutex reader_mu_;  // one look at a time
  mutable Mutex mu_;
  CondVar untold_;
  CondVar loading_ended_;
  std::vector<Audience*> audiences_ RUNLET_GUARDED_BY(mu_);
  std::unique_ptr<EventQueue> scheduler_ RUNLET_GUARDED_BY(mu_);  // once an engine's clock is known
  std::atomic<const EventQueue*> shared_scheduler_{nullptr};      // the same, for who asks without the lock
  News news_ RUNLET_GUARDED_BY(mu_);
  std::vector<std::unique_ptr<Known>> functions_ RUNLET_GUARDED_BY(mu_);  // by index
  std::map<std::string, Known*, std::less<>> by_name_ RUNLET_GUARDED_BY(mu_);
  absl::flat_hash_map<std::int64_t, Known*> by_row_ RUNLET_GUARDED_BY(mu_);

  bool loading_ RUNLET_GUARDED_BY(mu_) = false;
  bool loaded_ RUNLET_GUARDED_BY(mu_) = false;
  bool unreadable_ RUNLET_GUARDED_BY(mu_) = false;          // what is not loaded never will be
  std::int64_t unloaded_ RUNLET_GUARDED_BY(mu_) = 0;        // events that are in the file alone
  std::int64_t unloaded_bytes_ RUNLET_GUARDED_BY(mu_) = 0;  // of their payloads
  std::size_t shelved_ RUNLET_GUARDED_BY(mu_) = 0;
  std::size_t shelved_bytes_ RUNLET_GUARDED_BY(mu_) = 0;
  std::uint64_t taken_back_ RUNLET_GUARDED_BY(mu_) = 0;  // from the scheduler, which counts them as ended
  std::size_t incoming_ RUNLET_GUARDED_BY(mu_) = 0;      // being put
  std::size_t incoming_bytes_ RUNLET_GUARDED_BY(mu_) = 0;
  std::size_t resident_ RUNLET_GUARDED_BY(mu_) = 0;  // bytes of payloads in memory
  std::int64_t dead_ RUNLET_GUARDED_BY(mu_) = 0;

  absl::flat_hash_map<std::int64_t, int> suspects_ RUNLET_GUARDED_BY(mu_);  // deaths, by seq
  HeldBack held_back_ RUNLET_GUARDED_BY(mu_);                               // those that wait their turn
  std::optional<std::int64_t> current_suspect_ RUNLET_GUARDED_BY(mu_);      // whose turn it is

  std::size_t unknown_ends_ RUNLET_GUARDED_BY(mu_) = 0;          // of events whose end could not be synced
  std::vector<SettleChange::Item> owed_ RUNLET_GUARDED_BY(mu_);  // ends that the full disk did not take
  Instant pay_at_ RUNLET_GUARDED_BY(mu_) = Instant::Never();     // try again what could not be stored
  std::vector<std::pair<RequestId, std::int64_t>> gone_ RUNLET_GUARDED_BY(mu_);  // letters, by id; a ring
  std::size_t oldest_gone_ RUNLET_GUARDED_BY(mu_) = 0;
  std::vector<Damage> damages_ RUNLET_GUARDED_BY(mu_);
  absl::flat_hash_set<std::int64_t> damaged_letters_ RUNLET_GUARDED_BY(mu_);  // ords of those that were told
  bool letters_unreadable_ RUNLET_GUARDED_BY(mu_) = false;
  std::size_t damaged_events_ RUNLET_GUARDED_BY(mu_) = 0;
  std::uint64_t damaged_ RUNLET_GUARDED_BY(mu_) = 0;
  std::vector<Posted> posted_;  // the transaction's thread's
};

}  // namespace runlet::durable

#endif  // RUNLET_SRC_DURABLE_STORE_H_
