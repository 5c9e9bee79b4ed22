#include "runlet/event/type.h"

#include <cstdint>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "event/any_value.h"
#include "tests/catch.h"

namespace runlet {

struct Plain {
  int value = 0;
};

namespace {

struct Hidden {
  int value = 0;
};
struct SameSize {
  int value = 0;
};
struct alignas(128) Wide {
  int value = 0;
};
struct Empty {};

struct Counted {
  explicit Counted(int* its_alive) : alive(its_alive) { ++*alive; }
  Counted(Counted&& other) noexcept : alive(other.alive) { ++*alive; }
  Counted(const Counted& other) : alive(other.alive) { ++*alive; }
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --*alive; }
  int* alive;
};

TEST_CASE("a type is known by its name, its size and its alignment") {
  CHECK(TypeOf<Wide>()->size == sizeof(Wide));
  CHECK(TypeOf<Wide>()->align == 128);
  CHECK(TypeOf<int>()->name == "int");
  CHECK(TypeOf<Plain>()->name.find("Plain") != std::string_view::npos);
  CHECK(TypeOf<std::vector<Plain>>()->name.find("Plain") != std::string_view::npos);
}

TEST_CASE("a string is called bytes, and nothing is called void") {
  CHECK(TypeOf<std::string>()->name == "bytes");
  CHECK(TypeOf<void>()->name == "void");
  CHECK(TypeOf<void>()->size == 0);
  CHECK(TypeOf<void>()->align == 1);
}

TEST_CASE("types are the same only to themselves") {
  const std::vector<const Type*> types = {TypeOf<void>(),  TypeOf<int>(),        TypeOf<unsigned>(), TypeOf<long>(),
                                          TypeOf<Plain>(), TypeOf<SameSize>(),   TypeOf<Wide>(),     TypeOf<Empty>(),
                                          TypeOf<char>(),  TypeOf<std::string>()};
  for (const Type* a : types) {
    for (const Type* b : types) CHECK(SameType(a, b) == (a == b));
  }
  CHECK(std::set<const Type*>(types.begin(), types.end()).size() == types.size());
}

TEST_CASE("another copy of a type's entry is the same type") {
  Type copy = *TypeOf<Plain>();
  if (!copy.global) return;  // where the compiler cannot tell
  CHECK(SameType(&copy, TypeOf<Plain>()));
  CHECK(SameType(TypeOf<Plain>(), &copy));
  CHECK(!SameType(&copy, TypeOf<SameSize>()));
  Type larger = copy;
  ++larger.size;
  CHECK(!SameType(&larger, TypeOf<Plain>()));
}

TEST_CASE("a local name may be another type's elsewhere: only the entry itself is the same") {
  struct Local {};
  for (const Type* type : {TypeOf<Hidden>(), TypeOf<Local>(), TypeOf<std::vector<Hidden>>()}) {
    INFO(type->name);
    const Type copy = *type;
    CHECK(!SameType(&copy, type));
    CHECK(SameType(type, type));
  }
}

TEST_CASE("a name with brackets of its own is told whole") {
  using Owns = std::pair<std::unique_ptr<int[]>, std::unique_ptr<int>>;
  using Points = std::pair<std::unique_ptr<int[]>, std::string*>;
  CHECK(TypeOf<Owns>()->name != TypeOf<Points>()->name);
  CHECK(!SameType(TypeOf<Owns>(), TypeOf<Points>()));
}

TEST_CASE("a type that cannot be copied says so") {
  CHECK(TypeOf<std::unique_ptr<int>>()->copy == nullptr);
  CHECK(TypeOf<Plain>()->copy != nullptr);
}

TEST_CASE("values are moved, copied and ended without their type being known") {
  int alive = 0;
  {
    const Type* type = TypeOf<Counted>();
    Counted first(&alive);
    AnyValue moved(type);
    type->move(&first, moved.get());
    moved.set_holds(true);
    CHECK(alive == 2);
    AnyValue copied(type);
    type->copy(moved.get(), copied.get());
    copied.set_holds(true);
    CHECK(alive == 3);
  }
  CHECK(alive == 0);
}

TEST_CASE("a place that holds no value ends none") {
  int alive = 0;
  {
    AnyValue empty(TypeOf<Counted>());
    CHECK(!empty.holds());
    AnyValue let_go(TypeOf<Counted>());
    ::new (let_go.get()) Counted(&alive);
    let_go.set_holds(true);
    CHECK(let_go.holds());
    TypeOf<Counted>()->destroy(let_go.get());
    let_go.set_holds(false);
    CHECK(alive == 0);
  }
  CHECK(alive == 0);
}

TEMPLATE_TEST_CASE("a place for a value is aligned as the value wants", "", char, Plain, Wide, Empty, std::string) {
  const AnyValue place(TypeOf<TestType>());
  CHECK(reinterpret_cast<std::uintptr_t>(place.get()) % alignof(TestType) == 0);
}

TEST_CASE("there is a place for nothing") {
  AnyValue nothing(TypeOf<void>());
  CHECK(nothing.get() != nullptr);
  nothing.set_holds(true);  // ending nothing does nothing
}

}  // namespace
}  // namespace runlet
