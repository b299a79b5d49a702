// Link layers: Ethernet, raw IP, BSD loopback, Linux cooked captures, PPP.
#pragma once

#include "decode/layer.h"
#include "link_type.h"

namespace weir {

// Ethernet II; an EtherType below 1536 is a length (IEEE 802.3), and LLC follows.
inline Outcome DecodeEthernet(Layer* layer) {
  constexpr std::size_t kEthernetBytes = 14;
  constexpr std::size_t kEtherTypeAt = 12;
  if (layer->bytes.size() < kEthernetBytes) {
    return Outcome::kShortL2;
  }
  layer->type = ReadBig16(layer->bytes, kEtherTypeAt);
  layer->next = Next::kEtherType;
  layer->Pass(kEthernetBytes);
  return Outcome::kAccepted;
}

// BSD loopback: the address family, in the byte order of the machine that captured.
inline Outcome DecodeLoopback(Layer* layer) {
  constexpr std::size_t kFamilyBytes = 4;
  if (layer->bytes.size() < kFamilyBytes) {
    return Outcome::kShortL2;
  }
  const std::uint32_t raw = ReadBig32(layer->bytes, 0);
  const std::uint32_t family = raw > 0xffff ? __builtin_bswap32(raw) : raw;
  switch (family) {
    case 2:   // AF_INET
    case 10:  // AF_INET6 on Linux
    case 24:  // AF_INET6 on NetBSD, OpenBSD and BSD/OS
    case 28:  // AF_INET6 on FreeBSD
    case 30:  // AF_INET6 on macOS
      layer->next = Next::kIp;
      break;
    default:
      layer->next = Next::kOther;
  }
  layer->Pass(kFamilyBytes);
  return Outcome::kAccepted;
}

// Linux cooked capture, version 1 and 2.
inline Outcome DecodeLinuxCooked(Layer* layer, std::size_t header_bytes, std::size_t protocol_at) {
  if (layer->bytes.size() < header_bytes) {
    return Outcome::kShortL2;
  }
  layer->type = ReadBig16(layer->bytes, protocol_at);
  layer->next = Next::kEtherType;
  layer->Pass(header_bytes);
  return Outcome::kAccepted;
}

inline Outcome DecodeLinuxSll(Layer* layer) { return DecodeLinuxCooked(layer, 16, 14); }
inline Outcome DecodeLinuxSll2(Layer* layer) { return DecodeLinuxCooked(layer, 20, 0); }

// The protocol of a PPP frame is one byte when it is odd, else two (RFC 1661, section 2), and may
// follow HDLC's address and control bytes.
inline Outcome DecodePpp(Layer* layer) {
  constexpr std::uint16_t kHdlcAddressControl = 0xff03;
  constexpr std::uint16_t kPppIpv4 = 0x0021;
  constexpr std::uint16_t kPppIpv6 = 0x0057;
  constexpr std::uint16_t kPppMpls = 0x0281;
  if (layer->bytes.size() >= 2 && ReadBig16(layer->bytes, 0) == kHdlcAddressControl) {
    layer->Pass(2);
  }
  if (layer->bytes.size() < 2) {
    return Outcome::kShortL2;
  }
  const bool is_short = (layer->bytes[0] & 1) != 0;
  const std::uint16_t protocol = is_short ? layer->bytes[0] : ReadBig16(layer->bytes, 0);
  layer->Pass(is_short ? 1 : 2);
  layer->next = protocol == kPppIpv4 || protocol == kPppIpv6 ? Next::kIp : protocol == kPppMpls ? Next::kMpls : Next::kOther;
  return Outcome::kAccepted;
}

// Finds the first header of a record of this link type.
inline Outcome DecodeLink(std::uint32_t link_type, Layer* layer) {
  if (link_type == kLinkEthernet) [[likely]] {
    return DecodeEthernet(layer);
  }
  switch (link_type) {
    case kLinkRaw:
    case kLinkRawBsd:
    case kLinkRawOpenBsd:
    case kLinkIpv4:
    case kLinkIpv6:
      layer->next = Next::kIp;
      return Outcome::kAccepted;
    case kLinkNull:
    case kLinkLoop:
      return DecodeLoopback(layer);
    case kLinkLinuxSll:
      return DecodeLinuxSll(layer);
    case kLinkLinuxSll2:
      return DecodeLinuxSll2(layer);
    case kLinkPpp:
      return DecodePpp(layer);
    default:
      return Outcome::kUnknownLink;
  }
}

}  // namespace weir
