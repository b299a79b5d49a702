#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "decode/checksum.h"
#include "decode/decoder.h"
#include "frames.h"
#include "link_type.h"

namespace weir {
namespace {

using test::Big16;
using test::Big32;
using test::Frame;
using test::Zeros;
using test::operator+;

constexpr std::size_t kIpAt = 14;
constexpr std::uint8_t kSource6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

// RFC 1071 as its text says it, word by word.
std::size_t Checksum(const Frame& bytes) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? bytes[i] * 256u : bytes[i];
  }
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return ~sum & 0xffff;
}

Frame WithBig16(Frame frame, std::size_t at, std::size_t value) {
  frame[at] = static_cast<std::uint8_t>(value >> 8);
  frame[at + 1] = static_cast<std::uint8_t>(value);
  return frame;
}

struct Ip4 {
  std::uint32_t source = 0x0a000001;
  std::uint32_t destination = 0x0a000002;
  std::uint8_t ttl = 64;
  std::size_t fragment = 0;
  Frame options = {};
};

// An IPv4 packet in a frame; the header's checksum is right.
Frame In4(std::uint8_t protocol, const Frame& rest, const Ip4& ip = {}) {
  const std::size_t header_bytes = 20 + ip.options.size();
  const Frame header = Frame{static_cast<std::uint8_t>(0x40 + header_bytes / 4), 0} + Big16(header_bytes + rest.size()) + Big16(7) + Big16(ip.fragment) +
                 Frame{ip.ttl, protocol, 0, 0} + Big32(ip.source) + Big32(ip.destination) + ip.options;
  return Zeros(12) + Big16(0x0800) + WithBig16(header, 10, Checksum(header)) + rest;
}

Frame In6(std::uint8_t next, const Frame& rest) {
  const Frame source(std::begin(kSource6), std::end(kSource6));
  Frame destination = source;
  destination[15] = 2;
  return Zeros(12) + Big16(0x86dd) + Frame{0x60, 0, 0, 0} + Big16(rest.size()) + Frame{next, 64} + source + destination + rest;
}

Frame Pseudo4(std::uint8_t protocol, std::size_t size, const Ip4& ip) { return Big32(ip.source) + Big32(ip.destination) + Frame{0, protocol} + Big16(size); }

Frame Udp4(const Frame& rest, const Ip4& ip = {}, std::size_t destination_port = 53) {
  const Frame udp = test::Udp(4000, destination_port, rest);
  return In4(17, WithBig16(udp, 6, Checksum(Pseudo4(17, udp.size(), ip) + udp)), ip);
}

Frame Tcp4(std::uint8_t flags, const Frame& rest = {}, const Ip4& ip = {}, std::size_t port = 4000) {
  const Frame tcp = test::Tcp(port, 80, flags, rest);
  return In4(6, WithBig16(tcp, 16, Checksum(Pseudo4(6, tcp.size(), ip) + tcp)), ip);
}

Frame WithFlipped(Frame frame, std::size_t at, std::uint8_t bits = 0x01) {
  frame[at] ^= bits;
  return frame;
}

// The names counted for frames that one decoder sees in turn, in order, each as often as it was.
std::vector<std::string> OddNames(const std::vector<Frame>& frames, std::uint8_t* layers = nullptr, std::uint32_t link_type = kLinkEthernet) {
  Counts counts;
  Decoder decoder(kIdentitySeed, &counts);
  Packet packet{};
  for (const Frame& frame : frames) {
    const auto exact = std::make_unique<std::uint8_t[]>(frame.size());
    std::ranges::copy(frame, exact.get());
    const auto size = static_cast<std::uint32_t>(frame.size());
    const Record record{.bytes = {exact.get(), size}, .wire_bytes = size, .link_type = link_type, .time_us = 1, .rest_ns = 0, .offset = 24, .is_time_odd = false};
    decoder.Decode(record, &packet);
  }
  if (layers != nullptr) {
    *layers = packet.odd_layers;
  }
  std::vector<std::string> names;
  for (const auto& [name, count] : counts.Named()) {
    if (name.starts_with("odd_")) {
      names.insert(names.end(), count, name.substr(4));
    }
  }
  return names;
}

using Names = std::vector<std::string>;

TEST(Oddities, SoundPacketsHaveNone) {
  const Ip4 loopback{.source = 0x7f000001, .destination = 0x7f000001};
  const Ip4 dhcp{.source = 0, .destination = 0xffffffff};
  const Ip4 options{.options = {148, 4, 0, 0}};  // router alert
  for (std::size_t size = 0; size < 300; ++size) {
    EXPECT_EQ(OddNames({Udp4(Frame(size, 0xa7)), Tcp4(0x18, Frame(size, 0xff))}), Names{}) << size;
  }
  EXPECT_EQ(OddNames({Tcp4(0x02), Tcp4(0x12), Tcp4(0x11), Tcp4(0x04), Tcp4(0x14), Tcp4(0xc2), Udp4(Zeros(1400)), Udp4({}, loopback), Udp4({}, dhcp), Udp4({}, options)}),
            Names{});
  EXPECT_EQ(OddNames({Udp4({}) + Zeros(18), Udp4({}) + Zeros(22)}), Names{});  // padding; and a frame check
  EXPECT_EQ(OddNames({WithBig16(In4(17, WithBig16(test::Udp(4000, 53, Zeros(9)), 4, 0)), kIpAt + 2, 0)}), Names{});  // lengths left to the card
}

TEST(Oddities, OnTheLoopbackInterfaceAMachineIsItsOwnSource) {
  const Frame frame = Udp4({}, {.destination = 0x0a000001});
  const Frame packet(frame.begin() + kIpAt, frame.end());
  const auto sll = [&packet](std::size_t hardware) { return Zeros(2) + Big16(hardware) + Zeros(10) + Big16(0x0800) + packet; };
  const auto sll2 = [&packet](std::size_t hardware) { return Big16(0x0800) + Zeros(6) + Big16(hardware) + Zeros(10) + packet; };
  EXPECT_EQ(OddNames({frame}), Names{});
  EXPECT_EQ(OddNames({sll(772)}, nullptr, kLinkLinuxSll), Names{});
  EXPECT_EQ(OddNames({sll2(772)}, nullptr, kLinkLinuxSll2), Names{});
  EXPECT_EQ(OddNames({Frame{2, 0, 0, 0} + packet}, nullptr, kLinkNull), Names{});
  EXPECT_EQ(OddNames({sll(1)}, nullptr, kLinkLinuxSll), Names{"network_land"});
  EXPECT_EQ(OddNames({sll2(1)}, nullptr, kLinkLinuxSll2), Names{"network_land"});
  EXPECT_EQ(OddNames({packet}, nullptr, kLinkRaw), Names{"network_land"});
}

TEST(Oddities, TheCheckValueOfASignedFrameIsNoTrailer) {
  const Frame frame = Udp4(Zeros(60));
  const Frame behind(frame.begin() + kIpAt - 2, frame.end());
  const Frame tagged = Zeros(12) + Big16(0x88e5) + Frame{0, 0, 0, 0, 0, 1} + behind;
  EXPECT_EQ(OddNames({tagged + Zeros(16)}), Names{});
  EXPECT_EQ(OddNames({tagged + Zeros(16 + 9)}), Names{"link_trailer"});
  const Frame small = Udp4({});
  const Frame padded = Zeros(12) + Big16(0x88e5) + Frame{0, 30, 0, 0, 0, 1} + Frame(small.begin() + kIpAt - 2, small.end()) + Zeros(16 + 20);
  EXPECT_EQ(OddNames({padded}), Names{});
}

TEST(Oddities, AChangedBitAnywhereInTheTransportIsAWrongChecksum) {
  for (const std::size_t size : {1u, 2u, 31u, 64u, 97u, 128u, 255u, 1400u}) {
    const Frame udp = Udp4(Frame(size, 0x5a));
    for (std::size_t at = kIpAt + 28; at < udp.size(); ++at) {
      ASSERT_EQ(OddNames({WithFlipped(udp, at, 0x80)}), Names{"transport_checksum"}) << size << " at " << at;
    }
  }
}

TEST(Oddities, SumsOfAnyBytesAreThoseOfTheDefinition) {
  Frame bytes;
  for (std::size_t size = 0; size < 700; ++size) {
    const std::uint64_t sum = BigWordSum(bytes) % 0xffff;
    EXPECT_EQ(sum, (~Checksum(bytes) & 0xffff) % 0xffff) << size;
    bytes.push_back(static_cast<std::uint8_t>(size * 167 + (size >> 3)));
  }
  EXPECT_EQ(BigWordSum(Frame(65'535, 0xff)) % 0xffff, 0xff00u);
}

struct Case {
  std::string name;  // of the oddity
  std::vector<Frame> frames;
  std::string what = "";  // tells cases of one name apart
};

// One way at least to each name, and no other name with it.
std::vector<Case> Cases() {
  const Frame sound = Udp4(Zeros(32));
  const Frame fragment = In4(17, test::Udp(1, 2, Zeros(24)), {.fragment = 0x2000});
  const auto in_options = [](const Frame& options) { return Udp4({}, {.options = options}); };
  const auto route6 = [](std::uint8_t type) { return In6(43, Frame{17, 0, type, 0} + Zeros(4) + test::Udp(1, 2, {})); };
  return {
      {"link_source", {WithFlipped(sound, 6)}},
      {"link_length", {Zeros(12) + Big16(900) + Frame(40, 0x42)}, "beyond"},
      {"link_length", {Zeros(12) + Big16(1501) + Frame(1501, 0x42)}, "that_none_has"},
      {"link_trailer", {Udp4(Zeros(30)) + Zeros(9)}},
      {"network_checksum", {WithFlipped(sound, kIpAt + 1)}},
      {"network_reserved_flag", {Udp4(Zeros(8), {.fragment = 0x8000})}},
      {"network_ttl", {Udp4(Zeros(8), {.ttl = 0})}},
      {"network_address", {Udp4({}, {.source = 0xe0000001})}, "group_source"},
      {"network_address", {Udp4({}, {.source = 0xffffffff})}, "broadcast_source"},
      {"network_address", {Udp4({}, {.source = 0x7f000001})}, "loopback_source"},
      {"network_address", {Udp4({}, {.destination = 0x7f000001})}, "loopback_destination"},
      {"network_address", {Udp4({}, {.destination = 0})}, "to_nobody"},
      {"network_land", {WithFlipped(Udp4({}, {.destination = 0x0a000001}), 11, 0x01)}},
      {"network_options", {in_options({7, 9, 4, 0})}, "beyond_header"},
      {"network_options", {in_options({7, 1, 4, 0})}, "too_short"},
      {"network_options", {In4(17, test::Udp(4000, 53, {}), {.options = {131, 7, 4, 10, 0, 0, 9, 0}})}, "source_route"},
      {"network_extensions", {In6(60, Frame{0, 0, 1, 4, 0, 0, 0, 0} + Frame{17, 0, 1, 4, 0, 0, 0, 0} + test::Udp(1, 2, {}))}, "hop_by_hop_late"},
      {"network_extensions", {In6(0, Frame{0, 0, 1, 4, 0, 0, 0, 0} + Frame{17, 0, 1, 4, 0, 0, 0, 0} + test::Udp(1, 2, {}))}, "twice"},
      {"network_extensions", {route6(0)}, "routing_0"},
      {"network_fragment", {In4(17, test::Udp(1, 2, Zeros(21)), {.fragment = 0x2000})}, "uneven"},
      {"network_fragment", {In4(6, Zeros(16), {.fragment = 0x2000})}, "tiny"},
      {"network_fragment", {In4(17, Zeros(400), {.fragment = 0x1fff})}, "beyond_any_datagram"},
      {"network_fragment_overlap", {fragment, In4(17, Zeros(8), {.fragment = 0x0003})}},
      {"network_fragment_overlap", {fragment, fragment}, "again"},
      {"transport_checksum", {WithFlipped(sound, sound.size() - 1)}},
      {"transport_checksum", {WithFlipped(Tcp4(0x18, Zeros(200)), kIpAt + 60)}, "tcp"},
      {"transport_checksum", {In4(1, Frame{8, 0, 1, 1} + Zeros(4))}, "icmp"},
      {"transport_checksum", {In6(58, Frame{128, 0, 1, 1} + Zeros(4))}, "icmp6"},
      {"transport_length", {In4(17, test::Udp(1, 2, {}) + Zeros(5))}, "udp_shorter_than_ip"},
      {"transport_length", {In4(17, WithBig16(test::Udp(1, 2, Zeros(9)), 4, 99))}, "udp_longer_than_ip"},
      {"transport_length", {In4(17, WithBig16(test::Udp(1, 2, Zeros(9)), 4, 0))}, "udp_without_length"},
      {"transport_length", {In4(6, WithFlipped(test::Tcp(1, 2, 0x10, {}), 12, 0x20))}, "tcp_header_beyond"},
      {"transport_port", {Udp4({}, {}, 0)}, "udp"},
      {"transport_port", {Tcp4(0x10, {}, {}, 0)}, "tcp"},
      {"transport_null", {Tcp4(0)}},
      {"transport_xmas", {Tcp4(0x39)}},
      {"transport_syn_fin", {Tcp4(0x13)}},
      {"transport_syn_rst", {Tcp4(0x06)}},
      {"transport_fin_alone", {Tcp4(0x01)}},
      {"transport_syn_payload", {Tcp4(0x02, Zeros(5))}},
      {"checksum_offload", {In4(17, WithBig16(test::Udp(4000, 53, Zeros(9)), 6, ~Checksum(Pseudo4(17, 17, {})) & 0xffff))}},
  };
}

class EveryOddity : public testing::TestWithParam<Case> {};

TEST_P(EveryOddity, IsCountedUnderItsNameAlone) { EXPECT_EQ(OddNames(GetParam().frames), Names{GetParam().name}); }

TEST_P(EveryOddity, MarksThePacketsLayer) {
  std::uint8_t layers = 0;
  OddNames(GetParam().frames, &layers);
  const std::string& name = GetParam().name;
  const bool is_set_aside = GetParam().what == "tiny" || GetParam().what == "beyond_any_datagram" || GetParam().what == "tcp_header_beyond" || name == "link_length";
  const int wanted = name.starts_with("link") ? 1 : name.starts_with("network") ? 2 : name.starts_with("transport") ? 4 : 0;
  if (!is_set_aside) {
    EXPECT_EQ(layers, wanted);
  }
}

INSTANTIATE_TEST_SUITE_P(Oddities, EveryOddity, testing::ValuesIn(Cases()), [](const auto& one) {
  return one.param.what.empty() ? one.param.name : one.param.name + "_" + one.param.what;
});

TEST(Oddities, ReservedTcpBitsAreCounted) {
  Frame tcp = test::Tcp(4000, 80, 0x10, {});
  tcp[12] |= 0x04;
  const Frame sound = WithBig16(tcp, 16, Checksum(Pseudo4(6, tcp.size(), {}) + tcp));
  EXPECT_EQ(OddNames({In4(6, sound)}), Names{"transport_reserved"});
}

TEST(Oddities, WhatCannotBeCheckedIsNotCounted) {
  const Frame broken = WithFlipped(Tcp4(0x18, Zeros(400)), 300);
  EXPECT_EQ(OddNames({WithBig16(Udp4(Zeros(9)), kIpAt + 26, 0)}), Names{});  // UDP without a checksum
  EXPECT_EQ(OddNames({WithBig16(WithBig16(broken, kIpAt + 2, 0), kIpAt + 10, 0)}), Names{});  // segmentation offload
  EXPECT_EQ(OddNames({In4(17, test::Udp(1, 2, Zeros(24)), {.fragment = 0x2000}), In4(17, Zeros(8), {.fragment = 0x0004})}), Names{});
}

}  // namespace
}  // namespace weir
