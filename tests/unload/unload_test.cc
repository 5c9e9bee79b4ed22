#include <dlfcn.h>

#include <filesystem>
#include <iterator>
#include <string>
#include <thread>

#include "tests/catch.h"

namespace {

std::ptrdiff_t Threads() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return std::distance(begin(tasks), end(tasks));
}

TEST_CASE("promise 11: a plugin with an engine in it is gone once it is unloaded, however often it is loaded") {
  std::thread([] {}).join();  // a sanitizer starts a thread of its own with the first one
  const std::ptrdiff_t threads = Threads();
  for (int round = 0; round < 20; ++round) {
    void* plugin = dlopen(RUNLET_UNLOAD_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    INFO((plugin == nullptr ? dlerror() : ""));
    REQUIRE(plugin != nullptr);
    auto* const work = reinterpret_cast<bool (*)(char*, int)>(dlsym(plugin, "WorkOfPlugin"));
    REQUIRE(work != nullptr);
    char wrong[100] = "";
    const bool worked = work(wrong, sizeof wrong);
    INFO(wrong);
    REQUIRE(worked);
    CHECK(Threads() == threads);
    REQUIRE(dlclose(plugin) == 0);
    REQUIRE(dlopen(RUNLET_UNLOAD_PLUGIN, RTLD_NOW | RTLD_NOLOAD) == nullptr);
  }
}

}  // namespace
