// expect: function_name_needs_1_to_64_letters_digits_hyphens_or_underscores
#include <runlet/runlet.h>

struct In {
  int value = 0;
};
inline constexpr runlet::Function<In, int> kFunction{"function"};

inline constexpr runlet::Function<In, int> kWrong{"a123456789b123456789c123456789d123456789e123456789f123456789g1234"};
