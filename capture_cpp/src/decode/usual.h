// The packets that nearly all traffic consists of, decoded in one go: Ethernet with a VLAN tag or
// none, IP without options, fragments or extension headers, TCP or UDP without a tunnel, captured
// whole, with nothing odd about them and sound sums.
//
// Nothing is decided here: a packet that might be anything else is left to the decoders of single
// headers, which come to the same result for these packets at three times the price.
#pragma once

#include <bit>

#include "decode/check.h"
#include "decode/checksum.h"
#include "decode/tunnel.h"
#include "packet.h"

namespace weir {

// Whether what is behind Ethernet holds the IP packet and no more than padding and frame check.
inline bool IsUsualLength(std::size_t behind_ethernet, std::uint32_t ip_bytes) {
  constexpr std::size_t kPadded = 46 + 4;
  constexpr std::size_t kFrameCheck = 4;
  return behind_ethernet - ip_bytes <= kFrameCheck || (behind_ethernet <= kPadded && ip_bytes <= behind_ethernet);
}

// Flags that no TCP would send together, a bit for each of the 64 that six flags make.
inline constexpr std::uint64_t kOddTcpFlags = [] {
  std::uint64_t odd = 0;
  for (unsigned flags = 0; flags < 64; ++flags) {
    odd |= std::uint64_t{OddFlags(flags).bits() != 0} << flags;
  }
  return odd;
}();

// What tells the pseudo headers of usual packets apart.
struct UsualIp {
  std::uint64_t address_sum;  // of little-endian words
  std::uint8_t protocol;
  std::uint8_t version;
};

// Checks and takes what IP carries, `bytes`; `packet` knows its addresses.
//
// Everything is written as soon as it is known, as a packet that turns out not to be usual is
// decoded anew: so nothing need be kept until all is checked.
[[gnu::always_inline]] inline bool DecodeUsualTransport(const UsualIp& ip, Bytes bytes, Packet* packet) {
  constexpr std::size_t kTcpBytes = 20;
  constexpr std::size_t kUdpBytes = 8;
  constexpr std::uint32_t kReservedBits = 0x0e;
  constexpr std::uint32_t kFlagBits = 0x3f;
  const bool is_tcp = ip.protocol == kProtocolTcp;
  if (bytes.size() < (is_tcp ? kTcpBytes : kUdpBytes)) [[unlikely]] {
    return false;
  }
  std::uint32_t header_bytes = kUdpBytes;
  bool has_sum = true;
  packet->icmp_type = 0;
  packet->icmp_code = 0;
  if (is_tcp) [[likely]] {
    const auto words = ReadLittle<std::uint32_t>(bytes, 12);  // length and reserved bits, flags, window
    const std::uint32_t flags = words >> 8 & 0xff;
    header_bytes = (words & 0xf0) >> 2;
    packet->tcp_flags = static_cast<std::uint8_t>(flags);
    packet->window = __builtin_bswap16(static_cast<std::uint16_t>(words >> 16));
    packet->sequence = ReadBig32(bytes, 4);
    if (header_bytes < kTcpBytes || header_bytes > bytes.size() || (words & kReservedBits) != 0 || (kOddTcpFlags >> (flags & kFlagBits) & 1) != 0 ||
        ((flags & kTcpSyn) != 0 && header_bytes != bytes.size())) [[unlikely]] {
      return false;
    }
  } else {
    packet->tcp_flags = 0;
    packet->window = 0;
    packet->sequence = 0;
    if (ip.protocol != kProtocolUdp || ReadBig16(bytes, 4) != bytes.size()) {
      return false;
    }
    has_sum = ReadLittle<std::uint16_t>(bytes, 6) != 0;
  }
  const Bytes payload = bytes.subspan(header_bytes);
  packet->header = static_cast<std::uint16_t>(header_bytes);
  packet->payload = static_cast<std::uint32_t>(payload.size());
  packet->captured = payload;

  const std::uint32_t ports = ReadBig32(bytes, 0);
  const auto source_port = static_cast<std::uint16_t>(ports >> 16);
  const auto destination_port = static_cast<std::uint16_t>(ports);
  if (source_port == 0 || destination_port == 0) [[unlikely]] {
    return false;
  }
  if (!is_tcp && MayBeUdpTunnel(source_port, destination_port, payload)) {
    return false;
  }
  // Spelled so that it becomes a single store.
  const std::uint32_t ordered = packet->is_from_b ? ports : std::rotl(ports, 16);
  const std::uint64_t rest = ordered | std::uint64_t{ip.protocol} << 32 | std::uint64_t{ip.version} << 40;
  packet->key.port_a = static_cast<std::uint16_t>(rest);
  packet->key.port_b = static_cast<std::uint16_t>(rest >> 16);
  packet->key.protocol = static_cast<std::uint8_t>(rest >> 32);
  packet->key.ip_version = static_cast<std::uint8_t>(rest >> 40);
  packet->key.unused = static_cast<std::uint16_t>(rest >> 48);
  const std::uint64_t pseudo = AddCarried(ip.address_sum, (std::uint64_t{ip.protocol} + bytes.size()) << 8);
  return !has_sum || IsSoundSum(AddCarried(WordSum(bytes), pseudo));
}

[[gnu::always_inline]] inline bool DecodeUsualIpv4(Bytes bytes, Packet* packet) {
  constexpr std::uint32_t kIpBytes = 20;
  constexpr std::uint64_t kFragmentBits = 0xffbf;  // all but "don't fragment", as they lie in the packet
  if (bytes.size() < kIpBytes) [[unlikely]] {
    return false;
  }
  const auto first = ReadLittle<std::uint64_t>(bytes, 0);   // up to the fragment's offset
  const auto second = ReadLittle<std::uint64_t>(bytes, 8);  // time to live, protocol, sum, source
  const auto third = ReadLittle<std::uint32_t>(bytes, 16);  // destination
  const std::uint32_t total_bytes = ReadBig16(bytes, 2);
  if (total_bytes < kIpBytes || !IsUsualLength(bytes.size(), total_bytes) || (first >> 48 & kFragmentBits) != 0 || (second & 0xff) == 0) [[unlikely]] {
    return false;
  }
  const std::uint64_t source = second >> 32;
  if (source == third || (kOddSources4[source & 0xff] | kOddDestinations4[third & 0xff]) != 0) [[unlikely]] {
    return false;
  }
  if (!IsSoundSum(AddCarried(AddCarried(first, second), third))) [[unlikely]] {
    return false;
  }
  const std::uint64_t from = __builtin_bswap32(static_cast<std::uint32_t>(source));
  const std::uint64_t to = __builtin_bswap32(third);
  const bool is_from_b = to < from;
  const std::uint64_t smaller = is_from_b ? to : from;
  packet->key.a = {0, smaller};
  packet->key.b = {0, from ^ to ^ smaller};
  packet->is_from_b = is_from_b;
  packet->ip_bytes = total_bytes;
  const UsualIp ip{.address_sum = source + third, .protocol = static_cast<std::uint8_t>(second >> 8), .version = 4};
  return DecodeUsualTransport(ip, bytes.subspan(kIpBytes, total_bytes - kIpBytes), packet);
}

[[gnu::always_inline]] inline bool DecodeUsualIpv6(Bytes bytes, Packet* packet) {
  constexpr std::uint32_t kIpBytes = 40;
  constexpr std::size_t kSourceAt = 8;
  constexpr std::size_t kDestinationAt = 24;
  if (bytes.size() < kIpBytes) [[unlikely]] {
    return false;
  }
  const std::uint32_t total_bytes = ReadBig16(bytes, 4) + kIpBytes;
  const bool is_version6 = bytes[0] >> 4 == 6;
  const std::uint8_t hop_limit = bytes[7];
  if (!is_version6 || hop_limit == 0 || !IsUsualLength(bytes.size(), total_bytes)) [[unlikely]] {
    return false;
  }
  const Address from{ReadBig64(bytes, kSourceAt), ReadBig64(bytes, kSourceAt + 8)};
  const Address to{ReadBig64(bytes, kDestinationAt), ReadBig64(bytes, kDestinationAt + 8)};
  if (from == to || from.high == 0 || to.high == 0 || from.high >> 56 == 0xff) [[unlikely]] {
    return false;
  }
  const bool is_from_b = to < from;
  packet->key.a = is_from_b ? to : from;
  packet->key.b = is_from_b ? from : to;
  packet->is_from_b = is_from_b;
  packet->ip_bytes = total_bytes;
  const UsualIp ip{.address_sum = WordSum(bytes.subspan(kSourceAt, kIpBytes - 8)), .protocol = bytes[6], .version = 6};
  return DecodeUsualTransport(ip, bytes.subspan(kIpBytes, total_bytes - kIpBytes), packet);
}

// Whether the Ethernet frame is a usual one; if so, fills `packet` but for time, place and hash.
[[gnu::always_inline]] inline bool DecodeUsual(Bytes frame, std::uint32_t wire_bytes, Packet* packet) {
  constexpr std::size_t kSourceAt = 6;
  constexpr std::size_t kTypeAt = 12;
  constexpr std::size_t kTagBytes = 4;
  constexpr std::size_t kIpAt = 14;
  constexpr std::size_t kLeastBytes = kIpAt + kTagBytes + 2;
  constexpr std::uint8_t kGroupBit = 0x01;
  constexpr std::uint32_t kIpv4WithoutOptions = 0x45'0008;  // EtherType, version and length, as they lie in the frame
  constexpr std::uint16_t kIpv6 = 0xdd86;
  constexpr std::uint16_t kVlan = 0x0081;
  if (frame.size() != wire_bytes || frame.size() < kLeastBytes || (frame[kSourceAt] & kGroupBit) != 0) [[unlikely]] {
    return false;
  }
  Bytes behind = frame.subspan(kIpAt);
  auto type = ReadLittle<std::uint32_t>(frame, kTypeAt);
  if ((type & 0xffff) == kVlan) {
    behind = frame.subspan(kIpAt + kTagBytes);
    type = ReadLittle<std::uint32_t>(frame, kTypeAt + kTagBytes);
  }
  if ((type & 0xff'ffff) == kIpv4WithoutOptions) [[likely]] {
    return DecodeUsualIpv4(behind, packet);
  }
  return (type & 0xffff) == kIpv6 && DecodeUsualIpv6(behind, packet);
}

}  // namespace weir
