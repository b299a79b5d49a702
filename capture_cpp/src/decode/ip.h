// IPv4 (RFC 791) and IPv6 (RFC 8200) headers, with extension headers and fragmentation.
#pragma once

#include "decode/checksum.h"
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
  std::uint16_t fragment_word;     // offset and flags, as the version writes them
  std::uint8_t version;
  std::uint8_t protocol;           // after the extension headers
  std::uint8_t datagram_protocol;  // IPv4's own field, by which fragments are told apart; 0 for IPv6, which does not ask
  bool is_fragment;
  bool is_first_fragment;
  bool is_sum_unknown;             // the length was left to the card or wrong, or the last destination is another one
};

// No packet without jumbo options is longer; segmentation offload writes 0 instead.
inline constexpr std::uint32_t kLargestIpv4Bytes = 65'535;
inline constexpr std::uint32_t kLargestIpv6Bytes = 65'535 + 40;

// Believes the frame where the header claims more than it, or, for segmentation offload, nothing.
inline void SettleIpLength(std::uint32_t claimed, bool is_offloaded, std::uint32_t largest, Layer* layer, IpHeader* ip) {
  constexpr std::uint32_t kPadded = 46;  // a frame is padded to 60 bytes
  constexpr std::uint32_t kFrameCheck = 4;
  const std::uint32_t most = std::min(layer->wire_bytes, largest);
  ip->total_bytes = claimed;
  ip->is_sum_unknown = is_offloaded || claimed > most;
  if (ip->is_sum_unknown) [[unlikely]] {
    layer->odd.AddIf(!is_offloaded || layer->wire_bytes > largest, Oddity::kNetworkLength);
    ip->total_bytes = most;
  }
  if (most - ip->total_bytes > kFrameCheck && most > kPadded + kFrameCheck) [[unlikely]] {
    layer->odd.Add(Oddity::kLinkTrailer);
  }
  layer->Clip(ip->total_bytes);
}

// Whether IPv4 options (RFC 791) run past their header, or choose the route.
inline bool HasOddOptions(Bytes options) {
  constexpr std::uint8_t kEnd = 0;
  constexpr std::uint8_t kPad = 1;
  constexpr std::uint8_t kLooseRoute = 131;
  constexpr std::uint8_t kStrictRoute = 137;
  while (!options.empty() && options[0] != kEnd) {
    const std::size_t size = options[0] == kPad ? 1 : options.size() < 2 ? 0 : options[1];
    if (size > options.size() || (options[0] != kPad && size < 2)) {
      return true;
    }
    if (options[0] == kLooseRoute || options[0] == kStrictRoute) {
      return true;
    }
    options = options.subspan(size);
  }
  return false;
}

// What is odd about a header of sound length that was captured whole. Here and below, what is rare
// takes and gives values: a pointer would keep the header of every packet out of the registers.
[[gnu::cold, gnu::noinline]] inline Oddities OddIpv4(Bytes header, bool is_sum_sound) {
  constexpr std::size_t kFixedBytes = 20;
  constexpr std::uint8_t kReservedFlag = 0x80;
  Oddities odd;
  odd.AddIf(HasOddOptions(header.subspan(kFixedBytes)), Oddity::kNetworkOptions);
  odd.AddIf(!is_sum_sound, Oddity::kNetworkChecksum);
  odd.AddIf((header[6] & kReservedFlag) != 0, Oddity::kNetworkReservedFlag);
  odd.AddIf(header[8] == 0, Oddity::kNetworkTtl);
  return odd;
}

inline void CheckIpv4(Bytes header, std::uint16_t fragment, Layer* layer, IpHeader* ip) {
  constexpr std::size_t kUsualBytes = 20;
  constexpr std::uint16_t kReservedFlag = 0x8000;
  std::uint64_t sum = AddCarried(ReadLittle<std::uint64_t>(header, 0), ReadLittle<std::uint64_t>(header, 8));
  sum = AddCarried(sum, header.size() == kUsualBytes ? ReadLittle<std::uint32_t>(header, 16) : WordSum(header.subspan(16)));
  const bool is_sum_sound = IsSoundSum(sum);
  if (!is_sum_sound || header.size() != kUsualBytes || (fragment & kReservedFlag) != 0 || header[8] == 0) [[unlikely]] {
    // Where the card was to fill in the length, it was to sum up as well.
    const Oddities odd = OddIpv4(header, is_sum_sound || ip->is_sum_unknown);
    layer->odd.Add(odd);
    ip->is_sum_unknown |= odd.Has(Oddity::kNetworkOptions);
  }
}

inline Outcome DecodeIpv4(Layer* layer, IpHeader* ip) {
  constexpr std::size_t kLeastBytes = 20;
  constexpr std::uint16_t kMoreFragments = 0x2000;
  constexpr std::uint16_t kFragmentOffset = 0x1fff;
  const Bytes bytes = layer->bytes;
  if (bytes.size() < kLeastBytes) {
    return Outcome::kShortL3;
  }
  const std::size_t header_bytes = (Read8(bytes, 0) & std::size_t{0x0f}) * 4;
  if (header_bytes < kLeastBytes) {
    return Outcome::kDecodeError;
  }
  const std::uint32_t claimed = ReadBig16(bytes, 2);
  const bool is_offloaded = claimed == 0;  // the card fills it in later
  if (is_offloaded ? layer->wire_bytes < header_bytes : claimed < header_bytes) {
    layer->odd.Add(Oddity::kNetworkLength);
    return Outcome::kDecodeError;
  }
  SettleIpLength(claimed, is_offloaded, kLargestIpv4Bytes, layer, ip);
  if (layer->bytes.size() < header_bytes) {
    return Outcome::kShortL3;
  }
  const std::uint16_t fragment = ReadBig16(bytes, 6);
  ip->version = 4;
  ip->source = {0, ReadBig32(bytes, 12)};
  ip->destination = {0, ReadBig32(bytes, 16)};
  ip->protocol = Read8(bytes, 9);
  ip->datagram_protocol = ip->protocol;
  ip->fragment_id = ReadBig16(bytes, 4);
  ip->is_fragment = (fragment & (kMoreFragments | kFragmentOffset)) != 0;
  ip->is_first_fragment = (fragment & kFragmentOffset) == 0;
  ip->fragment_word = fragment;
  CheckIpv4(bytes.first(header_bytes), fragment, layer, ip);
  layer->Pass(header_bytes);
  return Outcome::kAccepted;
}

// Hop-by-hop options come first, routing before fragment, and each but destination options once
// (RFC 8200, section 4.1); routing type 0 is forbidden (RFC 5095). `kinds` has a bit for each
// header that came before.
inline bool IsExtensionOdd(std::uint8_t header, Bytes bytes, std::uint32_t* kinds) {
  constexpr std::uint32_t kFragmentBit = 4;
  std::uint32_t bit = 0;
  switch (header) {
    case kNextHopByHop:
      bit = 1;
      break;
    case kNextRouting:
      bit = 2;
      break;
    case kNextFragment:
      bit = kFragmentBit;
      break;
    case kNextAuthentication:
      bit = 8;
      break;
    case kNextDestination:
      bit = (*kinds & 16) == 0 ? 16 : 32;
      break;
    default:
      bit = 64;
  }
  const std::uint32_t before = *kinds;
  *kinds |= bit;
  const bool is_late = (header == kNextHopByHop && before != 0) || (header == kNextRouting && (before & kFragmentBit) != 0);
  return is_late || (before & bit) != 0 || (header == kNextRouting && bytes[2] == 0);
}

// Walks the extension headers of an IPv6 packet, or the authentication header of either version.
inline Outcome DecodeExtensions(Layer* layer, IpHeader* ip) {
  constexpr std::size_t kUnitBytes = 8;
  constexpr std::size_t kAuthenticationUnitBytes = 4;
  std::uint32_t kinds = 0;  // of the headers so far
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
      layer->odd.Add(Oddity::kNetworkExtensions);
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
      ip->fragment_word = fragment;
    }
    if (bytes.size() < size) {
      return Outcome::kShortL3;
    }
    layer->odd.AddIf(IsExtensionOdd(ip->protocol, bytes, &kinds), Oddity::kNetworkExtensions);
    ip->is_sum_unknown |= ip->protocol == kNextRouting && Read8(bytes, 3) > 0;
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
  SettleIpLength(payload + kIpv6Bytes, is_offloaded, kLargestIpv6Bytes, layer, ip);
  if (layer->bytes.size() < kIpv6Bytes) {
    return Outcome::kShortL3;
  }
  ip->version = 6;
  ip->datagram_protocol = 0;
  ip->source = {ReadBig64(bytes, 8), ReadBig64(bytes, 16)};
  ip->destination = {ReadBig64(bytes, 24), ReadBig64(bytes, 32)};
  ip->fragment_id = 0;
  ip->is_fragment = false;
  ip->is_first_fragment = true;
  if (bytes[7] == 0) [[unlikely]] {
    layer->odd.Add(Oddity::kNetworkTtl);
  }
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
