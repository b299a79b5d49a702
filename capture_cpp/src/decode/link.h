// Link layers: Ethernet, LLC, BSD loopback and firewalls, Linux cooked captures and logs, PPP and HDLC.
#pragma once

#include <algorithm>

#include "decode/layer.h"
#include "link_type.h"

namespace weir {

inline constexpr std::uint16_t kLeastEtherType = 1536;

// IEEE 802.2 LLC; with SNAP (RFC 1042) an EtherType follows, else no IP.
inline Outcome DecodeLlc(Layer* layer) {
  constexpr std::size_t kLlcBytes = 3;
  constexpr std::size_t kSnapBytes = 8;
  constexpr std::uint32_t kSnap = 0xaaaa0300;  // with the first byte of organisation 0
  constexpr std::uint16_t kSnapPoints = kSnap >> 16;
  if (layer->bytes.size() < kLlcBytes) {
    return Outcome::kShortL2;
  }
  const bool is_snap = layer->wire_bytes >= kSnapBytes && ReadBig16(layer->bytes, 0) == kSnapPoints;
  const std::size_t header_bytes = is_snap ? kSnapBytes : kLlcBytes;
  if (layer->bytes.size() < header_bytes) {
    return Outcome::kShortL2;
  }
  layer->next = Next::kOther;
  if (is_snap && ReadBig32(layer->bytes, 0) == kSnap && ReadBig16(layer->bytes, 4) == 0) {
    layer->type = ReadBig16(layer->bytes, 6);
    layer->next = Next::kEtherType;
  }
  layer->Pass(header_bytes);
  return Outcome::kAccepted;
}

// Passes a header of `header_bytes` that has the EtherType of what follows at `type_at`. Returns whether it is whole.
inline bool PassHeader(std::size_t header_bytes, std::size_t type_at, Layer* layer) {
  if (layer->bytes.size() < header_bytes) {
    return false;
  }
  layer->type = ReadBig16(layer->bytes, type_at);
  layer->next = Next::kEtherType;
  layer->Pass(header_bytes);
  return true;
}

// An EtherType below 1536 is a length (IEEE 802.3), and LLC follows.
inline Outcome DecodeEthernetLength(Layer* layer) {
  constexpr std::uint16_t kLargestLength = 1500;
  layer->odd.AddIf(layer->type > kLargestLength || layer->type > layer->wire_bytes, Oddity::kLinkLength);
  layer->Clip(layer->type);
  layer->next = Next::kOther;
  return layer->wire_bytes == 0 ? Outcome::kAccepted : DecodeLlc(layer);
}

// Ethernet II or IEEE 802.3.
inline Outcome DecodeEthernet(Layer* layer) {
  constexpr std::size_t kEthernetBytes = 14;
  constexpr std::size_t kSourceAt = 6;
  constexpr std::size_t kEtherTypeAt = 12;
  constexpr std::uint8_t kGroupBit = 0x01;
  if (layer->bytes.size() < kEthernetBytes) {
    return Outcome::kShortL2;
  }
  layer->type = ReadBig16(layer->bytes, kEtherTypeAt);
  layer->next = Next::kEtherType;
  if ((layer->bytes[kSourceAt] & kGroupBit) != 0) [[unlikely]] {
    layer->odd.Add(Oddity::kLinkSource);
  }
  layer->Pass(kEthernetBytes);
  return layer->type < kLeastEtherType ? DecodeEthernetLength(layer) : Outcome::kAccepted;
}

inline Next NextOfFamily(std::uint32_t family) {
  switch (family) {
    case 2:   // AF_INET
    case 10:  // AF_INET6 on Linux
    case 24:  // AF_INET6 on NetBSD, OpenBSD and BSD/OS
    case 28:  // AF_INET6 on FreeBSD
    case 30:  // AF_INET6 on macOS
      return Next::kIp;
    default:
      return Next::kOther;
  }
}

// BSD loopback, and OpenBSD's IPsec interface with 8 bytes more: the address family, in the byte
// order of the machine that captured.
inline Outcome DecodeLoopback(Layer* layer, std::size_t header_bytes = 4) {
  if (layer->bytes.size() < header_bytes) {
    return Outcome::kShortL2;
  }
  const std::uint32_t raw = ReadBig32(layer->bytes, 0);
  layer->next = NextOfFamily(raw > 0xffff ? __builtin_bswap32(raw) : raw);
  layer->Pass(header_bytes);
  return Outcome::kAccepted;
}

// OpenBSD's packet filter log: a header that says its length, without padding, and the family.
inline Outcome DecodePflog(Layer* layer) {
  constexpr std::size_t kLeastBytes = 4;
  if (layer->bytes.size() < kLeastBytes) {
    return Outcome::kShortL2;
  }
  const std::size_t size = (layer->bytes[0] + 3u) & ~3u;
  if (size < kLeastBytes) {
    return Outcome::kDecodeError;
  }
  if (layer->bytes.size() < size) {
    return Outcome::kShortL2;
  }
  layer->next = NextOfFamily(layer->bytes[1]);
  layer->Pass(size);
  return Outcome::kAccepted;
}

// Linux netfilter log: the family, then attributes in the order of the machine that captured, taken
// to be little-endian as nearly all are; one of them is the packet.
inline Outcome DecodeNflog(Layer* layer) {
  constexpr std::size_t kHeaderBytes = 4;
  constexpr std::size_t kAttributeBytes = 4;
  constexpr std::uint16_t kPayload = 9;
  constexpr int kMostAttributes = 32;
  if (layer->bytes.size() < kHeaderBytes) {
    return Outcome::kShortL2;
  }
  layer->next = NextOfFamily(layer->bytes[0]);
  layer->Pass(kHeaderBytes);
  for (int seen = 0; layer->next == Next::kIp && seen < kMostAttributes; ++seen) {
    if (layer->bytes.size() < kAttributeBytes) {
      return Outcome::kShortL2;
    }
    const std::size_t size = ReadLittle<std::uint16_t>(layer->bytes, 0);
    if (size < kAttributeBytes) {
      return Outcome::kDecodeError;
    }
    if (ReadLittle<std::uint16_t>(layer->bytes, 2) == kPayload) {
      layer->Clip(static_cast<std::uint32_t>(size));
      layer->Pass(kAttributeBytes);
      return Outcome::kAccepted;
    }
    const std::size_t padded = (size + 3) & ~std::size_t{3};
    if (layer->bytes.size() < padded) {
      return Outcome::kShortL2;
    }
    layer->Pass(padded);
  }
  layer->next = Next::kOther;
  return Outcome::kAccepted;
}

// Linux cooked capture, version 1 and 2: an EtherType, or a word of Linux's own for IEEE 802.2.
inline Outcome DecodeLinuxCooked(Layer* layer, std::size_t header_bytes, std::size_t protocol_at) {
  constexpr std::uint16_t kLinuxLlc = 0x0004;
  if (!PassHeader(header_bytes, protocol_at, layer)) {
    return Outcome::kShortL2;
  }
  return layer->type == kLinuxLlc ? DecodeLlc(layer) : Outcome::kAccepted;
}

// Cisco's HDLC: address and control, then an EtherType.
inline Outcome DecodeCiscoHdlc(Layer* layer) { return DecodeLinuxCooked(layer, 4, 2); }

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

}  // namespace weir
