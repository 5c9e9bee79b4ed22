// expect: it cannot be a `mutable` lambda
#include <runlet/runlet.h>

struct In {
  int value = 0;
};
inline constexpr runlet::Function<In, int> kFunction{"function"};

absl::Status Wrong(runlet::Engine& engine) {
  return engine.Replace(kFunction, [calls = 0](const In&) mutable { return ++calls; });
}
