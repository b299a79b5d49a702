// What the table does with payloads: it shows them to the parsers, and keeps those that somebody wished for.
#include "application/entropy.h"
#include "record/flow_growth.h"
#include "table/flow_table.h"

namespace weir {
namespace {

constexpr std::uint32_t kMostStrangers = 4;  // datagrams of a side, until its first bytes are given up

}  // namespace

// TCP: how far a later packet's payload lies ahead of what is expected of its side, or behind where that is negative.
std::int32_t FlowTable::Ahead(std::uint32_t slot, const Packet& packet, std::size_t side) const {
  return packet.key.protocol == kProtocolTcp ? BytesAhead(FirstSequence(packet), side, StreamUntilNow(slot)) : 0;
}

// Packets of a side before the one at hand, where that is not known to be the first or second of its flow.
std::uint32_t FlowTable::PacketsOf(std::uint32_t slot, std::size_t side) const {
  const FlowHead& head = heads_[slot];
  return head.HasRecord() ? records_[head.record].sides[side].packets : 0;
}

// Shows the packet's payload to the parsers.
void FlowTable::Listen(std::uint32_t slot, const Packet& packet, std::size_t side, std::int32_t ahead) {
  const bool has_rst = (packet.tcp_flags & kTcpRst) != 0;  // what comes with one is for people, not of the stream (RFC 9293, section 3.5.2)
  if (has_rst || (packet.key.protocol != kProtocolTcp && packet.key.protocol != kProtocolUdp)) {
    return;
  }
  const FlowKey& key = packet.key;
  const Stretch stretch{
      .bytes = packet.captured,
      .is_forward = side == kForward,
      .is_udp = key.protocol == kProtocolUdp,
      .is_last = false,
      .source_port = packet.is_from_b ? key.port_b : key.port_a,
      .destination_port = packet.is_from_b ? key.port_a : key.port_b,
  };
  const std::uint8_t bit = side == kForward ? 1 : 2;
  FlowHead& head = heads_[slot];
  const Applications::Segment segment{stretch, FirstSequence(packet), packet.payload, ahead};
  const bool is_waited_for = applications_.Listen(segment, &firsts_[slot].application);
  // A datagram that nobody knows is no end: QUIC may begin behind one of another version, or behind STUN.
  const bool is_stranger = stretch.is_udp && firsts_[slot].application == 0;
  const bool wants_more = is_waited_for || (is_stranger && PacketsOf(slot, side) + 1 < kMostStrangers);
  head.listens = static_cast<std::uint8_t>(wants_more ? head.listens | bit : head.listens & ~bit) & 3;
}

std::uint16_t FlowTable::HearOut(std::uint32_t slot, const Packet& packet, std::size_t side, bool is_first, bool has_payload) {
  const bool is_wanted = !has_payload || (heads_[slot].listens >> side & 1) != 0;
  if (!is_wanted && keeper_.is_idle()) {
    return 0;
  }
  const std::int32_t ahead = is_first ? 0 : Ahead(slot, packet, side);
  if (!keeper_.is_idle()) {
    keeper_.Add(slot, packet, side, ahead);
  }
  if (!settings_.parse_applications) {
    return 0;
  }
  if (is_wanted) {
    Listen(slot, packet, side, ahead);
  }
  return has_payload ? std::uint16_t{0} : EntropyOf(packet.captured);
}

}  // namespace weir
