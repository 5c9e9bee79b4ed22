// What becomes of events whose process is killed. Each life is a process of its own.
#include <sqlite3.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "tests/durable/host.h"

namespace runlet::durable_test {
namespace {

// What handlers have written down, whatever became of them: one line each.
class Journal {
 public:
  explicit Journal(const std::string& name) : path_(Scratch(name)) { std::filesystem::remove(path_); }
  void Add(std::string_view line) const { std::ofstream(path_, std::ios::app) << line << std::endl; }
  std::map<std::string, int> Counts() const {
    std::map<std::string, int> counts;
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) ++counts[line];
    return counts;
  }

 private:
  const std::string path_;
};

TEST_CASE("what was accepted before kill -9 is run by the next process, and what had ended is not") {
  const std::string path = FreshFile("killed");
  const Journal journal("killed.txt");
  const auto live = [&](bool post) {
    Host host(path);
    REQUIRE(host.engine().Register("f", [&](std::string_view event) { journal.Add(event); }).ok());
    host.sim().RunUntilIdle();
    if (!post) return;
    for (int n = 0; n < 20; ++n) REQUIRE(host.engine().Post("f", std::to_string(n)).ok());
    host.sim().RunUntilIdle();
    for (int n = 20; n < 40; ++n) REQUIRE(host.engine().Post("f", std::to_string(n)).ok());
    raise(SIGKILL);
  };
  REQUIRE(Killed([&] { live(true); }));
  CHECK(journal.Counts().size() == 20);
  live(false);
  const std::map<std::string, int> counts = journal.Counts();
  CHECK(counts.size() == 40);
  for (const auto& [event, runs] : counts) CHECK(runs == 1);
}

TEST_CASE("a batch is there whole or not at all after a kill") {
  const std::string path = FreshFile("batch");
  REQUIRE(Killed([&] {
    Host host(path);
    if (!host.engine().Register("f", [](std::string_view) {}).ok()) return;
    if (!host.engine().PostAll("f", std::vector<std::string>(100, "x")).ok()) _exit(1);
  }));
  CHECK(Host(path).stats().accepted == 100);
}

// Runs "poison" and nine others, each of which may kill the process.
struct PoisonedHost {
  PoisonedHost(const std::string& path, const Journal& journal) : host(path) {
    REQUIRE(host.engine()
                .Register("f",
                          [&journal](std::string_view event) {
                            journal.Add(event);
                            if (event == "poison") raise(SIGKILL);
                          })
                .ok());
  }
  Host host;
};

TEST_CASE("an event that kills the process ends as HostCrashed, and its neighbours end well") {
  const std::string path = FreshFile("poison");
  const Journal journal("poison.txt");
  REQUIRE(Killed([&] {
    PoisonedHost poisoned(path, journal);
    for (int n = 0; n < 9; ++n) {
      if (n == 4 && !poisoned.host.engine().Post("f", "poison").ok()) _exit(1);
      if (!poisoned.host.engine().Post("f", std::to_string(n)).ok()) _exit(1);
    }
    poisoned.host.sim().RunUntilIdle();
    _exit(2);
  }));
  int deaths = 1;
  while (deaths < 10 && Killed([&] {
           PoisonedHost poisoned(path, journal);
           poisoned.host.sim().RunUntilIdle();
           _exit(0);
         })) {
    ++deaths;
  }
  // Once it was one of several that ran; then three times it was the one.
  CHECK(deaths <= 4);
  PoisonedHost poisoned(path, journal);
  poisoned.host.sim().RunUntilIdle();
  const std::vector<DeadLetter> letters = poisoned.host.sim().DeadLetters();
  REQUIRE(letters.size() == 1);
  CHECK(letters[0].condition == Condition::kHostCrashed);
  CHECK(letters[0].Bytes().value() == "poison");
  CHECK(letters[0].attempts == 0);
  const std::map<std::string, int> counts = journal.Counts();
  CHECK(counts.size() == 10);
  CHECK(counts.at("poison") == deaths);
  for (int n = 0; n < 9; ++n) CHECK(counts.at(std::to_string(n)) >= 1);
}

// "poison" and "neighbour" of the function "f" ran when a process died; then "poison" ran alone in three that died.
std::string FileWithACrashed(const std::string& name) {
  const std::string path = FreshFile(name);
  for (int life = 0; life < 4; ++life) {
    REQUIRE(Killed([&] {
      Host host(path);
      const auto run = [&](std::string_view event, Context& context) {
        if (life > 0 && event == "poison") raise(SIGKILL);
        context.Sleep(absl::Hours(1));
      };
      if (!host.engine().Register("f", run, {.timeout = absl::Minutes(15)}).ok()) _exit(1);
      if (life == 0) {
        (void)host.engine().Post("f", "poison");
        (void)host.engine().Post("f", "neighbour");
      }
      host.sim().AdvanceBy(absl::Seconds(1));
      if (life > 0 || host.stats().running != 2) _exit(1);
      raise(SIGKILL);
    }));
  }
  return path;
}

// How many deaths are charged to each suspect.
std::map<int, int> DeathsIn(const std::string& path) {
  std::map<int, int> deaths;
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
  const auto take = [](void* to, int, char** values, char**) {
    (*static_cast<std::map<int, int>*>(to))[std::atoi(values[0])] = std::atoi(values[1]);
    return 0;
  };
  CHECK(sqlite3_exec(db, "SELECT seq, deaths FROM runlet_suspect", take, &deaths, nullptr) == SQLITE_OK);
  sqlite3_close(db);
  return deaths;
}

TEST_CASE("the end of an event that killed its process is told like any other, once") {
  const std::string path = FileWithACrashed("crashed-told");
  std::vector<InvocationRecord> records;
  const Destination destination = Destination::Callback([&](const InvocationRecord& record) {
    records.push_back(record);
    return absl::OkStatus();
  });
  for (int opened = 0; opened < 2; ++opened) {
    Host host(path);
    std::vector<std::string> ran;
    REQUIRE(host.engine()
                .Register("f", [&](std::string_view event) { ran.emplace_back(event); },
                          {.event_invoke = {.on_failure = destination}})
                .ok());
    host.sim().RunUntilIdle();
    CHECK(ran == (opened == 0 ? std::vector<std::string>{"neighbour"} : std::vector<std::string>{}));
    CHECK(host.engine().Metrics("f")->async_events_dropped == (opened == 0 ? 1 : 0));
    const std::vector<testing::LedgerEntry> ends = host.sim().Ledger().Of(Activity::Kind::kEnded);
    CHECK(std::count_if(ends.begin(), ends.end(), [](const testing::LedgerEntry& end) {
            return end.condition == Condition::kHostCrashed;
          }) == (opened == 0 ? 1 : 0));
    REQUIRE(host.sim().DeadLetters().size() == 1);
    CHECK(host.sim().DeadLetters()[0].condition == Condition::kHostCrashed);
    REQUIRE(records.size() == 1);
    CHECK(records[0].condition == Condition::kHostCrashed);
    CHECK(records[0].approximate_invoke_count == 0);
    CHECK(records[0].request_id == host.sim().DeadLetters()[0].request_id);
    CHECK(host.stats().accepted == host.stats().ended);
  }
  CHECK(DeathsIn(path).empty());
}

TEST_CASE("an event that killed its process waits, unrun, for its function; to wait and to die again charges nobody") {
  const std::string path = FileWithACrashed("crashed-waits");
  {
    Host host(path);
    REQUIRE(host.engine().Register("g", [](std::string_view) {}).ok());
    host.sim().RunUntilIdle();
    CHECK(host.stats().stranded == 2);
    CHECK(host.stats().dead == 0);
  }
  const std::map<int, int> charged = {{1, 3}, {2, 0}};
  CHECK(DeathsIn(path) == charged);
  for (int life = 0; life < 3; ++life) {
    REQUIRE(Killed([&] {
      Host host(path);
      if (!host.engine().Register("f", [](std::string_view) {}).ok()) _exit(1);
      if (!host.engine().Cancel(RequestId()).ok() && host.stats().ready != 2) _exit(1);  // both are in memory
    }));
    CHECK(DeathsIn(path) == charged);
  }
  Host host(path);
  int ran = 0;
  REQUIRE(host.engine().Register("f", [&](std::string_view) { ++ran; }).ok());
  host.sim().RunUntilIdle();
  CHECK(ran == 1);
  CHECK(host.stats().dead == 1);
}

TEST_CASE("an event that killed its process ends with its function, should that be removed first") {
  Host host(FileWithACrashed("crashed-cancelled"));
  REQUIRE(host.engine().Register("f", [](std::string_view) {}).ok());
  REQUIRE(host.engine().Remove("f").ok());
  CHECK(host.stats().ended == 2);
  for (const DeadLetter& letter : host.sim().DeadLetters()) CHECK(letter.condition == Condition::kFunctionRemoved);
}

TEST_CASE("an event that killed its process is ended by the engine that knows its function") {
  const std::shared_ptr<durable::Queue> queue = MustOpen(FileWithACrashed("crashed-elsewhere"));
  testing::SimulationOptions options;
  options.engine.queue = queue;
  options.on_violation = [](std::string_view) {};  // each sees its own half alone
  testing::Simulation one(options);
  testing::Simulation two(options);
  int ran = 0;
  REQUIRE(one.engine().Register("g", [](std::string_view) {}).ok());
  REQUIRE(two.engine().Register("f", [&](std::string_view) { ++ran; }).ok());
  one.AdvanceBy(absl::Seconds(1));
  CHECK(two.engine().queue_stats().ended == 0);
  two.RunUntilIdle();
  CHECK(ran == 1);
  CHECK(two.engine().queue_stats().ended == 2);
  CHECK(two.DeadLetters().size() == 1);
}

TEST_CASE("a suspect that ends well is a suspect no more, and is charged with nothing") {
  const std::string path = FreshFile("suspects");
  const Journal journal("suspects.txt");
  // Both are claimed when the process dies, over and over; neither is at fault.
  for (int life = 0; life < 6; ++life) {
    REQUIRE(Killed([&] {
      Host host(path);
      const auto run = [&](std::string_view event, Context& context) {
        context.Sleep(absl::Minutes(1));
        journal.Add(event);
      };
      if (!host.engine().Register("f", run, {.timeout = absl::Minutes(5)}).ok()) _exit(1);
      if (life == 0) {
        (void)host.engine().Post("f", "a");
        (void)host.engine().Post("f", "b");
      }
      host.sim().AdvanceBy(life == 5 ? absl::Minutes(3) : absl::Seconds(10));
      raise(SIGKILL);
    }));
  }
  Host host(path);
  // One of them ran marked each time. The other was charged with none of its deaths.
  CHECK(host.stats().dead <= 1);
  CHECK(journal.Counts().size() + host.stats().dead == 2);
}

TEST_CASE("suspects run one at a time, and others run beside them") {
  const std::string path = FreshFile("alone");
  REQUIRE(Killed([&] {
    Host host(path);
    const auto wait = [](std::string_view, Context& context) { context.Sleep(absl::Hours(1)); };
    if (!host.engine().Register("f", wait, {.timeout = absl::Minutes(15)}).ok()) _exit(1);
    for (int n = 0; n < 3; ++n) (void)host.engine().Post("f", "suspect");
    host.sim().AdvanceBy(absl::Seconds(1));
    if (host.stats().running < 3) _exit(1);
    raise(SIGKILL);
  }));
  Host host(path);
  int suspects = 0;
  int most = 0;
  int others = 0;
  const auto run = [&](std::string_view event, Context& context) {
    if (event == "other") {
      ++others;
      return;
    }
    most = std::max(most, ++suspects);
    context.Sleep(absl::Minutes(1));
    --suspects;
  };
  REQUIRE(host.engine().Register("f", run, {.timeout = absl::Minutes(15)}).ok());
  REQUIRE(host.engine().Post("f", "other").ok());
  host.sim().AdvanceBy(absl::Seconds(1));
  CHECK(others == 1);
  host.sim().RunUntilIdle();
  CHECK(most == 1);
  CHECK(host.stats().ended == 4);
  CHECK(host.stats().dead == 0);
}

}  // namespace
}  // namespace runlet::durable_test
