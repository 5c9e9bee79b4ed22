// A graceful end: dead letters reach a store of the host's, what can be completed is, and the rest is handed back.
#include <fmt/format.h>
#include <runlet/runlet.h>

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "expect.h"

namespace {

struct Task {
  std::string name;
  absl::Duration takes = absl::ZeroDuration();
};
inline constexpr runlet::Function<Task> kDo{"do"};

// Stands for a table or a mailbox. Unavailable at first: the engine keeps the letter and offers it again, after 1 s.
class Store final : public runlet::DeadLetterQueue {
 public:
  absl::Status Put(std::span<const runlet::DeadLetter> letters) override {
    const std::lock_guard lock(mu_);
    if (++puts_ == 1) return absl::UnavailableError("the store is restarting");
    // A letter may come more than once; its request id says so. This store has one writer and never answers late.
    for (const runlet::DeadLetter& letter : letters) kept_.push_back(letter);
    return absl::OkStatus();  // only now are they out of the engine's hands
  }
  std::vector<runlet::DeadLetter> kept() const {
    const std::lock_guard lock(mu_);
    return kept_;
  }

 private:
  mutable std::mutex mu_;
  int puts_ = 0;
  std::vector<runlet::DeadLetter> kept_;
};

absl::Status Do(const Task& task, runlet::Context& context) {
  if (task.name == "broken") return runlet::Permanent(absl::FailedPreconditionError("no such tool"));
  if (task.name == "early") return absl::UnavailableError("not yet");  // again in 60 s
  // Sleeps on the engine's clock, and wakes when the drain asks handlers to stop.
  if (!context.Sleep(task.takes)) return absl::AbortedError("stopped half-way");
  return absl::OkStatus();
}

}  // namespace

int main() {
  const auto store = std::make_shared<Store>();
  std::vector<std::string> parked;
  absl::StatusOr<runlet::Engine> engine = runlet::Engine::Create({
      // A program would write these down and post them again when it next starts.
      .on_parked = [&parked](const runlet::DeadLetter& letter) { parked.push_back(letter.As<Task>()->name); },
  });
  ExpectOk(engine.status());
  ExpectOk(engine->Register(kDo, Do, {.timeout = absl::Minutes(15), .event_invoke = {.dead_letter_queue = store}}));

  // While the program works: WaitIdle may be called as often as one likes. It waits for the store too.
  ExpectOk(engine->PostAll(kDo, {{"one"}, {"broken"}, {"two"}}));
  ExpectOk(engine->WaitIdle(absl::Seconds(60)));
  const std::vector<runlet::DeadLetter> kept = store->kept();
  Expect(kept.size() == 1 && kept[0].As<Task>()->name == "broken", "the store has the dead letter");
  Expect(engine->dead_letters().size() == 0, "and the engine has it no more");
  Expect(engine->Metrics("do")->dead_letter_errors == 1, "the store failed once, and nothing was lost");
  fmt::print("stored: {} ({})\n", kept[0].As<Task>()->name, kept[0].ErrorText());

  // The end: one event can be completed, one takes too long, one waits for its next attempt.
  ExpectOk(engine->PostAll(kDo, {{"short", absl::Milliseconds(10)}, {"long", absl::Hours(1)}, {"early"}}));
  // [drain]
  // One second to go on as ever; then handlers are asked to stop, and 5 s after the call nothing is waited for.
  const runlet::DrainReport report = engine->Drain(absl::Seconds(1), absl::Seconds(5));
  fmt::print("completed {}, parked {}, threads left behind {}\n", report.completed, report.parked, report.abandoned);
  // [/drain]
  Expect(report.completed == 1 && report.parked == 2 && report.abandoned == 0, "every event is accounted for");
  Expect(parked.size() == 2, "what was not completed is handed back");

  Expect(runlet::Reason(engine->Post(kDo, {"three"}).status()) == runlet::reason::kEngineClosed,
         "a drained engine takes no more");
}
