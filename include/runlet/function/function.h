// The contract of a typed function: its name and its two types, shared by those who call it and the one who handles it.
#ifndef RUNLET_FUNCTION_FUNCTION_H_
#define RUNLET_FUNCTION_FUNCTION_H_

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

#include "runlet/event/function_name.h"

namespace runlet {

namespace internal_function {
// Not constexpr on purpose: reaching it in a constant is the compile error.
inline void RUNLET_function_name_needs_1_to_64_letters_digits_hyphens_or_underscores() {}
}  // namespace internal_function

// Values that can travel: objects, moved into the engine. void as Out is for functions that only succeed or fail.
template <typename T>
concept EventType = std::is_object_v<T> && !std::is_array_v<T> && !std::is_pointer_v<T> &&
                    std::is_same_v<T, std::remove_cv_t<T>> && std::move_constructible<T>;

// Make it a constant, so that a bad name does not compile:
//
//   inline constexpr runlet::Function<Resize, Thumb> kResize{"resize"};
//
// Function<std::string, std::string> is what Register and Invoke by name use: a function of bytes.
template <typename In, typename Out = void>
class Function {
  static_assert(EventType<In>,
                "runlet: the event type of a Function must be a movable object type, without const, & or *");
  static_assert(std::is_void_v<Out> || EventType<Out>,
                "runlet: the result type of a Function must be void or a movable object type, without const, & or *");

 public:
  using Event = In;
  using Result = Out;

  consteval explicit Function(std::string_view name) : name_(name) {
    if (!IsFunctionName(name)) {
      internal_function::RUNLET_function_name_needs_1_to_64_letters_digits_hyphens_or_underscores();
    }
  }

  constexpr std::string_view name() const { return name_; }

 private:
  std::string_view name_;
};

}  // namespace runlet

#endif  // RUNLET_FUNCTION_FUNCTION_H_
