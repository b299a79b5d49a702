// What stands between a link header and IP: VLAN tags, MPLS labels, PPPoE.
#pragma once

#include "decode/layer.h"
#include "decode/link.h"

namespace weir {

// IEEE 802.1Q and 802.1ad: two bytes of tag, then the EtherType of what follows.
inline Outcome DecodeVlan(Layer* layer) {
  constexpr std::size_t kTagBytes = 4;
  if (layer->bytes.size() < kTagBytes) {
    return Outcome::kShortL2;
  }
  layer->type = ReadBig16(layer->bytes, 2);
  layer->next = Next::kEtherType;
  layer->Pass(kTagBytes);
  return Outcome::kAccepted;
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
