// IEEE 802.11 data frames, alone or behind a radiotap header.
#pragma once

#include "decode/link.h"

namespace weir {

// A data frame that is whole and not encrypted carries LLC; anything else leads to no IP. Frames
// that aggregate several (A-MSDU) are not taken apart.
inline Outcome DecodeIeee80211(Layer* layer, bool is_padded) {
  constexpr std::size_t kLeastBytes = 2;
  constexpr std::size_t kDataBytes = 24;
  constexpr std::size_t kAddressBytes = 6;
  constexpr std::size_t kQosBytes = 2;
  constexpr std::size_t kHtControlBytes = 4;
  constexpr std::uint8_t kTypeAndVersion = 0x0f;
  constexpr std::uint8_t kData = 0x08;
  constexpr std::uint8_t kNoData = 0x40;
  constexpr std::uint8_t kQos = 0x80;
  constexpr std::uint8_t kBothWays = 0x03;  // between access points: a fourth address
  constexpr std::uint8_t kMoreFragments = 0x04;
  constexpr std::uint8_t kProtected = 0x40;
  constexpr std::uint8_t kOrder = 0x80;
  constexpr std::uint8_t kAggregate = 0x80;
  const Bytes bytes = layer->bytes;
  if (bytes.size() < kLeastBytes) {
    return Outcome::kShortL2;
  }
  layer->next = Next::kOther;
  const std::uint8_t kind = bytes[0];
  const std::uint8_t flags = bytes[1];
  if ((kind & kTypeAndVersion) != kData || (kind & kNoData) != 0 || (flags & (kProtected | kMoreFragments)) != 0) {
    return Outcome::kAccepted;
  }
  const bool has_qos = (kind & kQos) != 0;
  const std::size_t qos_at = kDataBytes + ((flags & kBothWays) == kBothWays ? kAddressBytes : 0);
  std::size_t size = qos_at + (has_qos ? kQosBytes : 0) + (has_qos && (flags & kOrder) != 0 ? kHtControlBytes : 0);
  size = is_padded ? (size + 3) & ~std::size_t{3} : size;
  if (bytes.size() < size) {
    return Outcome::kShortL2;
  }
  if ((has_qos && (bytes[qos_at] & kAggregate) != 0) || (bytes[22] & 0x0f) != 0) {
    return Outcome::kAccepted;  // several frames in one, or the middle of one
  }
  layer->Pass(size);
  return DecodeLlc(layer);
}

// Radiotap (radiotap.org): little-endian words say which fields are present. Of them only the flags
// matter here: the card may have padded the 802.11 header to four bytes.
inline Outcome DecodeRadiotap(Layer* layer) {
  constexpr std::size_t kFixedBytes = 8;
  constexpr std::size_t kLengthAt = 2;
  constexpr std::uint32_t kHasTime = 0x1;
  constexpr std::uint32_t kHasFlags = 0x2;
  constexpr std::uint32_t kHasMoreWords = 0x80000000;
  constexpr std::uint8_t kPaddedHeader = 0x20;
  const Bytes bytes = layer->bytes;
  if (bytes.size() < kFixedBytes) {
    return Outcome::kShortL2;
  }
  const std::size_t size = ReadLittle<std::uint16_t>(bytes, kLengthAt);
  if (size < kFixedBytes || bytes[0] != 0) {
    return Outcome::kDecodeError;
  }
  if (bytes.size() < size) {
    return Outcome::kShortL2;
  }
  const auto present = ReadLittle<std::uint32_t>(bytes, 4);
  std::size_t at = kFixedBytes;
  for (std::uint32_t word = present; (word & kHasMoreWords) != 0 && at + sizeof word <= size; at += sizeof word) {
    word = ReadLittle<std::uint32_t>(bytes, at);
  }
  if ((present & kHasTime) != 0) {
    at = ((at + 7) & ~std::size_t{7}) + sizeof(std::uint64_t);
  }
  const bool is_padded = (present & kHasFlags) != 0 && at < size && (bytes[at] & kPaddedHeader) != 0;
  layer->Pass(size);
  return DecodeIeee80211(layer, is_padded);
}

}  // namespace weir
