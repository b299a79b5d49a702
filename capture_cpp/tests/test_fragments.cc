#include "decode/fragments.h"

#include <gtest/gtest.h>

#include <vector>

#include "decode/decoder.h"
#include "frames.h"
#include "link_type.h"
#include "options.h"

namespace weir {
namespace {

using test::Big16;
using test::Ethernet;
using test::Frame;
using test::Ipv4;
using test::Ipv6;
using test::Udp;
using test::Zeros;
using test::operator+;

// Decodes frames one after the other; a frame's number is its time in microseconds.
class Sequence {
 public:
  Outcome Decode(const Frame& frame, std::int64_t time_us) {
    const auto size = static_cast<std::uint32_t>(frame.size());
    return decoder_.Decode({.bytes = frame, .wire_bytes = size, .link_type = kLinkEthernet, .time_us = time_us, .rest_ns = 0, .offset = 24, .is_time_odd = false},
                           &packet_);
  }
  const Packet& packet() const { return packet_; }
  std::vector<Packet> TakeFoundLate() { return decoder_.TakeFoundLate(); }

 private:
  Counts odd_;
  Decoder decoder_{kIdentitySeed, &odd_};
  Packet packet_{};
};

// The two fragments of a datagram.
Frame First() { return Ethernet(0x0800, Ipv4(17, Udp(1111, 2222, Zeros(56)), 0x2000)); }
Frame Later() { return Ethernet(0x0800, Ipv4(17, Zeros(64), 0x0008)); }

TEST(Fragments, LaterOnesJoinTheFlowOfTheFirst) {
  Sequence sequence;
  const Frame first = First();
  const Frame later = Later();
  EXPECT_EQ(sequence.Decode(later, 0), Outcome::kFragment);
  EXPECT_EQ(sequence.Decode(first, 1), Outcome::kAccepted);
  EXPECT_EQ(sequence.packet().captured.size(), 56u);
  EXPECT_EQ(sequence.Decode(later, 2), Outcome::kAccepted);
  EXPECT_EQ(sequence.packet().key.port_b, 2222);
  EXPECT_EQ(sequence.packet().payload, 64u);
  EXPECT_EQ(sequence.packet().header, 0u);
  EXPECT_TRUE(sequence.packet().captured.empty());
  EXPECT_EQ(sequence.Decode(later, 2 + kFragmentLifeUs), Outcome::kFragment);
}

TEST(Fragments, ThatCameEarlyAreFoundWithTheFirst) {
  Sequence sequence;
  const Frame first = First();
  const Frame later = Later();
  EXPECT_EQ(sequence.Decode(later, 0), Outcome::kFragment);
  EXPECT_EQ(sequence.Decode(first, 5), Outcome::kAccepted);
  const std::vector<Packet> all = sequence.TakeFoundLate();
  ASSERT_EQ(all.size(), 1u);
  const Packet& late = all.front();
  EXPECT_EQ(late.key, sequence.packet().key);
  EXPECT_EQ(late.hash, sequence.packet().hash);
  EXPECT_EQ(late.is_from_b, sequence.packet().is_from_b);
  EXPECT_EQ(late.payload, 64u);
  EXPECT_EQ(late.time_us, 5);
  EXPECT_EQ(sequence.Decode(first, 6), Outcome::kAccepted);
  EXPECT_TRUE(sequence.TakeFoundLate().empty());
}

TEST(Fragments, JoinWhateverLiesBeforeTheirTransportHeader) {
  const auto fragment = [](std::uint8_t next, std::size_t word, const Frame& rest) {
    return Ethernet(0x86dd, Ipv6(44, Frame{next, 0} + Big16(word) + test::Big32(77) + rest));
  };
  const Frame options{17, 0, 1, 4, 0, 0, 0, 0};
  const Frame authentication = Frame{17, 4, 0, 0} + Zeros(20);
  const Frame datagram = Udp(1111, 2222, Zeros(32));
  struct Datagram {
    Frame first;
    Frame later;
  };
  const std::vector<Datagram> datagrams{
      {fragment(60, 1, options + datagram), fragment(60, 48, Zeros(8))},
      {fragment(51, 1, authentication + datagram), fragment(51, 64, Zeros(8))},
      {fragment(17, 1, datagram), fragment(99, 40, Zeros(8))},  // what later ones say does not count
      {Ethernet(0x0800, Ipv4(51, authentication + datagram, 0x2000)), Ethernet(0x0800, Ipv4(51, Zeros(8), 8))},
  };
  for (const auto& [first, later] : datagrams) {
    Sequence sequence;
    EXPECT_EQ(sequence.Decode(first, 0), Outcome::kAccepted);
    EXPECT_EQ(sequence.Decode(later, 1), Outcome::kAccepted);
    EXPECT_EQ(sequence.packet().key.protocol, kProtocolUdp);
    EXPECT_EQ(sequence.packet().key.port_b, 2222);
    EXPECT_EQ(sequence.packet().payload, 8u);
  }
}

}  // namespace
}  // namespace weir
