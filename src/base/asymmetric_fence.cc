#include "base/asymmetric_fence.h"

#if !defined(RUNLET_THREAD_SANITIZER)

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace runlet {
namespace internal {

constinit std::atomic<Membarrier> membarrier{Membarrier::kUnknown};

}  // namespace internal
namespace {

using internal::Membarrier;

bool Call(int command) {
  const int saved = errno;
  const bool ok = syscall(SYS_membarrier, command, 0, 0) == 0;
  errno = saved;
  return ok;
}

Membarrier Register() {
  Membarrier known = internal::membarrier.load(std::memory_order_relaxed);
  if (known != Membarrier::kUnknown) return known;
  const bool works = Call(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) && Call(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  const Membarrier found = works ? Membarrier::kWorks : Membarrier::kAbsent;
  // Of several threads here at once one decides, should the kernel have told them different things.
  if (internal::membarrier.compare_exchange_strong(known, found, std::memory_order_relaxed)) return found;
  return known;
}

}  // namespace

void RegisterAsymmetricFence() { Register(); }

// Light sides skip their fence only once kWorks stands, and from then on every heavy side calls the kernel. A heavy
// side that comes before that must not take the plain fence either, since a light side may see kWorks while it runs: so
// it registers itself.
void HeavyFence() {
  if (Register() == Membarrier::kAbsent) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return;
  }
  // The kernel promises the same answer until reboot, so this fails only for a process that has since forbidden itself
  // the call (seccomp). Light sides rely on it without asking; going on would lose wake-ups, silently and at random.
  if (!Call(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) std::abort();
}

}  // namespace runlet

#endif
