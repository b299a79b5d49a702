#include "columns/flow_row.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "application/entropy.h"
#include "hash.h"
#include "record/flow_growth.h"

namespace weir {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr double kUsPerS = 1e6;
constexpr std::int32_t kNoIcmp = -1;

std::int64_t Signed(std::uint64_t value) { return static_cast<std::int64_t>(value); }

// Processors convert signed numbers at once; none here reaches 2^63.
double Real(std::uint64_t value) { return static_cast<double>(Signed(value)); }

double Mean(std::uint64_t sum, std::uint64_t count) { return count == 0 ? 0.0 : Real(sum) / Real(count); }

// Sample variance from exact integer sums; 0 for fewer than two values.
double Variance(std::uint64_t squares, std::uint64_t sum, std::uint64_t count) {
  if (count < 2) {
    return 0.0;
  }
  const Wide spread = Wide{count} * squares - Wide{sum} * sum;
  const double shown = spread >> 63 == 0 ? Real(static_cast<std::uint64_t>(spread)) : static_cast<double>(spread);
  return shown / (Real(count) * Real(count - 1));
}

double Deviation(std::uint64_t squares, std::uint64_t sum, std::uint64_t count) { return std::sqrt(Variance(squares, sum, count)); }

double PerSecond(std::uint64_t amount, std::int64_t duration_us) {
  return duration_us == 0 ? 0.0 : Real(amount) * kUsPerS / static_cast<double>(duration_us);
}

double BitsOf(std::uint16_t entropy) { return static_cast<double>(entropy) / kEntropySteps; }

// The identity of a flow: its oriented 5-tuple, its start and, of TCP, its first sequence number, under a seed that never changes.
// Clocks may be coarse: of flows that follow each other within one microsecond, each has its number in it, too.
std::int64_t FlowId(const FlowHead& head, const FirstPacket& first) {
  const std::uint64_t tuple = IdentityHash(head.key, std::uint64_t{head.repeats} << 32 | first.sequence);
  const std::uint64_t start = static_cast<std::uint64_t>(head.first_us) << 1 | (head.is_forward_from_b ? 1 : 0);
  return static_cast<std::int64_t>(Fold(tuple ^ kIdentitySeed.second, start ^ kIdentitySeed.first) >> 1);
}

[[gnu::always_inline]] inline void SetIdentity(const FlowHead& head, const FirstPacket& first, EndReason reason, std::size_t row, FlowTile* tile) {
  const FlowKey& key = head.key;
  const bool is_swapped = head.is_forward_from_b;
  const bool is_icmp = key.protocol == kProtocolIcmp || key.protocol == kProtocolIcmp6;
  tile->flow_id[row] = FlowId(head, first);
  tile->start_us[row] = head.first_us;
  const std::array<const Address*, 2> ends{&key.a, &key.b};
  tile->src_ip[row] = *ends[is_swapped ? 1 : 0];
  tile->dst_ip[row] = *ends[is_swapped ? 0 : 1];
  tile->src_port[row] = is_swapped ? key.port_b : key.port_a;
  tile->dst_port[row] = is_swapped ? key.port_a : key.port_b;
  tile->end_reason[row] = reason;
  tile->protocol[row] = key.protocol;
  tile->ip_version[row] = key.ip_version;
  tile->duration_us[row] = head.last_us - head.first_us;
  tile->init_win_fwd[row] = first.window;
  tile->icmp_type[row] = is_icmp ? first.icmp_type : kNoIcmp;
  tile->icmp_code[row] = is_icmp ? first.icmp_code : kNoIcmp;
  tile->segment_index[row] = static_cast<std::int32_t>(first.capture);
  tile->first_offset[row] = Signed(first.offset);
}

void SetPayloads(const FlowRecord& record, std::size_t row, FlowTile* tile) {
  const Side& fwd = record.sides[kForward];
  const Side& bwd = record.sides[kBackward];
  const bool is_answered = bwd.packets > 0;
  const std::uint64_t packets = std::uint64_t{fwd.packets} + bwd.packets;
  const std::uint64_t payload = fwd.payload + bwd.payload;
  const std::uint64_t squares = fwd.payload_squares + bwd.payload_squares;
  tile->payload_fwd_max[row] = fwd.payload_most;
  tile->payload_fwd_min[row] = fwd.payload_least;
  tile->payload_fwd_mean[row] = Mean(fwd.payload, fwd.packets);
  tile->payload_fwd_std[row] = Deviation(fwd.payload_squares, fwd.payload, fwd.packets);
  tile->payload_bwd_max[row] = bwd.payload_most;
  tile->payload_bwd_min[row] = is_answered ? bwd.payload_least : 0;
  tile->payload_bwd_mean[row] = Mean(bwd.payload, bwd.packets);
  tile->payload_bwd_std[row] = Deviation(bwd.payload_squares, bwd.payload, bwd.packets);
  tile->payload_max[row] = std::max(fwd.payload_most, bwd.payload_most);
  tile->payload_min[row] = std::min(fwd.payload_least, bwd.payload_least);
  tile->payload_mean[row] = Mean(payload, packets);
  tile->payload_var[row] = Variance(squares, payload, packets);
  tile->payload_std[row] = std::sqrt(tile->payload_var[row]);
  tile->payload_rate[row] = PerSecond(payload, tile->duration_us[row]);
  tile->packet_rate[row] = PerSecond(packets, tile->duration_us[row]);
  tile->packet_fwd_rate[row] = PerSecond(fwd.packets, tile->duration_us[row]);
  tile->packet_bwd_rate[row] = PerSecond(bwd.packets, tile->duration_us[row]);
  tile->down_up_ratio[row] = Mean(bwd.packets, fwd.packets);
  // CICFlowMeter starts a subflow at every packet, so these are shares of all packets, rounded down.
  const auto share = [packets](auto of) {
    const auto whole = of / packets;
    return static_cast<double>(whole);
  };
  tile->subflow_fwd_packets[row] = share(fwd.packets);
  tile->subflow_fwd_payload[row] = share(fwd.payload);
  tile->subflow_bwd_packets[row] = share(bwd.packets);
  tile->subflow_bwd_payload[row] = share(bwd.payload);
}

// The gaps of a side whose first packet came at `since_us`.
[[gnu::always_inline]] inline void SetForwardGaps(const Side& fwd, std::int64_t since_us, std::size_t row, FlowTile* tile) {
  if (fwd.packets > 1) {
    const auto total = static_cast<std::uint64_t>(fwd.last_us - since_us);
    tile->iat_fwd_total_us[row] = Signed(total);
    tile->iat_fwd_mean_us[row] = Mean(total, fwd.packets - 1);
    tile->iat_fwd_std_us[row] = Deviation(fwd.gap_squares, total, fwd.packets - 1);
    tile->iat_fwd_max_us[row] = fwd.gap_most;
    tile->iat_fwd_min_us[row] = fwd.gap_least;
  }
}

[[gnu::always_inline]] inline void SetBackwardGaps(const Side& bwd, std::int64_t since_us, std::size_t row, FlowTile* tile) {
  if (bwd.packets > 1) {
    const auto total = static_cast<std::uint64_t>(bwd.last_us - since_us);
    tile->iat_bwd_total_us[row] = Signed(total);
    tile->iat_bwd_mean_us[row] = Mean(total, bwd.packets - 1);
    tile->iat_bwd_std_us[row] = Deviation(bwd.gap_squares, total, bwd.packets - 1);
    tile->iat_bwd_max_us[row] = bwd.gap_most;
    tile->iat_bwd_min_us[row] = bwd.gap_least;
  }
}

void SetGaps(const FlowHead& head, const FlowRecord& record, std::size_t row, FlowTile* tile) {
  const Side& fwd = record.sides[kForward];
  const Side& bwd = record.sides[kBackward];
  const Rhythm& rhythm = record.rhythm;
  const std::uint64_t gaps = std::uint64_t{fwd.packets} + bwd.packets - 1;
  const auto duration = static_cast<std::uint64_t>(tile->duration_us[row]);
  tile->iat_mean_us[row] = Mean(duration, gaps);
  tile->iat_std_us[row] = Deviation(rhythm.gap_squares, duration, gaps);
  tile->iat_max_us[row] = rhythm.gap_most;
  tile->iat_min_us[row] = rhythm.gap_least;
  SetForwardGaps(fwd, head.first_us, row, tile);
  SetBackwardGaps(bwd, head.first_us + record.second_since_us, row, tile);
}

void SetSpells(const FlowRecord& record, std::size_t row, FlowTile* tile) {
  const Spells& active = record.rhythm.active;
  const Spells& idle = record.idle;
  tile->active_mean_us[row] = Mean(active.sum, active.count);
  tile->active_std_us[row] = Deviation(active.squares, active.sum, active.count);
  tile->active_max_us[row] = active.most;
  tile->active_min_us[row] = active.least;
  tile->idle_mean_us[row] = Mean(idle.sum, idle.count);
  tile->idle_std_us[row] = Deviation(idle.squares, idle.sum, idle.count);
  tile->idle_max_us[row] = idle.most;
  tile->idle_min_us[row] = idle.least;
}

void SetTcp(const FlowRecord& record, std::size_t row, FlowTile* tile) {
  const Tcp& tcp = record.tcp;
  tile->psh_fwd[row] = tcp.Of(kTcpPsh, kForward);
  tile->psh_bwd[row] = tcp.Of(kTcpPsh, kBackward);
  tile->urg_fwd[row] = tcp.Of(kTcpUrg, kForward);
  tile->urg_bwd[row] = tcp.Of(kTcpUrg, kBackward);
  tile->rst_fwd[row] = tcp.Of(kTcpRst, kForward);
  tile->rst_bwd[row] = tcp.Of(kTcpRst, kBackward);
  tile->flags_fin[row] = Signed(tcp.Of(kTcpFin));
  tile->flags_syn[row] = Signed(tcp.Of(kTcpSyn));
  tile->flags_rst[row] = Signed(tcp.Of(kTcpRst));
  tile->flags_psh[row] = Signed(tcp.Of(kTcpPsh));
  tile->flags_ack[row] = Signed(tcp.Of(kTcpAck));
  tile->flags_urg[row] = Signed(tcp.Of(kTcpUrg));
  tile->flags_cwr[row] = Signed(tcp.Of(kTcpCwr));
  tile->flags_ece[row] = Signed(tcp.Of(kTcpEce));
  tile->init_win_bwd[row] = record.window_backward;
}

// How a connection of one packet went, by what decides it: the flags, and whether there was payload
// and a window. A flood is full of them, so each kind is worked out once.
struct SingleCourse {
  History history;
  ConnState state;
  std::uint8_t zero_windows;
};

constexpr std::size_t kHasPayload = 0x100;
constexpr std::size_t kHasWindow = 0x200;
using SingleCourses = std::array<SingleCourse, 2 * kHasWindow>;

SingleCourses AllSingleCourses() {
  SingleCourses courses;
  for (std::size_t kind = 0; kind < courses.size(); ++kind) {
    const TcpStream stream = StreamOf(static_cast<std::uint8_t>(kind), 0, (kind & kHasPayload) != 0 ? 1 : 0, (kind & kHasWindow) != 0 ? 1 : 0);
    courses[kind] = {stream.history, ConnStateOf(stream.seen[kForward], stream.seen[kBackward], (kind & kHasPayload) != 0), static_cast<std::uint8_t>(stream.zero_windows[kForward])};
  }
  return courses;
}

const SingleCourse& CourseOf(const FirstPacket& first) {
  static const SingleCourses kCourses = AllSingleCourses();
  return kCourses[first.tcp_flags | (first.payload > 0 ? kHasPayload : 0) | (first.window > 0 ? kHasWindow : 0)];
}

// How the conversation went: Zeek's words for TCP, and for UDP whether it was answered.
void SetCourse(const FlowHead& head, const FirstPacket& first, std::size_t row, FlowTile* tile) {
  tile->conn_state[row] = ConnState::kOth;
  tile->history[row] = {};
  if (head.key.protocol == kProtocolTcp) {
    const SingleCourse& course = CourseOf(first);
    tile->conn_state[row] = course.state;
    tile->history[row] = course.history;
    tile->tcp_flags_fwd[row] = first.tcp_flags;
    tile->zero_windows_fwd[row] = course.zero_windows;
  } else if (head.key.protocol == kProtocolUdp) {
    tile->conn_state[row] = ConnState::kS0;
    tile->history[row] = UdpHistory(kForward, false);
  }
}

void SetCourse(const FlowHead& head, const FlowRecord& record, std::size_t row, FlowTile* tile) {
  const TcpStream& stream = record.stream;
  tile->conn_state[row] = ConnState::kOth;
  tile->history[row] = {};
  if (head.key.protocol == kProtocolTcp) {
    const bool has_payload = (record.sides[kForward].payload | record.sides[kBackward].payload) > 0;
    tile->conn_state[row] = ConnStateOf(stream.seen[kForward], stream.seen[kBackward], has_payload);
    tile->history[row] = {stream.history.letters, stream.history.seen, stream.history.count};  // a copy would keep the stream in memory
    tile->tcp_flags_fwd[row] = stream.flags[kForward];
    tile->tcp_flags_bwd[row] = stream.flags[kBackward];
    tile->retransmitted_fwd[row] = stream.retransmitted[kForward];
    tile->retransmitted_bwd[row] = stream.retransmitted[kBackward];
    tile->out_of_order_fwd[row] = stream.out_of_order[kForward];
    tile->out_of_order_bwd[row] = stream.out_of_order[kBackward];
    tile->gap_bytes_fwd[row] = stream.gap_bytes[kForward];
    tile->gap_bytes_bwd[row] = stream.gap_bytes[kBackward];
    tile->zero_windows_fwd[row] = stream.zero_windows[kForward];
    tile->zero_windows_bwd[row] = stream.zero_windows[kBackward];
  } else if (head.key.protocol == kProtocolUdp) {
    const bool is_answered = record.sides[kBackward].packets > 0;
    tile->conn_state[row] = is_answered ? ConnState::kSf : ConnState::kS0;
    tile->history[row] = UdpHistory(kForward, is_answered);
  }
}

// Means of bulks are rounded down, as CICFlowMeter does.
void SetBulks(const FlowRecord& record, std::size_t row, FlowTile* tile) {
  const auto quotient = [](std::uint64_t sum, std::uint64_t count) { return count == 0 ? 0.0 : Real(sum / count); };
  const auto rate = [](const Bulk& bulk) { return std::floor(PerSecond(bulk.bytes, bulk.duration_us)); };
  const Bulk& fwd = record.bulks[kForward];
  const Bulk& bwd = record.bulks[kBackward];
  tile->bulk_fwd_bytes_mean[row] = quotient(fwd.bytes, fwd.count);
  tile->bulk_fwd_packets_mean[row] = quotient(fwd.packets, fwd.count);
  tile->bulk_fwd_rate[row] = rate(fwd);
  tile->bulk_bwd_bytes_mean[row] = quotient(bwd.bytes, bwd.count);
  tile->bulk_bwd_packets_mean[row] = quotient(bwd.packets, bwd.count);
  tile->bulk_bwd_rate[row] = rate(bwd);
}

[[gnu::always_inline]] inline void WriteAll(const FlowHead& head, const FirstPacket& first, const FlowRecord& record, EndReason reason, std::size_t row, FlowTile* tile) {
  const Side& fwd = record.sides[kForward];
  const Side& bwd = record.sides[kBackward];
  SetIdentity(head, first, reason, row, tile);
  tile->packets_fwd[row] = fwd.packets;
  tile->packets_bwd[row] = bwd.packets;
  tile->bytes_fwd[row] = Signed(fwd.bytes);
  tile->bytes_bwd[row] = Signed(bwd.bytes);
  tile->payload_fwd[row] = Signed(fwd.payload);
  tile->payload_bwd[row] = Signed(bwd.payload);
  tile->header_fwd[row] = Signed(fwd.header_bytes);
  tile->header_bwd[row] = Signed(bwd.header_bytes);
  tile->data_packets_fwd[row] = record.rhythm.data_packets_forward;
  tile->segment_size_fwd_min[row] = record.rhythm.header_forward_least;
  SetPayloads(record, row, tile);
  SetGaps(head, record, row, tile);
  SetSpells(record, row, tile);
  SetTcp(record, row, tile);
  SetCourse(head, record, row, tile);
  SetBulks(record, row, tile);
  tile->payload_entropy_fwd[row] = BitsOf(record.entropy[kForward]);
  tile->payload_entropy_bwd[row] = BitsOf(record.entropy[kBackward]);
  tile->odd_link[row] = record.odd_packets[kLinkLayer];
  tile->odd_network[row] = record.odd_packets[kNetworkLayer];
  tile->odd_transport[row] = record.odd_packets[kTransportLayer];
}

// What is otherwise where the backward side spoke first, and perhaps alone, as the flow goes on behind its active timeout.
void SetTurned(const FlowHead& head, const FlowRecord& record, std::size_t row, FlowTile* tile) {
  const Side& fwd = record.sides[kForward];
  const bool has_forward = fwd.packets > 0;
  const std::uint16_t header_least = record.rhythm.header_forward_least;
  tile->init_win_fwd[row] = record.rhythm.second_window;
  tile->segment_size_fwd_min[row] = header_least == kNoHeader ? 0 : header_least;
  tile->payload_fwd_min[row] = has_forward ? fwd.payload_least : 0;
  SetForwardGaps(fwd, head.first_us + record.second_since_us, row, tile);
  SetBackwardGaps(record.sides[kBackward], head.first_us, row, tile);
  if (head.key.protocol == kProtocolUdp) {
    tile->conn_state[row] = has_forward ? ConnState::kSf : ConnState::kShr;
    tile->history[row] = UdpHistory(kBackward, has_forward);
  }
}

// The row of a flow of two packets, the second one of direction kSide. With everything inlined the
// record is never put together in memory, and what two packets cannot bring about is left out.
template <std::size_t kSide>
[[gnu::flatten]] void WritePairOf(const FlowHead& head, const FirstPacket& first, const LaterPacket& second, EndReason reason, std::size_t row, FlowTile* tile) {
  FlowRecord record{};
  BeginWithFirst<kForward>(head, first, &record);
  AddLater(head, second, kSide, head.first_us, &record);
  WriteAll(head, first, record, reason, row, tile);
}

}  // namespace

void WriteSingle(const FlowHead& head, const FirstPacket& first, EndReason reason, std::size_t row, FlowTile* tile) {
  SetIdentity(head, first, reason, row, tile);
  const std::int64_t payload = first.payload;
  const auto has = [&first](std::uint8_t flag) { return static_cast<std::int64_t>((first.tcp_flags & flag) != 0); };
  tile->packets_fwd[row] = 1;
  tile->bytes_fwd[row] = first.ip_bytes();
  tile->payload_fwd[row] = tile->payload_fwd_max[row] = tile->payload_fwd_min[row] = tile->payload_max[row] = tile->payload_min[row] = payload;
  tile->payload_fwd_mean[row] = tile->payload_mean[row] = static_cast<double>(payload);
  tile->header_fwd[row] = tile->segment_size_fwd_min[row] = first.header;
  tile->psh_fwd[row] = tile->flags_psh[row] = has(kTcpPsh);
  tile->urg_fwd[row] = tile->flags_urg[row] = has(kTcpUrg);
  tile->rst_fwd[row] = tile->flags_rst[row] = has(kTcpRst);
  tile->flags_fin[row] = has(kTcpFin);
  tile->flags_syn[row] = has(kTcpSyn);
  tile->flags_ack[row] = has(kTcpAck);
  tile->flags_cwr[row] = has(kTcpCwr);
  tile->flags_ece[row] = has(kTcpEce);
  if (first.odd_layers != 0) {
    const auto is_odd = [&first](std::size_t layer) { return static_cast<std::int64_t>(first.odd_layers >> layer & 1); };
    tile->odd_link[row] = is_odd(kLinkLayer);
    tile->odd_network[row] = is_odd(kNetworkLayer);
    tile->odd_transport[row] = is_odd(kTransportLayer);
  }
  SetCourse(head, first, row, tile);
  tile->subflow_fwd_packets[row] = 1;
  tile->subflow_fwd_payload[row] = static_cast<double>(payload);
  tile->payload_entropy_fwd[row] = BitsOf(first.entropy);
}

void WritePair(const FlowHead& head, const FirstPacket& first, const LaterPacket& second, EndReason reason, std::size_t row, FlowTile* tile) {
  const auto write = second.is_backward ? &WritePairOf<kBackward> : &WritePairOf<kForward>;
  write(head, first, second, reason, row, tile);
}

void WriteRow(const FlowHead& head, const FirstPacket& first, const FlowRecord& record, EndReason reason, std::size_t row, FlowTile* tile) {
  WriteAll(head, first, record, reason, row, tile);
  if (head.is_first_backward) [[unlikely]] {
    SetTurned(head, record, row, tile);
  }
  if (std::uint64_t{record.sides[kForward].packets} + record.sides[kBackward].packets == 1) [[unlikely]] {  // as the flow goes on
    tile->iat_min_us[row] = 0;
  }
}

}  // namespace weir
