// Headers that carry another packet: GRE over IP; VXLAN, GENEVE, GTP-U and Teredo over UDP.
//
// A UDP port is a hint, no proof: each decoder says kOther when its header does not look right,
// and the packet then stays with the outer flow.
#pragma once

#include "decode/layer.h"

namespace weir {

// GRE (RFC 2784, 2890), with PPTP's version 1 (RFC 2637) and ERSPAN.
inline Outcome DecodeGre(Layer* layer) {
  constexpr std::size_t kBaseBytes = 4;
  constexpr std::uint16_t kChecksum = 0x8000;
  constexpr std::uint16_t kRouting = 0x4000;
  constexpr std::uint16_t kKey = 0x2000;
  constexpr std::uint16_t kSequence = 0x1000;
  constexpr std::uint16_t kAcknowledgment = 0x0080;
  constexpr std::uint16_t kVersion = 0x0007;
  constexpr std::size_t kOptionBytes = 4;
  constexpr std::size_t kErspan2Bytes = 8;
  constexpr std::size_t kErspan3Bytes = 12;
  constexpr std::size_t kErspanSubheaderBytes = 8;
  constexpr std::uint8_t kHasSubheader = 0x01;
  if (layer->bytes.size() < kBaseBytes) {
    return Outcome::kShortL3;
  }
  const std::uint16_t flags = ReadBig16(layer->bytes, 0);
  const int version = flags & kVersion;
  layer->type = ReadBig16(layer->bytes, 2);
  if (version > 1 || (flags & kRouting) != 0) {
    layer->next = Next::kOther;
    return Outcome::kAccepted;
  }
  std::size_t size = kBaseBytes;
  for (const std::uint16_t option : {kChecksum, kKey, kSequence}) {
    size += (flags & option) != 0 ? kOptionBytes : 0;
  }
  size += version == 1 && (flags & kAcknowledgment) != 0 ? kOptionBytes : 0;
  const bool is_erspan = layer->type == kEtherErspan2 || layer->type == kEtherErspan3;
  // Type I has neither a sequence number nor a header of its own; type III may have a second one.
  size += layer->type == kEtherErspan2 && (flags & kSequence) != 0 ? kErspan2Bytes : 0;
  if (layer->type == kEtherErspan3) {
    size += kErspan3Bytes;
    size += layer->bytes.size() >= size && (layer->bytes[size - 1] & kHasSubheader) != 0 ? kErspanSubheaderBytes : 0;
  }
  if (layer->bytes.size() < size) {
    return Outcome::kShortL3;
  }
  layer->Pass(size);
  layer->next = is_erspan ? Next::kEthernet : layer->type == kEtherPpp ? Next::kPpp : Next::kEtherType;
  return Outcome::kAccepted;
}

// VXLAN (RFC 7348): the I flag among others that do not matter, then an Ethernet frame.
inline void DecodeVxlan(Layer* layer) {
  constexpr std::size_t kVxlanBytes = 8;
  constexpr std::uint8_t kHasNetwork = 0x08;
  layer->next = Next::kOther;
  if (layer->bytes.size() >= kVxlanBytes && (layer->bytes[0] & kHasNetwork) != 0) {
    layer->Pass(kVxlanBytes);
    layer->next = Next::kEthernet;
  }
}

// GENEVE (RFC 8926), version 0, with options.
inline void DecodeGeneve(Layer* layer) {
  constexpr std::size_t kGeneveBytes = 8;
  constexpr std::uint8_t kVersion = 0xc0;
  constexpr std::uint8_t kOptionWords = 0x3f;
  layer->next = Next::kOther;
  if (layer->bytes.size() < kGeneveBytes || (layer->bytes[0] & kVersion) != 0) {
    return;
  }
  const std::size_t size = kGeneveBytes + std::size_t{4} * (layer->bytes[0] & kOptionWords);
  if (layer->bytes.size() >= size) {
    layer->type = ReadBig16(layer->bytes, 2);
    layer->Pass(size);
    layer->next = Next::kEtherType;
  }
}

// GTP-U version 1 (3GPP TS 29.281): a G-PDU carries an IP packet, after optional fields and a
// chain of extension headers.
inline void DecodeGtpU(Layer* layer) {
  constexpr std::size_t kGtpBytes = 8;
  constexpr std::size_t kOptionalBytes = 4;
  constexpr std::uint8_t kVersionAndProtocol = 0xf0;
  constexpr std::uint8_t kVersion1Gtp = 0x30;
  constexpr std::uint8_t kAnyOptional = 0x07;
  constexpr std::uint8_t kHasExtension = 0x04;
  constexpr std::uint8_t kGpdu = 255;
  layer->next = Next::kOther;
  const Bytes bytes = layer->bytes;
  if (bytes.size() < kGtpBytes || (bytes[0] & kVersionAndProtocol) != kVersion1Gtp || bytes[1] != kGpdu) {
    return;
  }
  std::size_t size = kGtpBytes;
  if ((bytes[0] & kAnyOptional) != 0) {
    size += kOptionalBytes;
    bool has_more = (bytes[0] & kHasExtension) != 0 && bytes.size() >= size && bytes[size - 1] != 0;
    while (has_more) {
      const std::size_t extension = size < bytes.size() ? bytes[size] * 4u : 0;
      if (extension == 0 || size + extension > bytes.size()) {
        return;
      }
      size += extension;
      has_more = bytes[size - 1] != 0;
    }
  }
  if (size < bytes.size() && (bytes[size] >> 4 == 4 || bytes[size] >> 4 == 6)) {
    layer->Pass(size);
    layer->next = Next::kIp;
  }
}

inline constexpr std::size_t kInnerIpv6Bytes = 40;

// Teredo (RFC 4380): IPv6 after optional authentication and origin indications. Its port is
// translated on the way, so what proves it is a Teredo address and a length that fits exactly.
inline void DecodeTeredo(Layer* layer, bool is_on_teredo_port) {
  constexpr std::uint16_t kAuthentication = 0x0001;
  constexpr std::uint16_t kOrigin = 0x0000;
  constexpr std::size_t kOriginBytes = 8;
  constexpr std::size_t kAuthenticationBytes = 13;
  constexpr std::uint32_t kTeredoPrefix = 0x20010000;
  layer->next = Next::kOther;
  if (is_on_teredo_port) {
    const Bytes bytes = layer->bytes;
    if (bytes.size() >= kAuthenticationBytes && ReadBig16(bytes, 0) == kAuthentication) {
      layer->Pass(std::min(bytes.size(), kAuthenticationBytes + bytes[2] + bytes[3]));
    }
    if (layer->bytes.size() >= kOriginBytes && ReadBig16(layer->bytes, 0) == kOrigin) {
      layer->Pass(kOriginBytes);
    }
  }
  const Bytes bytes = layer->bytes;
  if (bytes.size() < kInnerIpv6Bytes || bytes[0] >> 4 != 6 || ReadBig16(bytes, 4) + kInnerIpv6Bytes != layer->wire_bytes) {
    return;
  }
  const bool has_teredo_address = ReadBig32(bytes, 8) == kTeredoPrefix || ReadBig32(bytes, 24) == kTeredoPrefix;
  if (is_on_teredo_port || has_teredo_address) {
    layer->next = Next::kIp;
  }
}

inline constexpr std::uint16_t kVxlanPort = 4789;
inline constexpr std::uint16_t kLinuxVxlanPort = 8472;  // the kernel's, from before there was a number; OTV looks the same there
inline constexpr std::uint16_t kGenevePort = 6081;
inline constexpr std::uint16_t kGtpUPort = 2152;
inline constexpr std::uint16_t kTeredoPort = 3544;

// Looks behind a UDP header for a tunnel; kOther when there is none.
inline void DecodeUdpTunnel(std::uint16_t source_port, std::uint16_t destination_port, Layer* layer) {
  if (destination_port == kVxlanPort || destination_port == kLinuxVxlanPort) {
    DecodeVxlan(layer);
  } else if (destination_port == kGenevePort) {
    DecodeGeneve(layer);
  } else if (destination_port == kGtpUPort || source_port == kGtpUPort) {
    DecodeGtpU(layer);
  } else {
    DecodeTeredo(layer, destination_port == kTeredoPort || source_port == kTeredoPort);
  }
}

// Whether it is worth looking, where the whole payload was captured; false only where DecodeUdpTunnel()
// would say kOther.
inline bool MayBeUdpTunnel(std::uint16_t source_port, std::uint16_t destination_port, Bytes payload) {
  const auto is_known = [](std::uint16_t port) {
    return port == kVxlanPort || port == kLinuxVxlanPort || port == kGenevePort || port == kGtpUPort || port == kTeredoPort;
  };
  const bool may_be_ipv6 = payload.size() >= kInnerIpv6Bytes && payload[0] >> 4 == 6 && ReadBig16(payload, 4) + kInnerIpv6Bytes == payload.size();
  return is_known(destination_port) || is_known(source_port) || may_be_ipv6;
}

}  // namespace weir
