// The length of a text for people, as Lambda's limits count it.
#ifndef RUNLET_SRC_EVENT_CHARACTERS_H_
#define RUNLET_SRC_EVENT_CHARACTERS_H_

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace runlet {

// Unicode characters (code points) of UTF-8: every byte but those that go on with one.
inline std::size_t Characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u; }));
}

}  // namespace runlet

#endif  // RUNLET_SRC_EVENT_CHARACTERS_H_
