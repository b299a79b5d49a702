#include "record/flow_record.h"

#include <cstring>

#include "record/flow_growth.h"

namespace weir {
namespace {

// Line by line; as a whole the compiler would clear it with "rep stos", which begins slowly.
void Clear(FlowRecord* record) {
  using Line = std::uint64_t __attribute__((vector_size(kCacheLine)));
  static_assert(sizeof *record % sizeof(Line) == 0);
  auto* lines = reinterpret_cast<unsigned char*>(record);
  for (std::size_t at = 0; at < sizeof *record; at += sizeof(Line)) {
    const Line empty{};
    std::memcpy(lines + at, &empty, sizeof empty);
  }
}

}  // namespace

LaterPacket Later(const FlowHead& head, const Packet& packet, std::int64_t time_us, std::size_t side, std::uint16_t entropy) {
  return {
      .gap_us = static_cast<std::uint32_t>(time_us - head.last_us),
      .ip_bytes = packet.ip_bytes,
      .sequence = packet.sequence,
      .payload = static_cast<std::uint16_t>(packet.payload),
      .header = packet.header,
      .window = packet.window,
      .entropy = entropy,
      .tcp_flags = packet.tcp_flags,
      .odd_layers = packet.odd_layers,
      .is_backward = side == kBackward,
  };
}

void BeginRecord(const FlowHead& head, const FirstPacket& first, const LaterPacket& second, FlowRecord* record) {
  Clear(record);
  BeginWithFirst<kForward>(head, first, record);
  AddLater(head, second, second.is_backward ? kBackward : kForward, head.first_us, record);
}

void BeginAgain(const FlowHead& head, const FirstPacket& first, std::size_t side, const TcpStream& before, FlowRecord* record) {
  Clear(record);
  record->stream = StreamAfter(before);
  if (side == kForward) {
    BeginWithFirst<kForward>(head, first, record);
    return;
  }
  BeginWithFirst<kBackward>(head, first, record);
  record->rhythm.header_forward_least = kNoHeader;
  record->window_backward = first.window;
}

}  // namespace weir
