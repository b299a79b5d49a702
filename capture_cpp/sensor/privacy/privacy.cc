#include "privacy/privacy.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "decode/check.h"
#include "decode/header_walk.h"
#include "decode/tunnel.h"

namespace weir::sensor {
namespace {

constexpr std::size_t kArpBytes = 28;
constexpr std::size_t kArpSenderAt = 14;
constexpr std::size_t kArpTargetAt = 24;
constexpr std::size_t kIpv4Bytes = 20;
constexpr std::size_t kIpv4ChecksumAt = 10;
constexpr std::size_t kIpv6Bytes = 40;
constexpr std::uint8_t kIpv4NoOperation = 1;

std::uint16_t Read16(std::span<const std::uint8_t> bytes, std::size_t at) { return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]); }

void Write16(std::span<std::uint8_t> bytes, std::size_t at, std::uint32_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}

std::uint32_t Sum(std::span<const std::uint8_t> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += Read16(bytes, i);
  return sum;
}

std::uint32_t Fold(std::uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

// RFC 1624, equation 3: what was right stays right, what was wrong stays wrong.
void UpdateChecksum(std::span<std::uint8_t> packet, std::size_t at, std::uint32_t before, std::uint32_t after) {
  if (at + 2 > packet.size()) return;
  const std::uint32_t old = Read16(packet, at);
  Write16(packet, at, ~Fold((~old & 0xffff) + (~Fold(before) & 0xffff) + after) & 0xffff);
}

// What came out as 0 would say that there is no checksum; all ones mean the same number (RFC 768).
void UpdateUdpChecksum(std::span<std::uint8_t> packet, std::size_t at, std::uint32_t before, std::uint32_t after) {
  UpdateChecksum(packet, at, before, after);
  if (at + 2 <= packet.size() && Read16(packet, at) == 0) Write16(packet, at, 0xffff);
}

// Of a packet whose checksum was left to the card: the field holds the sum of the pseudo header, and no bytes of the packet.
void UpdatePseudoSum(std::span<std::uint8_t> packet, std::size_t at, std::uint32_t before, std::uint32_t after) {
  Write16(packet, at, Fold(Read16(packet, at) + (~Fold(before) & 0xffff) + after));
}

std::optional<std::size_t> ChecksumAt(std::uint8_t protocol) {
  switch (protocol) {
    case kProtocolTcp: return 16;
    case kProtocolUdp: return 6;
    case kProtocolIcmp6: return 2;
    default: return std::nullopt;
  }
}

// Whether the checksum was left to the card.
bool IsLeftToCard(std::span<const std::uint8_t> packet, const IpPlace& place) {
  const std::optional<std::size_t> checksum_at = ChecksumAt(place.header.protocol);
  if (!checksum_at || place.behind + *checksum_at + 2 > packet.size()) return false;
  const auto carried = place.header.total_bytes - static_cast<std::uint32_t>(place.behind - place.at);
  const std::uint32_t length = place.header.protocol == kProtocolUdp ? Read16(packet, place.behind + 4) : carried;
  return IsPseudoSum(PseudoSum(place.header, length), Read16(packet, place.behind + *checksum_at));
}

// Whether a TCP option speaks of the connection alone: no operation, segment size, window scale, selective
// acknowledgments, time stamps. Others, such as those of multipath TCP (RFC 8684), may list addresses.
bool IsHarmlessTcpOption(std::uint8_t kind) { return kind <= 5 || kind == 8; }

void BlankTcpOptions(std::span<std::uint8_t> packet, std::size_t tcp_at, bool is_left_to_card) {
  constexpr std::size_t kFixedBytes = 20;
  constexpr std::uint8_t kEnd = 0;
  constexpr std::uint8_t kNoOperation = 1;
  if (packet.size() <= tcp_at + kFixedBytes) return;
  const std::size_t header_bytes = std::min(std::size_t{packet[tcp_at + 12]} / 16 * 4, packet.size() - tcp_at);
  if (header_bytes <= kFixedBytes) return;
  const std::span<std::uint8_t> options = packet.subspan(tcp_at + kFixedBytes, header_bytes - kFixedBytes);
  const std::uint32_t before = Sum(options);
  for (std::size_t at = 0; at < options.size();) {
    const std::uint8_t kind = options[at];
    const std::size_t left = options.size() - at;
    const bool is_sized = kind > kNoOperation && left >= 2 && options[at + 1] >= 2 && options[at + 1] <= left;
    const std::size_t size = kind == kNoOperation ? 1 : is_sized ? options[at + 1] : left;
    if (kind == kEnd || (kind != kNoOperation && !is_sized) || !IsHarmlessTcpOption(kind)) {
      std::ranges::fill(options.subspan(at, size), kNoOperation);
    }
    at += size;
  }
  if (!is_left_to_card) UpdateChecksum(packet, tcp_at + 16, before, Sum(options));
}

// What a tunnel over UDP says of its own before the packet inside, as far as it may hold addresses: the options of
// GENEVE, and where a Teredo server saw its client (RFC 4380, section 5.1.1). `inner_at` is where the next IP header begins.
void BlankTunnelHeader(std::span<std::uint8_t> packet, std::size_t udp_at, std::size_t inner_at, bool is_left_to_card) {
  constexpr std::size_t kUdpBytes = 8;
  constexpr std::size_t kGeneveBytes = 8;
  constexpr std::size_t kOriginBytes = 8;
  if (inner_at < udp_at + kUdpBytes || inner_at > packet.size()) return;
  const auto has_port = [&](std::uint16_t port) { return Read16(packet, udp_at) == port || Read16(packet, udp_at + 2) == port; };
  const std::span<std::uint8_t> between = packet.subspan(udp_at + kUdpBytes, inner_at - udp_at - kUdpBytes);
  std::span<std::uint8_t> blanked;
  if (has_port(kGenevePort) && between.size() > kGeneveBytes) {
    blanked = between.subspan(kGeneveBytes, std::min(std::size_t{between[0] & 0x3fU} * 4, between.size() - kGeneveBytes));
  } else if (has_port(kTeredoPort) && between.size() >= kOriginBytes) {
    blanked = between.last(kOriginBytes - 2);
  }
  // Sums go by two bytes, so one of the packet inside may be among them.
  const std::span<const std::uint8_t> summed = packet.subspan(udp_at + kUdpBytes, std::min(between.size() + between.size() % 2, packet.size() - udp_at - kUdpBytes));
  const std::uint32_t before = Sum(summed);
  std::ranges::fill(blanked, std::uint8_t{0});
  if (Read16(packet, udp_at + 6) != 0 && !is_left_to_card) UpdateChecksum(packet, udp_at + 6, before, Sum(summed));
}

}  // namespace

void Privacy::Edit(Batch* batch) {
  batch->Rewrite([&](RecordHeader* header, std::span<std::uint8_t> packet) {
    header->captured = EditPacket(batch->format.link_type, packet, header->length);
  });
}

// Returns how much of the packet is left.
std::uint32_t Privacy::EditPacket(std::uint32_t link_type, std::span<std::uint8_t> packet, std::uint32_t wire_bytes) {
  std::vector<IpPlace> places;
  WalkEnd end = WalkHeaders(link_type, packet, wire_bytes, [&](const IpPlace& place) { places.push_back(place); });
  if (end.arp_at) end.at = std::min(packet.size(), *end.arp_at + kArpBytes);
  if (anonymiser_) {
    for (std::size_t i = 0; i < places.size(); ++i) {
      const IpPlace& place = places[i];
      const bool has_transport = place.is_sound && place.header.is_first_fragment;
      const bool is_left_to_card = has_transport && IsLeftToCard(packet, place);
      Anonymise(packet, place, has_transport, is_left_to_card);
      if (has_transport && place.header.protocol == kProtocolTcp) BlankTcpOptions(packet, place.behind, is_left_to_card);
      const bool is_tunnel = has_transport && place.header.protocol == kProtocolUdp && i + 1 < places.size();
      if (is_tunnel) BlankTunnelHeader(packet, place.behind, places[i + 1].at, is_left_to_card);
    }
    if (end.arp_at) AnonymiseArp(packet.subspan(*end.arp_at));
    // Extension headers may list addresses (RFC 8754, RFC 6275), so nothing behind the first is kept.
    const auto extended = std::ranges::find_if(places, [](const IpPlace& place) {
      return place.header.version == 6 && place.behind != place.at + kIpv6Bytes;
    });
    if (extended != places.end()) end.at = std::min(end.at, extended->at + kIpv6Bytes);
  }
  return static_cast<std::uint32_t>(end.at);
}

void Privacy::Anonymise(std::span<std::uint8_t> packet, const IpPlace& place, bool has_transport, bool is_left_to_card) {
  const auto [ip_at, behind] = std::pair(place.at, place.behind);
  const std::uint8_t protocol = place.header.protocol;
  const bool is_ipv4 = packet[ip_at] >> 4 == 4;
  const std::span<std::uint8_t> addresses = is_ipv4 ? packet.subspan(ip_at + 12, 8) : packet.subspan(ip_at + 8, 32);
  const std::uint32_t before = Sum(addresses);
  anonymiser_.value().Replace(addresses.first(addresses.size() / 2));
  anonymiser_.value().Replace(addresses.last(addresses.size() / 2));
  if (has_transport) {
    const std::optional<std::size_t> checksum_at = ChecksumAt(protocol);
    const bool is_absent = protocol == kProtocolUdp && behind + 8 <= packet.size() && Read16(packet, behind + 6) == 0;
    const auto update = is_left_to_card ? UpdatePseudoSum : protocol == kProtocolUdp ? UpdateUdpChecksum : UpdateChecksum;
    if (checksum_at && !is_absent) update(packet, behind + *checksum_at, before, Sum(addresses));
  }
  if (!is_ipv4) return;
  UpdateChecksum(packet, ip_at + kIpv4ChecksumAt, before, Sum(addresses));
  // Options may list addresses as well (RFC 791: routes, time stamps).
  const std::span<std::uint8_t> options = packet.subspan(ip_at + kIpv4Bytes, std::min(behind - ip_at, std::size_t{packet[ip_at] & 15U} * 4) - kIpv4Bytes);
  const std::uint32_t options_before = Sum(options);
  std::ranges::fill(options, kIpv4NoOperation);
  UpdateChecksum(packet, ip_at + kIpv4ChecksumAt, options_before, Sum(options));
}

void Privacy::AnonymiseArp(std::span<std::uint8_t> arp) {
  constexpr std::array<std::uint8_t, 6> kIpv4OverEthernet = {0, 1, 8, 0, 6, 4};
  // Of other kinds, or cut short, nothing is kept but the place.
  if (arp.size() < kArpBytes || !std::equal(kIpv4OverEthernet.begin(), kIpv4OverEthernet.end(), arp.begin())) {
    std::ranges::fill(arp, std::uint8_t{0});
    return;
  }
  anonymiser_.value().Replace(arp.subspan(kArpSenderAt, 4));
  anonymiser_.value().Replace(arp.subspan(kArpTargetAt, 4));
}

}  // namespace weir::sensor
