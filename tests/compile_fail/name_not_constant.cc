// expect: is not a constant expression
#include <runlet/runlet.h>

struct In {
  int value = 0;
};
inline constexpr runlet::Function<In, int> kFunction{"function"};

runlet::Function<In, int> Wrong(const char* name) { return runlet::Function<In, int>(name); }
