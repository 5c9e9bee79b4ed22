// Files outlive clocks: what is due stays so when the calendar jumps while nobody is looking. (libfaketime lies to a
// program of its own; the jumps of a running program are simulated in queue_test.cc.)
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/catch.h"
#include "tests/durable/memory_folder.h"
#include "tests/durable/share.h"

namespace runlet::durable_test {
namespace {

// In how many seconds something is due for a program whose calendar is off by `offset`; -1: nothing waits.
double NextDue(const std::string& offset, const std::string& path, const char* what = "") {
  const std::string command =
      fmt::format("DONT_FAKE_MONOTONIC=1 faketime -f {} {} {} {}", offset, RUNLET_CLOCK_MAIN, path, what);
  FILE* const output = popen(command.c_str(), "r");
  REQUIRE(output != nullptr);
  char text[64] = {};
  const bool answered = std::fgets(text, sizeof(text), output) != nullptr;
  INFO(command);
  REQUIRE(pclose(output) == 0);
  REQUIRE(answered);
  return std::strtod(text, nullptr);
}

bool CanLie() {
  if (kShare == 1 && std::system("faketime -f +1d true >/dev/null 2>&1") == 0) return true;
  WARN("not tested: faketime is not installed, or a sanitizer does not bear it");
  return false;
}

TEST_CASE("a delay goes on when the calendar is where it was") {
  if (!CanLie()) return;
  const MemoryFolder folder;
  const std::string path = folder.File("queue.db");
  CHECK(NextDue("+0", path, "post") == Approx(3600).margin(30));
  CHECK(NextDue("+30m", path) == Approx(1800).margin(30));
}

TEST_CASE("what is due waits no longer than it was told to when the calendar has gone back by a day") {
  if (!CanLie()) return;
  const MemoryFolder folder;
  const std::string path = folder.File("queue.db");
  NextDue("+0", path, "post");
  const double due = NextDue("-1d", path);
  CHECK(due >= 0);
  CHECK(due <= 3630);
}

TEST_CASE("what is due is due when the calendar has gone on by two hours") {
  if (!CanLie()) return;
  const MemoryFolder folder;
  const std::string path = folder.File("queue.db");
  NextDue("+0", path, "post");
  CHECK(NextDue("+2h", path) == -1);
}

}  // namespace
}  // namespace runlet::durable_test
