// Goes from header to header of a packet with the core's own decoders: link layer, tags, IP, tunnels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "decode/ip.h"

namespace weir {

// One IP header of a packet; offsets count from the packet's first byte.
struct IpPlace {
  std::size_t at;       // of the header
  std::size_t behind;   // of what it carries, extension headers passed
  IpHeader header;      // as decoded
  bool is_sound;        // false where only the addresses are: something behind them is cut or contradicts itself
};

struct WalkEnd {
  std::size_t at = 0;                 // behind the last header that was understood
  std::optional<std::size_t> arp_at;  // an ARP packet begins here
};

// Calls `visit` for each IP header from the outside in. What it is given must not be changed before
// the walk is over.
WalkEnd WalkHeaders(std::uint32_t link_type, std::span<const std::uint8_t> packet, std::uint32_t wire_bytes,
                    const std::function<void(const IpPlace&)>& visit);

}  // namespace weir
