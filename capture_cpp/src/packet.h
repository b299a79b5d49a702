// A decoded packet: what the flow table needs of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "bytes.h"

namespace weir {

// An IPv6 address, or an IPv4 address in the lower 32 bits.
struct Address {
  std::uint64_t high;
  std::uint64_t low;
  bool operator==(const Address&) const = default;
  bool operator<(const Address& other) const { return high != other.high ? high < other.high : low < other.low; }
};

// Both directions of a conversation have the same key: the smaller (address, port) is `a`.
struct FlowKey {
  Address a;
  Address b;
  std::uint16_t port_a;
  std::uint16_t port_b;
  std::uint8_t protocol;
  std::uint8_t ip_version;
  std::uint16_t unused;  // always 0, so that keys can be compared as bytes
  // Word by word without a branch, as it is asked for every packet.
  bool operator==(const FlowKey& other) const {
    std::uint64_t difference = 0;
    for (std::size_t at = 0; at < sizeof(FlowKey); at += sizeof difference) {
      difference |= WordAt(at) ^ other.WordAt(at);
    }
    return difference == 0;
  }

 private:
  std::uint64_t WordAt(std::size_t at) const {
    std::uint64_t word = 0;
    std::memcpy(&word, reinterpret_cast<const unsigned char*>(this) + at, sizeof word);
    return word;
  }
};
static_assert(sizeof(FlowKey) == 40 && std::has_unique_object_representations_v<FlowKey>);

inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::uint8_t kProtocolIcmp6 = 58;
inline constexpr std::uint8_t kProtocolSctp = 132;
inline constexpr std::uint8_t kProtocolUdpLite = 136;

inline constexpr std::uint8_t kTcpFin = 0x01;
inline constexpr std::uint8_t kTcpSyn = 0x02;
inline constexpr std::uint8_t kTcpRst = 0x04;
inline constexpr std::uint8_t kTcpPsh = 0x08;
inline constexpr std::uint8_t kTcpAck = 0x10;
inline constexpr std::uint8_t kTcpUrg = 0x20;
inline constexpr std::uint8_t kTcpEce = 0x40;
inline constexpr std::uint8_t kTcpCwr = 0x80;

struct Packet {
  FlowKey key = {};
  std::uint64_t hash = 0;
  std::int64_t time_us = 0;
  std::uint64_t offset = 0;    // of its record in the capture
  std::uint32_t capture = 0;   // which of the captures given
  std::uint32_t ip_bytes = 0;  // innermost IP packet, headers included
  std::uint32_t payload = 0;   // what the transport header leaves of it
  std::uint32_t sequence = 0;  // TCP
  std::uint16_t header = 0;    // transport header
  std::uint16_t window = 0;    // TCP
  std::uint8_t tcp_flags = 0;  // 0 for other protocols
  std::uint8_t icmp_type = 0;
  std::uint8_t icmp_code = 0;
  bool is_from_b = false;      // the sender is `key.b`
  std::uint8_t odd_layers = 0; // as OddLayers() says
  Bytes captured;              // of the payload; points into the capture. Empty for later fragments
};

// The sequence number of a TCP packet's first byte of payload; a SYN counts as a byte before it (RFC 9293, section 3.4).
inline std::uint32_t FirstSequence(const Packet& packet) { return packet.sequence + ((packet.tcp_flags & kTcpSyn) != 0 ? 1 : 0); }

// What became of a packet; each has exactly one outcome.
enum class Outcome : std::uint8_t {
  kAccepted,     // belongs to a flow
  kNonIp,        // ARP, LLC and others without IP inside
  kUnknownLink,  // a link type without decoder here
  kShortL2,      // cut inside a link header or what stands between it and IP
  kShortL3,      // cut inside an IP header
  kShortL4,      // cut inside a transport header
  kNest,         // more than kMostLevels headers around the innermost IP header
  kZeroLength,   // a record without bytes
  kFragment,     // a later fragment whose first one was not seen, or not yet
  kDecodeError,  // a header contradicts itself
};
inline constexpr std::size_t kOutcomes = 10;

}  // namespace weir
