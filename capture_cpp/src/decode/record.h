// Where a record of a link type begins.
#pragma once

#include <algorithm>

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

// pppd says in the place of HDLC's address in which direction the frame went.
inline Outcome DecodePppWithDirection(Layer* layer) {
  constexpr std::size_t kAddressControlBytes = 2;
  if (layer->bytes.size() < kAddressControlBytes) {
    return Outcome::kShortL2;
  }
  layer->Pass(kAddressControlBytes);
  return DecodePpp(layer);
}

// Whether the record was taken on the loopback interface, where a machine that talks to itself is its own source.
inline bool IsOnLoopback(std::uint32_t link_type, Bytes bytes) {
  constexpr std::size_t kEthernetAddresses = 12;  // all 0 there
  constexpr std::uint16_t kLinuxLoopback = 772;   // ARPHRD_LOOPBACK
  constexpr std::size_t kSllHardwareAt = 2;
  constexpr std::size_t kSll2HardwareAt = 8;
  const auto hardware_is_loopback = [bytes](std::size_t at) { return bytes.size() >= at + 2 && ReadBig16(bytes, at) == kLinuxLoopback; };
  switch (link_type) {
    case kLinkEthernet:
      return bytes.size() >= kEthernetAddresses && std::ranges::all_of(bytes.first(kEthernetAddresses), [](std::uint8_t byte) { return byte == 0; });
    case kLinkLinuxSll:
      return hardware_is_loopback(kSllHardwareAt);
    case kLinkLinuxSll2:
      return hardware_is_loopback(kSll2HardwareAt);
    default:
      return link_type == kLinkNull || link_type == kLinkLoop;
  }
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
