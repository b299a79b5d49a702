// Transport headers: TCP (RFC 9293), UDP (RFC 768), UDP-Lite, SCTP (RFC 9260), ICMP and ICMPv6.
#pragma once

#include "decode/layer.h"

namespace weir {

struct TransportHeader {
  std::uint32_t sequence;
  std::uint16_t source_port;
  std::uint16_t destination_port;
  std::uint16_t header_bytes;
  std::uint16_t window;
  std::uint8_t tcp_flags;
  std::uint8_t icmp_type;
  std::uint8_t icmp_code;
};

inline Outcome DecodeTcp(Bytes bytes, std::uint32_t wire_bytes, TransportHeader* out) {
  constexpr std::size_t kLeastBytes = 20;
  if (bytes.size() < kLeastBytes) {
    return Outcome::kShortL4;
  }
  const std::uint32_t header_bytes = (Read8(bytes, 12) >> 4) * 4u;
  if (header_bytes < kLeastBytes || header_bytes > wire_bytes) {
    return Outcome::kDecodeError;
  }
  out->source_port = ReadBig16(bytes, 0);
  out->destination_port = ReadBig16(bytes, 2);
  out->sequence = ReadBig32(bytes, 4);
  out->header_bytes = static_cast<std::uint16_t>(header_bytes);
  out->tcp_flags = Read8(bytes, 13);
  out->window = ReadBig16(bytes, 14);
  return Outcome::kAccepted;
}

// UDP, UDP-Lite and SCTP begin with the two ports.
inline Outcome DecodePorts(Bytes bytes, std::uint16_t header_bytes, TransportHeader* out) {
  if (bytes.size() < header_bytes) {
    return Outcome::kShortL4;
  }
  out->source_port = ReadBig16(bytes, 0);
  out->destination_port = ReadBig16(bytes, 2);
  out->header_bytes = header_bytes;
  return Outcome::kAccepted;
}

inline Outcome DecodeIcmp(Bytes bytes, std::uint32_t wire_bytes, TransportHeader* out) {
  constexpr std::size_t kLeastBytes = 4;
  constexpr std::uint32_t kIcmpBytes = 8;
  if (bytes.size() < kLeastBytes) {
    return Outcome::kShortL4;
  }
  out->icmp_type = Read8(bytes, 0);
  out->icmp_code = Read8(bytes, 1);
  out->header_bytes = static_cast<std::uint16_t>(std::min(wire_bytes, kIcmpBytes));
  return Outcome::kAccepted;
}

// Other protocols have no ports, and all of their bytes count as payload.
inline Outcome DecodeTransport(std::uint8_t protocol, const Layer& layer, TransportHeader* out) {
  constexpr std::uint16_t kUdpBytes = 8;
  constexpr std::uint16_t kSctpBytes = 12;
  *out = {};
  if (protocol == kProtocolTcp) [[likely]] {
    return DecodeTcp(layer.bytes, layer.wire_bytes, out);
  }
  switch (protocol) {
    case kProtocolUdp:
    case kProtocolUdpLite:
      return DecodePorts(layer.bytes, kUdpBytes, out);
    case kProtocolSctp:
      return DecodePorts(layer.bytes, kSctpBytes, out);
    case kProtocolIcmp:
    case kProtocolIcmp6:
      return DecodeIcmp(layer.bytes, layer.wire_bytes, out);
    default:
      return Outcome::kAccepted;
  }
}

}  // namespace weir
