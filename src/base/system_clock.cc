#include <absl/time/clock.h>

#include <chrono>
#include <cstdint>
#include <new>

#include "runlet/base/time.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <fcntl.h>
#include <unistd.h>
#include <x86intrin.h>

#include <cerrno>
#include <string_view>

#include "base/counter_clock.h"
#endif

namespace runlet {
namespace {

std::int64_t SteadyNs() {
  using Ns = std::chrono::nanoseconds;
  return std::chrono::duration_cast<Ns>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

class SteadyClock final : public Clock {
 public:
  Instant Now() const override { return {SteadyNs()}; }
  absl::Time Calendar() const override { return absl::Now(); }
};

#if defined(__x86_64__)

// The time-stamp counter. Read without a fence: each thread sees its own readings go forward, but one may be older than
// what the thread has just seen of another (by 20 ns at most in 3e8 tries), because the processor reads ahead. A fence
// would make every reading wait for the loads before it: 10 ns instead of 1 amid other work.
struct TimeStampCounter {
  std::uint64_t Ticks() const { return __rdtsc(); }
  std::uint64_t OrderedTicks() const {
    _mm_lfence();
    const std::uint64_t ticks = __rdtsc();
    _mm_lfence();
    return ticks;
  }
  std::int64_t Ns() const { return SteadyNs(); }
};

class TimeStampClock final : public Clock {
 public:
  Instant Now() const override { return {clock_.Now()}; }
  absl::Time Calendar() const override { return absl::Now(); }

 private:
  mutable CounterClock<TimeStampCounter> clock_;
};

// The kernel has compared the counters of all processors, and watches them.
bool KernelKeepsTimeByTimeStampCounter() {
  const int saved = errno;
  char name[16] = {};
  long size = 0;
  if (const int file = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);
      file >= 0) {
    size = read(file, name, sizeof(name));
    close(file);
  }
  errno = saved;
  return size > 0 && std::string_view(name, static_cast<std::size_t>(size)) == "tsc\n";
}

// The same pace in all states of the processor.
bool TimeStampCounterIsInvariant() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d >> 8 & 1) != 0;
}

#endif

// Never destroyed, so that it also serves threads that run while the process ends; and no code runs at exit for it.
template <typename T>
const Clock* Immortal() {
  alignas(T) static constinit unsigned char storage[sizeof(T)] = {};
  return new (storage) T();
}

const Clock* Choose() {
#if defined(__x86_64__)
  if (TimeStampCounterIsInvariant() && KernelKeepsTimeByTimeStampCounter()) return Immortal<TimeStampClock>();
#endif
  return Immortal<SteadyClock>();
}

}  // namespace

const Clock& SystemClock() {
  static const Clock* const clock = Choose();
  return *clock;
}

}  // namespace runlet
