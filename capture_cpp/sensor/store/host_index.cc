#include "store/host_index.h"

#include <openssl/evp.h>

#include <algorithm>
#include <bit>

#include "decode/header_walk.h"
#include "decode/link.h"
#include "decode/transport.h"
#include "segment_format.h"

namespace weir::sensor {
namespace {

// 128 KiB, which stays in the second-level cache; enough for 100,000 addresses.
constexpr std::size_t kMostBits = std::size_t{1} << 20;
constexpr std::size_t kLeastBits = 64;
constexpr std::size_t kWordBits = 64;

std::span<const std::uint8_t> SourceAndDestination(std::span<const std::uint8_t> header) {
  const bool is_ipv4 = header[0] >> 4 == 4;
  return is_ipv4 ? header.subspan(12, 8) : header.subspan(8, 32);
}

// The addresses of most packets: TCP or ICMP right behind Ethernet and IP, where no tunnel can be.
// Empty for all others.
std::span<const std::uint8_t> UsualAddresses(std::uint32_t link_type, std::span<const std::uint8_t> packet) {
  constexpr std::size_t kIpAt = 14;
  constexpr std::size_t kIpv4Bytes = 20;
  constexpr std::size_t kIpv6Bytes = 40;
  constexpr std::uint8_t kIpv4WithoutOptions = 0x45;
  if (link_type != kLinkEthernet || packet.size() < kIpAt + kIpv4Bytes) return {};
  const auto ether_type = static_cast<std::uint32_t>(packet[12] << 8 | packet[13]);
  if (ether_type == kEtherIpv4 && packet[kIpAt] == kIpv4WithoutOptions) {
    const std::uint8_t protocol = packet[kIpAt + 9];
    return protocol == kProtocolTcp || protocol == kProtocolIcmp ? packet.subspan(kIpAt + 12, 8) : packet.first(0);
  }
  if (ether_type == kEtherIpv6 && packet.size() >= kIpAt + kIpv6Bytes && packet[kIpAt] >> 4 == 6) {
    const std::uint8_t protocol = packet[kIpAt + 6];
    return protocol == kProtocolTcp || protocol == kProtocolIcmp6 ? packet.subspan(kIpAt + 8, 32) : packet.first(0);
  }
  return {};
}

// Sender and target of an ARP packet that speaks of IPv4 (RFC 826); empty for all others.
struct ArpAddresses {
  std::span<const std::uint8_t> sender;
  std::span<const std::uint8_t> target;
};

ArpAddresses ReadArp(std::span<const std::uint8_t> arp) {
  constexpr std::size_t kFixedBytes = 8;
  constexpr std::size_t kIpv4Bytes = 4;
  if (arp.size() < kFixedBytes || arp[2] != kEtherIpv4 >> 8 || arp[3] != (kEtherIpv4 & 0xff) || arp[5] != kIpv4Bytes) return {};
  const std::size_t link_bytes = arp[4];
  if (arp.size() < kFixedBytes + 2 * (link_bytes + kIpv4Bytes)) return {};
  return {arp.subspan(kFixedBytes + link_bytes, kIpv4Bytes), arp.subspan(kFixedBytes + 2 * link_bytes + kIpv4Bytes, kIpv4Bytes)};
}

}  // namespace

// FNV-1a, then the finaliser of MurmurHash3, as FNV leaves the upper bits of short keys poor.
std::uint64_t HashAddress(std::span<const std::uint8_t> address) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const std::uint8_t byte : address) hash = (hash ^ byte) * 0x100000001b3;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccd;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53;
  return hash ^ (hash >> 33);
}

HostIndex::HostIndex() : words_(kMostBits / kWordBits) {}

void HostIndex::AddAddress(std::span<const std::uint8_t> address) {
  const std::uint64_t hash = std::max<std::uint64_t>(HashAddress(address), 1);
  std::uint64_t& recent = recent_[hash % kRecent];
  if (recent == hash) return;
  recent = hash;
  const std::uint64_t step = (hash >> 32) | 1;
  std::uint64_t missing = 0;
  for (std::uint64_t i = 0; i < kIndexHashes; ++i) {
    const std::uint64_t bit = ((hash & 0xffffffff) + i * step) % kMostBits;
    const std::uint64_t mask = std::uint64_t{1} << bit % kWordBits;
    missing |= ~words_[bit / kWordBits] & mask;
    words_[bit / kWordBits] |= mask;
  }
  hosts_ += missing != 0 ? 1 : 0;
}

void HostIndex::AddBoth(std::span<const std::uint8_t> both) {
  AddAddress(both.first(both.size() / 2));
  AddAddress(both.last(both.size() / 2));
}

void HostIndex::Add(std::uint32_t link_type, std::span<const std::uint8_t> packet, std::uint32_t wire_bytes) {
  if (const auto both = UsualAddresses(link_type, packet); !both.empty()) return AddBoth(both);
  const WalkEnd end =
      WalkHeaders(link_type, packet, wire_bytes, [&](const IpPlace& ip) { AddBoth(SourceAndDestination(packet.subspan(ip.at))); });
  if (!end.arp_at) return;
  const ArpAddresses arp = ReadArp(packet.subspan(*end.arp_at));
  if (arp.sender.empty()) return;
  AddAddress(arp.sender);
  AddAddress(arp.target);
}

std::string HostIndex::Take() {
  const std::size_t bits = std::clamp(std::bit_ceil(hosts_ * kIndexBitsPerHost), kLeastBits, kMostBits);
  const std::size_t words = bits / kWordBits;
  for (std::size_t i = words; i < words_.size(); ++i) words_[i % words] |= words_[i];
  std::vector<std::uint8_t> filter(bits / 8);
  for (std::size_t i = 0; i < filter.size(); ++i) filter[i] = static_cast<std::uint8_t>(words_[i / 8] >> i % 8 * 8);
  std::ranges::fill(words_, 0);
  recent_.fill(0);
  hosts_ = 0;
  std::string text(4 * ((filter.size() + 2) / 3) + 1, '\0');
  text.resize(static_cast<std::size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), filter.data(), static_cast<int>(filter.size()))));
  return text;
}

}  // namespace weir::sensor
