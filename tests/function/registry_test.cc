#include "function/registry.h"

#include <atomic>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/catch.h"

namespace runlet {
namespace {

std::string NameOf(int i) { return "function-" + std::to_string(i); }

TEST_CASE("a function that was never added is not found") {
  Registry registry;
  CHECK(registry.Find("a") == nullptr);
  CHECK(registry.Find("") == nullptr);
  registry.FindOrAdd("a");
  CHECK(registry.Find("b") == nullptr);
  CHECK(registry.Find("aa") == nullptr);
  CHECK(registry.Find("") == nullptr);
}

TEST_CASE("a name has one entry, however often it is added") {
  Registry registry;
  FunctionEntry& entry = registry.FindOrAdd("a");
  CHECK(&registry.FindOrAdd("a") == &entry);
  CHECK(registry.Find("a") == &entry);
  CHECK(entry.name == "a");
  CHECK(entry.code.load() == nullptr);
  CHECK(registry.All().size() == 1);
}

TEST_CASE("10,000 functions are all found, where they were first put") {
  constexpr int kMany = 10'000;
  Registry registry;
  std::vector<FunctionEntry*> added;
  for (int i = 0; i < kMany; ++i) added.push_back(&registry.FindOrAdd(NameOf(i)));
  int found = 0;
  for (int i = 0; i < kMany; ++i) found += registry.Find(NameOf(i)) == added[static_cast<std::size_t>(i)];
  CHECK(found == kMany);
  CHECK(registry.Find(NameOf(kMany)) == nullptr);
  CHECK(registry.All() == added);
}

TEST_CASE("functions are numbered in the order of their first registration") {
  Registry registry;
  for (int i = 0; i < 100; ++i) registry.FindOrAdd(NameOf(i));
  registry.FindOrAdd(NameOf(50));
  std::uint32_t index = 0;
  for (const FunctionEntry* entry : registry.All()) CHECK(entry->index == index++);
  CHECK(index == 100);
}

TEST_CASE("names of every length are told apart, by each of their letters") {
  Registry registry;
  std::set<FunctionEntry*> entries;
  int names = 0;
  for (std::size_t length = 1; length <= kFunctionNameMax; ++length) {
    for (std::size_t place = 0; place <= length; ++place) {
      std::string name(length, 'a');
      if (place < length) name[place] = 'b';
      entries.insert(&registry.FindOrAdd(name));
      ++names;
    }
  }
  CHECK(entries.size() == static_cast<std::size_t>(names));
  for (FunctionEntry* entry : entries) CHECK(registry.Find(entry->name) == entry);
}

TEST_CASE("a name is read only as far as it goes") {
  Registry registry;
  FunctionEntry& entry = registry.FindOrAdd("abc");
  const std::string longer = "abcdefghijklmnop";
  for (std::size_t n = 0; n <= longer.size(); ++n) {
    CHECK((registry.Find(std::string_view(longer).substr(0, n)) == &entry) == (n == 3));
  }
}

TEST_CASE("functions are found without a lock while another thread adds more") {
  constexpr int kMany = 4'000;
  Registry registry;
  std::atomic<int> added{0};
  std::atomic<bool> wrong{false};
  const auto read = [&] {
    for (int seen = 0; seen < kMany;) {
      seen = added.load(std::memory_order_acquire);
      // Whatever was added before is there, and what comes next is there whole or not at all.
      for (int i = std::max(0, seen - 3); i < seen; ++i) {
        const FunctionEntry* entry = registry.Find(NameOf(i));
        if (entry == nullptr || entry->name != NameOf(i)) wrong = true;
      }
      const FunctionEntry* next = registry.Find(NameOf(seen));
      if (next != nullptr && next->name != NameOf(seen)) wrong = true;
    }
  };
  std::thread first(read), second(read);
  for (int i = 0; i < kMany; ++i) {
    registry.FindOrAdd(NameOf(i));
    added.store(i + 1, std::memory_order_release);
  }
  first.join();
  second.join();
  CHECK(!wrong);
}

TEST_CASE("threads that add the same names agree on the entries") {
  constexpr int kMany = 1'000;
  Registry registry;
  std::vector<FunctionEntry*> entries[2];
  const auto add = [&](int who) {
    for (int i = 0; i < kMany; ++i) entries[who].push_back(&registry.FindOrAdd(NameOf(who == 0 ? i : kMany - 1 - i)));
  };
  std::thread other(add, 1);
  add(0);
  other.join();
  CHECK(registry.All().size() == kMany);
  for (std::size_t i = 0; i < kMany; ++i) CHECK(entries[0][i] == entries[1][kMany - 1 - i]);
}

}  // namespace
}  // namespace runlet
