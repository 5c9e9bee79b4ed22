// The command-line tool, run as people and scripts run it.
#include <fmt/format.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
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
