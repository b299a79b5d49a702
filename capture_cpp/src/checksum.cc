#include "checksum.h"

#include <cstddef>

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace weir {
namespace {

// Adds what lies from `done` on to a sum.
inline std::uint64_t SumPlain(Bytes bytes, std::size_t done, std::uint64_t sum) {
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

#ifdef __x86_64__
constexpr std::size_t kWide = 32;

// Adds the 16 words at `at`, each less 32768 so that it is a signed number, to eight lanes.
__attribute__((target("avx2"), always_inline)) inline __m256i AddWords(__m256i lanes, const std::uint8_t* at) {
  const __m256i half = _mm256_set1_epi16(static_cast<short>(0x8000));
  const __m256i words = _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)), half);
  return _mm256_add_epi32(lanes, _mm256_madd_epi16(words, _mm256_set1_epi16(1)));
}

// A lane has room for 32,768 pairs of words, and no packet has as many.
__attribute__((target("avx2"))) std::uint64_t SumWide(Bytes bytes) {
  constexpr std::size_t kAtOnce = 4 * kWide;
  const std::uint8_t* at = bytes.data();
  const std::uint8_t* const end = at + bytes.size();
  __m256i lanes = _mm256_setzero_si256();
  __m256i more = _mm256_setzero_si256();
  for (std::size_t rounds = bytes.size() / kAtOnce; rounds > 0; --rounds) {
    lanes = AddWords(lanes, at);
    more = AddWords(more, at + kWide);
    lanes = AddWords(lanes, at + 2 * kWide);
    more = AddWords(more, at + 3 * kWide);
    at += kAtOnce;
  }
  for (; at + kWide <= end; at += kWide) {
    lanes = AddWords(lanes, at);
  }
  lanes = _mm256_add_epi32(lanes, more);
  __m128i narrow = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  narrow = _mm_add_epi32(narrow, _mm_shuffle_epi32(narrow, 0x4e));
  narrow = _mm_add_epi32(narrow, _mm_shuffle_epi32(narrow, 0xb1));
  const auto done = static_cast<std::size_t>(at - bytes.data());
  const std::int64_t sum = std::int64_t{_mm_cvtsi128_si32(narrow)} + std::int64_t{0x8000} * static_cast<std::int64_t>(done / 2);
  return SumPlain(bytes, done, static_cast<std::uint64_t>(sum));
}

const bool kHasWide = __builtin_cpu_supports("avx2") != 0;
#endif

}  // namespace

std::uint64_t WordSum(Bytes bytes) {
#ifdef __x86_64__
  constexpr std::size_t kWorthWide = 96;
  if (bytes.size() >= kWorthWide && kHasWide) {
    return SumWide(bytes);
  }
#endif
  return SumPlain(bytes, 0, 0);
}

}  // namespace weir
