#include "base/fork_guard.h"

#include <sys/mman.h>

#include <new>

namespace runlet {
namespace {
constexpr std::size_t kPage = 4096;
}

ForkGuard::ForkGuard() : page_(&fallback_) {
  void* page = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return;
  if (madvise(page, kPage, MADV_WIPEONFORK) != 0) {
    munmap(page, kPage);
    return;
  }
  page_ = ::new (page) std::atomic<int>(1);
}

ForkGuard::~ForkGuard() {
  if (page_ != &fallback_) munmap(static_cast<void*>(page_), kPage);
}

}  // namespace runlet
