#include "community_id.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <iterator>
#include <string_view>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace weir {
namespace {

constexpr std::size_t kBlockBytes = 64;
constexpr std::array<std::uint32_t, 5> kInitial{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};

using Block = std::array<std::uint32_t, kBlockBytes / 4>;
using State = std::array<std::uint32_t, 5>;

// The message, a 1 bit, zeros and the length in bits: one block of sixteen numbers.
Block Padded(std::span<const std::uint8_t> message) {
  assert(message.size() <= kLongestShortMessage);
  std::array<std::uint8_t, kBlockBytes> bytes{};
  std::copy(message.begin(), message.end(), bytes.begin());
  bytes[message.size()] = 0x80;
  Block block;
  std::memcpy(block.data(), bytes.data(), kBlockBytes);
  for (std::uint32_t& word : block) {
    word = __builtin_bswap32(word);
  }
  block.back() = static_cast<std::uint32_t>(message.size() * 8);
  return block;
}

State HashPortable(const Block& block) {
  std::array<std::uint32_t, 80> words;
  std::copy(block.begin(), block.end(), words.begin());
  for (std::size_t i = block.size(); i < words.size(); ++i) {
    words[i] = std::rotl(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
  }
  auto [a, b, c, d, e] = kInitial;
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::uint32_t mixed = 0;
    if (i < 20) {
      mixed = ((b & c) | (~b & d)) + 0x5a827999;
    } else if (i < 40) {
      mixed = (b ^ c ^ d) + 0x6ed9eba1;
    } else if (i < 60) {
      mixed = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    } else {
      mixed = (b ^ c ^ d) + 0xca62c1d6;
    }
    const std::uint32_t next = std::rotl(a, 5) + mixed + e + words[i];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  return {kInitial[0] + a, kInitial[1] + b, kInitial[2] + c, kInitial[3] + d, kInitial[4] + e};
}

#if defined(__x86_64__)

// Four rounds per instruction; a vector holds its first word in the highest lane.
template <std::size_t... kStep>
__attribute__((target("sha,sse4.1"))) State HashWithInstructions(const Block& block, std::index_sequence<kStep...>) {
  constexpr int kReversed = 0x1b;
  __m128i words[20];
  for (std::size_t i = 0; i < 4; ++i) {
    words[i] = _mm_set_epi32(static_cast<int>(block[4 * i]), static_cast<int>(block[4 * i + 1]), static_cast<int>(block[4 * i + 2]),
                             static_cast<int>(block[4 * i + 3]));
  }
  for (std::size_t i = 4; i < std::size(words); ++i) {
    words[i] = _mm_sha1msg2_epu32(_mm_xor_si128(_mm_sha1msg1_epu32(words[i - 4], words[i - 3]), words[i - 2]), words[i - 1]);
  }
  const __m128i first_abcd =
      _mm_set_epi32(static_cast<int>(kInitial[0]), static_cast<int>(kInitial[1]), static_cast<int>(kInitial[2]), static_cast<int>(kInitial[3]));
  const __m128i first_e = _mm_set_epi32(static_cast<int>(kInitial[4]), 0, 0, 0);
  __m128i before = first_abcd;
  __m128i abcd = _mm_sha1rnds4_epu32(first_abcd, _mm_add_epi32(first_e, words[0]), 0);
  const auto step = [&]<std::size_t kIndex>(std::integral_constant<std::size_t, kIndex>) __attribute__((target("sha,sse4.1"))) {
    const __m128i e = _mm_sha1nexte_epu32(before, words[kIndex]);
    before = abcd;
    abcd = _mm_sha1rnds4_epu32(abcd, e, kIndex / 5);
  };
  (step(std::integral_constant<std::size_t, kStep + 1>{}), ...);
  const __m128i e = _mm_sha1nexte_epu32(before, first_e);
  const __m128i sum = _mm_shuffle_epi32(_mm_add_epi32(abcd, first_abcd), kReversed);
  State state;
  std::memcpy(state.data(), &sum, sizeof sum);
  state[4] = static_cast<std::uint32_t>(_mm_extract_epi32(e, 3));
  return state;
}

bool HasInstructions() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  constexpr unsigned kExtendedFeatures = 7;
  constexpr unsigned kSha = 1u << 29;
  __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(kExtendedFeatures), "c"(0));
  return (b & kSha) != 0 && __builtin_cpu_supports("sse4.1") != 0;
}

#endif

std::array<std::uint8_t, 20> Digest(const State& state) {
  std::array<std::uint8_t, 20> digest;
  for (std::size_t i = 0; i < state.size(); ++i) {
    const std::uint32_t big = __builtin_bswap32(state[i]);
    std::memcpy(digest.data() + 4 * i, &big, sizeof big);
  }
  return digest;
}

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

std::size_t PutAddress(const Address& address, std::uint8_t ip_version, std::uint8_t* to) {
  if (ip_version == 4) {
    const std::uint32_t big = __builtin_bswap32(static_cast<std::uint32_t>(address.low));
    std::memcpy(to, &big, sizeof big);
    return sizeof big;
  }
  const std::array<std::uint64_t, 2> big{__builtin_bswap64(address.high), __builtin_bswap64(address.low)};
  std::memcpy(to, big.data(), sizeof big);
  return sizeof big;
}

void WriteBase64(std::span<const std::uint8_t, 20> bytes, char* to) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const bool is_last = at + 3 > bytes.size();  // twenty bytes leave two for the last group
    const std::uint32_t group = std::uint32_t{bytes[at]} << 16 | std::uint32_t{bytes[at + 1]} << 8 | (is_last ? 0u : bytes[at + 2]);
    *to++ = kAlphabet[group >> 18];
    *to++ = kAlphabet[group >> 12 & 63];
    *to++ = kAlphabet[group >> 6 & 63];
    *to++ = is_last ? '=' : kAlphabet[group & 63];
  }
}

}  // namespace

std::array<std::uint8_t, 20> Sha1OfShortPortable(std::span<const std::uint8_t> message) { return Digest(HashPortable(Padded(message))); }

std::array<std::uint8_t, 20> Sha1OfShort(std::span<const std::uint8_t> message) {
#if defined(__x86_64__)
  static const bool has_instructions = HasInstructions();
  if (has_instructions) {
    return Digest(HashWithInstructions(Padded(message), std::make_index_sequence<19>{}));
  }
#endif
  return Sha1OfShortPortable(message);
}

void WriteCommunityId(const Conversation& conversation, char* to) {
  Conversation ordered = conversation;
  const bool is_icmp = ordered.protocol == kProtocolIcmp || ordered.protocol == kProtocolIcmp6;
  const bool has_ports = is_icmp || ordered.protocol == kProtocolTcp || ordered.protocol == kProtocolUdp || ordered.protocol == kProtocolSctp;
  bool goes_one_way = false;
  if (is_icmp) {
    const int counterpart = Counterpart(ordered.protocol, ordered.source_port);
    goes_one_way = counterpart < 0;
    ordered.destination_port = goes_one_way ? ordered.destination_port : static_cast<std::uint16_t>(counterpart);
  }
  const bool is_ordered = ordered.source != ordered.destination ? ordered.source < ordered.destination : ordered.source_port < ordered.destination_port;
  if (!goes_one_way && !is_ordered) {
    std::swap(ordered.source, ordered.destination);
    std::swap(ordered.source_port, ordered.destination_port);
  }
  std::array<std::uint8_t, kLongestShortMessage> message{};  // begins with two bytes of seed, 0
  std::size_t size = 2;
  size += PutAddress(ordered.source, ordered.ip_version, message.data() + size);
  size += PutAddress(ordered.destination, ordered.ip_version, message.data() + size);
  message[size] = ordered.protocol;
  size += 2;  // and a byte of padding
  if (has_ports) {
    for (const std::uint16_t port : {ordered.source_port, ordered.destination_port}) {
      message[size++] = static_cast<std::uint8_t>(port >> 8);
      message[size++] = static_cast<std::uint8_t>(port);
    }
  }
  const auto digest = Sha1OfShort({message.data(), size});
  to[0] = '1';
  to[1] = ':';
  WriteBase64(digest, to + 2);
}

}  // namespace weir
