// A value of a type known only at run time.
#ifndef RUNLET_SRC_EVENT_ANY_VALUE_H_
#define RUNLET_SRC_EVENT_ANY_VALUE_H_

#include <new>

#include "runlet/event/type.h"

namespace runlet {

// Storage for one value of `type`; destroys it if set_holds(true) was called. Not movable.
class AnyValue {
 public:
  explicit AnyValue(const Type* type)
      : type_(type), memory_(::operator new(type->size == 0 ? 1 : type->size, std::align_val_t(type->align))) {}
  ~AnyValue() {
    if (holds_) type_->destroy(memory_);
    ::operator delete(memory_, std::align_val_t(type_->align));
  }
  AnyValue(const AnyValue&) = delete;
  AnyValue& operator=(const AnyValue&) = delete;

  void* get() const { return memory_; }
  bool holds() const { return holds_; }
  void set_holds(bool holds) { holds_ = holds; }

 private:
  const Type* const type_;
  void* const memory_;
  bool holds_ = false;
};

}  // namespace runlet

#endif  // RUNLET_SRC_EVENT_ANY_VALUE_H_
