// expect: qualifier
#include <runlet/runlet.h>

struct In {
  int value = 0;
};
inline constexpr runlet::Function<In, int> kFunction{"function"};

absl::StatusOr<int> Wrong(runlet::Future<int>& future) { return future.Get(); }
