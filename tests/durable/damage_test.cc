// Damaged rows, full disks, and calendars that jump.
#include <fmt/format.h>
#include <sqlite3.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "runlet/event/status.h"
#include "tests/durable/fault_vfs.h"
#include "tests/durable/host.h"

namespace runlet::durable_test {
namespace {

void Sql(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
  const absl::Status done = durable::Execute(db, sql);
  CHECK(done.ToString() == "OK");
  sqlite3_close(db);
}

// Three events, whose file then is damaged by `sql`.
std::string DamagedFile(const std::string& name, const std::string& sql) {
  const std::string path = FreshFile(name);
  {
    Host host(path);
    REQUIRE(host.engine().Register("f", [](std::string_view) {}).ok());
    for (int n = 1; n <= 3; ++n) REQUIRE(host.engine().Post("f", std::to_string(n)).ok());
  }
  Sql(path, sql);
  return path;
}

TEST_CASE("a damaged event does not run, is told of, and stays in the file; the others run") {
  const auto [sql, what] = GENERATE(table<std::string, std::string>({
      {"UPDATE runlet_event SET payload = 'x' WHERE seq = 2", "the checksum of the payload is wrong"},
      {"UPDATE runlet_event SET attempts = 1 WHERE seq = 2", "the checksum of the row is wrong"},
      {"UPDATE runlet_event SET payload = NULL WHERE seq = 2", "the payload is missing"},
      {"UPDATE runlet_event SET id = 'short' WHERE seq = 2", "the request id has not 16 bytes"},
      {"UPDATE runlet_event SET accepted = 7 WHERE seq = 2", "the checksum of the row is wrong"},
  }));
  const std::string path = DamagedFile("damaged", sql);
  for (int opened = 0; opened < 2; ++opened) {
    std::vector<durable::Damage> told;
    Host host(path, kStart, {.on_damage = [&](const durable::Damage& damage) { told.push_back(damage); }});
    std::vector<std::string> ran;
    REQUIRE(host.engine().Register("f", [&](std::string_view event) { ran.emplace_back(event); }).ok());
    while (host.engine().queue_stats().ready > 0) host.sim().AdvanceBy(absl::Seconds(1));
    CHECK(ran.size() == (opened == 0 ? 2 : 0));
    REQUIRE(told.size() == 1);
    CHECK(told[0].table == "runlet_event");
    CHECK(told[0].row == 2);
    CHECK(told[0].what == what);
    CHECK(told[0].function == "f");
    CHECK(host.queue().damages().size() == 1);
    CHECK(host.engine().Inspect().storage->damaged == 1);
  }
}

constexpr int kEvents = 600;

void PostAll(Host& host) {
  for (int n = 1; n <= kEvents; ++n)
    REQUIRE(host.engine().Post("f", std::to_string(n) + "." + std::string(200, 'x')).ok());
}

// Overwrites the page with the event, or letter, 300.
void SpoilPage(const std::string& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const std::string content(std::istreambuf_iterator<char>(file), {});
  const std::size_t event = content.find("300.xxx");
  REQUIRE(event != std::string::npos);
  file.clear();
  file.seekp(static_cast<std::streamoff>(event / 4096 * 4096));
  file << std::string(4096, '\xff');
}

// As many events, in a file in which one page is overwritten.
std::string FileWithABadPage(const std::string& name) {
  const std::string path = FreshFile(name);
  {
    Host host(path);
    REQUIRE(host.engine().Register("f", [](std::string_view) {}).ok());
    PostAll(host);
  }
  SpoilPage(path);
  return path;
}

// ... whose owner was killed.
std::string UncleanFileWithABadPage(const std::string& name) {
  const std::string path = FreshFile(name);
  CHECK(Killed([&] {
    Host host(path);
    if (!host.engine().Register("f", [](std::string_view) {}).ok()) _exit(1);
    PostAll(host);
    raise(SIGKILL);
  }));
  Sql(path, "PRAGMA wal_checkpoint(TRUNCATE)");
  SpoilPage(path);
  return path;
}

// As many dead letters, likewise.
std::string FileWithBadLetters(const std::string& name) {
  const std::string path = FreshFile(name);
  {
    Host host(path);
    const auto fail = [](std::string_view) { return Permanent(absl::InternalError("no")); };
    REQUIRE(host.engine().Register("f", fail).ok());
    PostAll(host);
    host.sim().RunUntilIdle();
    REQUIRE(host.stats().dead == kEvents);
  }
  Sql(path, "VACUUM");  // nothing is left of the events
  SpoilPage(path);
  return path;
}

// Runs whatever a host finds in the file; the numbers of the events that ran.
std::set<int> RunAll(Host& host) {
  const auto ran = std::make_shared<std::set<int>>();
  const auto run = [ran](std::string_view event) { ran->insert(std::stoi(std::string(event))); };
  REQUIRE(host.engine().Register("f", run).ok());
  host.sim().RunUntilIdle();
  const QueueStats stats = host.stats();
  CHECK(stats.ended == ran->size());
  CHECK(stats.accepted == stats.ended + stats.stranded);
  return *ran;
}

TEST_CASE("where a page cannot be read, what stands before it runs, and what cannot be reached is told and counted") {
  std::vector<durable::Damage> told;
  const std::string path =
      GENERATE(false, true) ? UncleanFileWithABadPage("bad-unclean") : FileWithABadPage("bad-page");
  Host host(path, kStart, {.on_damage = [&](const durable::Damage& damage) { told.push_back(damage); }});
  const std::set<int> ran = RunAll(host);
  CHECK(ran.size() > 250);
  CHECK(*ran.rbegin() == static_cast<int>(ran.size()));
  const std::size_t stranded = host.stats().stranded;
  CHECK(ran.size() + stranded == kEvents);
  REQUIRE(told.size() == 1);
  CHECK(told[0].row == *ran.rbegin());
  CHECK(told[0].what.find(fmt::format("cannot be read, about {}: ", stranded)) != std::string::npos);
  CHECK(host.engine().Inspect().storage->damaged == stranded);
  REQUIRE(host.engine().Post("f", "1000").ok());
  host.sim().RunUntilIdle();
  CHECK(host.stats().ended == ran.size() + 1);
}

TEST_CASE("a file that cannot be used is refused with the way to rescue it") {
  const std::string path = FileWithABadPage("unusable");
  Sql(path, "PRAGMA writable_schema=1; UPDATE sqlite_master SET rootpage=900 WHERE name='runlet_event'");
  const absl::Status refused = durable::Open(path).status();
  INFO(refused.ToString());
  CHECK(absl::IsDataLoss(refused));
  CHECK(refused.message().find(".dump") != absl::string_view::npos);
}

// As the header of the queue tells it. False: there is no shell.
bool Rescue(const std::string& from, const std::string& to) {
  if (std::system("sqlite3 :memory: 'SELECT 1' >/dev/null 2>&1") != 0) return false;
  const std::string command = fmt::format(
      "(sqlite3 {} .dump | sed 's/^ROLLBACK.*/COMMIT;/'; echo \"PRAGMA application_id=0x726e6c74; "
      "PRAGMA user_version=1; DELETE FROM runlet_meta WHERE name = 'clean';\") | sqlite3 {}",
      from, to);
  REQUIRE(std::system(command.c_str()) == 0);
  return true;
}

TEST_CASE("what is left of a file with an unreadable page is rescued with the sqlite3 shell, and runs") {
  const std::string path = FileWithABadPage("to-rescue");
  const std::string rescued = FreshFile("rescued");
  std::set<int> before;
  if (GENERATE(false, true)) {
    Host host(path);
    before = RunAll(host);
  }
  if (!Rescue(path, rescued)) {
    WARN("not tested: there is no sqlite3 shell");
    return;
  }
  Host host(rescued);
  const std::set<int> ran = RunAll(host);
  CHECK(host.stats().stranded == 0);
  CHECK(host.queue().damages().empty());
  std::set<int> all = before;
  all.insert(ran.begin(), ran.end());
  CHECK(all.count(1) == 1);
  CHECK(all.count(300) == 0);
  CHECK(all.count(kEvents) == 1);
  CHECK(all.size() >= kEvents - 20);  // a page holds fewer
}

TEST_CASE("where dead letters cannot be read, those before are listed, and about how many cannot be is told once") {
  std::vector<durable::Damage> told;
  Host host(FileWithBadLetters("bad-letters"), kStart,
            {.on_damage = [&](const durable::Damage& damage) { told.push_back(damage); }});
  REQUIRE(host.engine().Register("f", [](std::string_view) {}).ok());
  const DeadLetterView letters = host.engine().dead_letters();
  CHECK(letters.size() == kEvents);
  std::size_t listed = 0;
  for (int times = 0; times < 2; ++times) {
    listed = 0;
    std::optional<RequestId> after;
    for (;;) {
      const std::vector<DeadLetter> page = letters.List({}, 100, after);
      listed += page.size();
      if (page.empty()) break;
      after = page.back().request_id;
    }
    CHECK(listed > 100);
    CHECK(listed < kEvents - 1);
    REQUIRE(told.size() == 1);
  }
  CHECK(told[0].table == "runlet_dead");
  CHECK(told[0].row >= static_cast<int>(listed));
  const std::string about = fmt::format("cannot be read, about {}: ", kEvents - listed);
  CHECK(told[0].what.find(about) != std::string::npos);
  CHECK(host.engine().Inspect().storage->damaged == kEvents - listed);
  REQUIRE(host.engine().Post("f", "1000").ok());
  host.sim().RunUntilIdle();
  CHECK(host.stats().ended == 1);
}

TEST_CASE("a purge that cannot read all dead letters removes none, and tells why") {
  std::vector<durable::Damage> told;
  Host host(FileWithBadLetters("bad-purge"), kStart,
            {.on_damage = [&](const durable::Damage& damage) { told.push_back(damage); }});
  CHECK(host.engine().dead_letters().Purge({}) == 0);
  CHECK(host.stats().dead == kEvents);
  REQUIRE(told.size() == 1);
  CHECK(told[0].table == "runlet_dead");
}

TEST_CASE("dead letters that could not be read for another reason are told of each time") {
  FaultVfs vfs;
  const std::string path = FileWithBadLetters("unread");
  std::vector<durable::Damage> told;
  Host host(path, kStart, {.on_damage = [&](const durable::Damage& damage) { told.push_back(damage); }});
  vfs.FailNth(FaultVfs::Operation::kRead, 1, FaultVfs::Fault::kIoError, FaultVfs::kForEver);
  CHECK(host.engine().dead_letters().List({}, 1).empty());
  vfs.Heal();
  REQUIRE(told.size() == 1);
  CHECK(told[0].what.find("I/O") != std::string::npos);
  CHECK(host.engine().Inspect().storage->damaged == 0);
  CHECK(host.engine().dead_letters().List({}, 1).size() == 1);
}

TEST_CASE("a damaged dead letter is told of, and neither listed nor taken") {
  const std::string path = FreshFile("damaged-letter");
  {
    Host host(path);
    const auto fail = [](std::string_view) { return Permanent(absl::InternalError("no")); };
    REQUIRE(host.engine().Register("f", fail).ok());
    for (int n = 1; n <= 2; ++n) REQUIRE(host.engine().Post("f", std::to_string(n)).ok());
    host.sim().RunUntilIdle();
  }
  Sql(path, "UPDATE runlet_dead SET payload = 'x' WHERE ord = 1");
  Host host(path);
  for (int times = 0; times < 2; ++times) CHECK(host.engine().dead_letters().List().size() == 1);
  CHECK(host.engine().dead_letters().size() == 2);
  REQUIRE(host.queue().damages().size() == 1);
  CHECK(host.queue().damages()[0].table == "runlet_dead");
}

// Makes the disk as full as it is: no page more.
void Fill(durable::Queue& queue) {
  REQUIRE(queue.Transaction([](sqlite3* db) { return durable::Execute(db, "PRAGMA max_page_count=1"); }).ok());
}
void Empty(durable::Queue& queue) {
  REQUIRE(queue.Transaction([](sqlite3* db) { return durable::Execute(db, "PRAGMA max_page_count=1000000"); }).ok());
}

TEST_CASE("a full disk refuses new events, lets those that run end, and goes on once there is room") {
  Host host(FreshFile("full"));
  int ran = 0;
  const auto work = [&](std::string_view, Context& context) {
    ++ran;
    context.Sleep(absl::Minutes(1));
  };
  REQUIRE(host.engine().Register("f", work, {.timeout = absl::Minutes(5)}).ok());
  REQUIRE(host.engine().Post("f", "1").ok());
  host.sim().AdvanceBy(absl::Seconds(1));
  Fill(host.queue());
  absl::Status refused;
  for (int n = 0; n < 1000 && refused.ok(); ++n) refused = host.engine().Post("f", std::string(2000, 'x')).status();
  CHECK(refused.code() == absl::StatusCode::kResourceExhausted);
  CHECK(Reason(refused) == reason::kQueueStorageFull);
  CHECK(host.engine().Inspect().storage->full);
  const std::size_t accepted = host.stats().accepted;
  host.sim().AdvanceBy(absl::Minutes(10));
  CHECK(ran >= 1);
  Empty(host.queue());
  host.sim().RunUntilIdle();
  CHECK(ran == static_cast<int>(accepted));
  CHECK(host.stats().ended == accepted);
  CHECK(host.stats().dead == 0);
  CHECK(!host.engine().Inspect().storage->full);
  CHECK(host.engine().Post("f", "more").ok());
}

// An event that is to run again in a minute; the file is opened `later` on the calendar. When it runs.
absl::Duration RunsAfter(absl::Duration later) {
  const std::string path = FreshFile("jump");
  {
    Host host(path);
    REQUIRE(host.engine().Register("f", [](std::string_view) { return absl::InternalError("no"); }).ok());
    REQUIRE(host.engine().Post("f", "1").ok());
    host.sim().AdvanceBy(absl::Seconds(10));
  }
  Host host(path, kStart + later);
  bool ran = false;
  REQUIRE(host.engine().Register("f", [&](std::string_view) { ran = true; }).ok());
  for (int seconds = 0; seconds < 1000; ++seconds) {
    host.sim().AdvanceBy(absl::Seconds(1));
    if (ran) return host.sim().Elapsed();
  }
  return absl::InfiniteDuration();
}

TEST_CASE(
    "a calendar that was set back makes no event wait longer than from the start, one set forward runs it at once") {
  CHECK(RunsAfter(absl::Seconds(10)) == absl::Seconds(50));
  CHECK(RunsAfter(-absl::Hours(24 * 365)) == absl::Seconds(60));
  CHECK(RunsAfter(absl::Hours(1)) == absl::Seconds(1));
  // Beyond its age it ends, without an attempt.
  CHECK(RunsAfter(absl::Hours(7)) == absl::InfiniteDuration());
}

TEST_CASE("an event that was put before the calendar was set back is no older for it") {
  const std::string path = FreshFile("back");
  {
    Host host(path);
    REQUIRE(host.engine().Register("f", [](std::string_view) {}).ok());
    REQUIRE(host.engine().Post("f", "1", {.delay = absl::Hours(5)}).ok());
  }
  Host host(path, kStart - absl::Hours(48));
  int ran = 0;
  REQUIRE(host.engine().Register("f", [&](std::string_view) { ++ran; }).ok());
  host.sim().AdvanceBy(absl::Hours(5) - absl::Seconds(1));
  CHECK(ran == 0);
  host.sim().AdvanceBy(absl::Seconds(1));
  CHECK(ran == 1);
}

}  // namespace
}  // namespace runlet::durable_test
