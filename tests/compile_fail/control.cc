// expect: ok
// Were this not to compile, every other case would fail to compile for the wrong reason.
#include <runlet/runlet.h>

int main() {
  runlet::Engine engine;
  return engine.Register("hello", [](std::string_view event) { return std::string(event); }).ok() ? 0 : 1;
}
