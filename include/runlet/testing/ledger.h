// What happened in a simulation, in order.
#ifndef RUNLET_TESTING_LEDGER_H_
#define RUNLET_TESTING_LEDGER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runlet/observe/observer.h"

namespace runlet::testing {

// One line of the ledger: an Activity that owns its strings. Value.
struct LedgerEntry {
  Activity::Kind kind = Activity::Kind::kAccepted;
  InvocationType type = InvocationType::kRequestResponse;
  Condition condition = Condition::kSuccess;  // of kEnded
  int attempt = 0;
  absl::Duration at;   // since the simulation began
  absl::Duration due;  // likewise: of kThrottled, kRetryScheduled (the next try), kStarted (the deadline)
  RequestId request_id;
  std::string function;
  std::string error_type;
  std::string error_message;

  // "3m0s resize ended RetriesExhausted attempt 3 61261747-..."
  std::string ToString() const;
};

// The same seed and the same program give the same ledger, bit for bit. Thread-compatible.
class Ledger {
 public:
  void Add(const Activity& activity);

  const std::vector<LedgerEntry>& entries() const { return entries_; }
  // Of one kind, for one function (empty: for all).
  std::vector<LedgerEntry> Of(Activity::Kind kind, std::string_view function = {}) const;
  std::size_t Count(Activity::Kind kind, std::string_view function = {}) const { return Of(kind, function).size(); }
  // A line for each entry.
  std::string ToString() const;
  // A hash of every line so far: two runs are the same if their hashes are.
  std::uint64_t hash() const { return hash_; }

 private:
  std::vector<LedgerEntry> entries_;
  std::uint64_t hash_ = 0xCBF29CE484222325ULL;
};

}  // namespace runlet::testing

#endif  // RUNLET_TESTING_LEDGER_H_
