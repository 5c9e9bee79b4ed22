// What a test waits on, and what it makes the code under test wait on. No wait here has a limit: a test that would wait
// for ever is ended by ctest, which says where.
#ifndef RUNLET_TESTS_CAPACITY_LATCH_H_
#define RUNLET_TESTS_CAPACITY_LATCH_H_

#include "runlet/base/sync.h"

namespace runlet {

// A count that goes up. Thread-safe.
class Counter {
 public:
  void Add() {
    MutexLock lock(&mu_);
    ++count_;
    changed_.NotifyAll();
  }
  void AwaitAtLeast(int count) {
    MutexLock lock(&mu_);
    while (count_ < count) changed_.Wait(&mu_);
  }
  int count() {
    MutexLock lock(&mu_);
    return count_;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  int count_ RUNLET_GUARDED_BY(mu_) = 0;
};

// Closed until it is opened. Thread-safe.
class Latch {
 public:
  void Open() { opened_.Add(); }
  void Wait() { opened_.AwaitAtLeast(1); }

 private:
  Counter opened_;
};

}  // namespace runlet

#endif  // RUNLET_TESTS_CAPACITY_LATCH_H_
