// What stands between a link header and IP: VLAN and other tags, MPLS labels, PPPoE.
#pragma once

#include <algorithm>

#include "decode/layer.h"
#include "decode/link.h"

namespace weir {

// A tag of `tag_bytes`, which ends with the EtherType of what follows, or its length.
inline Outcome DecodeTag(std::size_t tag_bytes, Layer* layer) {
  if (!PassHeader(tag_bytes, tag_bytes - 2, layer)) {
    return Outcome::kShortL2;
  }
  return layer->type < kLeastEtherType ? DecodeEthernetLength(layer) : Outcome::kAccepted;
}

// IEEE 802.1Q and 802.1ad.
inline Outcome DecodeVlan(Layer* layer) { return DecodeTag(4, layer); }

// Cisco's metadata, such as security groups: version, length of the options in words, options.
inline Outcome DecodeCiscoMetadata(Layer* layer) {
  constexpr std::size_t kWord = 4;
  if (layer->bytes.size() < 2) {
    return Outcome::kShortL2;
  }
  return DecodeTag(2 + layer->bytes[1] * kWord + 2, layer);
}

// IEEE 802.1AE, where it only signs: a packet number, and perhaps who sent it; behind the data stand a check value and, where a
// length is given, padding. What it encrypts is for others.
inline Outcome DecodeMacsec(Layer* layer) {
  constexpr std::size_t kTagBytes = 6;
  constexpr std::size_t kChannelBytes = 8;
  constexpr std::uint8_t kHasChannel = 0x20;
  constexpr std::uint8_t kIsChanged = 0x0c;
  constexpr std::uint8_t kShortLength = 0x3f;
  constexpr std::uint32_t kCheckBytes = 16;
  if (layer->bytes.size() < kTagBytes) {
    return Outcome::kShortL2;
  }
  if ((layer->bytes[0] & kIsChanged) != 0) {
    layer->next = Next::kOther;
    return Outcome::kAccepted;
  }
  const std::size_t tag_bytes = kTagBytes + ((layer->bytes[0] & kHasChannel) != 0 ? kChannelBytes : 0);
  const std::size_t short_bytes = layer->bytes[1] & kShortLength;
  layer->Clip(short_bytes > 0 ? static_cast<std::uint32_t>(tag_bytes + short_bytes) : layer->wire_bytes - std::min(layer->wire_bytes, kCheckBytes));
  return DecodeTag(tag_bytes + 2, layer);
}

// IEEE 802.1ah: the service's tag, then the customer's whole frame.
inline Outcome DecodeBackbone(Layer* layer) {
  constexpr std::size_t kServiceTagBytes = 4;
  if (layer->bytes.size() < kServiceTagBytes) {
    return Outcome::kShortL2;
  }
  layer->Pass(kServiceTagBytes);
  layer->next = Next::kEthernet;
  return Outcome::kAccepted;
}

// What few networks have behind a link header; Next::kOther where no IP can follow. Not inlined, as it is rare.
[[gnu::cold, gnu::noinline]] inline Outcome DecodeRareTag(Layer* layer) {
  constexpr std::size_t kVnTagBytes = 6;  // IEEE 802.1BR's predecessor
  switch (layer->type) {
    case kEtherCiscoMetadata:
      return DecodeCiscoMetadata(layer);
    case kEtherVnTag:
      return DecodeTag(kVnTagBytes, layer);
    case kEtherMacsec:
      return DecodeMacsec(layer);
    case kEtherBackbone:
      return DecodeBackbone(layer);
    default:
      layer->next = Next::kOther;
      return Outcome::kAccepted;
  }
}

// One MPLS label (RFC 3032). Below the last one stands IP, or an Ethernet pseudowire with a control
// word, whose first four bits are 0 (RFC 4385).
inline Outcome DecodeMpls(Layer* layer) {
  constexpr std::size_t kLabelBytes = 4;
  constexpr std::size_t kControlWordBytes = 4;
  constexpr std::uint8_t kBottomOfStack = 0x01;
  if (layer->bytes.size() < kLabelBytes) {
    return Outcome::kShortL2;
  }
  const bool is_bottom = (layer->bytes[2] & kBottomOfStack) != 0;
  layer->Pass(kLabelBytes);
  if (!is_bottom) {
    layer->next = Next::kMpls;
    return Outcome::kAccepted;
  }
  if (layer->bytes.empty()) {
    return Outcome::kShortL2;
  }
  const int first_bits = layer->bytes[0] >> 4;
  if (first_bits == 4 || first_bits == 6) {
    layer->next = Next::kIp;
    return Outcome::kAccepted;
  }
  if (first_bits != 0) {
    layer->next = Next::kOther;
    return Outcome::kAccepted;
  }
  if (layer->bytes.size() < kControlWordBytes) {
    return Outcome::kShortL2;
  }
  layer->Pass(kControlWordBytes);
  return DecodeEthernet(layer);
}

// PPPoE's session stage (RFC 2516).
inline Outcome DecodePppoe(Layer* layer) {
  constexpr std::size_t kPppoeBytes = 6;
  constexpr std::uint8_t kVersionAndType = 0x11;
  constexpr std::uint8_t kSessionData = 0;
  if (layer->bytes.size() < kPppoeBytes) {
    return Outcome::kShortL2;
  }
  if (layer->bytes[0] != kVersionAndType || layer->bytes[1] != kSessionData) {
    layer->next = Next::kOther;
    return Outcome::kAccepted;
  }
  layer->Pass(kPppoeBytes);
  return DecodePpp(layer);
}

}  // namespace weir
