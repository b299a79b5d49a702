// IPv4 (RFC 791) and IPv6 (RFC 8200) headers, with extension headers and fragmentation.
#pragma once

#include "decode/layer.h"
#include "options.h"

namespace weir {

inline constexpr std::uint8_t kNextHopByHop = 0;
inline constexpr std::uint8_t kNextIpv4 = 4;
inline constexpr std::uint8_t kNextIpv6 = 41;
inline constexpr std::uint8_t kNextRouting = 43;
inline constexpr std::uint8_t kNextFragment = 44;
inline constexpr std::uint8_t kNextGre = 47;
inline constexpr std::uint8_t kNextAuthentication = 51;
inline constexpr std::uint8_t kNextNothing = 59;
inline constexpr std::uint8_t kNextDestination = 60;
inline constexpr std::uint8_t kNextMobility = 135;
inline constexpr std::uint8_t kNextHip = 139;
inline constexpr std::uint8_t kNextShim6 = 140;

struct IpHeader {
  Address source;
  Address destination;
  std::uint32_t total_bytes;       // header, extensions and payload
  std::uint32_t fragment_id;
  std::uint8_t version;
  std::uint8_t protocol;           // after the extension headers
  bool is_fragment;
  bool is_first_fragment;
  bool is_length_odd;              // the length went beyond the frame
};

// No packet without jumbo options is longer; segmentation offload writes 0 instead.
inline constexpr std::uint32_t kLargestIpv4Bytes = 65'535;
inline constexpr std::uint32_t kLargestIpv6Bytes = 65'535 + 40;

// Believes the frame where the header claims more than it.
inline void SettleIpLength(std::uint32_t claimed, std::uint32_t largest, Layer* layer, IpHeader* ip) {
  const std::uint32_t most = std::min(layer->wire_bytes, largest);
  ip->is_length_odd = claimed > most;
  ip->total_bytes = std::min(claimed, most);
  layer->Clip(ip->total_bytes);
}

inline Outcome DecodeIpv4(Layer* layer, IpHeader* ip) {
  constexpr std::size_t kLeastBytes = 20;
  constexpr std::uint16_t kMoreFragments = 0x2000;
  constexpr std::uint16_t kFragmentOffset = 0x1fff;
  const Bytes bytes = layer->bytes;
  if (bytes.size() < kLeastBytes) {
    return Outcome::kShortL3;
  }
  const std::size_t header_bytes = (Read8(bytes, 0) & 0x0fu) * 4u;
  if (header_bytes < kLeastBytes) {
    return Outcome::kDecodeError;
  }
  std::uint32_t claimed = ReadBig16(bytes, 2);
  if (claimed == 0) {
    claimed = layer->wire_bytes;  // segmentation offload: the card fills it in later
  }
  if (claimed < header_bytes) {
    return Outcome::kDecodeError;
  }
  SettleIpLength(claimed, kLargestIpv4Bytes, layer, ip);
  if (layer->bytes.size() < header_bytes) {
    return Outcome::kShortL3;
  }
  const std::uint16_t fragment = ReadBig16(bytes, 6);
  ip->version = 4;
  ip->source = {0, ReadBig32(bytes, 12)};
  ip->destination = {0, ReadBig32(bytes, 16)};
  ip->protocol = Read8(bytes, 9);
  ip->fragment_id = ReadBig16(bytes, 4);
  ip->is_fragment = (fragment & (kMoreFragments | kFragmentOffset)) != 0;
  ip->is_first_fragment = (fragment & kFragmentOffset) == 0;
  layer->Pass(header_bytes);
  return Outcome::kAccepted;
}

// Walks the extension headers of an IPv6 packet, or the authentication header of either version.
inline Outcome DecodeExtensions(Layer* layer, IpHeader* ip) {
  constexpr std::size_t kUnitBytes = 8;
  constexpr std::size_t kAuthenticationUnitBytes = 4;
  for (int seen = 0;; ++seen) {
    switch (ip->protocol) {
      case kNextHopByHop:
      case kNextRouting:
      case kNextFragment:
      case kNextAuthentication:
      case kNextDestination:
      case kNextMobility:
      case kNextHip:
      case kNextShim6:
        break;
      default:
        return Outcome::kAccepted;
    }
    if (ip->version == 4 && ip->protocol != kNextAuthentication) {
      return Outcome::kAccepted;
    }
    if (ip->is_fragment && !ip->is_first_fragment) {
      return Outcome::kAccepted;  // what follows is the middle of something
    }
    if (seen == kMostExtensionHeaders) {
      return Outcome::kDecodeError;
    }
    const Bytes bytes = layer->bytes;
    if (bytes.size() < kUnitBytes) {
      return Outcome::kShortL3;
    }
    std::size_t size = (Read8(bytes, 1) + 1u) * kUnitBytes;
    if (ip->protocol == kNextAuthentication) {
      size = (Read8(bytes, 1) + 2u) * kAuthenticationUnitBytes;
    } else if (ip->protocol == kNextFragment) {
      constexpr std::uint16_t kOffset = 0xfff8;
      constexpr std::uint16_t kMore = 0x0001;
      const std::uint16_t fragment = ReadBig16(bytes, 2);
      size = kUnitBytes;
      ip->fragment_id = ReadBig32(bytes, 4);
      ip->is_fragment = (fragment & (kOffset | kMore)) != 0;
      ip->is_first_fragment = (fragment & kOffset) == 0;
    }
    if (bytes.size() < size) {
      return Outcome::kShortL3;
    }
    ip->protocol = Read8(bytes, 0);
    layer->Pass(size);
  }
}

inline Outcome DecodeIpv6(Layer* layer, IpHeader* ip) {
  constexpr std::uint32_t kIpv6Bytes = 40;
  const Bytes bytes = layer->bytes;
  if (bytes.size() < kIpv6Bytes) {
    return Outcome::kShortL3;
  }
  const std::uint32_t payload = ReadBig16(bytes, 4);
  ip->protocol = Read8(bytes, 6);
  const bool is_offloaded = payload == 0 && ip->protocol != kNextNothing;
  SettleIpLength(is_offloaded ? layer->wire_bytes : payload + kIpv6Bytes, kLargestIpv6Bytes, layer, ip);
  if (layer->bytes.size() < kIpv6Bytes) {
    return Outcome::kShortL3;
  }
  ip->version = 6;
  ip->source = {ReadBig64(bytes, 8), ReadBig64(bytes, 16)};
  ip->destination = {ReadBig64(bytes, 24), ReadBig64(bytes, 32)};
  ip->fragment_id = 0;
  ip->is_fragment = false;
  ip->is_first_fragment = true;
  layer->Pass(kIpv6Bytes);
  return DecodeExtensions(layer, ip);
}

inline Outcome DecodeIp(Layer* layer, IpHeader* ip) {
  if (layer->bytes.empty()) {
    return Outcome::kShortL3;
  }
  switch (layer->bytes[0] >> 4) {
    case 4: {
      const Outcome outcome = DecodeIpv4(layer, ip);
      const bool has_extension = outcome == Outcome::kAccepted && ip->protocol == kNextAuthentication;
      return has_extension ? DecodeExtensions(layer, ip) : outcome;
    }
    case 6:
      return DecodeIpv6(layer, ip);
    default:
      return Outcome::kDecodeError;
  }
}

}  // namespace weir
