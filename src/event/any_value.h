// A value of a type known only at run time.
#ifndef RUNLET_SRC_EVENT_ANY_VALUE_H_
#define RUNLET_SRC_EVENT_ANY_VALUE_H_

#include <cstddef>
#include <new>

#include "runlet/event/type.h"

namespace runlet {

// Memory for objects known only at run time. The aligned operator new is several times slower than the plain one.
inline void* NewMemory(std::size_t size, std::size_t align) {
  return align > __STDCPP_DEFAULT_NEW_ALIGNMENT__ ? ::operator new(size, std::align_val_t(align))
                                                  : ::operator new(size);
}
inline void DeleteMemory(void* memory, std::size_t align) {
  if (align > __STDCPP_DEFAULT_NEW_ALIGNMENT__) {
    ::operator delete(memory, std::align_val_t(align));
  } else {
    ::operator delete(memory);
  }
}

// Storage for one value of `type`; destroys it if set_holds(true) was called. Not movable.
class AnyValue {
 public:
  explicit AnyValue(const Type* type)
      : type_(type), memory_(NewMemory(type->size == 0 ? 1 : type->size, type->align)) {}
  ~AnyValue() {
    if (holds_) type_->destroy(memory_);
    DeleteMemory(memory_, type_->align);
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
