#include "testing/fiber.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cfenv>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/catch.h"

namespace runlet::testing {
namespace {

// A body with two fibers: the test's own, and one that runs `body`.
class Pair {
 public:
  explicit Pair(void (*body)(Pair&)) : body_(body) {}

  void Go() { test_->SwitchTo(*other_); }
  void Back() { other_->SwitchTo(*test_); }
  void Destroy() { other_.reset(); }

  std::string trace;

 private:
  static void Run(void* arg) {
    Pair& pair = *static_cast<Pair*>(arg);
    pair.body_(pair);
    pair.other_->ExitTo(*pair.test_);
  }

  void (*const body_)(Pair&);
  std::unique_ptr<Fiber> test_ = Fiber::Adopt();
  std::unique_ptr<Fiber> other_ = std::make_unique<Fiber>(Fiber::kStackBytes, &Run, this);
};

TEST_CASE("fibers take turns and go on where they were") {
  Pair pair([](Pair& self) {
    for (const char c : {'a', 'b', 'c'}) {
      self.trace += c;
      self.Back();
    }
    self.trace += 'd';
  });
  for (int i = 1; i <= 4; ++i) {
    pair.Go();
    pair.trace += static_cast<char>('0' + i);
  }
  CHECK(pair.trace == "a1b2c3d4");
}

TEST_CASE("a fiber that switches to itself goes on") {
  const std::unique_ptr<Fiber> fiber = Fiber::Adopt();
  fiber->SwitchTo(*fiber);
  SUCCEED();
}

TEST_CASE("a fiber may switch to a third one, which comes back past it") {
  static std::unique_ptr<Fiber> first, second, third;
  static std::string trace;
  trace.clear();
  first = Fiber::Adopt();
  second = std::make_unique<Fiber>(
      Fiber::kStackBytes,
      [](void*) {
        trace += '2';
        second->SwitchTo(*third);
        trace += "again";
        second->ExitTo(*first);
      },
      nullptr);
  third = std::make_unique<Fiber>(
      Fiber::kStackBytes,
      [](void*) {
        trace += '3';
        third->SwitchTo(*first);
      },
      nullptr);
  first->SwitchTo(*second);
  trace += '1';
  first->SwitchTo(*second);
  CHECK(trace == "231again");
  third.reset();
  second.reset();
  first.reset();
}

#if defined(__cpp_exceptions)

// What is caught in one fiber while another one is in a catch block of its own.
void ThrowAndCatch(std::string& trace, const char* what) {
  try {
    throw std::runtime_error(what);
  } catch (const std::exception& caught) {
    trace += caught.what();
  }
}

TEST_CASE("a fiber that blocks inside a catch block finds its exception again") {
  Pair pair([](Pair& self) {
    try {
      throw std::runtime_error("mine");
    } catch (const std::exception&) {
      self.Back();
      try {
        throw;
      } catch (const std::exception& again) {
        self.trace += again.what();
      }
    }
    self.trace += std::current_exception() == nullptr ? "." : "?";
  });
  pair.Go();
  CHECK(std::current_exception() == nullptr);
  ThrowAndCatch(pair.trace, "yours ");
  try {
    throw std::runtime_error("other");
  } catch (const std::exception&) {
    pair.Go();
    REQUIRE(std::current_exception() != nullptr);
    CHECK_THROWS_WITH(std::rethrow_exception(std::current_exception()), "other");
  }
  CHECK(pair.trace == "yours mine.");
}

TEST_CASE("exceptions on their way are counted in each fiber for itself") {
  Pair pair([](Pair& self) {
    struct BlocksWhenDestroyed {
      Pair& self;
      ~BlocksWhenDestroyed() {
        self.trace += static_cast<char>('0' + std::uncaught_exceptions());
        self.Back();
        self.trace += static_cast<char>('0' + std::uncaught_exceptions());
      }
    };
    try {
      const BlocksWhenDestroyed blocks{self};
      throw std::runtime_error("on its way");
    } catch (const std::exception&) {
    }
    self.trace += static_cast<char>('0' + std::uncaught_exceptions());
  });
  pair.Go();
  CHECK(std::uncaught_exceptions() == 0);
  pair.Go();
  CHECK(pair.trace == "110");
}

#endif

TEST_CASE("a fiber that is destroyed while it waits runs no destructor") {
  Pair pair([](Pair& self) {
    struct Says {
      std::string& trace;
      ~Says() { trace += "destroyed"; }
    };
    const Says says{self.trace};
    self.Back();
  });
  pair.Go();
  pair.Destroy();
  CHECK(pair.trace.empty());
}

TEST_CASE("a fiber that never ran can be destroyed") {
  Pair pair([](Pair& self) { self.trace += "ran"; });
  pair.Destroy();
  CHECK(pair.trace.empty());
}

TEST_CASE("a fiber has the stack it was promised") {
  Pair pair([](Pair& self) {
    volatile char deep[Fiber::kStackBytes * 3 / 4];
    for (volatile char& c : deep) c = 'x';
    self.Back();
    self.trace += deep[sizeof(deep) / 2];
  });
  pair.Go();
  pair.Go();
  CHECK(pair.trace == "x");
}

TEST_CASE("the stack of an abandoned fiber can be used again") {
  for (int i = 0; i < 100; ++i) {
    Pair pair([](Pair& self) {
      char block[3][1000];  // arrays, between which AddressSanitizer leaves marks
      for (auto& each : block) std::memset(each, 'x', sizeof(each));
      self.trace += block[self.trace.size() % 3][7];
      self.Back();
    });
    pair.Go();
    REQUIRE(pair.trace == "x");
    pair.Destroy();
  }
}

TEST_CASE("a thousand fibers wait at once") {
  struct Worker {
    static void Run(void* arg) {
      auto& self = *static_cast<Worker*>(arg);
      for (;;) {
        ++self.turns;
        self.fiber->SwitchTo(self.back);
      }
    }
    explicit Worker(Fiber& test) : back(test) {}
    Fiber& back;
    int turns = 0;
    std::unique_ptr<Fiber> fiber = std::make_unique<Fiber>(Fiber::kStackBytes, &Run, this);
  };
  const std::unique_ptr<Fiber> test = Fiber::Adopt();
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < 1000; ++i) workers.push_back(std::make_unique<Worker>(*test));
  for (int turn = 1; turn <= 3; ++turn) {
    for (const auto& worker : workers) test->SwitchTo(*worker->fiber);
  }
  for (const auto& worker : workers) REQUIRE(worker->turns == 3);
}

TEST_CASE("how a fiber rounds is its own business") {
  Pair pair([](Pair& self) {
    std::fesetround(FE_UPWARD);
    self.Back();
    if (std::fegetround() == FE_UPWARD) self.trace += "up";
  });
  pair.Go();
  CHECK(std::fegetround() == FE_TONEAREST);
  pair.Go();
  CHECK(std::fegetround() == FE_TONEAREST);
  CHECK(pair.trace == "up");
}

int Recurse(int depth) {
  volatile char frame[512];
  frame[0] = static_cast<char>(depth);
  return depth > 1'000'000 ? frame[0] : Recurse(depth + 1) + frame[0];
}

TEST_CASE("a fiber that runs out of stack dies at its guard page") {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    std::signal(SIGSEGV, SIG_DFL);  // nobody shall report the crash that we want
    Pair pair([](Pair& self) {
      if (Recurse(0) == 1) self.trace += '1';
    });
    pair.Go();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status != 0);
}

}  // namespace
}  // namespace runlet::testing
