// expect: takes the function's event type
#include <runlet/runlet.h>

struct In {
  int value = 0;
};
inline constexpr runlet::Function<In, int> kFunction{"function"};

absl::Status Wrong(runlet::Engine& engine) {
  return engine.Register(kFunction, [](const In& event, runlet::Context) { return event.value; });
}
