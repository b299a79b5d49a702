#include "decode/decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "exact_bytes.h"
#include "frames.h"
#include "link_type.h"
#include "options.h"

namespace weir {
namespace {

using test::Big16;
using test::Ethernet;
using test::Frame;
using test::Geneve;
using test::Gre;
using test::GtpU;
using test::Innermost;
using test::Ipv4;
using test::Ipv6;
using test::Mpls;
using test::Pppoe;
using test::Tcp;
using test::Udp;
using test::Vlan;
using test::Vxlan;
using test::Zeros;
using test::operator+;

struct Decoded {
  Outcome outcome;
  Packet packet;
  Counts odd;
};

// Decodes a frame from a heap buffer of exactly its size, so that a sanitizer sees any read beyond it.
Decoded Decode(const Frame& frame, std::uint32_t link_type = kLinkEthernet, std::size_t wire_bytes = 0) {
  const test::ExactBytes exact(frame);
  const auto wire = static_cast<std::uint32_t>(std::max(wire_bytes, frame.size()));
  Decoded decoded{};
  Decoder decoder(kIdentitySeed, &decoded.odd);
  const Record record{.bytes = exact.bytes(), .wire_bytes = wire, .link_type = link_type, .time_us = 5, .rest_ns = 0, .offset = 24, .is_time_odd = false};
  decoded.outcome = decoder.Decode(record, &decoded.packet);
  return decoded;
}

using Case = std::pair<std::string, Frame>;

// Every way to the innermost packet that the decoder knows, one level each.
std::vector<Case> Seeds() {
  const Frame inner = Innermost();
  const Frame frame = Ethernet(0x0800, inner);
  const Frame options6 = Frame{17, 0, 1, 4, 0, 0, 0, 0};
  const Frame hop_by_hop = Ipv6(0, options6 + Udp(1111, 2222, Zeros(5)));
  return {
      {"ipv4", frame},
      {"vlan", Ethernet(0x8100, Vlan(0x0800, inner))},
      {"qinq", Ethernet(0x88a8, Vlan(0x8100, Vlan(0x0800, inner)))},
      {"vlan_llc", Ethernet(0x8100, Vlan(8 + inner.size(), Frame{0xaa, 0xaa, 3, 0, 0, 0, 8, 0} + inner))},
      {"cisco_metadata", Ethernet(0x8909, Frame{1, 1, 0, 1, 0, 17, 8, 0} + inner)},
      {"cisco_metadata_in_vlan", Ethernet(0x8100, Vlan(0x8909, Frame{1, 2, 0, 1, 0, 17, 0, 1, 0, 18, 8, 0} + inner))},
      {"vn_tag", Ethernet(0x8926, Zeros(4) + Big16(0x0800) + inner)},
      {"macsec_signed", Ethernet(0x88e5, Frame{0, 0, 0, 0, 0, 1} + Big16(0x0800) + inner + Zeros(16))},
      {"macsec_signed_with_channel", Ethernet(0x88e5, Frame{0x20, 0, 0, 0, 0, 1} + Zeros(8) + Big16(0x0800) + inner + Zeros(16))},
      {"macsec_signed_and_padded", Ethernet(0x88e5, Frame{0, static_cast<std::uint8_t>(2 + inner.size()), 0, 0, 0, 1} + Big16(0x0800) + inner + Zeros(40))},
      {"backbone", Ethernet(0x88e7, Zeros(4) + frame)},
      {"mpls", Ethernet(0x8847, Mpls(false, Mpls(true, inner)))},
      {"mpls_pseudowire", Ethernet(0x8847, Mpls(true, Zeros(4) + frame))},
      {"pppoe", Ethernet(0x8864, Pppoe(0x0021, inner))},
      {"gre", Ethernet(0x0800, Ipv4(47, Gre(0x0800, inner)))},
      {"gre_key_and_sequence", Ethernet(0x0800, Ipv4(47, Big16(0x3000) + Big16(0x0800) + Zeros(8) + inner))},
      {"gre_ethernet", Ethernet(0x0800, Ipv4(47, Gre(0x6558, frame)))},
      {"pptp", Ethernet(0x0800, Ipv4(47, Big16(0x3081) + Big16(0x880b) + Zeros(12) + Big16(0x0021) + inner))},
      {"erspan", Ethernet(0x0800, Ipv4(47, Big16(0x1000) + Big16(0x88be) + Zeros(4) + Zeros(8) + frame))},
      {"erspan3", Ethernet(0x0800, Ipv4(47, Big16(0x1000) + Big16(0x22eb) + Zeros(4) + Zeros(12) + frame))},
      {"erspan3_with_subheader", Ethernet(0x0800, Ipv4(47, Big16(0x1000) + Big16(0x22eb) + Zeros(4) + Zeros(11) + Frame{1} + Zeros(8) + frame))},
      {"ipip", Ethernet(0x0800, Ipv4(4, inner))},
      {"4in6", Ethernet(0x86dd, Ipv6(4, inner))},
      {"vxlan", Ethernet(0x0800, Ipv4(17, Udp(50000, 4789, Vxlan(frame))))},
      {"vxlan_of_linux", Ethernet(0x0800, Ipv4(17, Udp(50000, 8472, Vxlan(frame))))},
      {"vxlan_with_group_policy", Ethernet(0x0800, Ipv4(17, Udp(50000, 4789, Frame{0x88, 0, 0, 1, 0, 0, 9, 0} + frame)))},
      {"geneve", Ethernet(0x0800, Ipv4(17, Udp(50000, 6081, Geneve(frame))))},
      {"gtp", Ethernet(0x0800, Ipv4(17, Udp(2152, 2152, GtpU(inner))))},
      {"gtp_with_extension", Ethernet(0x0800, Ipv4(17, Udp(2152, 2152, Frame{0x34, 255} + Zeros(6) + Frame{0, 0, 0, 0x85, 1, 0, 0, 0} + inner)))},
      {"6in4_with_options", Ethernet(0x0800, Ipv4(41, hop_by_hop))},
      {"authentication", Ethernet(0x0800, Ipv4(51, Frame{17, 4} + Zeros(22) + Udp(1111, 2222, Zeros(5))))},
  };
}

class EverySeed : public testing::TestWithParam<Case> {};

TEST_P(EverySeed, LeadsToTheInnermostPacket) {
  const Decoded decoded = Decode(GetParam().second);
  ASSERT_EQ(decoded.outcome, Outcome::kAccepted);
  EXPECT_EQ(decoded.packet.key.port_a, 1111);
  EXPECT_EQ(decoded.packet.key.port_b, 2222);
  EXPECT_EQ(decoded.packet.key.protocol, kProtocolUdp);
  EXPECT_EQ(decoded.packet.payload, 5u);
  EXPECT_EQ(decoded.packet.header, 8u);
  EXPECT_FALSE(decoded.packet.is_from_b);
}

TEST_P(EverySeed, CutAtEveryByteHasAnOutcomeAndReadsNothingBeyond) {
  const Frame& whole = GetParam().second;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Frame cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    const Decoded decoded = Decode(cut, kLinkEthernet, whole.size());
    EXPECT_EQ(decoded.odd.Of(Oddity::kCutPacket), 1u);
    if (size == 0) {
      EXPECT_EQ(decoded.outcome, Outcome::kZeroLength);
    } else if (size < 14) {
      EXPECT_EQ(decoded.outcome, Outcome::kShortL2);
    } else if (decoded.outcome == Outcome::kAccepted) {
      EXPECT_LE(decoded.packet.payload, whole.size());
    } else {
      EXPECT_TRUE(decoded.outcome == Outcome::kShortL2 || decoded.outcome == Outcome::kShortL3 || decoded.outcome == Outcome::kShortL4)
          << "cut at " << size << ": " << static_cast<int>(decoded.outcome);
    }
  }
}

TEST_P(EverySeed, WithAnyByteChangedHasAnOutcome) {
  for (std::size_t at = 0; at < GetParam().second.size(); ++at) {
    for (int value = 0; value < 256; value += 15) {
      Frame changed = GetParam().second;
      changed[at] = static_cast<std::uint8_t>(value);
      const Decoded decoded = Decode(changed);
      EXPECT_LT(static_cast<std::size_t>(decoded.outcome), kOutcomes);
      if (decoded.outcome == Outcome::kAccepted) {
        EXPECT_LE(decoded.packet.ip_bytes, changed.size());
        EXPECT_LE(decoded.packet.payload + decoded.packet.header, decoded.packet.ip_bytes);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Decoder, EverySeed, testing::ValuesIn(Seeds()), [](const auto& one) { return one.param.first; });

using Wrap = std::function<Frame(int, const Frame&)>;
using Nesting = std::pair<std::string, Wrap>;

// Wraps `depth` levels of one kind around the innermost packet.
Frame Repeat(int depth, const Frame& inner, const std::function<Frame(const Frame&)>& wrap) {
  Frame nested = inner;
  for (int level = 0; level < depth; ++level) {
    nested = wrap(nested);
  }
  return nested;
}

std::vector<Nesting> Nestings() {
  const auto in_ipv4 = [](std::uint8_t protocol, const Frame& rest) { return Ipv4(protocol, rest); };
  return {
      {"vlan",
       [](int depth, const Frame& inner) {
         Frame tags = Vlan(0x0800, inner);
         for (int level = 1; level < depth; ++level) {
           tags = Vlan(0x8100, tags);
         }
         return Ethernet(0x8100, tags);
       }},
      {"mpls",
       [](int depth, const Frame& inner) {
         Frame labels = Mpls(true, inner);
         for (int level = 1; level < depth; ++level) {
           labels = Mpls(false, labels);
         }
         return Ethernet(0x8847, labels);
       }},
      {"ipip", [=](int depth, const Frame& inner) { return Ethernet(0x0800, Repeat(depth, inner, [=](const Frame& f) { return in_ipv4(4, f); })); }},
      {"gre",
       [=](int depth, const Frame& inner) {
         return Ethernet(0x0800, Repeat(depth, inner, [=](const Frame& f) { return in_ipv4(47, Gre(0x0800, f)); }));
       }},
      {"vxlan",
       [=](int depth, const Frame& inner) {
         return Repeat(depth, Ethernet(0x0800, inner), [=](const Frame& f) { return Ethernet(0x0800, in_ipv4(17, Udp(50000, 4789, Vxlan(f)))); });
       }},
      {"geneve",
       [=](int depth, const Frame& inner) {
         return Repeat(depth, Ethernet(0x0800, inner), [=](const Frame& f) { return Ethernet(0x0800, in_ipv4(17, Udp(50000, 6081, Geneve(f)))); });
       }},
      {"gtp",
       [=](int depth, const Frame& inner) {
         return Ethernet(0x0800, Repeat(depth, inner, [=](const Frame& f) { return in_ipv4(17, Udp(2152, 2152, GtpU(f))); }));
       }},
      {"6in4_and_4in6",
       [=](int depth, const Frame& inner) {
         Frame nested = inner;
         for (int level = 0; level < depth; ++level) {
           nested = nested[0] >> 4 == 4 ? Ipv6(4, nested) : Ipv4(41, nested);
         }
         return Ethernet(nested[0] >> 4 == 4 ? 0x0800 : 0x86dd, nested);
       }},
  };
}

class EveryNesting : public testing::TestWithParam<Nesting> {};

TEST_P(EveryNesting, IsFollowedForEightLevelsAndNamedBeyond) {
  for (int depth = 1; depth <= 64; ++depth) {
    const Decoded decoded = Decode(GetParam().second(depth, Innermost()));
    if (depth <= kMostLevels) {
      ASSERT_EQ(decoded.outcome, Outcome::kAccepted) << "depth " << depth;
      EXPECT_EQ(decoded.packet.key.port_b, 2222) << "depth " << depth;
    } else {
      EXPECT_EQ(decoded.outcome, Outcome::kNest) << "depth " << depth;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Decoder, EveryNesting, testing::ValuesIn(Nestings()), [](const auto& one) {
  return "of_" + one.param.first;
});

struct Broken {
  std::string name;
  Frame frame;
  Outcome outcome;
};

Frame WithByte(Frame frame, std::size_t at, std::uint8_t value) {
  frame[at] = value;
  return frame;
}

// Packets that are not what they should be; the comment is what somebody could gain by them.
std::vector<Broken> Catalogue() {
  const Frame tcp = Ethernet(0x0800, Ipv4(6, Tcp(1, 2, kTcpSyn, Zeros(4))));
  return {
      // hide behind a header length that is too small to hold the addresses
      {"ipv4_header_of_16_bytes", WithByte(tcp, 14, 0x44), Outcome::kDecodeError},
      // hide behind options that reach beyond the packet
      {"ipv4_header_beyond_the_packet", WithByte(Ethernet(0x0800, Ipv4(6, Zeros(4))), 14, 0x4f), Outcome::kDecodeError},
      // claim to be IPv4 in the frame and another version in the header
      {"ip_version_5", WithByte(tcp, 14, 0x55), Outcome::kDecodeError},
      // a total length below the header would make the payload negative
      {"ipv4_total_length_below_header", WithByte(tcp, 17, 10), Outcome::kDecodeError},
      // a TCP header shorter than TCP
      {"tcp_offset_4", WithByte(tcp, 46, 0x40), Outcome::kDecodeError},
      // a TCP header longer than its packet would make the payload negative
      {"tcp_offset_beyond_the_packet", WithByte(tcp, 46, 0xf0), Outcome::kDecodeError},
      // a first fragment too small to carry ports, so that filters see none (RFC 1858)
      {"tiny_first_fragment", Ethernet(0x0800, Ipv4(6, Zeros(8), 0x2000)), Outcome::kShortL4},
      // a fragment whose beginning was never sent
      {"later_fragment_alone", Ethernet(0x0800, Ipv4(6, Zeros(64), 0x0008)), Outcome::kFragment},
      // a chain of headers to make a decoder run long
      {"ipv6_extension_chain",
       Ethernet(0x86dd, Ipv6(60, Repeat(kMostExtensionHeaders + 1, Frame{}, [](const Frame& f) { return Frame{60, 0, 1, 4, 0, 0, 0, 0} + f; }))),
       Outcome::kDecodeError},
      // an extension header that claims 2 KiB
      {"ipv6_extension_beyond_the_packet", Ethernet(0x86dd, Ipv6(0, Frame{17, 255, 0, 0, 0, 0, 0, 0})), Outcome::kShortL3},
      {"arp", Ethernet(0x0806, Zeros(28)), Outcome::kNonIp},
      {"llc", Ethernet(0x0026, Zeros(38)), Outcome::kNonIp},
      {"pppoe_discovery", Ethernet(0x8863, Zeros(20)), Outcome::kNonIp},
      {"pppoe_link_control", Ethernet(0x8864, Pppoe(0xc021, Zeros(8))), Outcome::kNonIp},
      {"ethernet_alone", Ethernet(0x0800, {}), Outcome::kShortL3},
      {"vlan_cut", Ethernet(0x8100, {0, 1}), Outcome::kShortL2},
      {"udp_cut", Ethernet(0x0800, Ipv4(17, Zeros(7))), Outcome::kShortL4},
      {"icmp_cut", Ethernet(0x0800, Ipv4(1, Zeros(3))), Outcome::kShortL4},
  };
}

class EveryBroken : public testing::TestWithParam<Broken> {};

TEST_P(EveryBroken, IsSetAsideUnderItsName) { EXPECT_EQ(Decode(GetParam().frame).outcome, GetParam().outcome); }

INSTANTIATE_TEST_SUITE_P(Decoder, EveryBroken, testing::ValuesIn(Catalogue()), [](const auto& one) { return one.param.name; });

TEST(Decoder, WhatATunnelCarriesWithoutIpStaysWithTheTunnel) {
  const Decoded arp = Decode(Ethernet(0x0800, Ipv4(17, Udp(50000, 4789, Vxlan(Ethernet(0x0806, Zeros(28)))))));
  EXPECT_EQ(arp.outcome, Outcome::kAccepted);
  EXPECT_EQ(arp.packet.key.port_b, 50000 > 4789 ? 4789 : 50000);
  const Decoded gre = Decode(Ethernet(0x0800, Ipv4(47, Gre(0x0806, Zeros(28)))));
  EXPECT_EQ(gre.outcome, Outcome::kAccepted);
  EXPECT_EQ(gre.packet.key.protocol, 47);
}

TEST(Decoder, AUdpPortThatOnlySuggestsATunnelIsPlainUdp) {
  for (const std::size_t port : {4789u, 6081u, 2152u, 3544u}) {
    const Decoded decoded = Decode(Ethernet(0x0800, Ipv4(17, Udp(999, port, Frame(40, 0xff)))));
    ASSERT_EQ(decoded.outcome, Outcome::kAccepted);
    EXPECT_EQ(decoded.packet.key.port_a, 999);
    EXPECT_EQ(decoded.packet.payload, 40u);
  }
}

TEST(Decoder, TeredoIsKnownByItsAddressOnAnyPort) {
  Frame inner = Ipv6(17, Udp(1111, 2222, Zeros(5)));
  inner[8] = 0x20;
  inner[9] = 0x01;
  inner[10] = inner[11] = 0;
  EXPECT_EQ(Decode(Ethernet(0x0800, Ipv4(17, Udp(7, 9, inner)))).packet.key.ip_version, 6);
  const Frame origin = Frame{0, 0, 1, 2, 3, 4, 5, 6};
  EXPECT_EQ(Decode(Ethernet(0x0800, Ipv4(17, Udp(3544, 9, origin + inner)))).packet.key.ip_version, 6);
}

Frame LittleWord(std::size_t value) { return {static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(value >> 8)}; }

// The same packet behind each kind of link header.
std::vector<std::pair<std::uint32_t, Frame>> Links() {
  const Frame inner = Innermost();
  const Frame snap = Frame{0xaa, 0xaa, 3, 0, 0, 0} + Big16(0x0800) + inner;
  const Frame wireless = Frame{0x08, 0x02} + Zeros(22) + snap;
  const Frame wireless_qos = Frame{0x88, 0x03} + Zeros(22) + Zeros(6) + Zeros(2) + snap;
  const Frame wireless_padded = Frame{0x88, 0x02} + Zeros(22) + Zeros(2) + Zeros(2) + snap;
  return {
      {kLinkRaw, inner},
      {kLinkRawBsd, inner},
      {kLinkIpv4, inner},
      {kLinkNull, Frame{2, 0, 0, 0} + inner},
      {kLinkNull, Frame{0, 0, 0, 2} + inner},
      {kLinkLoop, Frame{0, 0, 0, 2} + inner},
      {kLinkLinuxSll, Zeros(14) + Big16(0x0800) + inner},
      {kLinkLinuxSll2, Big16(0x0800) + Zeros(18) + inner},
      {kLinkPpp, Big16(0xff03) + Big16(0x0021) + inner},
      {kLinkEthernet, Ethernet(snap.size(), snap)},
      {kLinkAtmRfc1483, snap},
      {kLinkPppHdlc, Big16(0xff03) + Big16(0x0021) + inner},
      {kLinkPppHdlc, Big16(0x0f00) + Big16(0x0800) + inner},
      {kLinkPppEther, Pppoe(0x0021, inner)},
      {kLinkPppWithDirection, Big16(0x0103) + Big16(0x0021) + inner},
      {kLinkPppWithDirection, Big16(0x0000) + Big16(0x0021) + inner},
      {kLinkCiscoHdlc, Big16(0x0f00) + Big16(0x0800) + inner},
      {kLinkEnc, Frame{2, 0, 0, 0} + Zeros(8) + inner},
      {kLinkPflog, Frame{61, 2} + Zeros(62) + inner},
      {kLinkNflog, Frame{2, 0, 0, 0} + LittleWord(7) + LittleWord(10) + Zeros(4) + LittleWord(4 + inner.size()) + LittleWord(9) + inner},
      {kLinkIeee80211, wireless},
      {kLinkIeee80211, wireless_qos},
      {kLinkRadiotap, Frame{0, 0} + LittleWord(8) + Zeros(4) + wireless},
      // time and flags present, in a second word of fields too; the header is padded to four bytes
      {kLinkRadiotap, Frame{0, 0} + LittleWord(25) + Frame{3, 0, 0, 0x80} + Zeros(4) + Zeros(4) + Zeros(8) + Frame{0x20} + wireless_padded},
  };
}

TEST(Decoder, LinkHeadersCutAtEveryByteHaveAnOutcome) {
  for (const auto& [link_type, whole] : Links()) {
    for (std::size_t size = 1; size < whole.size(); ++size) {
      const Decoded decoded = Decode(Frame(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)), link_type, whole.size());
      const bool is_short = decoded.outcome >= Outcome::kShortL2 && decoded.outcome <= Outcome::kShortL4;
      EXPECT_TRUE(is_short || decoded.outcome == Outcome::kAccepted || decoded.outcome == Outcome::kNonIp) << link_type << " cut at " << size;
    }
  }
}

TEST(Decoder, LinkHeadersWithAnyByteChangedHaveAnOutcome) {
  for (const auto& [link_type, whole] : Links()) {
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (int value = 0; value < 256; value += 15) {
        Frame changed = whole;
        changed[at] = static_cast<std::uint8_t>(value);
        EXPECT_LT(static_cast<std::size_t>(Decode(changed, link_type).outcome), kOutcomes);
      }
    }
  }
}

TEST(Decoder, WirelessFramesWithoutReadableDataLeadToNoIp) {
  const Frame rest = Zeros(22) + Frame{0xaa, 0xaa, 3, 0, 0, 0} + Big16(0x0800) + Innermost();
  EXPECT_EQ(Decode(Frame{0x80, 0x00} + rest, kLinkIeee80211).outcome, Outcome::kNonIp);  // a beacon
  EXPECT_EQ(Decode(Frame{0x48, 0x00} + rest, kLinkIeee80211).outcome, Outcome::kNonIp);  // data without data
  EXPECT_EQ(Decode(Frame{0x08, 0x40} + rest, kLinkIeee80211).outcome, Outcome::kNonIp);  // encrypted
}

TEST(Decoder, LinkTypesLeadToTheSamePacket) {
  const Frame inner = Innermost();
  for (const auto& [link_type, frame] : Links()) {
    const Decoded decoded = Decode(frame, link_type);
    ASSERT_EQ(decoded.outcome, Outcome::kAccepted) << link_type;
    EXPECT_EQ(decoded.packet.key.port_b, 2222) << link_type;
  }
  EXPECT_EQ(Decode(inner, 9999).outcome, Outcome::kUnknownLink);
}

TEST(Decoder, PaddingBehindTheIpPacketIsNoPayload) {
  EXPECT_EQ(Decode(Ethernet(0x0800, Ipv4(6, Tcp(1, 2, kTcpAck, {}))) + Zeros(6)).packet.payload, 0u);
}

TEST(Decoder, ACutPacketCountsWithItsLengthOnTheWire) {
  Frame frame = Ethernet(0x0800, Ipv4(6, Tcp(1, 2, kTcpAck, Zeros(1000))));
  const std::size_t wire_bytes = frame.size();
  frame.resize(96);
  const Decoded decoded = Decode(frame, kLinkEthernet, wire_bytes);
  EXPECT_EQ(decoded.outcome, Outcome::kAccepted);
  EXPECT_EQ(decoded.packet.ip_bytes, 1040u);
  EXPECT_EQ(decoded.packet.payload, 1000u);
}

TEST(Decoder, ALengthBeyondTheFrameIsCountedAndTheFrameBelieved) {
  const Decoded decoded = Decode(WithByte(Ethernet(0x0800, Ipv4(17, Udp(1, 2, Zeros(10)))), 16, 0xff));
  EXPECT_EQ(decoded.outcome, Outcome::kAccepted);
  EXPECT_EQ(decoded.packet.ip_bytes, 38u);
  EXPECT_EQ(decoded.odd.Of(Oddity::kNetworkLength), 1u);
}

TEST(Decoder, ALengthOfZeroIsSegmentationOffload) {
  Frame frame = Ethernet(0x0800, Ipv4(6, Tcp(1, 2, kTcpAck, Zeros(3000))));
  frame[16] = frame[17] = 0;
  EXPECT_EQ(Decode(frame).packet.ip_bytes, 3040u);
  EXPECT_EQ(Decode(frame).odd.Of(Oddity::kNetworkLength), 0u);
}

TEST(Decoder, AnOffloadedFrameBeyondWhatIpCanSayIsNamed) {
  Frame frame = Ethernet(0x0800, Ipv4(6, Tcp(1, 2, kTcpAck, Zeros(100'000))));
  frame[16] = frame[17] = 0;
  const Decoded decoded = Decode(frame);
  EXPECT_EQ(decoded.packet.ip_bytes, 65'535u);
  EXPECT_EQ(decoded.odd.Of(Oddity::kNetworkLength), 1u);
}

}  // namespace
}  // namespace weir
