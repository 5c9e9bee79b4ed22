// expect: returns the function's result type
#include <runlet/runlet.h>

struct In {
  int value = 0;
};
inline constexpr runlet::Function<In, int> kFunction{"function"};

absl::Status Wrong(runlet::Engine& engine) {
  return engine.Register("bytes", [](std::string_view) { return In{}; });
}
