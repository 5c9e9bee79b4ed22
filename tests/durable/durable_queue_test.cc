// The durable queue: what every queue must do, in either class.
#include <filesystem>
#include <memory>
#include <string>

#include "durable/port.h"
#include "runlet/durable/queue.h"
#include "tests/catch.h"
#include "tests/durable/scratch.h"
#include "tests/queue/fixture.h"

namespace {

// A port with the file under it, which goes with the queue.
struct QueueUnderTest {
  static std::unique_ptr<runlet::EventQueue> Make(const runlet::queue_test::Limits& limits,
                                                  const runlet::Clock& clock) {
    // Every test is run in both.
    const auto durability = GENERATE(runlet::Durability::kProcess, runlet::Durability::kMachine);
    static int number = 0;
    const std::string path = runlet::durable_test::Scratch("conformance") + std::to_string(++number);
    absl::StatusOr<std::shared_ptr<runlet::durable::Store>> store =
        runlet::durable::Store::Open(path, {.durability = durability,
                                            .events = limits.events,
                                            .bytes = limits.bytes,
                                            .dead_letters = limits.dead_letters,
                                            .payload_memory = number % 2 == 0 ? std::size_t{0} : std::size_t{1} << 20});
    REQUIRE(store.status().ToString() == "OK");
    for (const char* const end : {"", "-wal", "-shm", "-lock"}) std::filesystem::remove(path + end);
    return std::make_unique<runlet::durable::Port>(*std::move(store), clock);
  }
};

}  // namespace

#include "tests/queue/conformance.h"
