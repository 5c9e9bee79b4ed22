#include "runlet/function/handler.h"

#if defined(__cpp_exceptions)
#include <cxxabi.h>

#include <cstdlib>
#include <exception>
#include <memory>
#include <typeinfo>
#endif

#include "base/planted.h"
#include "event/status_marks.h"

namespace runlet::internal_handler {

#if defined(__cpp_exceptions)
namespace {

std::string CurrentExceptionType() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  if (type == nullptr) return "foreign exception";
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(abi::__cxa_demangle(type->name(), nullptr, nullptr, &status),
                                                         &std::free);
  return status == 0 && name != nullptr ? name.get() : type->name();
}

std::string CurrentExceptionMessage() {
  try {
    throw;
  } catch (const std::string& text) {
    return text;
  } catch (const char* text) {
    return text != nullptr ? text : "";
  } catch (const std::exception& e) {
    return e.what() != nullptr ? e.what() : "";
  } catch (abi::__forced_unwind&) {
    throw;
  } catch (...) {
    return {};
  }
}

}  // namespace

absl::Status ErrorFromCurrentException() {
  if (RUNLET_PLANTED("exception-escapes")) throw;
  const std::string type = CurrentExceptionType();
  const std::string message = CurrentExceptionMessage();
  return Thrown(type, message.empty() ? type : message);
}

absl::Status ErrorFromCurrentException(const std::exception& e) {
  if (RUNLET_PLANTED("exception-escapes")) throw;
  const std::string type = CurrentExceptionType();
  const char* const what = e.what();
  return Thrown(type, what == nullptr || *what == '\0' ? std::string_view(type) : std::string_view(what));
}
#endif

}  // namespace runlet::internal_handler
