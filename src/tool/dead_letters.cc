// runlet dlq ls, show and export: dead letters, read while the file is in use.
#include <fmt/format.h>

#include <string>

#include "event/json_text.h"
#include "tool/command.h"
#include "tool/table.h"

namespace runlet::tool {
namespace {

// On one line, and no longer than a table bears.
std::string Shortened(std::string text, std::size_t bytes_max) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  }
  const std::string_view first = FirstCharacters(text, bytes_max);
  return first.size() == text.size() ? text : std::string(first) + "...";
}

std::string Damaged(const StoredLetter& stored) { return fmt::format("DAMAGED: {}", stored.damage); }

void ComplainOf(const StoredLetter& stored) {
  Complain(fmt::format("dead letter {} in row {}: {}", stored.letter.request_id.ToString(), stored.ord, stored.damage));
}

}  // namespace

int ListLetters(const CommandLine& line) {
  const absl::StatusOr<QueueFile> file = QueueFile::Open(line.file);
  if (!file.ok()) return Fail(file.status());
  Table table({"REQUEST ID", "FUNCTION", "CONDITION", ">ATTEMPTS", "DIED AT", "LAST ERROR"});
  const std::size_t max = line.max.value_or(1000);
  std::size_t listed = 0;
  bool more = false;
  bool written = true;
  const absl::Status read = file->ForEachLetter(
      line.filter,
      [&](const StoredLetter& stored) {
        if (listed == max) {
          more = true;
          return false;
        }
        ++listed;
        const DeadLetter& letter = stored.letter;
        if (line.json) return written = Print(letter.JsonLine() + "\n");
        table.Add({letter.request_id.ToString(), letter.function, std::string(ConditionName(letter.condition)),
                   Count(letter.attempts), Time(letter.died_at),
                   Shortened(stored.damage.empty() ? letter.ErrorText() : Damaged(stored), 60)});
        return true;
      },
      nullptr);
  if (!line.json && listed > 0) written = Print(table.ToString());
  if (!read.ok()) return Fail(read);
  if (!line.json && listed == 0) written = Print("no dead letter matches\n");
  if (more)
    Complain(fmt::format("there are more: the first {} are shown (--max)", Count(static_cast<std::int64_t>(listed))));
  return written ? kDone : kUnreadable;
}

int ShowLetter(const CommandLine& line) {
  const absl::StatusOr<QueueFile> file = QueueFile::Open(line.file);
  if (!file.ok()) return Fail(file.status());
  const absl::StatusOr<StoredLetter> stored = file->FindLetter(line.ids.front());
  if (absl::IsNotFound(stored.status())) {
    Complain(std::string(stored.status().message()));
    return kFound;
  }
  if (!stored.ok()) return Fail(stored.status());
  const DeadLetter& letter = stored->letter;
  if (line.json) return Print(letter.JsonLine() + "\n") ? kDone : kUnreadable;

  std::string text = fmt::format(
      "request id  {}\nfunction    {}\ncondition   {}\naccepted    {}\ndied        {} ({} later)\n"
      "attempts    {}\n",
      letter.request_id.ToString(), letter.function, ConditionName(letter.condition), Time(letter.accepted_at),
      Time(letter.died_at), Age(letter.died_at - letter.accepted_at), letter.attempts);
  if (!stored->damage.empty()) text += Damaged(*stored) + "\n";
  for (const AttemptError& error : letter.errors) {
    text += fmt::format("  attempt {} at {}, version {}: {}: {}\n", error.attempt, Time(error.at), error.version,
                        error.error.type, Shortened(error.error.message, 500));
  }
  if (const absl::StatusOr<std::string> bytes = letter.Bytes(); bytes.ok()) {
    text += fmt::format("payload     {}\n", Bytes(static_cast<std::int64_t>(bytes->size())));
    text += IsUtf8(*bytes) ? *bytes + "\n" : "(not text: --json or export shows it in Base64)\n";
  }
  return Print(text) ? kDone : kUnreadable;
}

int ExportLetters(const CommandLine& line) {
  const absl::StatusOr<QueueFile> file = QueueFile::Open(line.file);
  if (!file.ok()) return Fail(file.status());
  ProgressLine progress("dead letters read");
  bool written = true;
  const absl::Status read = file->ForEachLetter(
      line.filter,
      [&](const StoredLetter& stored) {
        if (!stored.damage.empty()) ComplainOf(stored);
        return written = Print(stored.letter.JsonLine() + "\n");
      },
      [&](std::int64_t seen) { progress.Show(seen); });
  if (!read.ok()) return Fail(read);
  if (!written) Complain("standard output cannot be written");
  return written ? kDone : kUnreadable;
}

}  // namespace runlet::tool
