// expect: deleted
#include <runlet/runlet.h>

struct In {
  int value = 0;
};
inline constexpr runlet::Function<In, int> kFunction{"function"};

void Wrong(const runlet::Context& context) { runlet::Context copy(context); }
