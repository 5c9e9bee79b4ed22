// Tells a forked child that it is one.
#ifndef RUNLET_SRC_BASE_FORK_GUARD_H_
#define RUNLET_SRC_BASE_FORK_GUARD_H_

#include <atomic>

namespace runlet {

// A page that the kernel wipes in a forked child: one load instead of a getpid() of 140 ns, and no pthread_atfork
// handler that would outlive an unloaded library. Where the kernel cannot (before 4.14), never says yes.
class ForkGuard {
 public:
  ForkGuard();
  ~ForkGuard();
  ForkGuard(const ForkGuard&) = delete;
  ForkGuard& operator=(const ForkGuard&) = delete;

  bool forked() const { return page_->load(std::memory_order_relaxed) == 0; }

 private:
  std::atomic<int>* page_;
  std::atomic<int> fallback_{1};
};

}  // namespace runlet

#endif  // RUNLET_SRC_BASE_FORK_GUARD_H_
