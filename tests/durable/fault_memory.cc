#include "tests/durable/fault_memory.h"

#include <sqlite3.h>

#include <atomic>
#include <cstdlib>

namespace runlet::durable_test {
namespace {

// SQLite hands its allocator no state.
sqlite3_mem_methods real;
std::atomic<std::int64_t> until_fault{0};  // allocations to go; the one that makes it 0 fails
std::atomic<std::int64_t> faults_left{0};
std::atomic<bool> has_struck{false};

bool Fails() {
  if (faults_left.load(std::memory_order_relaxed) <= 0) return false;
  if (until_fault.fetch_sub(1) > 1) return false;
  if (faults_left.fetch_sub(1) <= 0) return false;
  has_struck.store(true);
  return true;
}

void* Allocate(int size) { return Fails() ? nullptr : real.xMalloc(size); }
void* Reallocate(void* memory, int size) { return Fails() ? nullptr : real.xRealloc(memory, size); }

void Install(const sqlite3_mem_methods& methods) {
  sqlite3_mem_methods copy = methods;
  if (sqlite3_shutdown() != SQLITE_OK || sqlite3_config(SQLITE_CONFIG_MALLOC, &copy) != SQLITE_OK ||
      sqlite3_initialize() != SQLITE_OK) {
    std::abort();
  }
}

}  // namespace

FaultMemory::FaultMemory() {
  Heal();
  if (sqlite3_initialize() != SQLITE_OK || sqlite3_shutdown() != SQLITE_OK ||
      sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) != SQLITE_OK) {
    std::abort();
  }
  sqlite3_mem_methods faulty = real;
  faulty.xMalloc = Allocate;
  faulty.xRealloc = Reallocate;
  Install(faulty);
}

FaultMemory::~FaultMemory() { Install(real); }

void FaultMemory::FailNth(std::uint64_t n, std::uint64_t times) {
  faults_left.store(0);
  has_struck.store(false);
  until_fault.store(static_cast<std::int64_t>(n));
  faults_left.store(static_cast<std::int64_t>(times));
}

void FaultMemory::Heal() { faults_left.store(0); }

bool FaultMemory::struck() const { return has_struck.load(); }

}  // namespace runlet::durable_test
