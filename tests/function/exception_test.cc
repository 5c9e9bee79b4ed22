#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <pthread.h>

#include <functional>
#include <ios>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <variant>

#include "event/status_marks.h"
#include "runlet/function/handler.h"
#include "tests/catch.h"
#include "tests/function/bare_context.h"

#if defined(__cpp_exceptions)

namespace runlet {

struct OwnError {
  int code = 0;
};
enum class Colour { kRed };
class Derived : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
template <typename T>
struct Templated {};
struct SilentException : std::exception {
  const char* what() const noexcept override { return ""; }
};
struct NullException : std::exception {
  const char* what() const noexcept override { return nullptr; }
};

namespace {

FunctionError ErrorOf(const absl::Status& outcome) {
  return FunctionErrorOf(AsFunctionError(outcome)).value_or(FunctionError{"none", "none"});
}

// What the engine says of a handler that does `action`.
FunctionError ErrorWhen(std::function<void()> action) {
  const Handler handler = Handler::Make<int, void>([action = std::move(action)](int) { action(); });
  BareContext context;
  int event = 0;
  return ErrorOf(handler.Call({&event, true, context.context(), nullptr}));
}

TEST_CASE("an exception becomes an error with its type, spelled as in C++, and its message") {
  CHECK(ErrorWhen([] { throw std::runtime_error("disk on fire"); }) ==
        FunctionError{"std::runtime_error", "disk on fire"});
  CHECK(ErrorWhen([] { throw Derived("more so"); }) == FunctionError{"runlet::Derived", "more so"});
  CHECK(ErrorWhen([] { throw std::out_of_range("far"); }) == FunctionError{"std::out_of_range", "far"});
}

TEST_CASE("an exception that is a text is its own message") {
  CHECK(ErrorWhen([] { throw "literal"; }) == FunctionError{"char const*", "literal"});
  const FunctionError text = ErrorWhen([] { throw std::string("text"); });
  CHECK(text.message == "text");
  CHECK(text.type.find("basic_string<char") != std::string::npos);
}

TEST_CASE("an exception without a message is told by its type") {
  CHECK(ErrorWhen([] { throw 42; }) == FunctionError{"int", "int"});
  CHECK(ErrorWhen([] { throw OwnError{7}; }) == FunctionError{"runlet::OwnError", "runlet::OwnError"});
  CHECK(ErrorWhen([] { throw Colour::kRed; }) == FunctionError{"runlet::Colour", "runlet::Colour"});
  CHECK(ErrorWhen([] { throw Templated<int>(); }) == FunctionError{"runlet::Templated<int>", "runlet::Templated<int>"});
  CHECK(ErrorWhen([] { throw SilentException(); }) ==
        FunctionError{"runlet::SilentException", "runlet::SilentException"});
  CHECK(ErrorWhen([] { throw NullException(); }) == FunctionError{"runlet::NullException", "runlet::NullException"});
  CHECK(ErrorWhen([] { throw static_cast<const char*>(nullptr); }) == FunctionError{"char const*", "char const*"});
  CHECK(ErrorWhen([] { throw static_cast<OwnError*>(nullptr); }) ==
        FunctionError{"runlet::OwnError*", "runlet::OwnError*"});
}

TEST_CASE("what the library throws is told as what it is") {
  CHECK(ErrorWhen([] { throw std::bad_alloc(); }).type == "std::bad_alloc");
  CHECK(ErrorWhen([] { std::get<0>(std::variant<int, char>('x')); }).type == "std::bad_variant_access");
  CHECK(ErrorWhen([] { std::string().at(1); }).type == "std::out_of_range");
  const FunctionError system = ErrorWhen([] { throw std::system_error(std::make_error_code(std::errc::io_error)); });
  CHECK(system.type == "std::system_error");
  CHECK(!system.message.empty());
  const FunctionError bad_access =
      ErrorWhen([] { (void)absl::StatusOr<int>(absl::NotFoundError("nothing here")).value(); });
  CHECK(bad_access.type.find("BadStatusOrAccess") != std::string::npos);
  CHECK(bad_access.message.find("nothing here") != std::string::npos);
}

TEST_CASE("of nested exceptions the outer one is told") {
  const FunctionError error = ErrorWhen([] {
    try {
      throw std::runtime_error("inner");
    } catch (...) {
      std::throw_with_nested(std::logic_error("outer"));
    }
  });
  CHECK(error.type.find("logic_error") != std::string::npos);
  CHECK(error.message == "outer");
}

TEST_CASE("an exception thrown while another is handled is told, and the one before is done with") {
  try {
    throw std::logic_error("the host's own");
  } catch (const std::logic_error& before) {
    CHECK(ErrorWhen([] { throw std::runtime_error("the handler's"); }) ==
          FunctionError{"std::runtime_error", "the handler's"});
    CHECK(std::string_view(before.what()) == "the host's own");
    CHECK(std::uncaught_exceptions() == 0);
  }
}

TEST_CASE("an exception leaves no result and no part of one behind") {
  struct Thrower {
    Thrower() = default;
    Thrower(Thrower&&) { throw std::runtime_error("cannot be moved"); }
    std::string text = std::string(100, 'x');  // and the leak check finds nothing
  };
  const Handler handler = Handler::Make<int, Thrower>(
      [](int) -> absl::StatusOr<Thrower> { return absl::StatusOr<Thrower>(absl::in_place); });
  BareContext context;
  int event = 0;
  alignas(Thrower) unsigned char storage[sizeof(Thrower)];
  CHECK(ErrorOf(handler.Call({&event, true, context.context(), storage})).message == "cannot be moved");
}

TEST_CASE("an event whose copy throws fails the attempt") {
  struct Uncopyable {
    Uncopyable() = default;
    Uncopyable(const Uncopyable&) { throw std::runtime_error("cannot be copied"); }
  };
  const Handler handler = Handler::Make<Uncopyable, void>([](Uncopyable) {});
  BareContext context;
  Uncopyable event;
  CHECK(ErrorOf(handler.Call({&event, false, context.context(), nullptr})) ==
        FunctionError{"std::runtime_error", "cannot be copied"});
}

TEST_CASE("a handler that ends its thread is told to the port and goes on unwinding") {
  BareContext context;
  std::thread thread([&] {
    const Handler handler = Handler::Make<int, void>([](int) { pthread_exit(nullptr); });
    int event = 0;
    (void)handler.Call({&event, true, context.context(), nullptr});
    FAIL("the thread went on");
  });
  thread.join();
  CHECK(context.unwound() == 1);
}

}  // namespace
}  // namespace runlet

#endif  // __cpp_exceptions
