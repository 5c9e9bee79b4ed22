// expect: deleted
#include <runlet/runlet.h>

struct In {
  int value = 0;
};
inline constexpr runlet::Function<In, int> kFunction{"function"};

runlet::Future<int> Wrong(const runlet::Future<int>& future) { return future; }
