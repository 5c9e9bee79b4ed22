// A program that is run under a clock that lies: clock_main FILE [post]. Posts an event that is due in an hour, if it
// is asked to, and prints in how many seconds something is due.
#include <fmt/format.h>

#include <string_view>

#include "runlet/durable/queue.h"
#include "runlet/runlet.h"

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  auto queue = runlet::durable::Open(argv[1]);
  if (!queue.ok()) return 3;
  auto engine = runlet::Engine::Create({.threads = runlet::NoThreads{}, .queue = *std::move(queue)});
  if (!engine.ok() || !engine->Register("work", [](std::string_view) {}).ok()) return 4;
  if (argc > 2 && std::string_view(argv[2]) == "post" && !engine->Post("work", "x", {.delay = absl::Hours(1)}).ok()) {
    return 5;
  }
  engine->Poll();
  fmt::print("{}\n", engine->idle() ? -1.0 : absl::ToDoubleSeconds(engine->NextPoll()));
  return 0;
}
