// The Internet checksum (RFC 1071): sums of 16-bit words modulo 65535, in which 65536 is 1. Sums are
// kept in 64 bits, whose carry is worth 1 as well; reading the words in the other byte order
// multiplies the sum by 256.
#pragma once

#include <bit>
#include <cstdint>

#include "bytes.h"

namespace weir {

// The sum of all little-endian words of `bytes`; a last odd byte is the first of a word.
std::uint64_t WordSum(Bytes bytes);

// The same as a sum of big-endian words.
inline std::uint64_t BigWordSum(Bytes bytes) { return std::rotl(WordSum(bytes), 8); }

// Whether a sum over a packet, its checksum and pseudo header included, says that nothing changed.
inline bool IsSoundSum(std::uint64_t sum) { return sum % 0xffff == 0; }

// Adds with the carry, which is worth 1.
inline std::uint64_t AddCarried(std::uint64_t left, std::uint64_t right) {
  const std::uint64_t sum = left + right;
  return sum + static_cast<std::uint64_t>(sum < left);
}

}  // namespace weir
