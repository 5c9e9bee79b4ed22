// expect: this is not an event of the function's event type
#include <runlet/runlet.h>

struct In {
  int value = 0;
};
inline constexpr runlet::Function<In, int> kFunction{"function"};

struct Other {};
absl::StatusOr<int> Wrong(runlet::Engine& engine) { return engine.Invoke(kFunction, Other{}); }
