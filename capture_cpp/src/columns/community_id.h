// Community ID version 1 with seed 0: a name for a conversation that Zeek, Suricata and others give
// it as well. https://github.com/corelight/community-id-spec
#pragma once

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

// Writes the identifiers one behind the other to `to`, which has room for kCommunityIdBytes each.
void WriteCommunityIds(std::span<const Conversation> conversations, char* to);

}  // namespace weir
