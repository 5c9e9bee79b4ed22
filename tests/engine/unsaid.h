// How tests look at a Status.
#ifndef RUNLET_TESTS_ENGINE_UNSAID_H_
#define RUNLET_TESTS_ENGINE_UNSAID_H_

#include <absl/status/status.h>

#include <initializer_list>
#include <string>
#include <string_view>

namespace runlet {

// Empty when `status` has `code` and its message holds all of `parts`; else what is wrong, for a failing test to show.
inline std::string Unsaid(const absl::Status& status, absl::StatusCode code,
                          std::initializer_list<std::string_view> parts) {
  const std::string message(status.message());
  if (status.code() != code) return "another code: " + status.ToString();
  for (const std::string_view part : parts) {
    if (message.find(part) == std::string::npos) return "no \"" + std::string(part) + "\" in: " + message;
  }
  return {};
}

}  // namespace runlet

#endif  // RUNLET_TESTS_ENGINE_UNSAID_H_
