// Oddities of packets: what no sound sender writes. They are counted by name, layer by layer, beside
// the sum of outcomes, and change nothing else; docs/referees.md says what each one means.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weir {

enum class Oddity : std::uint8_t {
  kCutPacket,   // fewer bytes captured than were on the wire
  kTime,        // a time out of range, or a clock set back by more than an hour
  kOutOfOrder,  // older than a packet before it

  kLinkSource,   // a frame from a group address
  kLinkLength,   // an IEEE 802.3 length beyond the frame, or one that none may have
  kLinkTrailer,  // more bytes behind the IP packet than padding and frame check explain

  kNetworkLength,           // an IP length beyond its frame; the frame's end is believed
  kNetworkChecksum,         // IPv4
  kNetworkReservedFlag,     // the IPv4 flag that must be 0
  kNetworkTtl,              // a time to live, or hop limit, of 0
  kNetworkAddress,          // from a group, or between loopback and another host, or to nobody
  kNetworkLand,             // source and destination are the same, off loopback
  kNetworkOptions,          // IPv4 options that run past their header, or choose the route
  kNetworkExtensions,       // IPv6 extension headers twice or out of order, or routing type 0
  kNetworkFragment,         // a fragment too small, of a length none may have, or past the end of any datagram
  kNetworkFragmentOverlap,  // a fragment that brings bytes again

  kTransportChecksum,
  kTransportLength,    // a UDP length that is not what IP leaves, or a TCP header that does not fit
  kTransportPort,      // TCP port 0, or to UDP port 0
  kTransportReserved,  // TCP bits that must be 0
  kTransportNull,      // TCP without any flag
  kTransportXmas,      // FIN, PSH and URG at once
  kTransportSynFin,
  kTransportSynRst,
  kTransportFinAlone,    // FIN without ACK
  kTransportSynPayload,  // data in a SYN, as TCP Fast Open sends it

  kChecksumOffload,  // what the card of a sending host was still to sum up; no fault
};
inline constexpr std::size_t kOddities = 27;

// Several oddities of one packet.
class Oddities {
 public:
  constexpr void Add(Oddity oddity) { bits_ |= Bit(oddity); }
  constexpr void Add(const Oddities& others) { bits_ |= others.bits_; }
  constexpr void AddIf(bool is_odd, Oddity oddity) { bits_ |= static_cast<std::uint32_t>(is_odd) << static_cast<int>(oddity); }
  void Remove(Oddity oddity) { bits_ &= ~Bit(oddity); }
  bool Has(Oddity oddity) const { return (bits_ & Bit(oddity)) != 0; }
  constexpr std::uint32_t bits() const { return bits_; }

 private:
  static constexpr std::uint32_t Bit(Oddity oddity) { return std::uint32_t{1} << static_cast<int>(oddity); }
  std::uint32_t bits_ = 0;
};

// The layers that flows tell apart.
inline constexpr std::size_t kOddLayers = 3;
inline constexpr std::size_t kLinkLayer = 0;
inline constexpr std::size_t kNetworkLayer = 1;
inline constexpr std::size_t kTransportLayer = 2;

// One bit for each layer that has an oddity.
inline std::uint8_t OddLayers(const Oddities& odd) {
  constexpr auto kFrom = [](Oddity first, Oddity last) {
    return (std::uint32_t{2} << static_cast<int>(last)) - (std::uint32_t{1} << static_cast<int>(first));
  };
  constexpr std::uint32_t kLink = kFrom(Oddity::kLinkSource, Oddity::kLinkTrailer);
  constexpr std::uint32_t kNetwork = kFrom(Oddity::kNetworkLength, Oddity::kNetworkFragmentOverlap);
  constexpr std::uint32_t kTransport = kFrom(Oddity::kTransportChecksum, Oddity::kTransportSynPayload);
  const auto layer = [&odd](std::uint32_t bits, std::size_t at) { return static_cast<unsigned>((odd.bits() & bits) != 0) << at; };
  return static_cast<std::uint8_t>(layer(kLink, kLinkLayer) | layer(kNetwork, kNetworkLayer) | layer(kTransport, kTransportLayer));
}

}  // namespace weir
