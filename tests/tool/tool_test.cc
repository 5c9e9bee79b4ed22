// The command-line tool, run as people and scripts run it.
#include <fmt/format.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "runlet/durable/queue.h"
#include "runlet/runlet.h"
#include "tests/catch.h"
#include "tests/durable/memory_folder.h"

namespace runlet::tool {
namespace {

using durable_test::MemoryFolder;
using nlohmann::json;

std::string Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

struct Answer {
  int code = -1;
  std::string out;
  std::string error;
};

constexpr uid_t kOther = 12345;

bool Has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

// A folder with a queue's file in it, and the tool beside it.
class ToolTest {
 private:
  MemoryFolder folder_;

 public:
  const std::string path = folder_.File("queue.db");

  Answer Run(const std::string& arguments) const {
    const std::string out = folder_.File("out"), error = folder_.File("error");
    const std::string command = fmt::format("{} {} >{} 2>{}", RUNLET_TOOL, arguments, out, error);
    const int status = std::system(command.c_str());
    REQUIRE(WIFEXITED(status));
    return {WEXITSTATUS(status), Contents(out), Contents(error)};
  }

  std::shared_ptr<durable::Queue> Open() const {
    absl::StatusOr<std::shared_ptr<durable::Queue>> queue = durable::Open(path);
    INFO(queue.status().ToString());
    REQUIRE(queue.ok());
    return *std::move(queue);
  }

  // An engine with "fails", whose events die at once, and "rests", whose events wait for an hour.
  Engine Start() const {
    absl::StatusOr<Engine> engine = Engine::Create({.threads = OwnThreads{2}, .queue = Open()});
    REQUIRE(engine.ok());
    REQUIRE(engine
                ->Register("fails",
                           [](std::string_view) -> absl::Status {
                             return Permanent(absl::InvalidArgumentError("width must be positive"));
                           })
                .ok());
    REQUIRE(engine->Register("rests", [](std::string_view) {}).ok());
    return *std::move(engine);
  }
  // Two dead letters and a waiting event. Their ids.
  std::vector<std::string> Fill() const {
    Engine engine = Start();
    std::vector<std::string> ids;
    for (const char* payload : {R"({"width":0})", R"({"width":-1})"}) {
      ids.push_back(engine.Post("fails", payload)->ToString());
      while (engine.dead_letters().size() < ids.size()) static_cast<void>(engine.WaitIdle(absl::Milliseconds(5)));
    }
    ids.push_back(engine.Post("rests", "later", {.delay = absl::Hours(1)})->ToString());
    return ids;
  }
  // An event of a function that nobody registers again, posted so long ago.
  void PostAgo(absl::Duration ago) const {
    const ManualClock clock(SystemClock().Calendar() - ago);
    absl::StatusOr<Engine> engine = Engine::Create(
        {.threads = NoThreads{}, .queue = Open(), .destroy_grace = absl::ZeroDuration(), .clock = &clock});
    REQUIRE(engine.ok());
    REQUIRE(engine->Register("orphan", [](std::string_view) {}).ok());
    REQUIRE(engine->Post("orphan", "x").ok());
  }
  std::string Beside(const std::string& name) const { return folder_.File(name); }
  // The exit code, where another user runs it; -1 where that cannot be.
  int RunAs(uid_t user, const std::string& arguments) const {
    if (geteuid() != 0) return -1;
    const pid_t child = fork();
    if (child == 0) {
      const std::string command = fmt::format("{} {} >/dev/null 2>&1", RUNLET_TOOL, arguments);
      if (setgid(user) != 0 || setuid(user) != 0) _exit(126);
      execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      _exit(126);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  // Overwrites one page of those with payloads `text`, in the middle. How many such were in it.
  int Spoil(const std::string& text) const {
    constexpr std::size_t kPage = 4096;
    const std::string content = Contents(path);
    std::vector<std::size_t> pages;
    for (std::size_t at = content.find(text); at != text.npos; at = content.find(text, at + text.size()))
      pages.push_back(at / kPage);
    REQUIRE(!pages.empty());
    const std::size_t page = pages[pages.size() / 2];
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(page * kPage));
    file << std::string(kPage, '\xff');
    return static_cast<int>(std::count(pages.begin(), pages.end(), page));
  }
  void Sql(const std::string& sql) const {
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
  }
};

TEST_CASE("queue stats counts what a file holds, in a table and in JSON") {
  const ToolTest test;
  test.Fill();
  const Answer table = test.Run("queue stats " + test.path);
  CHECK(table.code == 0);
  CHECK(Has(table.out, "in use by nobody"));
  CHECK(Has(table.out, "FUNCTION"));
  const Answer answer = test.Run("queue stats --json " + test.path);
  REQUIRE(answer.code == 0);
  const json stats = json::parse(answer.out);
  CHECK(stats["owner"].is_null());
  CHECK(stats["total"]["dead"] == 2);
  CHECK(stats["total"]["delayed"] == 1);
  CHECK(stats["functions"]["fails"]["dead"] == 2);
  CHECK(stats["functions"]["rests"]["bytes"] == 5);
}

TEST_CASE("the tool reads a file that a program works on, and names the program") {
  const ToolTest test;
  test.Fill();
  Engine engine = test.Start();
  REQUIRE(engine.Post("rests", "another", {.delay = absl::Hours(1)}).ok());
  const json stats = json::parse(test.Run("queue stats --json " + test.path).out);
  CHECK(stats["total"]["delayed"] == 2);
  CHECK(Has(stats["owner"], std::to_string(getpid())));
  CHECK(test.Run("dlq ls " + test.path).code == 0);
  CHECK(test.Run("doctor " + test.path).code == 0);
  CHECK(engine.Post("rests", "and another", {.delay = absl::Hours(1)}).ok());
}

TEST_CASE("dead letters are listed, shown and exported") {
  const ToolTest test;
  const std::vector<std::string> ids = test.Fill();

  const Answer list = test.Run("dlq ls " + test.path);
  CHECK(list.code == 0);
  CHECK(Has(list.out, ids[0]));
  CHECK(Has(list.out, "InvalidArgument: width must be positive"));
  const Answer first = test.Run("dlq ls --max 1 " + test.path);
  CHECK_FALSE(Has(first.out, ids[1]));
  CHECK(Has(first.error, "there are more"));
  CHECK(Has(test.Run("dlq ls --function rests " + test.path).out, "no dead letter matches"));
  CHECK(Has(test.Run("dlq ls --condition NotRetryable " + test.path).out, ids[1]));

  const Answer shown = test.Run(fmt::format("dlq show {} {}", test.path, ids[0]));
  CHECK(shown.code == 0);
  CHECK(Has(shown.out, R"({"width":0})"));
  CHECK(Has(shown.out, "attempt 1"));
  CHECK(json::parse(test.Run(fmt::format("dlq show --json {} {}", test.path, ids[0])).out)["requestId"] == ids[0]);

  const Answer exported = test.Run("dlq export " + test.path);
  CHECK(exported.code == 0);
  {
    Engine engine = test.Start();
    CHECK(exported.out == engine.dead_letters().Export());
  }
}

TEST_CASE("a file with another name is its owner's still, and is named so") {
  const ToolTest test;
  test.Fill();
  const std::shared_ptr<durable::Queue> owner = test.Open();
  const std::string link = test.Beside("link.db");
  std::filesystem::create_symlink(test.path, link);
  CHECK(Has(test.Run("queue stats " + link).out, fmt::format("in use by process {}", getpid())));
  const std::string hard = test.Beside("hard.db");
  std::filesystem::create_hard_link(test.path, hard);
  const Answer answer = test.Run("dlq purge --all " + hard);
  CHECK(answer.code == 4);
  CHECK(Has(answer.error, fmt::format("process {}", getpid())));
  CHECK(owner->stats().dead == 2);
}

TEST_CASE("whoever may only read a file reads it, and leaves nothing behind that its owner could not write to") {
  const ToolTest test;
  REQUIRE(chmod(test.Beside(".").c_str(), 0755) == 0);
  if (test.RunAs(kOther, "--help") != 0) {
    WARN("not tested: only root can be another user, who has to reach the tool");
    return;
  }
  const std::vector<std::string> ids = test.Fill();
  const std::string commands[] = {"queue stats " + test.path, "dlq ls " + test.path, "doctor " + test.path};
  for (const mode_t mode : {0755, 0777}) {
    REQUIRE(chmod(test.Beside(".").c_str(), mode) == 0);
    for (const std::string& command : commands) CHECK(test.RunAs(kOther, command) == 0);
    for (const char* end : {"-wal", "-shm"}) CHECK(!std::filesystem::exists(test.path + end));
  }
  // An owner that died, and its log.
  const pid_t child = fork();
  if (child == 0) {
    const absl::StatusOr<std::shared_ptr<durable::Queue>> queue = durable::Open(test.path);
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(std::filesystem::file_size(test.path + "-wal") > 0);
  for (const std::string& command : commands) CHECK(test.RunAs(kOther, command) == 0);
  std::filesystem::remove(test.path + "-shm");
  for (const std::string& command : commands) test.RunAs(kOther, command);
  CHECK(!std::filesystem::exists(test.path + "-shm"));
  CHECK(test.Run(commands[0]).code == 0);
  test.Open();
}

TEST_CASE("what root changes in a file leaves its owner able to open it") {
  const ToolTest test;
  REQUIRE(chmod(test.Beside(".").c_str(), 0755) == 0);
  if (test.RunAs(kOther, "--help") != 0) {
    WARN("not tested: only root can be another user, who has to reach the tool");
    return;
  }
  test.Fill();
  std::filesystem::remove(test.path + "-lock");
  for (const std::string& each : {test.path, test.Beside(".")}) REQUIRE(chown(each.c_str(), kOther, kOther) == 0);
  CHECK(test.Run("dlq purge --function none " + test.path).code == 0);
  CHECK(test.RunAs(kOther, "dlq purge --all " + test.path) == 0);
}

TEST_CASE("a file that somebody opens while it is read as nobody's is not read on") {
  const ToolTest test;
  {
    Engine engine = test.Start();
    // More than a pipe and a part of the file that is read at once hold.
    constexpr std::size_t kLetters = 1200;
    REQUIRE(engine.PostAll("fails", std::vector<std::string>(kLetters, "x")).ok());
    while (engine.dead_letters().size() < kLetters) static_cast<void>(engine.WaitIdle(absl::Milliseconds(5)));
  }
  FILE* const reading = popen(fmt::format("{} dlq export {} 2>&1", RUNLET_TOOL, test.path).c_str(), "r");
  REQUIRE(reading != nullptr);
  REQUIRE(std::fgetc(reading) == '{');
  { Engine engine = test.Start(); }
  std::string out;
  for (int c = std::fgetc(reading); c != EOF; c = std::fgetc(reading)) out += static_cast<char>(c);
  CHECK(WEXITSTATUS(pclose(reading)) == 3);
  CHECK(Has(out, "was opened while it was read: try again"));
}

TEST_CASE("reading changes nothing in a file") {
  const ToolTest test;
  const std::vector<std::string> ids = test.Fill();
  const std::string before = Contents(test.path);
  for (const std::string& command : {"queue stats " + test.path, "dlq ls " + test.path, "dlq export " + test.path,
                                     "dlq show " + test.path + " " + ids[0], "doctor " + test.path}) {
    CHECK(test.Run(command).code == 0);
  }
  CHECK(Contents(test.path) == before);
}

TEST_CASE("a redriven letter is an event again, which runs when a program opens the file") {
  const ToolTest test;
  const std::vector<std::string> ids = test.Fill();
  CHECK(test.Run("dlq redrive --all --dry-run " + test.path).code == 0);
  CHECK(Has(test.Run("dlq ls " + test.path).out, ids[0]));

  const Answer redriven = test.Run(fmt::format("dlq redrive --json {} {}", test.path, ids[0]));
  INFO(redriven.error);
  REQUIRE(redriven.code == 0);
  CHECK(json::parse(redriven.out)["letter"] == ids[0]);
  CHECK(json::parse(test.Run("queue stats --json " + test.path).out)["functions"]["fails"]["ready"] == 1);

  absl::StatusOr<Engine> engine = Engine::Create({.threads = OwnThreads{2}, .queue = test.Open()});
  REQUIRE(engine.ok());
  std::atomic<int> seen{0};
  REQUIRE(engine->Register("fails", [&](std::string_view event) { seen += event == R"({"width":0})" ? 1 : 100; }).ok());
  while (seen == 0) static_cast<void>(engine->WaitIdle(absl::Milliseconds(5)));
  CHECK(seen == 1);
  CHECK(engine->dead_letters().size() == 1);
}

TEST_CASE("redriving what is not there is told, and the rest is redriven") {
  const ToolTest test;
  const std::vector<std::string> ids = test.Fill();
  const Answer answer =
      test.Run(fmt::format("dlq redrive {} 00000000-0000-4000-8000-000000000001 {}", test.path, ids[1]));
  CHECK(answer.code == 1);
  CHECK(Has(answer.out, "1 redriven, 1 refused"));
}

TEST_CASE("purged letters are gone") {
  const ToolTest test;
  const std::vector<std::string> ids = test.Fill();
  CHECK(Has(test.Run("dlq purge --all --dry-run " + test.path).out, "2 purged in a dry run"));
  CHECK(Has(test.Run(fmt::format("dlq purge {} {}", test.path, ids[0])).out, "1 purged"));
  CHECK(test.Run(fmt::format("dlq show {} {}", test.path, ids[0])).code == 1);
  CHECK(json::parse(test.Run("dlq purge --json --function fails " + test.path).out)["purged"] == 1);
}

TEST_CASE("purging what is not there is told") {
  const ToolTest test;
  const std::vector<std::string> ids = test.Fill();
  const Answer answer =
      test.Run(fmt::format("dlq purge {} 00000000-0000-4000-8000-000000000001 {}", test.path, ids[1]));
  CHECK(answer.code == 1);
  CHECK(Has(answer.out, "1 purged"));
  CHECK(Has(answer.error, "1 of 2 dead letters are not there"));
}

TEST_CASE("a number of letters that is none is refused, with the range") {
  const ToolTest test;
  test.Fill();
  for (const char* max : {"-1", "0", "1000000001", "some"}) {
    const Answer answer = test.Run(fmt::format("dlq ls --max {} {}", max, test.path));
    CHECK(answer.code == 2);
    CHECK(answer.out.empty());
    CHECK(Has(answer.error, max));
    CHECK(Has(answer.error, "1 to 1000000000"));
    CHECK(test.Run(fmt::format("dlq redrive --all --max {} {}", max, test.path)).code == 2);
  }
}

TEST_CASE("a file that is in use is not changed, and its owner is named") {
  const ToolTest test;
  test.Fill();
  const std::shared_ptr<durable::Queue> owner = test.Open();
  for (const char* command : {"dlq redrive --all ", "dlq purge --all "}) {
    const Answer answer = test.Run(command + test.path);
    CHECK(answer.code == 4);
    CHECK(Has(answer.error, fmt::format("process {}", getpid())));
  }
  CHECK(owner->stats().dead == 2);
}

TEST_CASE("letters to be changed have to be chosen") {
  const ToolTest test;
  test.Fill();
  CHECK(test.Run("dlq purge " + test.path).code == 2);
  CHECK(test.Run("dlq redrive --all --function fails " + test.path).code == 2);
  CHECK(test.Run("dlq purge --condition Sadness " + test.path).code == 2);
  CHECK(test.Run("dlq purge " + test.path + " 17").code == 2);
  CHECK(json::parse(test.Run("queue stats --json " + test.path).out)["total"]["dead"] == 2);
}

TEST_CASE("the doctor finds nothing wrong with a file that is well") {
  const ToolTest test;
  test.Fill();
  const Answer answer = test.Run("doctor " + test.path);
  INFO(answer.out);
  CHECK(answer.code == 0);
  CHECK(Has(answer.out, "nothing is wrong"));
}

TEST_CASE("the doctor finds a row that is not what was written") {
  const ToolTest test;
  const std::vector<std::string> ids = test.Fill();
  test.Sql("UPDATE runlet_event SET payload = CAST('laser' AS BLOB)");
  test.Sql("UPDATE runlet_dead SET attempts = 7 WHERE ord = (SELECT min(ord) FROM runlet_dead)");
  const Answer answer = test.Run("doctor --json " + test.path);
  CHECK(answer.code == 1);
  const json findings = json::parse(answer.out)["findings"];
  REQUIRE(findings.size() == 2);
  CHECK(findings[0]["kind"] == "damage");
  CHECK(findings[0]["function"] == "rests");
  CHECK(Has(findings[0]["text"], "the checksum of the payload is wrong"));
  CHECK(Has(findings[1]["text"], "the checksum of the row is wrong"));
}

TEST_CASE("where pages cannot be read the doctor says what is lost and what is whole, and nothing is purged") {
  const ToolTest test;
  {
    Engine engine = test.Start();
    constexpr std::size_t kEach = 400;
    const std::vector<std::string> many(kEach, std::string(200, 'd'));
    REQUIRE(engine.PostAll("fails", many).ok());
    while (engine.dead_letters().size() < kEach) static_cast<void>(engine.WaitIdle(absl::Milliseconds(5)));
    REQUIRE(engine.PostAll("rests", std::vector<std::string>(kEach, std::string(200, 'w')), {.delay = absl::Hours(1)})
                .ok());
  }
  test.Sql("VACUUM");
  const int events = test.Spoil(std::string(200, 'w'));
  const Answer lost_events = test.Run("doctor --json " + test.path);
  CHECK(lost_events.code == 1);
  json doctor = json::parse(lost_events.out);
  CHECK(doctor["eventsLost"] == events);
  CHECK(doctor["eventsChecked"].get<int>() + doctor["eventsBehindThem"].get<int>() + events == 400);
  CHECK(doctor["deadLettersChecked"] == 400);
  CHECK(doctor["deadLettersLost"] == 0);
  CHECK(doctor["findings"][0]["kind"] == "structure");

  const int letters = test.Spoil(std::string(200, 'd'));
  doctor = json::parse(test.Run("doctor --json " + test.path).out);
  CHECK(doctor["deadLettersLost"] == letters);
  const Answer told = test.Run("doctor " + test.path);
  CHECK(told.code == 1);
  CHECK(Has(told.out, fmt::format("about {} are lost", letters)));
  CHECK(Has(told.out, "the dead letters behind row"));
  CHECK(Has(told.out, "the events behind row"));

  const Answer list = test.Run("dlq ls " + test.path);
  CHECK(list.code == 3);
  CHECK(Has(list.out, "NotRetryable"));
  CHECK(Has(list.error, fmt::format("about {} are lost", letters)));
  const Answer purge = test.Run("dlq purge --all " + test.path);
  CHECK(purge.code == 3);
  CHECK(purge.out.empty());
  CHECK(Has(purge.error, "nothing was purged"));
  CHECK(Has(purge.error, "cannot be read, about"));
  CHECK(test.Run("queue stats " + test.path).code == 3);
}

TEST_CASE("the doctor says what waits, for how long, and why") {
  const ToolTest test;
  test.PostAgo(absl::Hours(2));
  const Answer unopened = test.Run("doctor " + test.path);
  CHECK(unopened.code == 1);
  CHECK(Has(unopened.out, "orphan: 1 event could run, the oldest for 2h"));
  CHECK(Has(unopened.out, "nobody has opened the file"));
  const std::shared_ptr<durable::Queue> owner = test.Open();
  CHECK(Has(test.Run("doctor " + test.path).out, "the function is not registered"));
}

TEST_CASE("the doctor tells events that are too old from those that wait") {
  const ToolTest test;
  test.PostAgo(absl::Hours(48));
  const json answer = json::parse(test.Run("doctor --json " + test.path).out);
  REQUIRE(answer["findings"].size() == 1);
  CHECK(answer["findings"][0]["kind"] == "expired");
}

TEST_CASE("the doctor names what ran when a program was killed") {
  const ToolTest test;
  const pid_t child = fork();
  if (child == 0) {
    absl::StatusOr<std::shared_ptr<durable::Queue>> queue = durable::Open(test.path);
    absl::StatusOr<Engine> engine = Engine::Create({.threads = OwnThreads{2}, .queue = *std::move(queue)});
    const auto dies = [](std::string_view) { kill(getpid(), SIGKILL); };
    if (!engine->Register("dies", dies).ok() || !engine->Post("dies", "x").ok()) _exit(1);
    for (;;) pause();
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  const Answer answer = test.Run("doctor " + test.path);
  CHECK(answer.code == 1);
  CHECK(Has(answer.out, "interrupted"));
  CHECK(Has(answer.out, "dies: 1 event ran when the last owner died"));
}

TEST_CASE("the doctor names what is run no more, and the dead letters tell why") {
  const ToolTest test;
  test.PostAgo(absl::Hours(2));
  test.Sql("INSERT INTO runlet_suspect SELECT seq, 2 FROM runlet_event");
  CHECK(Has(test.Run("doctor " + test.path).out, "orphan: 1 event ran when a process died"));
  // The third death, which nobody has counted yet.
  test.Sql("INSERT INTO runlet_run SELECT seq, 1 FROM runlet_event; DELETE FROM runlet_meta WHERE name = 'life'");
  const json answer = json::parse(test.Run("doctor --json " + test.path).out);
  REQUIRE(answer["findings"].size() == 1);
  CHECK(answer["findings"][0]["kind"] == "crashed");
  CHECK(Has(answer["findings"][0]["text"], "nobody has opened the file"));
  {
    absl::StatusOr<Engine> engine = Engine::Create({.threads = OwnThreads{1}, .queue = test.Open()});
    REQUIRE(engine.ok());
    CHECK(Has(test.Run("doctor " + test.path).out, "the function is not registered"));
    REQUIRE(engine->Register("orphan", [](std::string_view) {}).ok());
    REQUIRE(engine->WaitIdle(absl::Seconds(60)).ok());
  }
  CHECK(Has(test.Run("dlq ls --condition HostCrashed " + test.path).out, "orphan"));
  CHECK(test.Run("doctor " + test.path).code == 0);
}

TEST_CASE("what is no queue's file is refused") {
  const ToolTest test;
  CHECK(test.Run("queue stats " + test.path).code == 3);
  CHECK(test.Run("dlq purge --all " + test.path).code == 3);
  CHECK(access(test.path.c_str(), F_OK) != 0);
  test.Sql("CREATE TABLE book (title)");
  const Answer other = test.Run("doctor " + test.path);
  CHECK(other.code == 3);
  CHECK(Has(other.error, test.path));
  CHECK(Has(other.error, "no queue has ever been in it"));
}

TEST_CASE("a file of a newer version is refused") {
  const ToolTest test;
  test.Fill();
  test.Sql("PRAGMA user_version = 99");
  const Answer answer = test.Run("queue stats " + test.path);
  CHECK(answer.code == 3);
  CHECK(Has(answer.error, "newer"));
}

TEST_CASE("help tells the exit codes") {
  const ToolTest test;
  for (const char* command : {"--help", "queue stats --help", "dlq ls --help", "dlq redrive --help", "doctor --help"}) {
    const Answer answer = test.Run(command);
    CHECK(answer.code == 0);
    CHECK(Has(answer.out, "Exit codes"));
    CHECK(Has(answer.out, "4  the file is in use"));
  }
  CHECK(test.Run("").code == 2);
  CHECK(test.Run("queue stats").code == 2);
}

}  // namespace
}  // namespace runlet::tool
