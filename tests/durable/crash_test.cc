// What becomes of events whose process is killed. Each life is a process of its own.
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
