// Files that earlier versions have written: every one must be read for ever.
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/durable/host.h"

namespace runlet::durable_test {
namespace {

// Each has, as Write() below makes it: an event that is delayed and has a long payload, one between two attempts, one
// that was running when its process died, a dead letter, and a key.
void Register(Host& host, std::map<std::string, int>* ran) {
  REQUIRE(host.engine()
              .Register("golden",
                        [ran](std::string_view event) -> absl::Status {
                          if (ran != nullptr) ++(*ran)[std::string(event.substr(0, 5))];
                          if (event == "dead") return Permanent(absl::InternalError("gone"));
                          if (event == "retry" && ran == nullptr) return absl::InternalError("once");
                          if (event == "crash" && ran == nullptr) raise(SIGKILL);
                          return absl::OkStatus();
                        })
              .ok());
}

// How golden/v1.db was made: the test "[golden]" writes v.db.
void Write(const std::string& path) {
  REQUIRE(Killed([&] {
    Host host(path);
    Register(host, nullptr);
    Engine& engine = host.engine();
    (void)engine.Post("golden", "dead");
    (void)engine.Post("golden", "retry");
    host.sim().AdvanceBy(absl::Seconds(1));
    (void)engine.Post("golden", "later" + std::string(5000, '.'), {.delay = absl::Hours(1)});
    (void)engine.Post("golden", "keyed", {.dedup_key = "key", .dedup_window = absl::Hours(24)});
    host.sim().AdvanceBy(absl::Seconds(1));
    (void)engine.Post("golden", "crash");
    host.sim().AdvanceBy(absl::Seconds(1));
  }));
  Host host(path, kStart + absl::Seconds(10));  // nothing is registered: all of it waits
  REQUIRE(host.engine().Register("other", [](std::string_view) {}).ok());
}

TEST_CASE("a golden file is written anew", "[.][golden]") {
  const std::string path = FreshFile("golden");
  Write(path);
  std::filesystem::copy_file(path, "v.db", std::filesystem::copy_options::overwrite_existing);
}

TEST_CASE("a file of schema version 1 has all that was in it") {
  const std::string path = FreshFile("v1");
  std::filesystem::copy_file(RUNLET_GOLDEN_FILES "/v1.db", path);
  std::map<std::string, int> ran;
  Host host(path, kStart + absl::Seconds(20));
  Register(host, &ran);
  CHECK(host.queue().damages().empty());
  REQUIRE(host.engine().dead_letters().size() == 1);
  const DeadLetter letter = host.engine().dead_letters().List().at(0);
  CHECK(letter.Bytes().value() == "dead");
  CHECK(letter.condition == Condition::kNotRetryable);
  CHECK(letter.accepted_at == kStart);
  REQUIRE(letter.errors.size() == 1);
  CHECK(letter.errors[0].error.message == "gone");
  REQUIRE(host.engine().Post("golden", "again", {.dedup_key = "key"}).ok());
  host.sim().AdvanceBy(absl::Seconds(30));
  CHECK(ran == std::map<std::string, int>{{"crash", 1}});
  host.sim().RunUntilIdle();
  CHECK(ran == std::map<std::string, int>{{"crash", 1}, {"later", 1}, {"retry", 1}});
  CHECK(host.sim().Elapsed() == absl::Seconds(3601 - 20));
}

}  // namespace
}  // namespace runlet::durable_test
