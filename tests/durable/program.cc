#include "tests/durable/program.h"

#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "runlet/durable/queue.h"
#include "runlet/runlet.h"

namespace runlet::durable_test {
namespace {

std::uint64_t NumberIn(std::string_view text) {
  return std::strtoull(std::string(text.substr(0, 20)).c_str(), nullptr, 10);
}

FunctionConfig Config(const std::function<void(Note)>& note, bool tells) {
  FunctionConfig config;
  config.event_invoke = {.maximum_retry_attempts = 1, .retry_policy = RetryPolicy::Fixed(absl::Milliseconds(1))};
  if (tells) {
    config.event_invoke.on_success = Destination::Callback([note](const InvocationRecord& record) {
      note({Step::kTold, NumberIn(*record.As<std::string>())});
      return absl::OkStatus();
    });
  }
  return config;
}

absl::Status Setup(Engine* engine, const std::function<void(Note)>& note) {
  const auto handler = [note](std::string_view event, Context& context) -> absl::Status {
    const std::uint64_t n = NumberIn(event);
    note({Step::kBegun, n});
    if (FailsAlways(n) || (FailsOnce(n) && context.attempt() == 1)) return absl::UnavailableError("as planned");
    note({Step::kSucceeded, n});
    return absl::OkStatus();
  };
  absl::Status registered = engine->Register("work", handler, Config(note, false));
  if (registered.ok()) registered = engine->Register("told", handler, Config(note, true));
  return registered;
}

void Produce(Engine* engine, const ProgramOptions& options, int producer) {
  for (std::uint64_t i = 0; i < options.posts; ++i) {
    const std::uint64_t n = options.first + i * static_cast<std::uint64_t>(options.producers) + producer;
    options.note({Step::kPosting, n});
    const absl::Status posted = engine->Post(n % 3 == 0 ? "told" : "work", Payload(n)).status();
    options.note({posted.ok() ? Step::kAccepted : AcceptanceUnknown(posted) ? Step::kUnknown : Step::kRefused, n});
    // What is accepted faster than it runs would make the file long.
    if (engine->queue_stats().ready > 100) static_cast<void>(engine->WaitIdle(absl::Milliseconds(2)));
  }
}

}  // namespace

bool FailsOnce(std::uint64_t n) { return n % 16 == 1; }
bool FailsAlways(std::uint64_t n) { return n % 128 == 3; }
std::string Payload(std::uint64_t n) { return fmt::format("{} {}", n, std::string(n % 8 == 5 ? 5000 : 100, 'x')); }

absl::Status RunProgram(const ProgramOptions& options) {
  absl::StatusOr<std::shared_ptr<durable::Queue>> queue =
      durable::Open(options.path, {.durability = options.durability});
  if (!queue.ok()) return queue.status();
  absl::StatusOr<Engine> engine =
      Engine::Create({.threads = OwnThreads{2}, .queue = *std::move(queue), .destroy_grace = absl::Milliseconds(200)});
  if (!engine.ok()) return engine.status();
  if (absl::Status set_up = Setup(&*engine, options.note); !set_up.ok()) return set_up;
  std::vector<std::thread> producers;
  for (int i = 0; i < options.producers; ++i) {
    producers.emplace_back([&, i] { Produce(&*engine, options, i); });
  }
  for (std::thread& producer : producers) producer.join();
  static_cast<void>(engine->WaitIdle(options.patience));
  return absl::OkStatus();
}

}  // namespace runlet::durable_test
