#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <random>
#include <vector>

#include "link_type.h"
#include "privacy/crypto_pan.h"
#include "privacy/privacy.h"

namespace weir::sensor {
namespace {

using Ipv4 = std::array<std::uint8_t, 4>;

// The key and addresses of sample.cpp in the authors' Crypto-PAn 1.0.
constexpr CryptoPan::Key kKey = {21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16,
                                 216, 152, 143, 131, 121, 121, 101, 39, 98, 87, 76, 45, 42, 132, 34, 2};

Ipv4 Pseudonym(CryptoPan* pan, Ipv4 address) {
  pan->Replace(address);
  return address;
}

TEST(CryptoPan, GivesThePseudonymsOfItsAuthors) {
  CryptoPan pan(kKey);
  EXPECT_EQ(Pseudonym(&pan, {128, 11, 68, 132}), (Ipv4{135, 242, 180, 132}));
  EXPECT_EQ(Pseudonym(&pan, {129, 118, 74, 4}), (Ipv4{134, 136, 186, 123}));
  EXPECT_EQ(Pseudonym(&pan, {130, 132, 252, 244}), (Ipv4{133, 68, 164, 234}));
  EXPECT_EQ(Pseudonym(&pan, {141, 223, 7, 43}), (Ipv4{141, 167, 8, 160}));
  EXPECT_EQ(Pseudonym(&pan, {141, 233, 145, 108}), (Ipv4{141, 129, 237, 235}));
  EXPECT_EQ(Pseudonym(&pan, {152, 163, 225, 39}), (Ipv4{151, 140, 114, 167}));
}

TEST(CryptoPan, GivesTheSamePseudonymEachTime) {
  CryptoPan pan(kKey);
  EXPECT_EQ(Pseudonym(&pan, {10, 0, 0, 1}), Pseudonym(&pan, {10, 0, 0, 1}));
}

template <std::size_t size>
int SharedBits(const std::array<std::uint8_t, size>& a, const std::array<std::uint8_t, size>& b) {
  for (std::size_t i = 0; i < size; ++i) {
    if (a[i] != b[i]) return static_cast<int>(8 * i) + std::countl_zero(static_cast<std::uint8_t>(a[i] ^ b[i]));
  }
  return static_cast<int>(8 * size);
}

template <std::size_t size>
void ExpectPrefixesKept(int pairs) {
  std::mt19937 random(7);
  CryptoPan pan(kKey);
  for (int i = 0; i < pairs; ++i) {
    std::array<std::uint8_t, size> a;
    for (std::uint8_t& byte : a) byte = static_cast<std::uint8_t>(random());
    std::array<std::uint8_t, size> b = a;
    const std::size_t flipped = random() % (8 * size);
    b[flipped / 8] = static_cast<std::uint8_t>(b[flipped / 8] ^ 0x80 >> flipped % 8);
    std::array<std::uint8_t, size> pseudonym_a = a;
    std::array<std::uint8_t, size> pseudonym_b = b;
    pan.Replace(pseudonym_a);
    pan.Replace(pseudonym_b);
    ASSERT_EQ(SharedBits(pseudonym_a, pseudonym_b), SharedBits(a, b));
  }
}

TEST(CryptoPan, KeepsThePrefixesOfIpv4) { ExpectPrefixesKept<4>(20'000); }
TEST(CryptoPan, KeepsThePrefixesOfIpv6) { ExpectPrefixesKept<16>(2'000); }

// Packets go in and come out of a batch, as they do in the sensor.
std::vector<std::uint8_t> Edited(std::uint32_t link_type, const std::vector<std::uint8_t>& packet, bool anonymise) {
  Batch batch;
  batch.format.link_type = link_type;
  const auto size = static_cast<std::uint32_t>(packet.size());
  for (int i = 0; i < 2; ++i) batch.Append({1, 2, size, size}, packet.data());
  Privacy privacy(anonymise ? std::optional(CryptoPan(kKey)) : std::nullopt);
  privacy.Edit(&batch);
  RecordHeader header = {};
  std::memcpy(&header, batch.records().data(), sizeof header);
  EXPECT_EQ(batch.records().size(), 2 * (sizeof header + header.captured));
  EXPECT_EQ(header.length, size);
  const auto* first = reinterpret_cast<const std::uint8_t*>(batch.records().data()) + sizeof header;
  return {first, first + header.captured};
}

std::vector<std::uint8_t> Bytes(std::initializer_list<int> values, std::size_t payload) {
  std::vector<std::uint8_t> bytes(values.size() + payload, 'X');
  std::ranges::transform(values, bytes.begin(), [](int value) { return static_cast<std::uint8_t>(value); });
  return bytes;
}

std::vector<std::uint8_t> Udp() {
  return Bytes({0x45, 0, 0, 128, 0, 0, 0, 0, 64, 17, 0, 0, 128, 11, 68, 132, 129, 118, 74, 4, 1, 2, 0, 53, 0, 108, 0x12, 0x34}, 100);
}

TEST(Privacy, KeepsTheHeadersOfUdp) { EXPECT_EQ(Edited(kLinkRaw, Udp(), false).size(), 28U); }

TEST(Privacy, MakesNoChecksumOfUdpOneThatIsAbsent) {
  constexpr std::uint32_t kNumbers = 0x10000;
  constexpr std::size_t kChecksumAt = 26;
  std::vector<std::uint8_t> packet = Udp();
  packet.resize(28);
  Privacy privacy{CryptoPan(kKey)};
  for (std::uint32_t checksum = 0; checksum < kNumbers; ++checksum) {
    packet[kChecksumAt] = static_cast<std::uint8_t>(checksum >> 8);
    packet[kChecksumAt + 1] = static_cast<std::uint8_t>(checksum);
    Batch batch;
    batch.format.link_type = kLinkRaw;
    batch.Append({1, 2, 28, 128}, packet.data());
    privacy.Edit(&batch);
    const auto* edited = reinterpret_cast<const std::uint8_t*>(batch.records().data()) + sizeof(RecordHeader);
    ASSERT_EQ(edited[kChecksumAt] == 0 && edited[kChecksumAt + 1] == 0, checksum == 0) << checksum;
  }
}

TEST(Privacy, KeepsTheHeadersOfTcpWithItsOptions) {
  const auto packet = Bytes({0x45, 0, 0, 152, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
                             1, 2, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x80, 0x18, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 100);
  EXPECT_EQ(Edited(kLinkRaw, packet, false).size(), 52U);
}

TEST(Privacy, KeepsNothingOfWhatAnIcmpErrorQuotes) {
  const auto packet = Bytes({0x45, 0, 0, 56, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 3, 1, 0, 0, 0, 0, 0, 0,
                             0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 2, 10, 0, 0, 3}, 8);
  EXPECT_EQ(Edited(kLinkRaw, packet, false).size(), 24U);
}

TEST(Privacy, KeepsNothingBehindTheHeaderOfALaterFragment) {
  const auto packet = Bytes({0x45, 0, 0, 120, 0, 1, 0, 10, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, 100);
  EXPECT_EQ(Edited(kLinkRaw, packet, false).size(), 20U);
}

TEST(Privacy, KeepsNothingOfWhatItDoesNotUnderstand) {
  EXPECT_EQ(Edited(kLinkEthernet, Bytes({1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 0x88, 0xb5}, 100), false).size(), 14U);
  EXPECT_EQ(Edited(9999, Bytes({}, 100), false).size(), 0U);
}

// Else it would seem to be cut short in the middle of it.
TEST(Privacy, KeepsTheHeaderOfLlc) {
  EXPECT_EQ(Edited(kLinkEthernet, Bytes({1, 2, 3, 4, 5, 6, 0, 2, 3, 4, 5, 6, 0, 38, 0x42, 0x42, 3}, 35), false).size(), 17U);
  EXPECT_EQ(Edited(kLinkEthernet, Bytes({1, 2, 3, 4, 5, 6, 0, 2, 3, 4, 5, 6, 0, 38, 0xaa, 0xaa, 3, 0, 0, 12, 1, 11}, 30), false).size(), 22U);
}

TEST(Privacy, KeepsHeadersInsideATunnel) {
  auto packet = Bytes({0x45, 0, 0, 148, 0, 0, 0, 0, 64, 4, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, 0);
  const auto inner = Udp();
  packet.insert(packet.end(), inner.begin(), inner.end());
  EXPECT_EQ(Edited(kLinkRaw, packet, false).size(), 48U);
}

std::uint32_t OnesSum(const std::vector<std::uint8_t>& bytes, std::size_t from, std::size_t to) {
  std::uint32_t sum = 0;
  for (std::size_t i = from; i < to; i += 2) sum += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

TEST(Privacy, ReplacesAddressesAndKeepsChecksumsAsRightAsTheyWere) {
  const auto before = Udp();
  const auto after = Edited(kLinkRaw, before, true);
  EXPECT_TRUE(std::equal(after.begin() + 12, after.begin() + 20, Bytes({135, 242, 180, 132, 134, 136, 186, 123}, 0).begin()));
  EXPECT_EQ(OnesSum(before, 0, 20), OnesSum(after, 0, 20));
  // Addresses and UDP header: all of the pseudo-header that changes.
  EXPECT_EQ(OnesSum(before, 12, 28), OnesSum(after, 12, 28));
}

// A card that sums up what leaves the host is given the pseudo header's sum in the checksum's place.
TEST(Privacy, LeavesAChecksumToTheCardThatWasLeftToIt) {
  const auto pseudo_sum = [](const std::vector<std::uint8_t>& packet, std::uint32_t bytes) {
    const std::uint32_t sum = OnesSum(packet, 12, 20) + packet[9] + bytes;
    return (sum & 0xffff) + (sum >> 16);
  };
  auto udp = Udp();
  udp[26] = static_cast<std::uint8_t>(pseudo_sum(udp, 108) >> 8);
  udp[27] = static_cast<std::uint8_t>(pseudo_sum(udp, 108));
  const auto edited = Edited(kLinkRaw, udp, true);
  EXPECT_NE(edited[12], udp[12]);
  EXPECT_EQ(static_cast<std::uint32_t>(edited[26] << 8 | edited[27]), pseudo_sum(edited, 108));
  auto tcp = Bytes({0x45, 0, 0, 44, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
                    1, 2, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x60, 0x10, 1, 0, 0, 0, 0, 0, 76, 4, 9, 9}, 0);
  tcp[36] = static_cast<std::uint8_t>(pseudo_sum(tcp, 24) >> 8);
  tcp[37] = static_cast<std::uint8_t>(pseudo_sum(tcp, 24));
  const auto blanked = Edited(kLinkRaw, tcp, true);
  EXPECT_EQ(blanked[42], 1);  // the option, of which the sum does not speak
  EXPECT_EQ(static_cast<std::uint32_t>(blanked[36] << 8 | blanked[37]), pseudo_sum(blanked, 24));
}

TEST(Privacy, LeavesAnAbsentUdpChecksumAbsent) {
  auto packet = Udp();
  packet[26] = packet[27] = 0;
  const auto after = Edited(kLinkRaw, packet, true);
  EXPECT_EQ(after[26] << 8 | after[27], 0);
}

TEST(Privacy, BlanksTheRoutesInIpv4Options) {
  const auto packet = Bytes({0x47, 0, 0, 48, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x83, 7, 4, 10, 9, 8, 7, 0,
                             1, 2, 0, 53, 0, 20, 0, 0}, 12);
  const auto after = Edited(kLinkRaw, packet, true);
  EXPECT_TRUE(std::all_of(after.begin() + 20, after.begin() + 28, [](std::uint8_t byte) { return byte == 1; }));
  EXPECT_EQ(OnesSum(packet, 0, 28), OnesSum(after, 0, 28));
}

TEST(Privacy, KeepsOnlyTcpOptionsThatNameNobody) {
  // No operation, MPTCP's ADD_ADDR (RFC 8684) for 10.11.12.13, time stamps, an unknown one.
  const auto packet = Bytes({0x45, 0, 0, 68, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
                             1, 2, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0xc0, 0x10, 1, 0, 0x12, 0x34, 0, 0,
                             1, 30, 8, 0x30, 1, 10, 11, 12, 13, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1, 76, 6, 10, 9, 8, 7, 0}, 0);
  const auto after = Edited(kLinkRaw, packet, true);
  ASSERT_EQ(after.size(), packet.size());
  EXPECT_TRUE(std::all_of(after.begin() + 40, after.begin() + 49, [](std::uint8_t byte) { return byte == 1; }));
  EXPECT_TRUE(std::equal(after.begin() + 49, after.begin() + 59, packet.begin() + 49));
  EXPECT_TRUE(std::all_of(after.begin() + 59, after.end(), [](std::uint8_t byte) { return byte == 1; }));
  // Addresses and the whole TCP header, as its checksum covers both.
  EXPECT_EQ(OnesSum(packet, 12, 68), OnesSum(after, 12, 68));
}

// An Ethernet frame around UDP from port 1 to `port`, with a tunnel's header, what follows it, and an IPv6 packet.
std::vector<std::uint8_t> Tunnel(int port, const std::vector<std::uint8_t>& header) {
  const auto inner = Bytes({0x60, 0, 0, 0, 0, 8, 17, 64, 0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
                            0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 2, 0, 8, 0, 0}, 0);
  const auto udp_bytes = static_cast<int>(8 + header.size() + inner.size());
  auto packet = Bytes({0x45, 0, 0, 20 + udp_bytes, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 1, port / 256, port % 256, 0, udp_bytes, 0x12, 0x34}, 0);
  packet.insert(packet.end(), header.begin(), header.end());
  packet.insert(packet.end(), inner.begin(), inner.end());
  return packet;
}

TEST(Privacy, BlanksWhatTunnelsSayOfTheirOwn) {
  const std::vector<std::uint8_t> origin{0, 0, 0xab, 0xcd, 0xf5, 0xf4, 0xf3, 0xf2};
  std::vector<std::uint8_t> signed_origin{0, 1, 1, 1, 'i', 'a', 1, 2, 3, 4, 5, 6, 7, 8, 0};
  signed_origin.insert(signed_origin.end(), origin.begin(), origin.end());
  const std::vector<std::uint8_t> geneve{2, 0, 0x86, 0xdd, 0, 0, 1, 0, 0, 1, 1, 1, 10, 11, 12, 13};
  struct Sample {
    int port;
    std::vector<std::uint8_t> header;
    std::size_t blanked;  // of its last bytes
  };
  for (const auto& [port, header, blanked] : {Sample{3544, origin, 6}, Sample{3544, signed_origin, 6}, Sample{6081, geneve, 8}}) {
    const auto packet = Tunnel(port, header);
    const auto after = Edited(kLinkRaw, packet, true);
    ASSERT_EQ(after.size(), packet.size()) << port;
    const auto end = after.begin() + 28 + static_cast<std::ptrdiff_t>(header.size());
    EXPECT_TRUE(std::all_of(end - static_cast<std::ptrdiff_t>(blanked), end, [](std::uint8_t byte) { return byte == 0; })) << port;
    EXPECT_TRUE(std::equal(packet.begin() + 28, packet.begin() + 28 + static_cast<std::ptrdiff_t>(header.size() - blanked), after.begin() + 28)) << port;
  }
}

TEST(Privacy, ReplacesTheAddressesOfArp) {
  const auto packet = Bytes({1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1,
                             1, 2, 3, 4, 5, 6, 128, 11, 68, 132, 0, 0, 0, 0, 0, 0, 129, 118, 74, 4}, 18);
  const auto after = Edited(kLinkEthernet, packet, true);
  ASSERT_EQ(after.size(), 42U);
  EXPECT_TRUE(std::equal(after.begin() + 28, after.begin() + 32, Bytes({135, 242, 180, 132}, 0).begin()));
  EXPECT_TRUE(std::equal(after.begin() + 38, after.begin() + 42, Bytes({134, 136, 186, 123}, 0).begin()));
}

TEST(Privacy, EditsPacketsCutAnywhere) {
  const auto packet = Udp();
  for (std::size_t size = 0; size < packet.size(); ++size) {
    for (const std::uint32_t link_type : {kLinkRaw, kLinkEthernet, kLinkLinuxSll, kLinkNull, kLinkPpp}) {
      const std::vector<std::uint8_t> cut(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_LE(Edited(link_type, cut, true).size(), size);
    }
  }
}

TEST(Privacy, EditsRandomBytes) {
  std::mt19937 random(3);
  for (int i = 0; i < 3000; ++i) {
    std::vector<std::uint8_t> packet(random() % 200);
    for (std::uint8_t& byte : packet) byte = static_cast<std::uint8_t>(random());
    if (!packet.empty()) packet[0] = random() % 2 == 0 ? 0x45 : 0x60;
    EXPECT_LE(Edited(kLinkRaw, packet, true).size(), packet.size());
  }
}

}  // namespace
}  // namespace weir::sensor
