// Where the records of events go that have ended.
#ifndef RUNLET_FUNCTION_DESTINATION_H_
#define RUNLET_FUNCTION_DESTINATION_H_

#include <absl/status/status.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "runlet/event/invocation_record.h"

namespace runlet {

// Implemented by the host. Called from the engine's threads, from several at once.
class DestinationSink {
 public:
  virtual ~DestinationSink() = default;
  // Takes `records`, and answers OK only once they are safe. On an error all of them stay with the engine, which offers
  // them again after 1 s, doubling to 300 s: a record may so arrive more than once, with the same request id.
  virtual absl::Status Put(std::span<const InvocationRecord> records) = 0;
};

// Lambda's OnSuccess or OnFailure. Value; by default there is none.
class Destination {
 public:
  Destination() = default;
  // Another function of the engine's: the record is posted to it, as JSON. It must be registered first. A record that
  // is larger than an event may be (1 MB: the event and its response are in it) is not told: that is counted
  // (destination_delivery_failures), and not tried again.
  static Destination Function(std::string name) { return Destination(FunctionName{std::move(name)}); }
  // Called as a DestinationSink is, with one record; what it answers means the same.
  static Destination Callback(std::function<absl::Status(const InvocationRecord&)> callback) {
    return Destination(std::move(callback));
  }
  static Destination Sink(std::shared_ptr<DestinationSink> sink) { return Destination(std::move(sink)); }

  bool is_set() const { return target_.index() != 0; }
  // nullptr where it is no function.
  struct FunctionName {
    std::string name;
  };
  const FunctionName* function() const { return std::get_if<FunctionName>(&target_); }
  using Target = std::variant<std::monostate, FunctionName, std::function<absl::Status(const InvocationRecord&)>,
                              std::shared_ptr<DestinationSink>>;
  const Target& target() const { return target_; }

 private:
  explicit Destination(Target target) : target_(std::move(target)) {}

  Target target_;
};

}  // namespace runlet

#endif  // RUNLET_FUNCTION_DESTINATION_H_
