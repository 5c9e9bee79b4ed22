// Stacks that take turns on one thread: how a simulated handler blocks without a thread of its own.
#ifndef RUNLET_SRC_TESTING_FIBER_H_
#define RUNLET_SRC_TESTING_FIBER_H_

#include <cstddef>
#include <memory>

namespace runlet::testing {

// A stack and what runs on it. All fibers that switch to each other belong to one thread. The sanitizers are told of
// every switch; a fiber that blocks inside a catch block finds its exception again.
class Fiber {
 public:
  static constexpr std::size_t kStackBytes = std::size_t{256} << 10;

  // The fiber that runs already: the stack of whoever calls.
  static std::unique_ptr<Fiber> Adopt();

  // Runs entry(arg) when first switched to. `entry` never returns and nothing escapes it: it switches away for ever,
  // best by ExitTo(). The stack takes memory as it is used; below it lies a page that must not be touched, so running
  // out of stack is a crash and not a corruption. Aborts if the system has no memory left.
  Fiber(std::size_t stack_bytes, void (*entry)(void*), void* arg);

  // Not while it runs. What still stands on the stack is abandoned: no destructor runs there.
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Called on the fiber that runs. Comes back when somebody switches to it.
  void SwitchTo(Fiber& target);
  // For the last time: the fiber never runs again.
  [[noreturn]] void ExitTo(Fiber& target);

 private:
  struct Context;  // what is kept of a fiber that does not run

  Fiber();
  void Leave(Fiber& target, bool for_ever);
  void Arrive();
  [[noreturn]] static void Start(Fiber* fiber);

  void (*const entry_)(void*) = nullptr;
  void* const arg_ = nullptr;
  void* mapping_ = nullptr;  // guard page and stack; nullptr if adopted
  std::size_t mapping_bytes_ = 0;
  const std::unique_ptr<Context> context_;
  Fiber* came_from_ = nullptr;
};

}  // namespace runlet::testing

#endif  // RUNLET_SRC_TESTING_FIBER_H_
