// Whose file it is, and what a file may be.
#include <sqlite3.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "durable/schema.h"
#include "tests/durable/host.h"

namespace runlet::durable_test {
namespace {

std::string MessageOf(const std::string& path, absl::StatusCode code) {
  const absl::Status status = durable::Open(path).status();
  CHECK(status.code() == code);
  return std::string(status.message());
}

// Runs SQL on a file that nobody has open.
void Sql(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
  const absl::Status done = durable::Execute(db, sql);
  CHECK(done.ToString() == "OK");
  sqlite3_close(db);
}

// What a child answers that found all as it should be.
int Die() { return raise(SIGKILL); }

TEST_CASE("a file that is open is refused, in the same process and in another, with the owner's number") {
  const std::string path = FreshFile("owned");
  const std::shared_ptr<durable::Queue> queue = MustOpen(path);
  CHECK(MessageOf(path, absl::StatusCode::kFailedPrecondition) ==
        queue->path() + " is open already, by this process (" + std::to_string(getpid()) + ")");

  const std::string other = Scratch("link.db");
  std::filesystem::remove(other);
  std::filesystem::create_symlink(path, other);
  CHECK(MessageOf(other, absl::StatusCode::kFailedPrecondition).find("is open already") != std::string::npos);

  const pid_t owner = getpid();
  CHECK(Killed([&] {
    const absl::Status refused = durable::Open(path).status();
    const std::string name = "process " + std::to_string(owner);
    _exit(refused.message().find(name) != absl::string_view::npos ? raise(SIGKILL) : 1);
  }));
}

TEST_CASE("after kill -9 and after closing, the file is free at once") {
  const std::string path = FreshFile("free");
  int pipes[2];
  REQUIRE(pipe(pipes) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto queue = durable::Open(path);
    (void)!write(pipes[1], queue.ok() ? "1" : "0", 1);
    for (;;) pause();
  }
  char opened = 0;
  REQUIRE(read(pipes[0], &opened, 1) == 1);
  CHECK(opened == '1');
  CHECK(MessageOf(path, absl::StatusCode::kFailedPrecondition).find(std::to_string(child)) != std::string::npos);
  kill(child, SIGKILL);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  for (int times = 0; times < 2; ++times) CHECK(durable::Open(path).status().ToString() == "OK");
  close(pipes[0]);
  close(pipes[1]);
}

TEST_CASE("the file is owned, and not its name: a hard link to it is refused too, and the owner named") {
  const std::string path = FreshFile("linked");
  const std::string other = FreshFile("hard");
  const std::shared_ptr<durable::Queue> queue = MustOpen(path);
  std::filesystem::create_hard_link(path, other);
  CHECK(MessageOf(other, absl::StatusCode::kFailedPrecondition) ==
        other + " is open already, by this process (" + std::to_string(getpid()) + ")");
  const std::string owner = "process " + std::to_string(getpid());
  CHECK(Killed([&] { _exit(MessageOf(other, absl::StatusCode::kFailedPrecondition).find(owner) + 1 ? Die() : 1); }));
  std::filesystem::remove(other);
}

TEST_CASE("a file whose lock file was removed still is its owner's") {
  const std::string path = FreshFile("unlocked");
  const std::shared_ptr<durable::Queue> queue = MustOpen(path);
  std::filesystem::remove(path + "-lock");
  CHECK(MessageOf(path, absl::StatusCode::kFailedPrecondition).find("by this process") != std::string::npos);
  std::filesystem::remove(path + "-lock");
  const std::string owner = "process " + std::to_string(getpid());
  CHECK(Killed([&] { _exit(MessageOf(path, absl::StatusCode::kFailedPrecondition).find(owner) + 1 ? Die() : 1); }));
}

TEST_CASE("a file that was removed while it is open is not made anew beside its owner") {
  const std::string path = FreshFile("removed");
  const std::shared_ptr<durable::Queue> queue = MustOpen(path);
  std::filesystem::remove(path);
  MessageOf(path, absl::StatusCode::kFailedPrecondition);
}

// SQLite's own locks belong to the process, and go when any descriptor of the file is closed.
TEST_CASE("a refused opening leaves the locks alone that this process has on the file") {
  const std::string path = FreshFile("refused");
  std::shared_ptr<durable::Queue> queue = MustOpen(path);
  sqlite3* own = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &own) == SQLITE_OK);
  REQUIRE(durable::Execute(own, "CREATE TABLE sale(x)").ok());
  // Whoever closes the file last removes the log: while somebody here has it open, nobody elsewhere may.
  const auto log_stays = [&] {
    if (std::system(("sqlite3 " + path + " 'SELECT 1 FROM sale' >/dev/null 2>&1").c_str()) != 0)
      WARN("not tested: there is no sqlite3 shell");
    CHECK(std::filesystem::exists(path + "-wal"));
  };
  MessageOf(path, absl::StatusCode::kFailedPrecondition);
  log_stays();
  queue.reset();
  log_stays();
  MustOpen(path);
  log_stays();
  sqlite3_close(own);
  CHECK(!std::filesystem::exists(path + "-wal"));
}

TEST_CASE("a lock file that cannot be written to leaves the file its owner's") {
  if (geteuid() != 0) {
    WARN("not tested: only root can be another user");
    return;
  }
  const std::string path = FreshFile("foreign-lock");
  MustOpen(path).reset();
  std::filesystem::remove(path + "-lock");
  for (const std::string& each : {path, std::filesystem::path(path).parent_path().string()})
    REQUIRE(chown(each.c_str(), 12345, 12345) == 0);
  MustOpen(path).reset();  // by root
  struct stat facts = {};
  REQUIRE(stat((path + "-lock").c_str(), &facts) == 0);
  CHECK(facts.st_uid == 12345);
  REQUIRE(chown((path + "-lock").c_str(), 0, 0) == 0);
  CHECK(Killed([&] {
    if (setgid(12345) != 0 || setuid(12345) != 0) _exit(2);
    const absl::StatusOr<std::shared_ptr<durable::Queue>> queue = durable::Open(path);
    _exit(queue.ok() ? Die() : 1);
  }));
}

TEST_CASE("a forked child is refused, and leaves its parent's file alone") {
  const std::string path = FreshFile("forked");
  const std::shared_ptr<durable::Queue> queue = MustOpen(path);
  const std::shared_ptr<EventQueue> port = queue->Join(SystemClock());
  CHECK(Killed([&] {
    std::string payload = "x";
    EventRef event = Event::Make(TypeOf<std::string>(), &payload);
    const FunctionIdentity f{"f", 0};
    event->function = &f;
    const bool refused =
        port->Put({&event, 1}, SystemClock().Now()).code() == absl::StatusCode::kFailedPrecondition &&
        queue->Transaction([](sqlite3*) { return absl::OkStatus(); }).code() == absl::StatusCode::kFailedPrecondition;
    _exit(refused ? raise(SIGKILL) : 1);
  }));
  CHECK(queue->Transaction([](sqlite3*) { return absl::OkStatus(); }).ok());
}

TEST_CASE("a file of a newer version, of somebody else, or of nothing at all is refused and named") {
  const std::string path = FreshFile("version");
  MustOpen(path).reset();
  Sql(path, "PRAGMA user_version=2");
  CHECK(MessageOf(path, absl::StatusCode::kFailedPrecondition).find("schema version 2") != std::string::npos);

  const std::string foreign = FreshFile("foreign");
  Sql(foreign, "PRAGMA application_id=77; CREATE TABLE theirs(x)");
  CHECK(MessageOf(foreign, absl::StatusCode::kInvalidArgument).find("something else") != std::string::npos);

  Sql(path, "PRAGMA user_version=0");
  CHECK(MessageOf(path, absl::StatusCode::kInvalidArgument).find("schema version 0, which no") != std::string::npos);
  Sql(path, "PRAGMA application_id=0");
  CHECK(MessageOf(path, absl::StatusCode::kInvalidArgument).find("not a queue's marks") != std::string::npos);
  Sql(path, "PRAGMA user_version=2; PRAGMA application_id=0x726e6c74");

  const std::string text = FreshFile("text");
  std::ofstream(text) << std::string(5000, 'x');
  CHECK(MessageOf(text, absl::StatusCode::kInvalidArgument).find("not a database") != std::string::npos);

  CHECK(durable::Open("/no/such/folder/q.db").status().code() == absl::StatusCode::kNotFound);
  CHECK(durable::Open("").status().code() == absl::StatusCode::kInvalidArgument);
  CHECK(durable::Open(path, {.durability = Durability::kMemory}).status().code() == absl::StatusCode::kInvalidArgument);
  CHECK(durable::Open(path, {.events = 0}).status().message() == "events is 0, outside its range of 1 to 100000000");
}

TEST_CASE("a host's own tables may be there before the queue's") {
  const std::string path = FreshFile("guest");
  Sql(path, "CREATE TABLE sale(id INTEGER PRIMARY KEY)");
  CHECK(durable::Open(path).status().ToString() == "OK");
}

}  // namespace
}  // namespace runlet::durable_test
