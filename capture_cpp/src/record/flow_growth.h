// How a FlowRecord grows packet by packet.
#pragma once

#include <algorithm>
#include <limits>
#include <utility>

#include "record/flow_record.h"

namespace weir {

inline constexpr std::uint32_t kBulkPackets = 4;             // a run of as many data packets is a bulk
inline constexpr std::uint32_t kBulkPauseUs = 1'000'000;      // and a longer pause ends it
inline constexpr std::uint32_t kActivityPauseUs = 5'000'000;  // a longer pause is idleness

// What four flags add to their counters: one vector.
using FourCounts = std::array<std::uint32_t, 4>;
inline constexpr std::size_t kFour = 4;

inline constexpr std::array<FourCounts, 16> kCountsOfFour = [] {
  std::array<FourCounts, 16> counts{};
  for (std::size_t flags = 0; flags < counts.size(); ++flags) {
    for (std::size_t i = 0; i < kFour; ++i) {
      counts[flags][i] = static_cast<std::uint32_t>(flags >> i & 1);
    }
  }
  return counts;
}();

// The counters are in the order of the flags' bits. Written out, as a loop would keep a record in memory.
template <std::size_t... kBits>
void AddFlags(std::uint32_t flags, std::index_sequence<kBits...> /*four*/, FlagCounts* counts) {
  static_assert(kFlags == 2 * kFour && sizeof...(kBits) == kFour);
  const FourCounts& low = kCountsOfFour[flags & 0xf];
  const FourCounts& high = kCountsOfFour[flags >> kFour & 0xf];
  (((*counts)[kBits] += low[kBits]), ...);
  (((*counts)[kFour + kBits] += high[kBits]), ...);
}

inline void AddFlags(std::uint32_t flags, FlagCounts* counts) { AddFlags(flags, std::make_index_sequence<kFour>{}, counts); }

inline void AddPacket(std::uint32_t payload, std::uint32_t ip_bytes, std::uint16_t header, Side* side) {
  const auto size = static_cast<std::uint16_t>(payload);  // at most kLargestIpv6Bytes less an IP header
  side->bytes += ip_bytes;
  side->payload += size;
  side->payload_squares += std::uint64_t{size} * size;
  side->payload_least = std::min(side->payload_least, size);
  side->payload_most = std::max(side->payload_most, size);
  side->header_bytes += header;
  ++side->packets;
}

inline void AddSpell(std::uint32_t length_us, Spells* spells) {
  spells->squares += std::uint64_t{length_us} * length_us;
  spells->sum += length_us;
  spells->least = spells->count == 0 ? length_us : std::min(spells->least, length_us);
  spells->most = std::max(spells->most, length_us);
  ++spells->count;
}

inline void BeginRun(std::uint32_t since_start_us, std::uint32_t payload, Bulk* bulk) {
  bulk->run_since_us = since_start_us;
  bulk->run_last_us = since_start_us;
  bulk->run_packets = 1;
  bulk->run_bytes = payload;
}

// A data packet continues its direction's run unless the other direction sent data since the run
// began, or more than a second passed.
[[gnu::always_inline]] inline void AddToBulk(std::uint32_t since_start_us, std::uint32_t payload, const Bulk& other, Bulk* bulk) {
  const bool was_answered = other.run_packets > 0 && other.run_last_us > bulk->run_since_us;
  if (bulk->run_packets == 0 || was_answered || since_start_us - bulk->run_last_us > kBulkPauseUs) {
    BeginRun(since_start_us, payload, bulk);
    return;
  }
  ++bulk->run_packets;
  if (bulk->run_packets < kBulkPackets) {
    bulk->run_bytes += payload;
  } else if (bulk->run_packets == kBulkPackets) {
    ++bulk->count;
    bulk->packets += kBulkPackets;
    bulk->bytes += bulk->run_bytes + payload;
    bulk->duration_us += since_start_us - bulk->run_since_us;
  } else {
    ++bulk->packets;
    bulk->bytes += payload;
    bulk->duration_us += since_start_us - bulk->run_last_us;
  }
  bulk->run_last_us = since_start_us;
}

// Counts a packet that is odd in some layers.
inline void AddOdd(std::uint32_t odd_layers, std::array<std::uint16_t, kOddLayers>* counts) {
  const auto add = [odd_layers](std::size_t layer, std::uint16_t* count) {
    const bool is_odd = (odd_layers >> layer & 1) != 0 && *count < std::numeric_limits<std::uint16_t>::max();
    *count = static_cast<std::uint16_t>(*count + static_cast<int>(is_odd));
  };
  add(kLinkLayer, &(*counts)[kLinkLayer]);
  add(kNetworkLayer, &(*counts)[kNetworkLayer]);
  add(kTransportLayer, &(*counts)[kTransportLayer]);
}

// Fills an empty record with the first packet.
template <std::size_t kSide>
void BeginWithFirst(const FlowHead& head, const FirstPacket& first, FlowRecord* record) {
  for (Side& side : record->sides) {
    side.gap_least = std::numeric_limits<std::uint32_t>::max();
    side.payload_least = std::numeric_limits<std::uint16_t>::max();
  }
  record->rhythm.gap_least = std::numeric_limits<std::uint32_t>::max();
  record->rhythm.active_since_us = head.first_us;
  record->rhythm.header_forward_least = first.header;
  record->sides[kSide].last_us = head.first_us;
  AddPacket(first.payload, first.ip_bytes(), first.header, &record->sides[kSide]);
  record->entropy[kSide] = first.entropy;
  if (head.key.protocol == kProtocolTcp && first.header > 0) {
    AddFlags(first.tcp_flags, &record->tcp.flags[kSide]);
    AddToStream(first.tcp_flags, first.sequence, first.payload, first.window, kSide, &record->stream);
  }
  if (first.odd_layers != 0) [[unlikely]] {
    AddOdd(first.odd_layers, &record->odd_packets);
  }
  if (first.payload > 0) {
    BeginRun(0, first.payload, &record->bulks[kSide]);
  }
}

// Adds a packet of direction `side_index`; the one before it came at `last_us`. Inlined, so that a fresh one is never put
// together in memory.
[[gnu::always_inline]] inline void AddLater(
    const FlowHead& head, const LaterPacket& packet, std::size_t side_index, std::int64_t last_us, FlowRecord* record) {
  const std::int64_t time_us = last_us + packet.gap_us;
  Side& side = record->sides[side_index];
  Rhythm& rhythm = record->rhythm;
  const auto since_start_us = static_cast<std::uint32_t>(time_us - head.first_us);
  const std::uint32_t gap_us = packet.gap_us;
  rhythm.gap_squares += std::uint64_t{gap_us} * gap_us;
  rhythm.gap_least = std::min(rhythm.gap_least, gap_us);
  rhythm.gap_most = std::max(rhythm.gap_most, gap_us);
  if (gap_us > kActivityPauseUs) {
    if (last_us > rhythm.active_since_us) {
      AddSpell(static_cast<std::uint32_t>(last_us - rhythm.active_since_us), &rhythm.active);
    }
    AddSpell(gap_us, &record->idle);
    rhythm.active_since_us = time_us;
  }

  if (side.packets > 0) {
    const auto side_gap_us = static_cast<std::uint32_t>(time_us - side.last_us);
    side.gap_squares += std::uint64_t{side_gap_us} * side_gap_us;
    side.gap_least = std::min(side.gap_least, side_gap_us);
    side.gap_most = std::max(side.gap_most, side_gap_us);
  } else {
    record->second_since_us = since_start_us;
    rhythm.second_window = packet.window;
  }
  side.last_us = time_us;
  if (side.payload == 0) {
    record->entropy[side_index] = packet.entropy;
  }
  AddPacket(packet.payload, packet.ip_bytes, packet.header, &side);

  if (side_index == kForward) {
    rhythm.data_packets_forward += static_cast<std::uint32_t>(packet.payload > 0);
    if (packet.header > 0) {  // later fragments have none
      rhythm.header_forward_least = std::min(rhythm.header_forward_least, packet.header);
    }
  }
  if (head.key.protocol == kProtocolTcp && packet.header == 0) [[unlikely]] {
    AddFragment(packet.payload, side_index, &record->stream);
  } else if (head.key.protocol == kProtocolTcp) {
    AddFlags(packet.tcp_flags, &record->tcp.flags[side_index]);
    AddToStream(packet.tcp_flags, packet.sequence, packet.payload, packet.window, side_index, &record->stream);
    if (side_index == kBackward) {
      record->window_backward = packet.window;
    }
  }
  if (packet.odd_layers != 0) [[unlikely]] {
    AddOdd(packet.odd_layers, &record->odd_packets);
  }
  if (packet.payload > 0) {
    AddToBulk(since_start_us, packet.payload, record->bulks[1 - side_index], &record->bulks[side_index]);
  }
}

// Adds a packet of direction `side` that came at `time_us`. `entropy` counts if it is of the first payload of its side. Inlined,
// as most packets come here.
[[gnu::always_inline]] inline void AddToRecord(
    const FlowHead& head, const Packet& packet, std::int64_t time_us, std::size_t side, std::uint16_t entropy, FlowRecord* record) {
  AddLater(head, Later(head, packet, time_us, side, entropy), side, head.last_us, record);
}

}  // namespace weir
