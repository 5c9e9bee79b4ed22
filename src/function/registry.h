// Finds functions by name.
#ifndef RUNLET_SRC_FUNCTION_REGISTRY_H_
#define RUNLET_SRC_FUNCTION_REGISTRY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "function/entry.h"
#include "runlet/base/sync.h"

namespace runlet {

// Functions, versions and aliases alike. Entries are only ever added. Find() takes no lock: a reader lock would cost
// four times the look-up, and a published absl::flat_hash_map would have to be copied for every addition. Thread-safe.
class Registry {
 public:
  Registry();
  ~Registry();

  // nullptr if nothing ever had this name; "f:$LATEST" is "f".
  FunctionEntry* Find(std::string_view name) const;
  // The entry of `name`, made if need be; that of its function has been made before.
  FunctionEntry& FindOrAdd(std::string_view name) RUNLET_EXCLUDES(mu_);
  std::size_t size() const RUNLET_EXCLUDES(mu_);
  // Every entry, in order of first registration.
  std::vector<FunctionEntry*> All() const RUNLET_EXCLUDES(mu_);

 private:
  struct Table;

  // Nothing is called `name`, unless it is a function with $LATEST.
  [[gnu::cold, gnu::noinline]] FunctionEntry* FindLatest(std::string_view name) const;

  std::atomic<Table*> table_;
  mutable Mutex mu_;
  std::vector<std::unique_ptr<Table>> tables_
      RUNLET_GUARDED_BY(mu_);  // readers may still be in the older, smaller ones
  std::vector<std::unique_ptr<FunctionEntry>> entries_ RUNLET_GUARDED_BY(mu_);
};

}  // namespace runlet

#endif  // RUNLET_SRC_FUNCTION_REGISTRY_H_
