// JA4, a fingerprint of TLS clients: the same software says hello in the same words.
// https://github.com/FoxIO-LLC/ja4, technical details of JA4 (the TLS client part: BSD 3-Clause).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace weir {

struct HelloFacts {
  char transport;                               // 't' TCP, 'q' QUIC
  std::uint16_t version;                        // the highest offered
  bool has_server_name;
  std::string_view first_alpn;                  // empty without one
  std::span<const std::uint16_t> ciphers;       // in the client's order, GREASE included
  std::span<const std::uint16_t> extensions;    // likewise
  std::span<const std::uint16_t> signatures;    // likewise
};

// Whether a number is one of RFC 8701, sent only to keep servers tolerant.
constexpr bool IsGrease(std::uint16_t number) { return (number & 0x0f0f) == 0x0a0a && number >> 8 == (number & 0xff); }

// Always of this length.
inline constexpr std::size_t kJa4Letters = 36;
using Ja4Letters = std::array<char, kJa4Letters>;
Ja4Letters Ja4(const HelloFacts& hello);

}  // namespace weir
