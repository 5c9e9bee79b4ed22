// The command line of `runlet`.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Validators.hpp>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "tool/command.h"

namespace runlet::tool {
namespace {

// What is read as text and has to be understood.
struct Words {
  std::vector<std::string> ids;
  std::string condition;
  std::string since;
  std::string before;
  std::string age = "6h";
};

std::optional<Condition> FindCondition(const std::string& name) {
  for (int c = 0; c <= static_cast<int>(Condition::kHostCrashed); ++c) {
    if (ConditionName(static_cast<Condition>(c)) == name) return static_cast<Condition>(c);
  }
  return std::nullopt;
}

// "" for understood, else what is wrong.
std::string Understand(const Words& words, CommandLine* line) {
  for (const std::string& word : words.ids) {
    const std::optional<RequestId> id = RequestId::Parse(word);
    if (!id) return fmt::format("\"{}\" is no request id", word);
    line->ids.push_back(*id);
  }
  if (!words.condition.empty() && !(line->filter.condition = FindCondition(words.condition))) {
    return fmt::format("--condition {}: there is no such condition; one of them is RetriesExhausted", words.condition);
  }
  const auto time = [](const char* option, const std::string& text, absl::Time* out) -> std::string {
    std::string error;
    if (text.empty() || absl::ParseTime(absl::RFC3339_full, text, out, &error)) return "";
    return fmt::format("{} {}: a time is written as 2026-01-31T12:00:00Z", option, text);
  };
  if (std::string wrong = time("--since", words.since, &line->filter.died_after); !wrong.empty()) return wrong;
  if (std::string wrong = time("--before", words.before, &line->filter.died_before); !wrong.empty()) return wrong;
  if (!absl::ParseDuration(words.age, &line->age) || line->age < absl::Seconds(1) ||
      line->age > absl::Hours(24 * 365)) {
    return fmt::format("--age {}: a duration is written as 90s, 6h or 1h30m, from 1s to 8760h", words.age);
  }
  return "";
}

void AddFile(CLI::App* command, CommandLine* line) {
  command->add_option("file", line->file, "The queue's file")->required();
  command->add_flag("--json", line->json, "Answer in JSON, for programs");
}

void AddMax(CLI::App* command, const char* what, CommandLine* line) {
  constexpr std::int64_t kMost = 1'000'000'000;
  command->add_option("--max", line->max, what)->check(CLI::Range(std::int64_t{1}, kMost));
}

void AddFilter(CLI::App* command, Words* words, CommandLine* line) {
  command->add_option("--function", line->filter.function, "Of this function; with f, of f:3 and f:live too");
  command->add_option("--condition", words->condition, "Of this condition, such as RetriesExhausted");
  command->add_option("--since", words->since, "Died then or later, such as 2026-01-31T12:00:00Z");
  command->add_option("--before", words->before, "Died before that");
}

// Of commands that change something: nothing is chosen by leaving things out.
void AddChoice(CLI::App* command, Words* words, CommandLine* line) {
  AddFile(command, line);
  command->add_option("id", words->ids, "Request ids of dead letters");
  command->add_flag("--all", line->all, "All dead letters");
  AddFilter(command, words, line);
  command->add_flag("--dry-run", line->dry_run, "Change nothing, and say what would be done");
}

std::string CheckChoice(const Words& words, const CommandLine& line) {
  const bool filtered =
      !line.filter.function.empty() || !words.condition.empty() || !words.since.empty() || !words.before.empty();
  if (int{!words.ids.empty()} + int{filtered} + int{line.all} == 1) return "";
  return "say which dead letters: by request ids, by a filter such as --function, or --all";
}

int Main(int argc, char** argv) {
  CLI::App app("Looks after the files of runlet's durable queues.", "runlet");
  app.footer(kExitCodes);
  app.require_subcommand(1);
  CommandLine line;
  Words words;
  int (*command)(const CommandLine&) = nullptr;
  bool chooses = false;
  const auto does = [&](CLI::App* subcommand, int (*run)(const CommandLine&), bool chosen = false) {
    subcommand->footer(kExitCodes);
    subcommand->callback([&, run, chosen] {
      command = run;
      chooses = chosen;
    });
  };

  CLI::App* const queue = app.add_subcommand("queue", "Queues")->require_subcommand(1);
  CLI::App* const stats = queue->add_subcommand("stats", "What waits, runs and is dead, function by function");
  AddFile(stats, &line);
  does(stats, QueueStats);

  CLI::App* const dlq = app.add_subcommand("dlq", "Dead letters")->require_subcommand(1);
  CLI::App* const list = dlq->add_subcommand("ls", "List dead letters, oldest first");
  AddFile(list, &line);
  AddFilter(list, &words, &line);
  AddMax(list, "At most so many [1000]", &line);
  does(list, ListLetters);
  CLI::App* const show = dlq->add_subcommand("show", "Show one dead letter, with its errors and its payload");
  AddFile(show, &line);
  show->add_option("id", words.ids, "Its request id")->required()->expected(1);
  does(show, ShowLetter);
  CLI::App* const exports = dlq->add_subcommand("export", "Write dead letters as lines of JSON");
  AddFile(exports, &line);
  AddFilter(exports, &words, &line);
  does(exports, ExportLetters);
  CLI::App* const redrive =
      dlq->add_subcommand("redrive",
                          "Accept the events of dead letters anew; they run when a program opens the file.\n"
                          "Refused while a program has it open: there, use Engine::dead_letters()");
  AddChoice(redrive, &words, &line);
  redrive->add_option("--age", words.age, "How old the new events may become")->capture_default_str();
  AddMax(redrive, "At most so many [all]", &line);
  does(redrive, RedriveLetters, true);
  CLI::App* const purge =
      dlq->add_subcommand("purge", "Remove dead letters for good. Refused while a program has the file open");
  AddChoice(purge, &words, &line);
  does(purge, PurgeLetters, true);

  CLI::App* const doctor =
      app.add_subcommand("doctor", "Check every row of a file, and say what is stuck in it, and why");
  AddFile(doctor, &line);
  does(doctor, Doctor);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kUsage;
  }
  std::string wrong = Understand(words, &line);
  if (wrong.empty() && chooses) wrong = CheckChoice(words, line);
  if (!wrong.empty()) {
    Complain(wrong);
    return kUsage;
  }
  return command(line);
}

}  // namespace
}  // namespace runlet::tool

int main(int argc, char** argv) { return runlet::tool::Main(argc, argv); }
