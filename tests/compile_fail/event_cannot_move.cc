// expect: the event type of a Function must be a movable object type
#include <runlet/runlet.h>

struct In {
  int value = 0;
};
inline constexpr runlet::Function<In, int> kFunction{"function"};

struct Pinned {
  Pinned() = default;
  Pinned(Pinned&&) = delete;
};
inline constexpr runlet::Function<Pinned, int> kWrong{"pinned"};
