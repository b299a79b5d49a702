// What the decoders of single protocols pass to one another.
//
// Each takes a Layer that begins with its header, checks that the header is whole, moves the
// layer past it and says what kind of thing comes next. None knows who decodes that.
#pragma once

#include <algorithm>
#include <cstdint>

#include "bytes.h"
#include "oddity.h"
#include "packet.h"

namespace weir {

enum class Next : std::uint8_t {
  kEthernet,
  kEtherType,   // Layer::type is an EtherType
  kPpp,         // Layer::type is a PPP protocol
  kIp,          // version 4 or 6, as its first four bits say
  kMpls,
  kPppoe,
  kTransport,   // Layer::type is an IP protocol; the flow's innermost header was reached
  kOther,       // nothing that leads to IP
};

// Captured bytes from the header in question on, and how long they were on the wire.
struct Layer {
  Bytes bytes;
  std::uint32_t wire_bytes = 0;
  std::uint16_t type = 0;
  Next next = Next::kOther;
  std::uint8_t levels = 0;  // tags, labels and tunnels so far
  Oddities odd;             // of all headers so far

  // Moves past a header; the caller has checked that it was captured.
  void Pass(std::size_t size) {
    bytes = bytes.subspan(size);
    wire_bytes -= std::min(wire_bytes, static_cast<std::uint32_t>(size));
  }
  // Forgets what lies behind `size`, such as Ethernet's padding.
  void Clip(std::uint32_t size) {
    wire_bytes = std::min(wire_bytes, size);
    bytes = bytes.first(std::min<std::size_t>(bytes.size(), wire_bytes));
  }
};

inline constexpr std::uint16_t kEtherIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherVlan = 0x8100;
inline constexpr std::uint16_t kEtherTransparent = 0x6558;  // a whole Ethernet frame, in GRE and GENEVE
inline constexpr std::uint16_t kEtherIpv6 = 0x86dd;
inline constexpr std::uint16_t kEtherPpp = 0x880b;
inline constexpr std::uint16_t kEtherMpls = 0x8847;
inline constexpr std::uint16_t kEtherMplsUpstream = 0x8848;
inline constexpr std::uint16_t kEtherPppoeSession = 0x8864;
inline constexpr std::uint16_t kEtherServiceVlan = 0x88a8;
inline constexpr std::uint16_t kEtherErspan2 = 0x88be;
inline constexpr std::uint16_t kEtherErspan3 = 0x22eb;
inline constexpr std::uint16_t kEtherMacsec = 0x88e5;
inline constexpr std::uint16_t kEtherBackbone = 0x88e7;
inline constexpr std::uint16_t kEtherCiscoMetadata = 0x8909;
inline constexpr std::uint16_t kEtherVnTag = 0x8926;
inline constexpr std::uint16_t kEtherOldServiceVlan = 0x9100;
inline constexpr std::uint16_t kEtherOldServiceVlan2 = 0x9200;

}  // namespace weir
