// What is kept of a flow while it lives: sums, not lists, so its size does not depend on its length.
//
// A flow's first packet needs a FlowHead and a FirstPacket, 96 bytes; the second one adds a
// LaterPacket, 24 bytes, and the third one a FlowRecord, 448 bytes: a question with its answer is
// by far the commonest flow, and a refused connection another. Sums of squares are exact integers,
// so nothing depends on the order of additions, and variances lose no digits.
//
// Definitions follow the corrected CICFlowMeter (Engelen, Rimmer and Joosen 2021), whose output
// the tests compare with; docs/referees.md lists where we differ.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "memory.h"
#include "oddity.h"
#include "packet.h"
#include "record/tcp_stream.h"

namespace weir {

enum class EndReason : std::uint8_t { kIdle, kActive, kFinished, kForced, kTableFull };

inline constexpr std::size_t kForward = 0;
inline constexpr std::size_t kBackward = 1;

inline constexpr std::uint32_t kSingle = 0;           // the flow has only its first packet
inline constexpr std::uint32_t kPair = 0xffff'ffff;   // and a second one

// Who talks with whom, since when and until when.
struct alignas(kCacheLine) FlowHead {
  FlowKey key;
  std::int64_t first_us;
  std::int64_t last_us;
  std::uint32_t record;  // index of the FlowRecord; before there is one, kSingle or kPair
  bool is_forward_from_b : 1;  // the forward side, which spoke first, is `key.b`
  bool has_fin_forward : 1;
  bool has_fin_backward : 1;
  bool has_rst : 1;
  std::uint8_t listens : 2;  // bit per side: more of its first bytes is wanted
  bool is_first_backward : 1;  // the flow goes on behind its active timeout, with a packet of the other side
  std::uint16_t repeats;       // flows of the key before this one that began in the same microsecond, one after the other

  bool HasRecord() const { return record != kSingle && record != kPair; }
  bool IsClosed() const { return has_rst || (has_fin_forward && has_fin_backward); }
};
static_assert(sizeof(FlowHead) == kCacheLine);
inline constexpr std::uint16_t kMostRepeats = 0xffff;

// What the first packet brought, kept so that it can be put into a FlowRecord, or a row, later.
struct FirstPacket {
  std::uint64_t offset;
  std::uint32_t capture : 29;
  std::uint32_t odd_layers : kOddLayers;
  std::uint32_t sequence;
  std::uint32_t application;  // index in Applications, also while the flow goes on; 0: nothing known
  std::uint16_t ip_header;
  std::uint16_t payload;  // at most kLargestIpv6Bytes less an IP header
  std::uint16_t entropy;  // of the payload, in steps of 1 / kEntropySteps bit per byte
  std::uint16_t window;
  std::uint8_t header;  // TCP's is the longest: 60
  std::uint8_t tcp_flags;
  std::uint8_t icmp_type;
  std::uint8_t icmp_code;

  std::uint32_t ip_bytes() const { return std::uint32_t{ip_header} + header + payload; }
};
static_assert(sizeof(FirstPacket) == 32);
inline constexpr std::uint32_t kMostCaptures = (1u << 29) - 1;

// What a later packet brings; the second one is kept like this until a third one comes or the flow ends.
struct LaterPacket {
  std::uint32_t gap_us;  // since the one before it
  std::uint32_t ip_bytes;
  std::uint32_t sequence;
  std::uint16_t payload;  // at most kLargestIpv6Bytes less an IP header
  std::uint16_t header;
  std::uint16_t window;
  std::uint16_t entropy;  // as in FirstPacket, if it is the first payload of its side
  std::uint8_t tcp_flags;
  std::uint8_t odd_layers;
  bool is_backward;
};
static_assert(sizeof(LaterPacket) == 24);

// One direction. Gaps fit 32 bits, and the sum of their squares 64, because no flow lasts longer
// than kLongestTimeoutUs.
struct alignas(kCacheLine) Side {
  std::int64_t last_us;
  std::uint64_t bytes;
  std::uint64_t payload;
  std::uint64_t payload_squares;
  std::uint64_t header_bytes;
  std::uint64_t gap_squares;
  std::uint32_t gap_least;
  std::uint32_t gap_most;
  std::uint32_t packets;
  std::uint16_t payload_least;
  std::uint16_t payload_most;
};
static_assert(sizeof(Side) == kCacheLine);
inline constexpr std::uint32_t kMostPackets = 0xffffffff;

// Packets with each flag, by its bit: FIN first, CWR last.
inline constexpr std::size_t kFlags = 8;
using FlagCounts = std::array<std::uint32_t, kFlags>;

struct alignas(kCacheLine) Tcp {
  std::array<FlagCounts, 2> flags;  // of each side

  std::uint32_t Of(std::uint8_t flag, std::size_t side) const { return flags[side][static_cast<std::size_t>(std::countr_zero(flag))]; }
  std::uint64_t Of(std::uint8_t flag) const { return std::uint64_t{Of(flag, kForward)} + Of(flag, kBackward); }
};
static_assert(sizeof(Tcp) == kCacheLine);

// Lengths of bursts, or of the pauses between them.
struct Spells {
  std::uint64_t squares;
  std::uint64_t sum;
  std::uint32_t least;
  std::uint32_t most;
  std::uint32_t count;
};

inline constexpr std::uint16_t kNoHeader = 0xffff;

// Both directions together.
struct alignas(kCacheLine) Rhythm {
  std::uint64_t gap_squares;
  std::uint32_t gap_least;
  std::uint32_t gap_most;
  std::int64_t active_since_us;  // when the present burst began
  std::uint32_t data_packets_forward;
  std::uint16_t header_forward_least;  // kNoHeader where no packet had one
  std::uint16_t second_window;         // TCP: of the first packet of the side that spoke second
  Spells active;
};
static_assert(sizeof(Rhythm) == kCacheLine);

// Runs of data packets in one direction; times count from the flow's start.
struct Bulk {
  std::uint64_t bytes;  // of all runs that were long enough
  std::uint32_t packets;
  std::uint32_t duration_us;
  std::uint32_t count;
  std::uint32_t run_since_us;
  std::uint32_t run_last_us;
  std::uint32_t run_packets;  // 0: no run
  std::uint32_t run_bytes;    // up to the fourth packet only
};

struct FlowRecord {
  std::array<Side, 2> sides;
  Tcp tcp;
  TcpStream stream;
  Rhythm rhythm;
  std::array<Bulk, 2> bulks;
  Spells idle;
  std::uint32_t second_since_us;    // first packet of the side that spoke second, from the flow's start
  std::uint16_t window_backward;    // of the latest TCP packet
  std::array<std::uint16_t, 2> entropy;  // of the first payload each way, in steps of 1 / kEntropySteps bit
  std::array<std::uint16_t, kOddLayers> odd_packets;  // with an oddity of each layer; stops at 65,535
};
static_assert(sizeof(FlowRecord) == 448);

// What a record takes of a packet of direction `side` that came at `time_us`, not before `head.last_us`.
LaterPacket Later(const FlowHead& head, const Packet& packet, std::int64_t time_us, std::size_t side, std::uint16_t entropy);

// Fills `record` with the flow's first two packets.
void BeginRecord(const FlowHead& head, const FirstPacket& first, const LaterPacket& second, FlowRecord* record);

// Fills `record` with the first packet of a flow that goes on, of direction `side`; `before` is its stream until then.
void BeginAgain(const FlowHead& head, const FirstPacket& first, std::size_t side, const TcpStream& before, FlowRecord* record);

}  // namespace weir
