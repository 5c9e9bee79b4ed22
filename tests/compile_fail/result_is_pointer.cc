// expect: the result type of a Function must be void or a movable object type
#include <runlet/runlet.h>

struct In {
  int value = 0;
};
inline constexpr runlet::Function<In, int> kFunction{"function"};

inline constexpr runlet::Function<In, const char*> kWrong{"pointer"};
