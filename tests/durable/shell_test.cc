// Ordinary tools read the file while it is worked on.
#include <fmt/format.h>
#include <sys/wait.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "runlet/durable/queue.h"
#include "runlet/runlet.h"
#include "tests/catch.h"
#include "tests/durable/memory_folder.h"
#include "tests/durable/share.h"

namespace runlet::durable_test {
namespace {

constexpr int kReads = 25;
constexpr std::uint64_t kEvents = 20'000 / kShare;  // at least, while it reads

// What the sqlite3 shell answers.
std::string Shell(const std::string& path, const char* sql, int* status) {
  FILE* const output = popen(fmt::format("sqlite3 -readonly {} \"{}\" 2>&1", path, sql).c_str(), "r");
  std::string answer;
  char text[256];
  while (output != nullptr && std::fgets(text, sizeof(text), output) != nullptr) answer += text;
  *status = output == nullptr ? -1 : pclose(output);
  return answer;
}

TEST_CASE("the sqlite3 shell reads the file while 5,000 events a second run through it", "[realtime]") {
  int status = 0;
  Shell(":memory:", "SELECT 1", &status);
  if (WEXITSTATUS(status) == 127) {
    WARN("not tested: there is no sqlite3 shell");
    return;
  }
  const MemoryFolder folder;
  const std::string path = folder.File("queue.db");
  absl::StatusOr<std::shared_ptr<durable::Queue>> queue = durable::Open(path, {.durability = Durability::kProcess});
  REQUIRE(queue.ok());
  absl::StatusOr<Engine> engine = Engine::Create({.threads = OwnThreads{2}, .queue = *std::move(queue)});
  REQUIRE(engine.ok());
  std::atomic<std::uint64_t> ended{0};
  REQUIRE(engine->Register("work", [&](std::string_view) { ended.fetch_add(1); }).ok());

  std::atomic<bool> stopped{false};
  std::atomic<int> refused{0};
  std::vector<std::thread> producers;
  for (int i = 0; i < 4; ++i) {
    producers.emplace_back([&] {
      while (!stopped.load()) refused += engine->Post("work", std::string(256, 'x')).ok() ? 0 : 1;
    });
  }
  const absl::Time start = SystemClock().Calendar();
  const std::uint64_t ended_before = ended.load();
  for (int i = 0; i < kReads || ended.load() - ended_before < kEvents; ++i) {
    const std::string answer =
        Shell(path, "SELECT count(*), coalesce(sum(bytes), 0) FROM runlet_waiting; SELECT count(*) FROM runlet_dead",
              &status);
    INFO(answer);
    CHECK(WEXITSTATUS(status) == 0);
  }
  const auto rate =
      static_cast<double>(ended.load() - ended_before) / absl::ToDoubleSeconds(SystemClock().Calendar() - start);
  stopped.store(true);
  for (std::thread& producer : producers) producer.join();
  CHECK(refused.load() == 0);
  CHECK(rate >= 5000.0 / kShare);
  CHECK(engine->WaitIdle(absl::Seconds(20)).ok());
}

}  // namespace
}  // namespace runlet::durable_test
