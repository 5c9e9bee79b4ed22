// SQLite's memory, with a fault in it.
#ifndef RUNLET_TESTS_DURABLE_FAULT_MEMORY_H_
#define RUNLET_TESTS_DURABLE_FAULT_MEMORY_H_

#include <cstdint>

namespace runlet::durable_test {

// In use from construction to destruction: one at a time, made and ended while SQLite is not in use. Thread-safe.
class FaultMemory {
 public:
  FaultMemory();
  ~FaultMemory();
  FaultMemory(const FaultMemory&) = delete;
  FaultMemory& operator=(const FaultMemory&) = delete;

  // The n-th allocation from now (1: the next) fails, and those after it, until `times` have.
  void FailNth(std::uint64_t n, std::uint64_t times = 1);
  void Heal();
  // Whether an allocation has failed since the last FailNth().
  bool struck() const;
};

}  // namespace runlet::durable_test

#endif  // RUNLET_TESTS_DURABLE_FAULT_MEMORY_H_
