#include "runlet/base/time.h"

namespace runlet {

void ManualClock::AdvanceTo(Instant instant) {
  std::int64_t now = now_.load(std::memory_order_relaxed);
  // Another thread may advance at the same time: the later of the two stands.
  while (now < instant.ns &&
         !now_.compare_exchange_weak(now, instant.ns, std::memory_order_acq_rel, std::memory_order_relaxed)) {
  }
}

}  // namespace runlet
