#include "columns/community_id.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace weir {
namespace {

// SHA-1 (FIPS 180-4) of short messages, eight at a time: what a processor does to one number it does
// to a vector of them as quickly. Each message fills one block.
constexpr std::size_t kLanes = 8;
constexpr std::size_t kBlockWords = 16;
constexpr std::size_t kDigestWords = 5;
constexpr std::array<std::uint32_t, kDigestWords> kInitial{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};

using Lanes = std::uint32_t __attribute__((vector_size(kLanes * sizeof(std::uint32_t))));

// Word by word, and of each word the lanes.
template <std::size_t kWords>
struct alignas(sizeof(Lanes)) Laned {
  std::uint32_t words[kWords][kLanes];
};

using Blocks = Laned<kBlockWords>;
using Digests = Laned<kDigestWords>;

#define WEIR_INLINE [[gnu::always_inline]] inline

template <int kBits>
WEIR_INLINE void Rotate(const Lanes& from, Lanes* to) {
  *to = from << kBits | from >> (32 - kBits);
}

template <int kPart>
WEIR_INLINE void Round(const Lanes& a, Lanes* b, const Lanes& c, const Lanes& d, Lanes* e, const Lanes& word) {
  constexpr std::array<std::uint32_t, 4> kConstants{0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
  Lanes turned;
  Rotate<5>(a, &turned);
  if constexpr (kPart == 0) {
    turned += d ^ (*b & (c ^ d));
  } else if constexpr (kPart == 2) {
    turned += (*b & c) | (d & (*b | c));
  } else {
    turned += *b ^ c ^ d;
  }
  *e += turned + word + kConstants[kPart];
  Rotate<30>(*b, b);
}

// The word of a round; those beyond the block are made when they are needed.
template <int kRound>
WEIR_INLINE const Lanes& WordFor(Lanes* words) {
  constexpr int kAt = kRound % kBlockWords;
  if constexpr (kRound >= static_cast<int>(kBlockWords)) {
    const Lanes mixed = words[(kRound - 3) % kBlockWords] ^ words[(kRound - 8) % kBlockWords] ^ words[(kRound - 14) % kBlockWords] ^ words[kAt];
    Rotate<1>(mixed, &words[kAt]);
  }
  return words[kAt];
}

// Five rounds, after which each number is in its place again.
template <int kFive>
WEIR_INLINE void FiveRounds(Lanes* words, Lanes* state) {
  constexpr int kPart = kFive / 4;
  constexpr int kRound = 5 * kFive;
  Round<kPart>(state[0], &state[1], state[2], state[3], &state[4], WordFor<kRound>(words));
  Round<kPart>(state[4], &state[0], state[1], state[2], &state[3], WordFor<kRound + 1>(words));
  Round<kPart>(state[3], &state[4], state[0], state[1], &state[2], WordFor<kRound + 2>(words));
  Round<kPart>(state[2], &state[3], state[4], state[0], &state[1], WordFor<kRound + 3>(words));
  Round<kPart>(state[1], &state[2], state[3], state[4], &state[0], WordFor<kRound + 4>(words));
}

template <int... kFives>
WEIR_INLINE void HashBlocks(std::integer_sequence<int, kFives...>, const Blocks& messages, Digests* digests) {
  Lanes words[kBlockWords];
  std::memcpy(words, messages.words, sizeof words);
  Lanes state[kDigestWords];
  for (std::size_t i = 0; i < kDigestWords; ++i) {
    state[i] = Lanes{} + kInitial[i];
  }
  (FiveRounds<kFives>(words, state), ...);
  for (std::size_t i = 0; i < kDigestWords; ++i) {
    state[i] += kInitial[i];
  }
  std::memcpy(digests->words, state, sizeof state);
}

bool IsIcmp(std::uint8_t protocol) { return protocol == kProtocolIcmp || protocol == kProtocolIcmp6; }

// The type that answers an ICMP type, or -1: such messages go one way.
int Counterpart(std::uint8_t protocol, std::uint16_t type) {
  constexpr std::array<std::pair<int, int>, 5> kIcmp{{{8, 0}, {13, 14}, {15, 16}, {10, 9}, {17, 18}}};
  constexpr std::array<std::pair<int, int>, 6> kIcmp6{{{128, 129}, {133, 134}, {135, 136}, {130, 131}, {139, 140}, {144, 145}}};
  const auto find = [type](const auto& pairs) {
    for (const auto& [left, right] : pairs) {
      if (type == left || type == right) {
        return type == left ? right : left;
      }
    }
    return -1;
  };
  return protocol == kProtocolIcmp ? find(kIcmp) : find(kIcmp6);
}

struct End {
  const Address* address;
  std::uint16_t port;
};

// Both ends in the order in which either direction has the same identifier.
std::pair<End, End> Ordered(const Conversation& conversation) {
  const End source{&conversation.source, conversation.source_port};
  End destination{&conversation.destination, conversation.destination_port};
  if (IsIcmp(conversation.protocol)) {
    const int counterpart = Counterpart(conversation.protocol, source.port);
    if (counterpart < 0) {
      return {source, destination};
    }
    destination.port = static_cast<std::uint16_t>(counterpart);
  }
  const bool is_ordered = *source.address != *destination.address ? *source.address < *destination.address : source.port < destination.port;
  return is_ordered ? std::pair{source, destination} : std::pair{destination, source};
}

bool HasPorts(std::uint8_t protocol) {
  return protocol == kProtocolTcp || protocol == kProtocolUdp || protocol == kProtocolSctp || IsIcmp(protocol);
}

// What is hashed: two bytes of seed, 0, the addresses, the protocol, a byte of padding and the ports;
// then a 1 bit, zeros and the length in bits. As everything follows the seed, each number of 32 bits
// lies across two words.
void PutMessage(const Conversation& conversation, std::size_t lane, Blocks* blocks) {
  const auto [first, second] = Ordered(conversation);
  std::size_t at = 0;
  std::uint32_t before = 0;
  const auto put = [&](std::uint64_t number) {
    const auto word = static_cast<std::uint32_t>(number);
    blocks->words[at++][lane] = before << 16 | word >> 16;
    before = word;
  };
  if (conversation.ip_version == 6) {
    for (const Address* address : {first.address, second.address}) {
      put(address->high >> 32);
      put(address->high);
      put(address->low >> 32);
      put(address->low);
    }
  } else {
    put(first.address->low);
    put(second.address->low);
  }
  blocks->words[at++][lane] = before << 16 | std::uint32_t{conversation.protocol} << 8;
  if (HasPorts(conversation.protocol)) {
    blocks->words[at++][lane] = std::uint32_t{first.port} << 16 | second.port;
  }
  blocks->words[at][lane] = 0x80000000;
  blocks->words[kBlockWords - 1][lane] = static_cast<std::uint32_t>(32 * at);
}

// Two letters of base64 for each number of twelve bits.
struct Pair {
  std::array<char, 2> letters;
};

constexpr std::array<Pair, 4'096> MakePairs() {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<Pair, 4'096> pairs{};
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    pairs[i] = {{kAlphabet[i >> 6], kAlphabet[i & 63]}};
  }
  return pairs;
}

constexpr std::array<Pair, 4'096> kPairs = MakePairs();

char* WritePair(std::uint64_t twelve_bits, char* to) {
  std::memcpy(to, kPairs[twelve_bits & 0xfff].letters.data(), sizeof(Pair));
  return to + sizeof(Pair);
}

template <int... kShifts>
char* WritePairs(std::uint64_t bits, std::integer_sequence<int, kShifts...>, char* to) {
  ((to = WritePair(bits >> kShifts, to)), ...);
  return to;
}

// "1:" and 160 bits in base64: 60, 60 and 40 bits, and a sign that stands for what is missing.
void WriteId(const Digests& digests, std::size_t lane, char* to) {
  const auto word = [&](std::size_t i) { return std::uint64_t{digests.words[i][lane]}; };
  const std::uint64_t first = word(0) << 28 | word(1) >> 4;
  const std::uint64_t second = word(1) << 56 | word(2) << 24 | word(3) >> 8;
  const std::uint64_t third = (word(3) << 32 | word(4)) << 2;  // two bits of padding: 42 of them count
  *to++ = '1';
  *to++ = ':';
  using Five = std::integer_sequence<int, 48, 36, 24, 12, 0>;
  to = WritePairs(first, Five{}, to);
  to = WritePairs(second, Five{}, to);
  to = WritePairs(third, std::integer_sequence<int, 30, 18, 6>{}, to);
  *to++ = kPairs[third & 63].letters[1];
  *to = '=';
}

using AllFives = std::make_integer_sequence<int, 16>;

// Hashes a block of messages and writes the identifiers of the first `size` of them.
using Identify = void (*)(const Blocks& messages, std::size_t size, char* to);

void IdentifyAnywhere(const Blocks& messages, std::size_t size, char* to) {
  Digests digests;
  HashBlocks(AllFives{}, messages, &digests);
  for (std::size_t lane = 0; lane < size; ++lane, to += kCommunityIdBytes) {
    WriteId(digests, lane, to);
  }
}

#if defined(__x86_64__) && !defined(WEIR_PORTABLE)

// Byte `at` of a digest whose words lie in a vector, little-endian as the processor has them.
constexpr char ByteAt(int at) { return static_cast<char>(4 * (at / 4) + 3 - at % 4); }

// Turns the digest's first 12 bytes into 16 letters in the lower half, and its last 8 into 11 in the
// upper one; the sign that fills up the last group is the caller's. Three bytes become four numbers of
// six bits, by shuffling them to where two multiplications can shift them apart; then the distance
// between a number and its letter is added. After W. Mula, "Base64 encoding
// with SIMD instructions", http://0x80.pl/articles/base64-simd.html.
__attribute__((target("avx2"), always_inline)) inline __m256i LettersOf(__m256i digest) {
  constexpr char kNone = -128;
  const __m256i order = _mm256_setr_epi8(                                                        //
      ByteAt(1), ByteAt(0), ByteAt(2), ByteAt(1), ByteAt(4), ByteAt(3), ByteAt(5), ByteAt(4),    //
      ByteAt(7), ByteAt(6), ByteAt(8), ByteAt(7), ByteAt(10), ByteAt(9), ByteAt(11), ByteAt(10),  //
      ByteAt(1), ByteAt(0), ByteAt(2), ByteAt(1), ByteAt(4), ByteAt(3), ByteAt(5), ByteAt(4),    //
      ByteAt(7), ByteAt(6), kNone, ByteAt(7), kNone, kNone, kNone, kNone);
  const __m256i bytes = _mm256_shuffle_epi8(digest, order);
  const __m256i high = _mm256_mulhi_epu16(_mm256_and_si256(bytes, _mm256_set1_epi32(0x0fc0fc00)), _mm256_set1_epi32(0x04000040));
  const __m256i low = _mm256_mullo_epi16(_mm256_and_si256(bytes, _mm256_set1_epi32(0x003f03f0)), _mm256_set1_epi32(0x01000010));
  const __m256i sixes = _mm256_or_si256(high, low);
  // Which range a number is in: 0 a to z, 1 to 10 a digit, 11 "+", 12 "/", 13 A to Z.
  const __m256i is_capital = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), sixes);
  const __m256i ranges = _mm256_or_si256(_mm256_subs_epu8(sixes, _mm256_set1_epi8(51)), _mm256_and_si256(is_capital, _mm256_set1_epi8(13)));
  constexpr char kDigit = '0' - 52;
  const __m256i shifts = _mm256_broadcastsi128_si256(_mm_setr_epi8('a' - 26, kDigit, kDigit, kDigit, kDigit, kDigit, kDigit, kDigit, kDigit, kDigit,
                                                                   kDigit, '+' - 62, '/' - 63, 'A', 0, 0));
  return _mm256_add_epi8(sixes, _mm256_shuffle_epi8(shifts, ranges));
}

__attribute__((target("avx2"))) void IdentifyWithAvx2(const Blocks& messages, std::size_t size, char* to) {
  Digests digests;
  HashBlocks(AllFives{}, messages, &digests);
  for (std::size_t lane = 0; lane < size; ++lane, to += kCommunityIdBytes) {
    const auto word = [&](std::size_t i) { return static_cast<int>(digests.words[i][lane]); };
    const __m256i letters = LettersOf(_mm256_setr_epi32(word(0), word(1), word(2), 0, word(3), word(4), 0, 0));
    const __m128i last = _mm256_extracti128_si256(letters, 1);
    const std::array<std::int64_t, 1> first_eight{_mm_cvtsi128_si64(last)};
    const std::array<std::int32_t, 1> next_four{_mm_extract_epi32(last, 2)};
    to[0] = '1';
    to[1] = ':';
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 2), _mm256_castsi256_si128(letters));
    std::memcpy(to + 18, first_eight.data(), sizeof first_eight);
    std::memcpy(to + 26, next_four.data(), sizeof next_four);
    to[kCommunityIdBytes - 1] = '=';
  }
}

Identify QuickestIdentify() { return __builtin_cpu_supports("avx2") != 0 ? &IdentifyWithAvx2 : &IdentifyAnywhere; }

#else

Identify QuickestIdentify() { return &IdentifyAnywhere; }

#endif

}  // namespace

void WriteCommunityIds(std::span<const Conversation> conversations, char* to) {
  const Identify identify = QuickestIdentify();
  while (!conversations.empty()) {
    const std::size_t size = std::min(conversations.size(), kLanes);
    Blocks blocks{};
    for (std::size_t lane = 0; lane < size; ++lane) {
      PutMessage(conversations[lane], lane, &blocks);
    }
    identify(blocks, size, to);
    to += size * kCommunityIdBytes;
    conversations = conversations.subspan(size);
  }
}

}  // namespace weir
