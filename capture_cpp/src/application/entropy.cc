#include "application/entropy.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#if defined(__x86_64__) && !defined(WEIR_PORTABLE)
#include <immintrin.h>
#endif

namespace weir {
namespace {

// Of the numbers up to kEntropyBytes. Whole numbers are as good as these need to be: steps of 2^-24.
constexpr int kFractionBits = 24;
using Logarithms = std::array<std::uint32_t, kEntropyBytes + 1>;

Logarithms MakeLogarithms() {
  Logarithms made{};
  for (std::size_t n = 1; n <= kEntropyBytes; ++n) {
    made[n] = static_cast<std::uint32_t>(std::lround(std::ldexp(std::log2(static_cast<double>(n)), kFractionBits)));
  }
  return made;
}

// Adds up, over all bytes, the logarithm of how often its value occurs among them.
using AddUp = std::uint64_t (*)(Bytes, const Logarithms&);

std::uint64_t AddUpAnywhere(Bytes bytes, const Logarithms& log2) {
  std::array<std::uint8_t, 256> counts{};
  for (const std::uint8_t byte : bytes) {
    ++counts[byte];
  }
  std::uint64_t sum = 0;
  for (const std::uint8_t byte : bytes) {
    sum += log2[counts[byte]];
  }
  return sum;
}

#if defined(__x86_64__) && !defined(WEIR_PORTABLE)

// Compares each byte with all at once: no count waits for the one before it to be stored.
__attribute__((target("avx512bw,popcnt"))) std::uint64_t AddUpWithAvx512(Bytes bytes, const Logarithms& log2) {
  static_assert(kEntropyBytes == sizeof(__m512i));
  const __mmask64 used = ~__mmask64{0} >> (kEntropyBytes - bytes.size());
  const __m512i all = _mm512_maskz_loadu_epi8(used, bytes.data());
  std::uint64_t sum = 0;
  for (const std::uint8_t byte : bytes) {
    const __mmask64 same = _mm512_mask_cmpeq_epi8_mask(used, all, _mm512_set1_epi8(static_cast<char>(byte)));
    sum += log2[static_cast<std::size_t>(std::popcount(same))];
  }
  return sum;
}

AddUp QuickestAddUp() { return __builtin_cpu_supports("avx512bw") != 0 ? &AddUpWithAvx512 : &AddUpAnywhere; }

#else

AddUp QuickestAddUp() { return &AddUpAnywhere; }

#endif

}  // namespace

// log2 n less the mean of the logarithms of how often each of the n bytes occurs, which is Shannon's
// sum taken over bytes instead of values.
std::uint16_t EntropyOf(Bytes bytes) {
  static const Logarithms kLog2 = MakeLogarithms();
  static const AddUp kAddUp = QuickestAddUp();
  if (bytes.empty()) {
    return 0;
  }
  const Bytes first = bytes.first(std::min(bytes.size(), kEntropyBytes));
  const auto size = static_cast<std::uint32_t>(first.size());
  const std::uint64_t mean = kAddUp(first, kLog2) / size;
  const std::uint64_t entropy = kLog2[size] > mean ? kLog2[size] - mean : 0;
  return static_cast<std::uint16_t>(entropy * kEntropySteps >> kFractionBits);
}

}  // namespace weir
