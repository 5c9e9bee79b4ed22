// What runlet must know of a C++ type to carry its values without naming it.
#ifndef RUNLET_EVENT_TYPE_H_
#define RUNLET_EVENT_TYPE_H_

#include <concepts>
#include <cstddef>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace runlet {

// How to move and end a value of some type. One per type and program; compare with SameType().
struct Type {
  std::string_view name;
  std::size_t size;
  std::size_t align;
  void (*move)(void* from, void* to);        // constructs *to; *from stays to be destroyed
  void (*copy)(const void* from, void* to);  // nullptr: not copyable
  void (*destroy)(void* value);
  bool global;  // the name means the same type everywhere in the program
};

namespace internal_type {

// The name as this compiler spells it, without RTTI.
template <typename T>
constexpr std::string_view Name() {
  if constexpr (std::is_void_v<T>) {
    return "void";
  } else if constexpr (std::is_same_v<T, std::string>) {
    return "bytes";
  } else {
    std::string_view text = __PRETTY_FUNCTION__;
    text.remove_prefix(text.find("T = ") + 4);
    // gcc goes on with "; " and what std::string_view is; brackets of T's own may come before.
    const std::size_t more = text.find("; std::string_view");
    return text.substr(0, more != text.npos ? more : text.rfind(']'));
  }
}

constexpr bool IsGlobal([[maybe_unused]] std::string_view name) {
#if defined(__clang__)
  return false;
#else
  return name.find("anonymous") == name.npos && name.find('(') == name.npos && name.find("lambda") == name.npos &&
         name.find("unnamed") == name.npos;
#endif
}

template <typename T>
struct Of {
  static void Move(void* from, void* to) { ::new (to) T(std::move(*static_cast<T*>(from))); }
  static void Copy(const void* from, void* to) {
    if constexpr (std::copy_constructible<T>) ::new (to) T(*static_cast<const T*>(from));
  }
  static void Destroy(void* value) { static_cast<T*>(value)->~T(); }
  static constexpr Type kType = {
      Name<T>(), sizeof(T),          alignof(T), &Move, std::copy_constructible<T> ? &Copy : nullptr,
      &Destroy,  IsGlobal(Name<T>())};
};
template <>
struct Of<void> {
  static constexpr Type kType = {"void", 0, 1, [](void*, void*) {}, [](const void*, void*) {}, [](void*) {}, true};
};

// Destroys what was made in some storage, also where moving it out throws.
template <typename T>
class Holds {
 public:
  explicit Holds(unsigned char* storage) : value_(std::launder(reinterpret_cast<T*>(storage))) {}
  ~Holds() { value_->~T(); }
  Holds(const Holds&) = delete;
  Holds& operator=(const Holds&) = delete;
  T& operator*() const { return *value_; }

 private:
  T* const value_;
};

}  // namespace internal_type

template <typename T>
constexpr const Type* TypeOf() {
  return &internal_type::Of<T>::kType;
}

// Two shared libraries may each have their own copy of a type's entry (where symbols are hidden): then the names
// decide, unless they are local names (of an anonymous namespace, or inside a function), which two types may share.
// Clang does not tell these apart from others: there, the entries alone decide.
inline bool SameType(const Type* a, const Type* b) {
  return a == b || (a->global && b->global && a->size == b->size && a->name == b->name);
}

}  // namespace runlet

#endif  // RUNLET_EVENT_TYPE_H_
