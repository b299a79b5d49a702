// Usual packets are decoded in one go, all others header by header; both ways must come to the same.
#include "decode/usual.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "decode/decoder.h"
#include "frames.h"
#include "link_type.h"
#include "same_packet.h"
#include "sound_sums.h"

namespace weir {
namespace {

using test::Big16;
using test::Ethernet;
using test::Frame;
using test::Ipv4;
using test::Ipv6;
using test::Tcp;
using test::Udp;
using test::Vlan;
using test::Zeros;
using test::operator+;

using Case = std::pair<std::string, Frame>;

Frame Sound(Frame frame) {
  test::MakeSumsSound(frame);
  return frame;
}

// A UDP packet that has a checksum.
Frame Summed(std::size_t source, std::size_t destination, const Frame& rest) {
  Frame udp = Udp(source, destination, rest);
  udp[7] = 1;
  return udp;
}

Frame Letters(std::size_t size) {
  Frame letters(size);
  for (std::size_t i = 0; i < size; ++i) letters[i] = static_cast<std::uint8_t>('a' + i % 26);
  return letters;
}

std::vector<Case> UsualCases() {
  const Frame data = Letters(301);
  const Frame options = Zeros(12);
  Frame with_options = Tcp(40000, 443, kTcpAck, options + data);
  with_options[12] = 0x80;
  return {
      {"tcp", Sound(Ethernet(0x0800, Ipv4(6, Tcp(40000, 443, kTcpAck | kTcpPsh, data))))},
      {"tcp_answer", Sound(Ethernet(0x0800, Ipv4(6, Tcp(443, 40000, kTcpAck, {}))))},
      {"tcp_syn", Sound(Ethernet(0x0800, Ipv4(6, Tcp(40000, 443, kTcpSyn, {})) + Zeros(6)))},
      {"tcp_options", Sound(Ethernet(0x0800, Ipv4(6, with_options)))},
      {"tcp_not_to_be_fragmented", Sound(Ethernet(0x0800, Ipv4(6, Tcp(40000, 443, kTcpAck, data), 0x4000)))},
      {"tcp_vlan", Sound(Ethernet(0x8100, Vlan(0x0800, Ipv4(6, Tcp(40000, 443, kTcpAck, data)))))},
      {"tcp_ipv6", Sound(Ethernet(0x86dd, Ipv6(6, Tcp(40000, 443, kTcpAck, data))))},
      {"tcp_ipv6_vlan", Sound(Ethernet(0x8100, Vlan(0x86dd, Ipv6(6, Tcp(40000, 443, kTcpAck, data)))))},
      {"udp", Sound(Ethernet(0x0800, Ipv4(17, Summed(40000, 53, data))))},
      {"udp_without_checksum", Sound(Ethernet(0x0800, Ipv4(17, Udp(40000, 53, data))))},
      {"udp_with_frame_check", Sound(Ethernet(0x0800, Ipv4(17, Summed(40000, 53, data)) + Zeros(4)))},
      {"udp_empty", Sound(Ethernet(0x0800, Ipv4(17, Summed(40000, 53, {})) + Zeros(18)))},
      {"udp_ipv6", Sound(Ethernet(0x86dd, Ipv6(17, Summed(40000, 53, data))))},
  };
}

// Decodes the frame both ways from one heap buffer of exactly its size, so that a sanitizer sees any
// read beyond it.
void ExpectSameOf(const Frame& frame, std::size_t wire_bytes, const std::string& what) {
  const auto exact = std::make_unique<std::uint8_t[]>(frame.size());
  std::ranges::copy(frame, exact.get());
  const Record record{.bytes = {exact.get(), frame.size()},
                      .wire_bytes = static_cast<std::uint32_t>(wire_bytes),
                      .link_type = kLinkEthernet,
                      .time_us = 5,
                      .rest_ns = 0,
                      .offset = 24,
                      .is_time_odd = false};
  Counts odd;
  Counts odd_by_headers;
  Packet packet;
  Packet packet_by_headers;
  const Outcome outcome = Decoder(kIdentitySeed, &odd).Decode(record, &packet);
  ASSERT_EQ(outcome, Decoder(kIdentitySeed, &odd_by_headers).DecodeByHeaders(record, &packet_by_headers)) << what;
  EXPECT_EQ(odd.oddities, odd_by_headers.oddities) << what;
  EXPECT_TRUE(outcome != Outcome::kAccepted || test::IsSame(packet, packet_by_headers)) << what;
}

// Captured whole, and with more of it on the wire.
void ExpectSame(const Frame& frame, const std::string& what) {
  ExpectSameOf(frame, frame.size(), what);
  ExpectSameOf(frame, frame.size() + 5, what + ", cut");
}

bool IsUsual(const Frame& frame) {
  Packet packet;
  return DecodeUsual(frame, static_cast<std::uint32_t>(frame.size()), &packet);
}

class EveryUsual : public testing::TestWithParam<Case> {};

TEST_P(EveryUsual, IsDecodedInOneGoAndTheSame) {
  EXPECT_TRUE(IsUsual(GetParam().second));
  ExpectSame(GetParam().second, GetParam().first);
}

// With the sums left as they were, and with sums that are right again.
TEST_P(EveryUsual, WithAnyBitOfAHeaderTurnedIsTheSame) {
  const std::size_t headers = std::min<std::size_t>(GetParam().second.size(), 90);
  for (std::size_t bit = 0; bit < 8 * headers; ++bit) {
    Frame changed = GetParam().second;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    ExpectSame(changed, "bit " + std::to_string(bit));
    ExpectSame(Sound(changed), "bit " + std::to_string(bit) + " and sums");
  }
}

TEST_P(EveryUsual, WithAnyByteOfAHeaderSetIsTheSame) {
  const std::size_t headers = std::min<std::size_t>(GetParam().second.size(), 90);
  for (std::size_t at = 0; at < headers; ++at) {
    for (int value = 0; value < 256; ++value) {
      Frame changed = GetParam().second;
      changed[at] = static_cast<std::uint8_t>(value);
      ExpectSame(Sound(changed), "byte " + std::to_string(at) + " " + std::to_string(value));
    }
  }
}

TEST_P(EveryUsual, CutOrLengthenedIsTheSame) {
  for (std::size_t size = 1; size < GetParam().second.size() + 80; ++size) {
    Frame changed = GetParam().second;
    changed.resize(size);
    ExpectSame(changed, "of " + std::to_string(size) + " bytes");
  }
}

TEST_P(EveryUsual, WithSeveralBytesChangedIsTheSame) {
  std::mt19937 random(3);
  const std::size_t headers = std::min<std::size_t>(GetParam().second.size(), 90);
  constexpr std::array<std::uint8_t, 8> kTelling{0, 1, 5, 6, 17, 127, 224, 255};
  for (int i = 0; i < 20'000; ++i) {
    Frame changed = GetParam().second;
    for (auto changes = 1 + random() % 3; changes > 0; --changes) {
      changed[random() % headers] = random() % 2 == 0 ? kTelling[random() % kTelling.size()] : static_cast<std::uint8_t>(random());
    }
    ExpectSame(Sound(changed), "try " + std::to_string(i));
  }
}

INSTANTIATE_TEST_SUITE_P(Usual, EveryUsual, testing::ValuesIn(UsualCases()), [](const auto& one) { return one.param.first; });

TEST(Usual, WithAnyFirstByteOfAnAddressIsTheSame) {
  for (int source = 0; source < 256; ++source) {
    for (int destination = 0; destination < 256; ++destination) {
      Frame frame = Ethernet(0x0800, Ipv4(6, Tcp(40000, 443, kTcpAck, {})));
      frame[26] = static_cast<std::uint8_t>(source);
      frame[30] = static_cast<std::uint8_t>(destination);
      ExpectSame(Sound(frame), std::to_string(source) + " to " + std::to_string(destination));
    }
  }
}

// Sums of header words that carry out of 64 bits: the identification is chosen so that the upper half
// of what precedes the destination is all ones, and the checksum is right, or wrong by one in either
// byte.
TEST(Usual, WithAHeaderSumThatCarriesIsTheSame) {
  std::mt19937 random(5);
  for (int i = 0; i < 20'000; ++i) {
    const bool is_not_to_be_fragmented = i % 2 == 0;
    Frame frame = Ethernet(0x0800, Ipv4(6, Tcp(40000, 443, kTcpAck, Letters(6)), is_not_to_be_fragmented ? 0x4000 : 0));
    std::uint8_t* ip = frame.data() + 14;
    ip[12] = static_cast<std::uint8_t>(1 + random() % 100);
    ip[13] = static_cast<std::uint8_t>(random());
    ip[14] = is_not_to_be_fragmented ? 0xbf : 0xff;
    ip[15] = 0xff;
    ip[16] = static_cast<std::uint8_t>(128 + random() % 64);
    for (std::size_t at = 17; at < 20; ++at) ip[at] = static_cast<std::uint8_t>(random());
    const auto id = static_cast<std::uint16_t>(0xffff - (ip[13] << 8 | ip[12]) - static_cast<int>(random() % 2));
    ip[4] = static_cast<std::uint8_t>(id);
    ip[5] = static_cast<std::uint8_t>(id >> 8);
    frame = Sound(frame);
    for (const std::size_t at : {std::size_t{24}, std::size_t{25}}) {
      for (const int change : {-1, 0, 1}) {
        Frame changed = frame;
        changed[at] = static_cast<std::uint8_t>(changed[at] + change);
        ExpectSame(changed, "try " + std::to_string(i));
      }
    }
  }
}

TEST(Usual, LeavesOutWhatMayBeATunnelOrOdd) {
  const auto udp = [](std::size_t source, std::size_t destination, const Frame& rest) { return Sound(Ethernet(0x0800, Ipv4(17, Summed(source, destination, rest)))); };
  EXPECT_FALSE(IsUsual(udp(40000, 4789, Zeros(60))));
  EXPECT_FALSE(IsUsual(udp(40000, 6081, Zeros(60))));
  EXPECT_FALSE(IsUsual(udp(2152, 40000, Zeros(60))));
  EXPECT_FALSE(IsUsual(udp(3544, 40000, Zeros(60))));
  EXPECT_FALSE(IsUsual(udp(40000, 40001, Ipv6(59, Zeros(20)))));  // as Teredo behind a translated port
  EXPECT_TRUE(IsUsual(udp(40000, 40001, Letters(60))));
  Frame wrong = Sound(Ethernet(0x0800, Ipv4(6, Tcp(40000, 443, kTcpAck, Letters(9)))));
  EXPECT_TRUE(IsUsual(wrong));
  wrong.back() ^= 1;
  EXPECT_FALSE(IsUsual(wrong));
  EXPECT_FALSE(IsUsual(Sound(Ethernet(0x0800, Ipv4(6, Tcp(40000, 443, kTcpSyn | kTcpFin, {}))))));
  EXPECT_FALSE(IsUsual(Sound(Ethernet(0x0800, Ipv4(6, Tcp(40000, 443, kTcpSyn, Letters(4)))))));
  EXPECT_FALSE(IsUsual(Sound(Ethernet(0x0800, Ipv4(17, Summed(40000, 53, Letters(9)), 0x2000)))));
}

}  // namespace
}  // namespace weir
