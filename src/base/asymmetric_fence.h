// Two threads, two words: each writes its own and reads the other's, and at least one of them must see the other's
// write. Here the side that does it often pays nothing, and the side that does it seldom pays for both.
//
//   often:   mine.store(1, kLightStoreOrder); LightFence(); if (theirs.load(kLightLoadOrder)) ...
//   seldom:  theirs.store(1);                 HeavyFence(); if (mine.load()) ...             // sequentially consistent
//
// ThreadSanitizer knows no fences. Under it they do nothing, and the orders below become sequentially consistent, which
// orders the words just as well; therefore the words on both sides are written and read as above.
#ifndef RUNLET_SRC_BASE_ASYMMETRIC_FENCE_H_
#define RUNLET_SRC_BASE_ASYMMETRIC_FENCE_H_

#include <atomic>

namespace runlet {

#if defined(__SANITIZE_THREAD__)
#define RUNLET_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RUNLET_THREAD_SANITIZER 1
#endif
#endif

#if defined(RUNLET_THREAD_SANITIZER)

inline constexpr std::memory_order kLightStoreOrder = std::memory_order_seq_cst;
inline constexpr std::memory_order kLightLoadOrder = std::memory_order_seq_cst;
inline void RegisterAsymmetricFence() {}
inline void LightFence() {}
inline void HeavyFence() {}

#else

inline constexpr std::memory_order kLightStoreOrder = std::memory_order_release;
inline constexpr std::memory_order kLightLoadOrder = std::memory_order_acquire;

namespace internal {
// What the process knows about membarrier(2). Changes once, away from kUnknown.
enum class Membarrier : int { kUnknown, kWorks, kAbsent };
extern constinit std::atomic<Membarrier> membarrier;
}  // namespace internal

// Asks the kernel for the means, once per process; until then both fences are right but dear. Takes milliseconds the
// first time if other threads run already, nothing later. A forked child inherits the registration.
void RegisterAsymmetricFence();

// A few cycles: only the compiler is kept from reordering.
inline void LightFence() {
  if (internal::membarrier.load(std::memory_order_relaxed) == internal::Membarrier::kWorks) [[likely]] {
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } else {
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
}

// A system call that interrupts every processor which runs a thread of this process: microseconds.
void HeavyFence();

#endif

}  // namespace runlet

#endif  // RUNLET_SRC_BASE_ASYMMETRIC_FENCE_H_
