#include "base/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <limits>

#include "runlet/base/time.h"

namespace runlet {
namespace {

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t) &&
              std::atomic<std::uint32_t>::is_always_lock_free);
static_assert(sizeof(std::timespec::tv_sec) == 8);

constexpr std::int64_t kSecond = 1'000'000'000;

// Callers look at the word, not at errno, which may be their users'.
template <typename... Args>
void Futex(const std::atomic<std::uint32_t>* word, int operation, std::uint32_t value, Args... args) {
  const int saved = errno;
  syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, args...);
  errno = saved;
}

}  // namespace

void FutexWait(const std::atomic<std::uint32_t>* word, std::uint32_t value, std::int64_t max_ns) {
  if (max_ns <= 0) return;
  const std::timespec timeout{max_ns / kSecond, max_ns % kSecond};
  Futex(word, FUTEX_WAIT, value, max_ns == kForeverNs ? nullptr : &timeout);
}

void FutexWakeOne(const std::atomic<std::uint32_t>* word) { Futex(word, FUTEX_WAKE, 1); }

void FutexWakeAll(const std::atomic<std::uint32_t>* word) { Futex(word, FUTEX_WAKE, std::numeric_limits<int>::max()); }

}  // namespace runlet
