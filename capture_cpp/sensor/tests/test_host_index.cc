#include <gtest/gtest.h>

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <vector>

#include "link_type.h"
#include "store/host_index.h"

namespace weir::sensor {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes Ipv4(std::uint8_t from, std::uint8_t to, std::uint8_t protocol, const Bytes& body) {
  const std::array<std::uint8_t, 20> header = {
      0x45, 0, 0, static_cast<std::uint8_t>(20 + body.size()), 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, from, 10, 0, 0, to};
  Bytes packet(header.size() + body.size());
  std::ranges::copy(body, std::ranges::copy(header, packet.begin()).out);
  return packet;
}

// Reads the filter as docs/formats/manifest.md says.
bool MayHold(const std::string& hosts, std::array<std::uint8_t, 4> address) {
  Bytes filter(hosts.size());
  EVP_DecodeBlock(filter.data(), reinterpret_cast<const unsigned char*>(hosts.data()), static_cast<int>(hosts.size()));
  const std::size_t padding = hosts.ends_with("==") ? 2 : hosts.ends_with('=') ? 1 : 0;
  const std::uint64_t bits = (hosts.size() / 4 * 3 - padding) * 8;
  const std::uint64_t hash = HashAddress(address);
  for (std::uint64_t i = 0; i < 4; ++i) {
    const std::uint64_t bit = ((hash & 0xffffffff) + i * ((hash >> 32) | 1)) % bits;
    if ((filter[bit / 8] >> bit % 8 & 1) == 0) return false;
  }
  return true;
}

TEST(HostIndex, HoldsBothAddressesOfAPacket) {
  HostIndex index;
  const Bytes packet = Ipv4(1, 2, 6, Bytes(20));
  index.Add(kLinkRaw, packet, static_cast<std::uint32_t>(packet.size()));
  const std::string hosts = index.Take();
  EXPECT_TRUE(MayHold(hosts, {10, 0, 0, 1}));
  EXPECT_TRUE(MayHold(hosts, {10, 0, 0, 2}));
  EXPECT_FALSE(MayHold(hosts, {10, 0, 0, 3}));
}

TEST(HostIndex, HoldsTheAddressesInsideATunnelToo) {
  HostIndex index;
  const Bytes packet = Ipv4(1, 2, 4, Ipv4(3, 4, 6, Bytes(20)));
  index.Add(kLinkRaw, packet, static_cast<std::uint32_t>(packet.size()));
  const std::string hosts = index.Take();
  for (std::uint8_t host = 1; host <= 4; ++host) EXPECT_TRUE(MayHold(hosts, {10, 0, 0, host}));
}

TEST(HostIndex, HoldsSenderAndTargetOfArp) {
  const Bytes arp = {0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2};
  for (const Bytes& tag : {Bytes{}, Bytes{0x81, 0, 0, 5}}) {
    Bytes packet(12);
    packet.insert(packet.end(), tag.begin(), tag.end());
    packet.insert(packet.end(), {8, 6});
    packet.insert(packet.end(), arp.begin(), arp.end());
    for (std::size_t size = 0; size < packet.size(); ++size) {
      HostIndex index;
      index.Add(kLinkEthernet, std::span(packet).first(size), static_cast<std::uint32_t>(packet.size()));
      EXPECT_EQ(index.Take(), "AAAAAAAAAAA=");
    }
    HostIndex index;
    index.Add(kLinkEthernet, packet, static_cast<std::uint32_t>(packet.size()));
    const std::string hosts = index.Take();
    EXPECT_TRUE(MayHold(hosts, {10, 0, 0, 1}));
    EXPECT_TRUE(MayHold(hosts, {10, 0, 0, 2}));
    EXPECT_FALSE(MayHold(hosts, {10, 0, 0, 3}));
  }
}

TEST(HostIndex, StartsAfreshAfterItWasTaken) {
  HostIndex index;
  const Bytes packet = Ipv4(1, 2, 6, Bytes(20));
  index.Add(kLinkRaw, packet, static_cast<std::uint32_t>(packet.size()));
  index.Take();
  EXPECT_EQ(index.Take(), "AAAAAAAAAAA=");
}

TEST(HostIndex, IsRightAboutMostAddressesThatAreNotThere) {
  HostIndex index;
  for (int i = 0; i < 40'000; ++i) {
    Bytes packet = Ipv4(1, 2, 6, Bytes(20));
    packet[13] = static_cast<std::uint8_t>(i >> 8);
    packet[14] = static_cast<std::uint8_t>(i);
    index.Add(kLinkRaw, packet, static_cast<std::uint32_t>(packet.size()));
  }
  const std::string hosts = index.Take();
  int wrong = 0;
  for (int i = 0; i < 10'000; ++i) {
    wrong += MayHold(hosts, {172, 16, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}) ? 1 : 0;
  }
  EXPECT_LT(wrong, 250);
  for (int i = 0; i < 40'000; ++i) EXPECT_TRUE(MayHold(hosts, {10, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i), 1}));
}

TEST(HostIndex, PassesOverPacketsCutAnywhere) {
  HostIndex index;
  const Bytes packet = Ipv4(1, 2, 47, {0x20, 0, 0x65, 0x58, 0, 0, 0, 7});
  for (std::size_t size = 0; size <= packet.size(); ++size) {
    const Bytes cut(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(size));
    for (const std::uint32_t link_type : {kLinkRaw, kLinkEthernet, kLinkLinuxSll2, kLinkPpp, 9999U}) index.Add(link_type, cut, 28);
  }
  EXPECT_TRUE(MayHold(index.Take(), {10, 0, 0, 1}));
}

}  // namespace
}  // namespace weir::sensor
