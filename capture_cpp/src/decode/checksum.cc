#include "decode/checksum.h"

#include <algorithm>
#include <array>
#include <cstddef>

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace weir {
namespace {

#if defined(__x86_64__) && !defined(WEIR_PORTABLE)
constexpr std::size_t kWide = 32;

// The 16 words at `at`, each less 32768 so that it is a signed number.
__attribute__((target("avx2"), always_inline)) inline __m256i ReadShifted(const std::uint8_t* at) {
  return _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)), _mm256_set1_epi16(static_cast<short>(0x8000)));
}

__attribute__((target("avx2"), always_inline)) inline __m256i PairSums(__m256i words) { return _mm256_madd_epi16(words, _mm256_set1_epi16(1)); }

__attribute__((target("avx2"), always_inline)) inline __m256i AddToLanes(__m256i lanes, const std::uint8_t* at) {
  return _mm256_add_epi32(lanes, PairSums(ReadShifted(at)));
}

// The eight lanes as one number.
__attribute__((target("avx2"), always_inline)) inline std::int64_t AddLanes(__m256i lanes) {
  __m128i narrow = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  narrow = _mm_add_epi32(narrow, _mm_shuffle_epi32(narrow, 0x4e));
  narrow = _mm_add_epi32(narrow, _mm_shuffle_epi32(narrow, 0xb1));
  return _mm_cvtsi128_si32(narrow);
}

// Read from `rest` on, it is a mask that keeps the last `rest` bytes of a vector.
alignas(kWide) constexpr auto kKeepLast = [] {
  std::array<std::uint8_t, 2 * kWide> keep{};
  std::fill(keep.begin() + kWide, keep.end(), std::uint8_t{0xff});
  return keep;
}();

// Of at least one vector. The lanes' sum has room for 65,536 words, twice as many as any packet has.
__attribute__((target("avx2"))) std::uint64_t SumWide(Bytes bytes) {
  constexpr std::size_t kAtOnce = 4 * kWide;
  const std::size_t size = bytes.size() & ~std::size_t{1};
  const std::uint8_t* at = bytes.data();
  const std::uint8_t* const end = at + size;
  __m256i lanes = _mm256_setzero_si256();
  __m256i more = _mm256_setzero_si256();
  for (std::size_t rounds = size / kAtOnce; rounds > 0; --rounds) {
    lanes = AddToLanes(lanes, at);
    more = AddToLanes(more, at + kWide);
    lanes = AddToLanes(lanes, at + 2 * kWide);
    more = AddToLanes(more, at + 3 * kWide);
    at += kAtOnce;
  }
  for (; at + kWide <= end; at += kWide) {
    lanes = AddToLanes(lanes, at);
  }
  // The last vector overlaps what was added already, which is left out.
  const auto rest = static_cast<std::size_t>(end - at);
  const __m256i keep = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kKeepLast.data() + rest));
  more = _mm256_add_epi32(more, PairSums(_mm256_and_si256(ReadShifted(end - kWide), keep)));
  const std::int64_t sum = AddLanes(_mm256_add_epi32(lanes, more)) + std::int64_t{0x8000} * static_cast<std::int64_t>(size / 2);
  return static_cast<std::uint64_t>(sum) + (size < bytes.size() ? bytes[size] : 0);
}

const bool kHasWide = __builtin_cpu_supports("avx2") != 0;
#endif

}  // namespace

std::uint64_t LongWordSum(Bytes bytes) {
#if defined(__x86_64__) && !defined(WEIR_PORTABLE)
  if (kHasWide) {
    return SumWide(bytes);
  }
#endif
  return AddWords(bytes, 0, 0);
}

}  // namespace weir
