// expect: absl::Status where the function has no result
#include <runlet/runlet.h>

struct In {
  int value = 0;
};
inline constexpr runlet::Function<In, int> kFunction{"function"};

inline constexpr runlet::Function<In> kVoid{"void"};

absl::Status Wrong(runlet::Engine& engine) {
  return engine.Register(kVoid, [](const In& event) { return event.value; });
}
