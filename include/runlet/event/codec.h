// How a value becomes bytes where it leaves the process: a call by name with bytes, a durable queue, the bytes of a
// dead letter. Inside the process typed values are moved and never encoded.
#ifndef RUNLET_EVENT_CODEC_H_
#define RUNLET_EVENT_CODEC_H_

#include <absl/status/statusor.h>

#include <charconv>
#include <concepts>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#if defined(__cpp_exceptions)
#include <cxxabi.h>

#include <exception>
#endif

namespace runlet {

// Specialise it for your type, with two static functions:
//
//   template <>
//   struct runlet::Codec<Point> {
//     static absl::StatusOr<std::string> Encode(const Point& point);
//     static absl::StatusOr<Point> Decode(std::string_view bytes);
//   };
//
// or include "runlet/codec/json.h", which serves every type that nlohmann/json can convert. Built in: std::string is
// the payload text unchanged; bool and the arithmetic types are their JSON text. Only Register looks for a codec.
template <typename T>
struct Codec {};

template <typename T>
concept HasCodec = requires(const T& value, std::string_view bytes) {
  { Codec<T>::Encode(value) } -> std::convertible_to<absl::StatusOr<std::string>>;
  { Codec<T>::Decode(bytes) } -> std::convertible_to<absl::StatusOr<T>>;
};

template <>
struct Codec<std::string> {
  static absl::StatusOr<std::string> Encode(const std::string& value) { return value; }
  static absl::StatusOr<std::string> Decode(std::string_view bytes) { return std::string(bytes); }
};

template <>
struct Codec<bool> {
  static absl::StatusOr<std::string> Encode(bool value) { return std::string(value ? "true" : "false"); }
  static absl::StatusOr<bool> Decode(std::string_view bytes) {
    if (bytes == "true") return true;
    if (bytes == "false") return false;
    return absl::InvalidArgumentError("expected the JSON text true or false");
  }
};

template <typename T>
  requires std::is_arithmetic_v<T>
struct Codec<T> {
  // NaN and the infinities have no JSON text.
  static absl::StatusOr<std::string> Encode(T value) {
    if (!IsFinite(value)) return absl::InvalidArgumentError("not a number that JSON can hold");
    char text[64];
    const auto [end, error] = std::to_chars(text, text + sizeof text, value);
    if (error != std::errc()) return absl::InternalError("number has no text");
    return std::string(text, end);
  }
  static absl::StatusOr<T> Decode(std::string_view bytes) {
    T value{};
    const auto [end, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), value);
    if (error == std::errc::result_out_of_range) return absl::OutOfRangeError("number is out of the type's range");
    if (error != std::errc() || end != bytes.data() + bytes.size()) {
      return absl::InvalidArgumentError("expected the JSON text of a number");
    }
    if (!IsFinite(value)) return absl::InvalidArgumentError("not a number that JSON can hold");
    return value;
  }

 private:
  static constexpr bool IsFinite(T value) {
    if constexpr (std::is_floating_point_v<T>) return value - value == T{};
    return true;
  }
};

// A codec without its type. What a codec throws comes back as InvalidArgument.
struct CodecOps {
  absl::StatusOr<std::string> (*encode)(const void* value);
  absl::Status (*decode)(std::string_view bytes, void* storage);  // constructs *storage when OK
};

namespace internal_codec {

#if defined(__cpp_exceptions)
constexpr bool kExceptions = true;
#else
constexpr bool kExceptions = false;
#endif

// Runs the user's code, of result type R. A forced unwind comes as a reference to nothing, which the sanitizer must not
// mind.
template <typename R, bool exceptions, typename F>
__attribute__((noinline, no_sanitize("null"))) R Guarded(F f) {
#if defined(__cpp_exceptions)
  if constexpr (exceptions) {
    try {
      return f();
    } catch (abi::__forced_unwind&) {
      throw;
    } catch (const std::exception& e) {
      return absl::InvalidArgumentError(e.what());
    } catch (...) {
      return absl::InvalidArgumentError("the codec threw an exception");
    }
  }
#endif
  return f();
}

// `exceptions` is a parameter, so that a program whose parts are compiled with and without exceptions has two types
// here, not two definitions of one.
template <typename T, bool exceptions>
struct Ops {
  static absl::StatusOr<std::string> Encode(const void* value) {
    return Guarded<absl::StatusOr<std::string>, exceptions>(
        [&]() -> absl::StatusOr<std::string> { return Codec<T>::Encode(*static_cast<const T*>(value)); });
  }
  static absl::Status Decode(std::string_view bytes, void* storage) {
    return Guarded<absl::Status, exceptions>([&]() -> absl::Status {
      absl::StatusOr<T> value = Codec<T>::Decode(bytes);
      if (!value.ok()) return value.status();
      ::new (storage) T(*std::move(value));
      return absl::OkStatus();
    });
  }
  static constexpr CodecOps kOps = {&Encode, &Decode};
};
// A function without a result answers `null`, as Lambda's do.
template <bool exceptions>
struct Ops<void, exceptions> {
  static absl::StatusOr<std::string> Encode(const void*) { return std::string("null"); }
  static absl::Status Decode(std::string_view, void*) { return absl::OkStatus(); }
  static constexpr CodecOps kOps = {&Encode, &Decode};
};

}  // namespace internal_codec

// nullptr where T has no codec.
template <typename T>
constexpr const CodecOps* CodecOf() {
  if constexpr (std::is_void_v<T>) {
    return &internal_codec::Ops<T, internal_codec::kExceptions>::kOps;
  } else if constexpr (HasCodec<T>) {
    return &internal_codec::Ops<T, internal_codec::kExceptions>::kOps;
  } else {
    return nullptr;
  }
}

}  // namespace runlet

#endif  // RUNLET_EVENT_CODEC_H_
