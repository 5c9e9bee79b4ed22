// Pieces of work for executors.
#ifndef RUNLET_TESTS_CAPACITY_TASK_H_
#define RUNLET_TESTS_CAPACITY_TASK_H_

#include <functional>
#include <utility>

#include "runlet/base/executor.h"
#include "tests/capacity/latch.h"

namespace runlet {

// Calls a function. Must outlive its run; tells whether it was run or dropped.
class Task final : public Work {
 public:
  explicit Task(std::function<void()> run = [] {}) : run_(std::move(run)) {}

  void Run() override {
    run_();
    ran.Add();
  }
  void Drop() override { dropped.Add(); }

  Counter ran;
  Counter dropped;

 private:
  const std::function<void()> run_;
};

// Counts its rings, and asks for the next one when it is told to.
class Bell final : public Alarm {
 public:
  explicit Bell(std::function<Instant(Instant)> ring = nullptr) : ring_(std::move(ring)) {}

  Instant Ring(Instant now) override {
    const Instant next = ring_ ? ring_(now) : Instant::Never();
    rings.Add();
    return next;
  }

  Counter rings;

 private:
  const std::function<Instant(Instant)> ring_;
};

}  // namespace runlet

#endif  // RUNLET_TESTS_CAPACITY_TASK_H_
