// JA4, a fingerprint of TLS clients: the same software says hello in the same words.
// https://github.com/FoxIO-LLC/ja4, technical details of JA4 (the TLS client part: BSD 3-Clause).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace weir {

// Whether a number is one of RFC 8701, sent only to keep servers tolerant.
constexpr bool IsGrease(std::uint16_t number) { return (number & 0x0f0f) == 0x0a0a && number >> 8 == (number & 0xff); }

// Numbers that a client offers, without GREASE; longer lists than any client sends are cut.
// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): only what was added is read
class Offered {
 public:
  void Add(std::uint16_t number) {
    if (size_ < kMost) {
      numbers_[size_] = number;
      size_ += IsGrease(number) ? 0 : 1;
    }
  }
  void Clear() { size_ = 0; }
  void Drop(std::uint16_t unwanted) { size_ -= std::ranges::remove(kept(), unwanted).size(); }
  void Sort() { std::ranges::sort(kept()); }

  std::size_t size() const { return size_; }
  std::span<const std::uint16_t> all() const { return {numbers_.data(), size_}; }

 private:
  static constexpr std::size_t kMost = 512;

  std::span<std::uint16_t> kept() { return {numbers_.data(), size_}; }

  std::array<std::uint16_t, kMost> numbers_;
  std::size_t size_ = 0;
};

struct ClientHello {
  std::uint16_t version = 0;    // the highest offered
  bool has_server_name = false;
  std::string_view first_alpn;  // empty without one
  Offered ciphers;
  Offered extensions;
  Offered signatures;           // in the client's order
};

// Always of this length.
inline constexpr std::size_t kJa4Letters = 36;
using Ja4Letters = std::array<char, kJa4Letters>;
// 't' for TCP, 'q' for QUIC. Sorts ciphers and extensions, and takes those of the name and of ALPN out.
Ja4Letters Ja4(char transport, ClientHello* hello);

}  // namespace weir
