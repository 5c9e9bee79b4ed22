// A name for a version of a function, which can be moved from one to the next.
#ifndef RUNLET_FUNCTION_ALIAS_H_
#define RUNLET_FUNCTION_ALIAS_H_

#include <string>

namespace runlet {

// Lambda's alias. Value.
struct Alias {
  // 1 to 128 letters, digits, hyphens and underscores, not digits alone.
  std::string name;
  // "1", "2", ..., or "$LATEST".
  std::string version;
  // Gets a share of the calls and events, chosen at random for each call and each attempt. Neither version may then be
  // $LATEST, and both take and return the same types. Empty: there is none.
  std::string additional_version = {};
  double additional_weight = 0;  // 0.0 to 1.0
  // For people. At most 256 characters (of UTF-8).
  std::string description = {};

  friend bool operator==(const Alias&, const Alias&) = default;
};

}  // namespace runlet

#endif  // RUNLET_FUNCTION_ALIAS_H_
