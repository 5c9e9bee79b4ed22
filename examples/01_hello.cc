// The shortest program: a function of bytes, called by its name.
// [hello]
#include <fmt/format.h>
#include <runlet/runlet.h>

int main() {
  runlet::Engine engine;
  absl::Status registered =
      engine.Register("hello", [](std::string_view event) { return fmt::format("hello {}", event); });
  if (!registered.ok()) return 1;

  absl::StatusOr<std::string> said = engine.Invoke("hello", "world");
  if (!said.ok()) return 1;
  fmt::print("{}\n", *said);
  return *said == "hello world" ? 0 : 1;
}
// [/hello]
