// What is odd about headers that can be decoded all the same.
//
// Nearly all packets are sound, so each check first asks in a few instructions whether anything
// could be odd, and only then what.
#pragma once

#include <array>

#include "decode/checksum.h"
#include "decode/fragments.h"
#include "decode/ip.h"
#include "decode/layer.h"
#include "decode/transport.h"

namespace weir {

[[gnu::cold, gnu::noinline]] inline Oddities OddAddresses(Address source, Address destination, int version) {
  constexpr std::uint32_t kGroups4 = 0xe0000000;
  constexpr std::uint32_t kReserved4 = 0xf0000000;
  constexpr std::uint32_t kBroadcast4 = 0xffffffff;
  const auto is_group = [version](const Address& address) {
    return version == 6 ? address.high >> 56 == 0xff : (address.low >= kGroups4 && address.low < kReserved4) || address.low == kBroadcast4;
  };
  const auto is_loopback = [version](const Address& address) {
    return version == 6 ? address.high == 0 && address.low == 1 : address.low >> 24 == 127;
  };
  Oddities odd;
  odd.AddIf(is_group(source) || destination == Address{} || is_loopback(source) != is_loopback(destination), Oddity::kNetworkAddress);
  odd.AddIf(source == destination && !is_loopback(source), Oddity::kNetworkLand);
  return odd;
}

// Whether the first byte of an IPv4 address may make a source, or a destination, odd.
inline constexpr auto kOddDestinations4 = [] {
  std::array<std::uint8_t, 256> may_be_odd{};
  may_be_odd[0] = may_be_odd[127] = 1;
  return may_be_odd;
}();
inline constexpr auto kOddSources4 = [] {
  std::array<std::uint8_t, 256> may_be_odd = kOddDestinations4;
  for (std::size_t first = 224; first < may_be_odd.size(); ++first) {
    may_be_odd[first] = 1;
  }
  return may_be_odd;
}();

inline void CheckAddresses(const IpHeader& ip, Oddities* odd) {
  bool may_be_odd = ip.source == ip.destination;
  if (ip.version == 4) {
    const auto first = [](const Address& address) { return static_cast<std::uint32_t>(address.low) >> 24; };
    may_be_odd |= (kOddSources4[first(ip.source)] | kOddDestinations4[first(ip.destination)]) != 0;
  } else {
    may_be_odd |= ip.source.high == 0 || ip.destination.high == 0 || ip.source.high >> 56 == 0xff;
  }
  if (may_be_odd) [[unlikely]] {
    odd->Add(OddAddresses(ip.source, ip.destination, ip.version));
  }
}

// RFC 791 and RFC 1858: all fragments but the last end at a multiple of 8 bytes, none ends beyond
// the largest datagram, and the first is large enough for the transport header.
inline void CheckFragment(const IpHeader& ip, FragmentSpan span, bool has_more, Oddities* odd) {
  constexpr std::uint32_t kLeastTcpBytes = 20;
  constexpr std::uint32_t kLargestPayload = 65'535;
  const std::uint32_t payload_bytes = span.end - span.begin;
  const bool is_uneven = has_more && payload_bytes % 8 != 0;
  const bool is_beyond = span.end > kLargestPayload;
  const bool is_tiny = ip.is_first_fragment && ip.protocol == kProtocolTcp && payload_bytes < kLeastTcpBytes;
  odd->AddIf(is_uneven || is_beyond || is_tiny || payload_bytes == 0, Oddity::kNetworkFragment);
}

// What the flags FIN, SYN, RST, PSH, ACK and URG (RFC 9293) say together that no TCP would say.
constexpr Oddities OddFlags(unsigned flags) {
  constexpr unsigned kXmas = kTcpFin | kTcpPsh | kTcpUrg;
  const auto has_all = [flags](unsigned wanted) { return (flags & wanted) == wanted; };
  Oddities odd;
  odd.AddIf(flags == 0, Oddity::kTransportNull);
  odd.AddIf(has_all(kXmas), Oddity::kTransportXmas);
  odd.AddIf(has_all(kTcpSyn | kTcpFin), Oddity::kTransportSynFin);
  odd.AddIf(has_all(kTcpSyn | kTcpRst), Oddity::kTransportSynRst);
  odd.AddIf((flags & (kTcpFin | kTcpAck)) == kTcpFin, Oddity::kTransportFinAlone);
  return odd;
}

inline void CheckTcp(Bytes header, const TransportHeader& tcp, std::uint32_t wire_bytes, Oddities* odd) {
  constexpr std::uint32_t kReservedBits = 0x0e00;
  constexpr std::uint32_t kFlagBits = 0x003f;
  const std::uint32_t bits = ReadBig16(header, 12) & (kReservedBits | kFlagBits);
  if ((bits & ~std::uint32_t{kTcpPsh}) != kTcpAck) {
    odd->Add(OddFlags(bits & kFlagBits));
    odd->AddIf((bits & kReservedBits) != 0, Oddity::kTransportReserved);
    odd->AddIf((bits & kTcpSyn) != 0 && wire_bytes > tcp.header_bytes, Oddity::kTransportSynPayload);
  }
  if (tcp.source_port == 0 || tcp.destination_port == 0) [[unlikely]] {
    odd->Add(Oddity::kTransportPort);
  }
}

// The sum of the pseudo header's addresses, protocol and length, in big-endian words.
inline std::uint64_t PseudoSum(const IpHeader& ip, std::uint32_t length) {
  const std::uint64_t sum = std::uint64_t{ip.protocol} + length;
  if (ip.version == 4) {
    return sum + ip.source.low + ip.destination.low;
  }
  return AddCarried(AddCarried(ip.source.low, ip.destination.low), AddCarried(AddCarried(ip.source.high, ip.destination.high), sum));
}

// A card that sums up what leaves the host is given the pseudo header's sum in the checksum's place.
inline bool IsPseudoSum(std::uint64_t pseudo, std::uint16_t field) { return field % 0xffff == pseudo % 0xffff; }

// Of a checksum that is not right.
[[gnu::cold, gnu::noinline]] inline Oddity OddSum(std::uint64_t pseudo, std::uint16_t field) {
  return IsPseudoSum(pseudo, field) ? Oddity::kChecksumOffload : Oddity::kTransportChecksum;
}

inline void CheckSum(Bytes bytes, std::uint64_t pseudo, std::size_t field_at, Oddities* odd) {
  if (!IsSoundSum(AddCarried(BigWordSum(bytes), pseudo))) [[unlikely]] {
    odd->Add(OddSum(pseudo, ReadBig16(bytes, field_at)));
  }
}

inline void CheckUdp(const IpHeader& ip, const TransportHeader& udp, const Layer& layer, bool is_whole, Oddities* odd) {
  constexpr std::uint32_t kUdpBytes = 8;
  constexpr std::size_t kLengthAt = 4;
  constexpr std::size_t kChecksumAt = 6;
  std::uint32_t length = ReadBig16(layer.bytes, kLengthAt);
  if (length != layer.wire_bytes) [[unlikely]] {
    odd->AddIf(length != 0 || !ip.is_sum_unknown, Oddity::kTransportLength);  // both are 0 for segmentation offload
    is_whole &= length >= kUdpBytes && length < layer.wire_bytes;
  }
  if (udp.destination_port == 0) [[unlikely]] {
    odd->Add(Oddity::kTransportPort);
  }
  if (is_whole && ReadBig16(layer.bytes, kChecksumAt) != 0) {
    CheckSum(layer.bytes.first(length), PseudoSum(ip, length), kChecksumAt, odd);
  }
}

// Looks at a transport header that was decoded, of a packet that is no fragment. Checksums are
// verified where every byte was captured, and the length was not left to the card.
inline void CheckTransport(const IpHeader& ip, const TransportHeader& transport, const Layer& layer, Oddities* odd) {
  constexpr std::size_t kTcpChecksumAt = 16;
  constexpr std::size_t kIcmpChecksumAt = 2;
  const bool is_whole = layer.bytes.size() == layer.wire_bytes && !ip.is_sum_unknown;
  switch (ip.protocol) {
    case kProtocolTcp:
      CheckTcp(layer.bytes, transport, layer.wire_bytes, odd);
      if (is_whole) {
        CheckSum(layer.bytes, PseudoSum(ip, layer.wire_bytes), kTcpChecksumAt, odd);
      }
      break;
    case kProtocolUdp:
      CheckUdp(ip, transport, layer, is_whole, odd);
      break;
    case kProtocolIcmp:
      odd->AddIf(is_whole && !IsSoundSum(WordSum(layer.bytes)), Oddity::kTransportChecksum);
      break;
    case kProtocolIcmp6:
      if (is_whole) {
        CheckSum(layer.bytes, PseudoSum(ip, layer.wire_bytes), kIcmpChecksumAt, odd);
      }
      break;
    default:
      break;
  }
}

}  // namespace weir
