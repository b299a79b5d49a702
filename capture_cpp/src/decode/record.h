// Where a record of a link type begins.
#pragma once

#include "decode/link.h"
#include "decode/tag.h"
#include "decode/wireless.h"

namespace weir {

// HDLC in front of PPP, or Cisco's own (RFC 1547, section 4.3.1).
inline Outcome DecodePppHdlc(Layer* layer) {
  constexpr std::uint8_t kCiscoUnicast = 0x0f;
  constexpr std::uint8_t kCiscoMulticast = 0x8f;
  const bool is_cisco = layer->bytes[0] == kCiscoUnicast || layer->bytes[0] == kCiscoMulticast;
  return is_cisco ? DecodeCiscoHdlc(layer) : DecodePpp(layer);
}

// pppd writes a byte that says in which direction the frame went.
inline Outcome DecodePppWithDirection(Layer* layer) {
  layer->Pass(1);
  return DecodePpp(layer);
}

// Finds the first header of a record of this link type; the record is not empty.
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
    case kLinkPppHdlc:
      return DecodePppHdlc(layer);
    case kLinkPppEther:
      return DecodePppoe(layer);
    case kLinkPppWithDirection:
      return DecodePppWithDirection(layer);
    case kLinkCiscoHdlc:
      return DecodeCiscoHdlc(layer);
    case kLinkAtmRfc1483:
      return DecodeLlc(layer);
    case kLinkEnc:
      return DecodeLoopback(layer, 12);
    case kLinkPflog:
      return DecodePflog(layer);
    case kLinkNflog:
      return DecodeNflog(layer);
    case kLinkIeee80211:
      return DecodeIeee80211(layer, false);
    case kLinkRadiotap:
      return DecodeRadiotap(layer);
    default:
      return Outcome::kUnknownLink;
  }
}

}  // namespace weir
