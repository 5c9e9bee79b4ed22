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
    if constexpr (std::is_floating_point_v<T>) {
      if (!(value - value == T{})) return absl::InvalidArgumentError("not a number that JSON can hold");
    }
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
    return value;
  }
};

// A codec without its type.
struct CodecOps {
  absl::StatusOr<std::string> (*encode)(const void* value);
  absl::Status (*decode)(std::string_view bytes, void* storage);  // constructs *storage when OK
};

namespace internal_codec {

template <typename T>
struct Ops {
  static absl::StatusOr<std::string> Encode(const void* value) {
    return Codec<T>::Encode(*static_cast<const T*>(value));
  }
  static absl::Status Decode(std::string_view bytes, void* storage) {
    absl::StatusOr<T> value = Codec<T>::Decode(bytes);
    if (!value.ok()) return value.status();
    ::new (storage) T(*std::move(value));
    return absl::OkStatus();
  }
  static constexpr CodecOps kOps = {&Encode, &Decode};
};
// A function without a result answers `null`, as Lambda's do.
template <>
struct Ops<void> {
  static absl::StatusOr<std::string> Encode(const void*) { return std::string("null"); }
  static absl::Status Decode(std::string_view, void*) { return absl::OkStatus(); }
  static constexpr CodecOps kOps = {&Encode, &Decode};
};

}  // namespace internal_codec

// nullptr where T has no codec.
template <typename T>
constexpr const CodecOps* CodecOf() {
  if constexpr (std::is_void_v<T>) {
    return &internal_codec::Ops<T>::kOps;
  } else if constexpr (HasCodec<T>) {
    return &internal_codec::Ops<T>::kOps;
  } else {
    return nullptr;
  }
}

}  // namespace runlet

#endif  // RUNLET_EVENT_CODEC_H_
