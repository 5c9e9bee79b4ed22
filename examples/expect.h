// The examples run as tests: what is not as an example says ends it with status 1.
#ifndef RUNLET_EXAMPLES_EXPECT_H_
#define RUNLET_EXAMPLES_EXPECT_H_

#include <absl/status/status.h>
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

inline void Expect(bool fact, std::string_view sentence) {
  if (fact) return;
  fmt::print(stderr, "not so: {}\n", sentence);
  std::exit(1);
}

inline void ExpectOk(const absl::Status& status) { Expect(status.ok(), status.ToString()); }

#endif  // RUNLET_EXAMPLES_EXPECT_H_
