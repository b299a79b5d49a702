// The Internet checksum (RFC 1071): sums of 16-bit words modulo 65535, in which 65536 is 1. Sums are
// kept in 64 bits, whose carry is worth 1 as well; reading the words in the other byte order
// multiplies the sum by 256.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "bytes.h"

namespace weir {

// Adds with the carry, which is worth 1.
inline std::uint64_t AddCarried(std::uint64_t left, std::uint64_t right) {
  const std::uint64_t sum = left + right;
  return sum + static_cast<std::uint64_t>(sum < left);
}

// Adds the little-endian words from `done` on to a sum; a last odd byte is the first of a word.
inline std::uint64_t AddWords(Bytes bytes, std::size_t done, std::uint64_t sum) {
  constexpr std::size_t kStep = sizeof(std::uint64_t);
  const std::size_t size = bytes.size();
  for (; done + kStep <= size; done += kStep) {
    sum = AddCarried(sum, ReadLittle<std::uint64_t>(bytes, done));
  }
  if ((size & 4) != 0) {
    sum = AddCarried(sum, ReadLittle<std::uint32_t>(bytes, done));
    done += 4;
  }
  if ((size & 2) != 0) {
    sum = AddCarried(sum, ReadLittle<std::uint16_t>(bytes, done));
    done += 2;
  }
  return (size & 1) != 0 ? AddCarried(sum, bytes[done]) : sum;
}

// The sum of all words, by vectors where the processor has them.
inline constexpr std::size_t kWorthVectors = 96;
std::uint64_t LongWordSum(Bytes bytes);

// The sum of all little-endian words of `bytes`.
inline std::uint64_t WordSum(Bytes bytes) { return bytes.size() < kWorthVectors ? AddWords(bytes, 0, 0) : LongWordSum(bytes); }

// The same as a sum of big-endian words.
inline std::uint64_t BigWordSum(Bytes bytes) { return std::rotl(WordSum(bytes), 8); }

// Whether a sum over a packet, its checksum and pseudo header included, says that nothing changed.
//
// That is sum % 65535 == 0. Times the inverse of 65535 modulo 2^64, a multiple of 65535 is its
// quotient, and any other number is larger than all quotients; compilers know that, but not always.
inline bool IsSoundSum(std::uint64_t sum) {
  constexpr std::uint64_t kModulus = 0xffff;
  constexpr std::uint64_t kInverse = 0xfffe'fffe'fffe'ffff;
  static_assert(kModulus * kInverse == 1);
  return sum * kInverse <= ~std::uint64_t{0} / kModulus;
}

}  // namespace weir
