// Whose file it is, and what a file may be.
#include <sqlite3.h>

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
