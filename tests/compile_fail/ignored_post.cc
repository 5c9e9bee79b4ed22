// expect: nodiscard
#include <runlet/runlet.h>

struct In {
  int value = 0;
};
inline constexpr runlet::Function<In, int> kFunction{"function"};

#pragma GCC diagnostic error "-Wunused-result"
void Wrong(runlet::Engine& engine) { engine.Post(kFunction, {1}); }
