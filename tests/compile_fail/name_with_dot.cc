// expect: function_name_needs_1_to_64_letters_digits_hyphens_or_underscores
#include <runlet/runlet.h>

struct In {
  int value = 0;
};
inline constexpr runlet::Function<In, int> kFunction{"function"};

inline constexpr runlet::Function<In, int> kWrong{"a.b"};
