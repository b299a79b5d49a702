// Numbers in hexadecimal letters.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir {

inline constexpr std::string_view kHexDigits = "0123456789abcdef";

// The last `kCount` digits of a number, zeros among them.
template <std::size_t kCount>
constexpr std::array<char, kCount> HexDigits(std::uint64_t number) {
  std::array<char, kCount> digits{};
  for (std::size_t i = 0; i < kCount; ++i) {
    digits[i] = kHexDigits[number >> 4 * (kCount - 1 - i) & 0xf];
  }
  return digits;
}

}  // namespace weir
