// Community ID version 1 with seed 0: a name for a conversation that Zeek, Suricata and others give
// it as well. https://github.com/corelight/community-id-spec
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "packet.h"

namespace weir {

inline constexpr std::size_t kCommunityIdBytes = 30;  // "1:" and 20 bytes in base64

struct Conversation {
  Address source;
  Address destination;
  std::uint16_t source_port;  // ICMP: type
  std::uint16_t destination_port;  // ICMP: code
  std::uint8_t protocol;
  std::uint8_t ip_version;
};

// Writes the identifier to `to`, which has room for kCommunityIdBytes.
void WriteCommunityId(const Conversation& conversation, char* to);

// SHA-1 of at most 55 bytes (FIPS 180-4), with the processor's instructions where it has them.
inline constexpr std::size_t kLongestShortMessage = 55;
std::array<std::uint8_t, 20> Sha1OfShort(std::span<const std::uint8_t> message);

// The same in portable code.
std::array<std::uint8_t, 20> Sha1OfShortPortable(std::span<const std::uint8_t> message);

}  // namespace weir
