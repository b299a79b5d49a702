#include "flow_columns.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "community_id.h"
#include "hash.h"

namespace weir {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr double kUsPerS = 1e6;
constexpr std::int64_t kNoIcmp = -1;

// A short text that is copied whole, sixteen bytes at once, whatever its length.
struct Word {
  std::array<char, 16> letters;
  std::size_t size;
};

constexpr Word MakeWord(std::string_view text) {
  Word word{{}, text.size()};
  std::copy(text.begin(), text.end(), word.letters.begin());
  return word;
}

char* WriteWord(const Word& word, char* to) {
  std::memcpy(to, word.letters.data(), word.letters.size());
  return to + word.size;
}

// The indices are those of EndReason.
constexpr std::array<Word, 5> kEndReasonNames{MakeWord("idle"), MakeWord("active"), MakeWord("finished"), MakeWord("forced"), MakeWord("table_full")};

// The indices are those of ConnState.
constexpr std::array<Word, 13> kConnStates{
    MakeWord("OTH"), MakeWord("S0"), MakeWord("S1"), MakeWord("SF"), MakeWord("REJ"), MakeWord("S2"), MakeWord("S3"),
    MakeWord("RSTO"), MakeWord("RSTR"), MakeWord("RSTOS0"), MakeWord("RSTRH"), MakeWord("SH"), MakeWord("SHR")};

constexpr std::array kDefinitions{
    ColumnDefinition{"flow_id", ColumnType::kInt64, offsetof(FlowRow, flow_id)},
    ColumnDefinition{"start_us", ColumnType::kInt64, offsetof(FlowRow, start_us)},
    ColumnDefinition{"src_ip", ColumnType::kAddress, offsetof(FlowRow, src_ip)},
    ColumnDefinition{"dst_ip", ColumnType::kAddress, offsetof(FlowRow, dst_ip)},
    ColumnDefinition{"src_port", ColumnType::kInt32, offsetof(FlowRow, src_port)},
    ColumnDefinition{"dst_port", ColumnType::kInt32, offsetof(FlowRow, dst_port)},
    ColumnDefinition{"community_id", ColumnType::kCommunityId, 0},
    ColumnDefinition{"end_reason", ColumnType::kEndReason, offsetof(FlowRow, end_reason)},
    ColumnDefinition{"conn_state", ColumnType::kConnState, offsetof(FlowRow, conn_state)},
    ColumnDefinition{"history", ColumnType::kHistory, offsetof(FlowRow, history)},
    ColumnDefinition{"protocol", ColumnType::kInt32, offsetof(FlowRow, protocol)},
    ColumnDefinition{"ip_version", ColumnType::kInt32, offsetof(FlowRow, ip_version)},
    ColumnDefinition{"duration_us", ColumnType::kInt64, offsetof(FlowRow, duration_us)},
    ColumnDefinition{"packets_fwd", ColumnType::kInt64, offsetof(FlowRow, packets_fwd)},
    ColumnDefinition{"packets_bwd", ColumnType::kInt64, offsetof(FlowRow, packets_bwd)},
    ColumnDefinition{"bytes_fwd", ColumnType::kInt64, offsetof(FlowRow, bytes_fwd)},
    ColumnDefinition{"bytes_bwd", ColumnType::kInt64, offsetof(FlowRow, bytes_bwd)},
    ColumnDefinition{"payload_fwd", ColumnType::kInt64, offsetof(FlowRow, payload_fwd)},
    ColumnDefinition{"payload_bwd", ColumnType::kInt64, offsetof(FlowRow, payload_bwd)},
    ColumnDefinition{"payload_fwd_max", ColumnType::kInt64, offsetof(FlowRow, payload_fwd_max)},
    ColumnDefinition{"payload_fwd_min", ColumnType::kInt64, offsetof(FlowRow, payload_fwd_min)},
    ColumnDefinition{"payload_fwd_mean", ColumnType::kFloat64, offsetof(FlowRow, payload_fwd_mean)},
    ColumnDefinition{"payload_fwd_std", ColumnType::kFloat64, offsetof(FlowRow, payload_fwd_std)},
    ColumnDefinition{"payload_bwd_max", ColumnType::kInt64, offsetof(FlowRow, payload_bwd_max)},
    ColumnDefinition{"payload_bwd_min", ColumnType::kInt64, offsetof(FlowRow, payload_bwd_min)},
    ColumnDefinition{"payload_bwd_mean", ColumnType::kFloat64, offsetof(FlowRow, payload_bwd_mean)},
    ColumnDefinition{"payload_bwd_std", ColumnType::kFloat64, offsetof(FlowRow, payload_bwd_std)},
    ColumnDefinition{"payload_max", ColumnType::kInt64, offsetof(FlowRow, payload_max)},
    ColumnDefinition{"payload_min", ColumnType::kInt64, offsetof(FlowRow, payload_min)},
    ColumnDefinition{"payload_mean", ColumnType::kFloat64, offsetof(FlowRow, payload_mean)},
    ColumnDefinition{"payload_std", ColumnType::kFloat64, offsetof(FlowRow, payload_std)},
    ColumnDefinition{"payload_var", ColumnType::kFloat64, offsetof(FlowRow, payload_var)},
    ColumnDefinition{"payload_rate", ColumnType::kFloat64, offsetof(FlowRow, payload_rate)},
    ColumnDefinition{"packet_rate", ColumnType::kFloat64, offsetof(FlowRow, packet_rate)},
    ColumnDefinition{"packet_fwd_rate", ColumnType::kFloat64, offsetof(FlowRow, packet_fwd_rate)},
    ColumnDefinition{"packet_bwd_rate", ColumnType::kFloat64, offsetof(FlowRow, packet_bwd_rate)},
    ColumnDefinition{"iat_mean_us", ColumnType::kFloat64, offsetof(FlowRow, iat_mean_us)},
    ColumnDefinition{"iat_std_us", ColumnType::kFloat64, offsetof(FlowRow, iat_std_us)},
    ColumnDefinition{"iat_max_us", ColumnType::kInt64, offsetof(FlowRow, iat_max_us)},
    ColumnDefinition{"iat_min_us", ColumnType::kInt64, offsetof(FlowRow, iat_min_us)},
    ColumnDefinition{"iat_fwd_total_us", ColumnType::kInt64, offsetof(FlowRow, iat_fwd_total_us)},
    ColumnDefinition{"iat_fwd_mean_us", ColumnType::kFloat64, offsetof(FlowRow, iat_fwd_mean_us)},
    ColumnDefinition{"iat_fwd_std_us", ColumnType::kFloat64, offsetof(FlowRow, iat_fwd_std_us)},
    ColumnDefinition{"iat_fwd_max_us", ColumnType::kInt64, offsetof(FlowRow, iat_fwd_max_us)},
    ColumnDefinition{"iat_fwd_min_us", ColumnType::kInt64, offsetof(FlowRow, iat_fwd_min_us)},
    ColumnDefinition{"iat_bwd_total_us", ColumnType::kInt64, offsetof(FlowRow, iat_bwd_total_us)},
    ColumnDefinition{"iat_bwd_mean_us", ColumnType::kFloat64, offsetof(FlowRow, iat_bwd_mean_us)},
    ColumnDefinition{"iat_bwd_std_us", ColumnType::kFloat64, offsetof(FlowRow, iat_bwd_std_us)},
    ColumnDefinition{"iat_bwd_max_us", ColumnType::kInt64, offsetof(FlowRow, iat_bwd_max_us)},
    ColumnDefinition{"iat_bwd_min_us", ColumnType::kInt64, offsetof(FlowRow, iat_bwd_min_us)},
    ColumnDefinition{"psh_fwd", ColumnType::kInt64, offsetof(FlowRow, psh_fwd)},
    ColumnDefinition{"psh_bwd", ColumnType::kInt64, offsetof(FlowRow, psh_bwd)},
    ColumnDefinition{"urg_fwd", ColumnType::kInt64, offsetof(FlowRow, urg_fwd)},
    ColumnDefinition{"urg_bwd", ColumnType::kInt64, offsetof(FlowRow, urg_bwd)},
    ColumnDefinition{"rst_fwd", ColumnType::kInt64, offsetof(FlowRow, rst_fwd)},
    ColumnDefinition{"rst_bwd", ColumnType::kInt64, offsetof(FlowRow, rst_bwd)},
    ColumnDefinition{"header_fwd", ColumnType::kInt64, offsetof(FlowRow, header_fwd)},
    ColumnDefinition{"header_bwd", ColumnType::kInt64, offsetof(FlowRow, header_bwd)},
    ColumnDefinition{"flags_fin", ColumnType::kInt64, offsetof(FlowRow, flags_fin)},
    ColumnDefinition{"flags_syn", ColumnType::kInt64, offsetof(FlowRow, flags_syn)},
    ColumnDefinition{"flags_rst", ColumnType::kInt64, offsetof(FlowRow, flags_rst)},
    ColumnDefinition{"flags_psh", ColumnType::kInt64, offsetof(FlowRow, flags_psh)},
    ColumnDefinition{"flags_ack", ColumnType::kInt64, offsetof(FlowRow, flags_ack)},
    ColumnDefinition{"flags_urg", ColumnType::kInt64, offsetof(FlowRow, flags_urg)},
    ColumnDefinition{"flags_cwr", ColumnType::kInt64, offsetof(FlowRow, flags_cwr)},
    ColumnDefinition{"flags_ece", ColumnType::kInt64, offsetof(FlowRow, flags_ece)},
    ColumnDefinition{"retransmitted_fwd", ColumnType::kInt64, offsetof(FlowRow, retransmitted_fwd)},
    ColumnDefinition{"retransmitted_bwd", ColumnType::kInt64, offsetof(FlowRow, retransmitted_bwd)},
    ColumnDefinition{"out_of_order_fwd", ColumnType::kInt64, offsetof(FlowRow, out_of_order_fwd)},
    ColumnDefinition{"out_of_order_bwd", ColumnType::kInt64, offsetof(FlowRow, out_of_order_bwd)},
    ColumnDefinition{"zero_windows_fwd", ColumnType::kInt64, offsetof(FlowRow, zero_windows_fwd)},
    ColumnDefinition{"zero_windows_bwd", ColumnType::kInt64, offsetof(FlowRow, zero_windows_bwd)},
    ColumnDefinition{"down_up_ratio", ColumnType::kFloat64, offsetof(FlowRow, down_up_ratio)},
    ColumnDefinition{"bulk_fwd_bytes_mean", ColumnType::kFloat64, offsetof(FlowRow, bulk_fwd_bytes_mean)},
    ColumnDefinition{"bulk_fwd_packets_mean", ColumnType::kFloat64, offsetof(FlowRow, bulk_fwd_packets_mean)},
    ColumnDefinition{"bulk_fwd_rate", ColumnType::kFloat64, offsetof(FlowRow, bulk_fwd_rate)},
    ColumnDefinition{"bulk_bwd_bytes_mean", ColumnType::kFloat64, offsetof(FlowRow, bulk_bwd_bytes_mean)},
    ColumnDefinition{"bulk_bwd_packets_mean", ColumnType::kFloat64, offsetof(FlowRow, bulk_bwd_packets_mean)},
    ColumnDefinition{"bulk_bwd_rate", ColumnType::kFloat64, offsetof(FlowRow, bulk_bwd_rate)},
    ColumnDefinition{"subflow_fwd_packets", ColumnType::kFloat64, offsetof(FlowRow, subflow_fwd_packets)},
    ColumnDefinition{"subflow_fwd_payload", ColumnType::kFloat64, offsetof(FlowRow, subflow_fwd_payload)},
    ColumnDefinition{"subflow_bwd_packets", ColumnType::kFloat64, offsetof(FlowRow, subflow_bwd_packets)},
    ColumnDefinition{"subflow_bwd_payload", ColumnType::kFloat64, offsetof(FlowRow, subflow_bwd_payload)},
    ColumnDefinition{"init_win_fwd", ColumnType::kInt64, offsetof(FlowRow, init_win_fwd)},
    ColumnDefinition{"init_win_bwd", ColumnType::kInt64, offsetof(FlowRow, init_win_bwd)},
    ColumnDefinition{"data_packets_fwd", ColumnType::kInt64, offsetof(FlowRow, data_packets_fwd)},
    ColumnDefinition{"segment_size_fwd_min", ColumnType::kInt64, offsetof(FlowRow, segment_size_fwd_min)},
    ColumnDefinition{"active_mean_us", ColumnType::kFloat64, offsetof(FlowRow, active_mean_us)},
    ColumnDefinition{"active_std_us", ColumnType::kFloat64, offsetof(FlowRow, active_std_us)},
    ColumnDefinition{"active_max_us", ColumnType::kInt64, offsetof(FlowRow, active_max_us)},
    ColumnDefinition{"active_min_us", ColumnType::kInt64, offsetof(FlowRow, active_min_us)},
    ColumnDefinition{"idle_mean_us", ColumnType::kFloat64, offsetof(FlowRow, idle_mean_us)},
    ColumnDefinition{"idle_std_us", ColumnType::kFloat64, offsetof(FlowRow, idle_std_us)},
    ColumnDefinition{"idle_max_us", ColumnType::kInt64, offsetof(FlowRow, idle_max_us)},
    ColumnDefinition{"idle_min_us", ColumnType::kInt64, offsetof(FlowRow, idle_min_us)},
    ColumnDefinition{"icmp_type", ColumnType::kInt32, offsetof(FlowRow, icmp_type)},
    ColumnDefinition{"icmp_code", ColumnType::kInt32, offsetof(FlowRow, icmp_code)},
    ColumnDefinition{"segment_index", ColumnType::kInt32, offsetof(FlowRow, segment_index)},
    ColumnDefinition{"first_offset", ColumnType::kInt64, offsetof(FlowRow, first_offset)},
};

double Mean(std::uint64_t sum, std::uint64_t count) { return count == 0 ? 0.0 : static_cast<double>(sum) / static_cast<double>(count); }

// Sample variance from exact integer sums; 0 for fewer than two values.
double Variance(std::uint64_t squares, std::uint64_t sum, std::uint64_t count) {
  if (count < 2) {
    return 0.0;
  }
  const Wide spread = Wide{count} * squares - Wide{sum} * sum;
  return static_cast<double>(spread) / (static_cast<double>(count) * static_cast<double>(count - 1));
}

double Deviation(std::uint64_t squares, std::uint64_t sum, std::uint64_t count) { return std::sqrt(Variance(squares, sum, count)); }

double PerSecond(std::uint64_t amount, std::int64_t duration_us) {
  return duration_us == 0 ? 0.0 : static_cast<double>(amount) * kUsPerS / static_cast<double>(duration_us);
}

std::int64_t Signed(std::uint64_t value) { return static_cast<std::int64_t>(value); }

// The identity of a flow: its oriented 5-tuple and its start, under a seed that never changes.
std::int64_t FlowId(const FlowHead& head) {
  const std::uint64_t tuple = Hash(head.key, kIdentitySeed);
  const std::uint64_t start = static_cast<std::uint64_t>(head.first_us) << 1 | static_cast<std::uint64_t>(head.is_forward_from_b);
  return static_cast<std::int64_t>(Fold(tuple ^ kIdentitySeed.second, start ^ kIdentitySeed.first) >> 1);
}

void SetIdentity(const FlowHead& head, const FirstPacket& first, EndReason reason, FlowRow* row) {
  const FlowKey& key = head.key;
  const bool is_swapped = head.is_forward_from_b;
  const bool is_icmp = key.protocol == kProtocolIcmp || key.protocol == kProtocolIcmp6;
  row->flow_id = FlowId(head);
  row->start_us = head.first_us;
  row->src_ip = is_swapped ? key.b : key.a;
  row->dst_ip = is_swapped ? key.a : key.b;
  row->src_port = is_swapped ? key.port_b : key.port_a;
  row->dst_port = is_swapped ? key.port_a : key.port_b;
  row->end_reason = reason;
  row->protocol = key.protocol;
  row->ip_version = key.ip_version;
  row->duration_us = head.last_us - head.first_us;
  row->init_win_fwd = first.window;
  row->icmp_type = is_icmp ? first.icmp_type : kNoIcmp;
  row->icmp_code = is_icmp ? first.icmp_code : kNoIcmp;
  row->segment_index = first.capture;
  row->first_offset = Signed(first.offset);
}

void SetPayloads(const FlowRecord& record, FlowRow* row) {
  const Side& fwd = record.sides[kForward];
  const Side& bwd = record.sides[kBackward];
  const bool is_answered = bwd.packets > 0;
  const std::uint64_t packets = std::uint64_t{fwd.packets} + bwd.packets;
  const std::uint64_t payload = fwd.payload + bwd.payload;
  const std::uint64_t squares = fwd.payload_squares + bwd.payload_squares;
  row->payload_fwd_max = fwd.payload_most;
  row->payload_fwd_min = fwd.payload_least;
  row->payload_fwd_mean = Mean(fwd.payload, fwd.packets);
  row->payload_fwd_std = Deviation(fwd.payload_squares, fwd.payload, fwd.packets);
  row->payload_bwd_max = bwd.payload_most;
  row->payload_bwd_min = is_answered ? bwd.payload_least : 0;
  row->payload_bwd_mean = Mean(bwd.payload, bwd.packets);
  row->payload_bwd_std = Deviation(bwd.payload_squares, bwd.payload, bwd.packets);
  row->payload_max = std::max(fwd.payload_most, bwd.payload_most);
  row->payload_min = std::min(fwd.payload_least, bwd.payload_least);
  row->payload_mean = Mean(payload, packets);
  row->payload_var = Variance(squares, payload, packets);
  row->payload_std = std::sqrt(row->payload_var);
  row->payload_rate = PerSecond(payload, row->duration_us);
  row->packet_rate = PerSecond(packets, row->duration_us);
  row->packet_fwd_rate = PerSecond(fwd.packets, row->duration_us);
  row->packet_bwd_rate = PerSecond(bwd.packets, row->duration_us);
  row->down_up_ratio = Mean(bwd.packets, fwd.packets);
  // CICFlowMeter starts a subflow at every packet, so these are shares of all packets, rounded down.
  row->subflow_fwd_packets = static_cast<double>(fwd.packets / packets);
  row->subflow_fwd_payload = static_cast<double>(fwd.payload / packets);
  row->subflow_bwd_packets = static_cast<double>(bwd.packets / packets);
  row->subflow_bwd_payload = static_cast<double>(bwd.payload / packets);
}

void SetGaps(const FlowHead& head, const FlowRecord& record, FlowRow* row) {
  const Side& fwd = record.sides[kForward];
  const Side& bwd = record.sides[kBackward];
  const Rhythm& rhythm = record.rhythm;
  const std::uint64_t gaps = std::uint64_t{fwd.packets} + bwd.packets - 1;
  const auto duration = static_cast<std::uint64_t>(row->duration_us);
  row->iat_mean_us = Mean(duration, gaps);
  row->iat_std_us = Deviation(rhythm.gap_squares, duration, gaps);
  row->iat_max_us = rhythm.gap_most;
  row->iat_min_us = rhythm.gap_least;
  if (fwd.packets > 1) {
    const auto total = static_cast<std::uint64_t>(fwd.last_us - head.first_us);
    row->iat_fwd_total_us = Signed(total);
    row->iat_fwd_mean_us = Mean(total, fwd.packets - 1);
    row->iat_fwd_std_us = Deviation(fwd.gap_squares, total, fwd.packets - 1);
    row->iat_fwd_max_us = fwd.gap_most;
    row->iat_fwd_min_us = fwd.gap_least;
  }
  if (bwd.packets > 1) {
    const auto total = static_cast<std::uint64_t>(bwd.last_us - head.first_us - record.backward_since_us);
    row->iat_bwd_total_us = Signed(total);
    row->iat_bwd_mean_us = Mean(total, bwd.packets - 1);
    row->iat_bwd_std_us = Deviation(bwd.gap_squares, total, bwd.packets - 1);
    row->iat_bwd_max_us = bwd.gap_most;
    row->iat_bwd_min_us = bwd.gap_least;
  }
}

void SetSpells(const FlowRecord& record, FlowRow* row) {
  const Spells& active = record.rhythm.active;
  const Spells& idle = record.idle;
  row->active_mean_us = Mean(active.sum, active.count);
  row->active_std_us = Deviation(active.squares, active.sum, active.count);
  row->active_max_us = active.most;
  row->active_min_us = active.least;
  row->idle_mean_us = Mean(idle.sum, idle.count);
  row->idle_std_us = Deviation(idle.squares, idle.sum, idle.count);
  row->idle_max_us = idle.most;
  row->idle_min_us = idle.least;
}

void SetTcp(const Tcp& tcp, FlowRow* row) {
  row->psh_fwd = tcp.psh[kForward];
  row->psh_bwd = tcp.psh[kBackward];
  row->urg_fwd = tcp.urg[kForward];
  row->urg_bwd = tcp.urg[kBackward];
  row->rst_fwd = tcp.rst[kForward];
  row->rst_bwd = tcp.rst[kBackward];
  row->flags_fin = tcp.fin;
  row->flags_syn = tcp.syn;
  row->flags_rst = std::int64_t{tcp.rst[kForward]} + tcp.rst[kBackward];
  row->flags_psh = std::int64_t{tcp.psh[kForward]} + tcp.psh[kBackward];
  row->flags_ack = tcp.ack;
  row->flags_urg = std::int64_t{tcp.urg[kForward]} + tcp.urg[kBackward];
  row->flags_cwr = tcp.cwr;
  row->flags_ece = tcp.ece;
  row->init_win_bwd = tcp.window_backward;
}

// How the conversation went: Zeek's words for TCP, and for UDP whether it was answered.
void SetCourse(const FlowHead& head, const TcpStream& stream, bool is_answered, FlowRow* row) {
  row->conn_state = ConnState::kOth;
  if (head.key.protocol == kProtocolTcp) {
    row->conn_state = ConnStateOf(stream);
    row->history = stream.history;
    row->retransmitted_fwd = stream.retransmitted[kForward];
    row->retransmitted_bwd = stream.retransmitted[kBackward];
    row->out_of_order_fwd = stream.out_of_order[kForward];
    row->out_of_order_bwd = stream.out_of_order[kBackward];
    row->zero_windows_fwd = stream.zero_windows[kForward];
    row->zero_windows_bwd = stream.zero_windows[kBackward];
  } else if (head.key.protocol == kProtocolUdp) {
    row->conn_state = is_answered ? ConnState::kSf : ConnState::kS0;
    row->history = UdpHistory(is_answered);
  }
}

// Means of bulks are rounded down, as CICFlowMeter does.
void SetBulks(const FlowRecord& record, FlowRow* row) {
  const auto quotient = [](std::uint64_t sum, std::uint64_t count) { return count == 0 ? 0.0 : static_cast<double>(sum / count); };
  const auto rate = [](const Bulk& bulk) { return std::floor(PerSecond(bulk.bytes, bulk.duration_us)); };
  const Bulk& fwd = record.bulks[kForward];
  const Bulk& bwd = record.bulks[kBackward];
  row->bulk_fwd_bytes_mean = quotient(fwd.bytes, fwd.count);
  row->bulk_fwd_packets_mean = quotient(fwd.packets, fwd.count);
  row->bulk_fwd_rate = rate(fwd);
  row->bulk_bwd_bytes_mean = quotient(bwd.bytes, bwd.count);
  row->bulk_bwd_packets_mean = quotient(bwd.packets, bwd.count);
  row->bulk_bwd_rate = rate(bwd);
}

constexpr std::size_t kLongestAddress = INET6_ADDRSTRLEN;

// "0." to "255.": an octet and the dot behind it.
struct Octet {
  std::array<char, 4> letters;
  std::uint32_t size;
};

constexpr std::array<Octet, 256> MakeOctets() {
  std::array<Octet, 256> octets{};
  for (unsigned value = 0; value < octets.size(); ++value) {
    Octet& octet = octets[value];
    for (const unsigned unit : {100u, 10u, 1u}) {
      if (value >= unit || unit == 1) {
        octet.letters[octet.size++] = static_cast<char>('0' + value / unit % 10);
      }
    }
    octet.letters[octet.size++] = '.';
  }
  return octets;
}

constexpr std::array<Octet, 256> kOctets = MakeOctets();

// Writes the address as text (RFC 5952 for IPv6) and returns the end of it.
char* WriteAddress(const Address& address, std::int64_t ip_version, char* to) {
  if (ip_version == 4) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      const Octet& octet = kOctets[address.low >> shift & 0xff];
      std::memcpy(to, octet.letters.data(), octet.letters.size());
      to += octet.size;
    }
    return to - 1;
  }
  const std::array<std::uint64_t, 2> network{__builtin_bswap64(address.high), __builtin_bswap64(address.low)};
  inet_ntop(AF_INET6, network.data(), to, kLongestAddress);
  return to + std::strlen(to);
}

}  // namespace

std::span<const ColumnDefinition> FlowColumnDefinitions() { return kDefinitions; }

FlowColumns::FlowColumns(FlowSink sink, std::int64_t batch_rows) : sink_(std::move(sink)), batch_rows_(batch_rows), tile_(kTileRows) { TakeFreeBatch(); }

// A batch that nobody else holds, emptied, or a new one.
void FlowColumns::TakeFreeBatch() {
  batch_.reset();
  const auto is_free = [](const std::shared_ptr<FlowBatch>& batch) { return batch.use_count() == 1; };
  const auto found = std::find_if(batches_.begin(), batches_.end(), is_free);
  if (found == batches_.end()) {
    batches_.push_back(std::make_shared<FlowBatch>());
    batch_ = batches_.back();
    batch_->columns.resize(kDefinitions.size());
  } else {
    std::atomic_thread_fence(std::memory_order_acquire);  // another thread may have let go of it
    batch_ = *found;
  }
  batch_->rows = 0;
  for (std::size_t i = 0; i < kDefinitions.size(); ++i) {
    FlowBatch::Column& column = batch_->columns[i];
    column.values.Clear();
    column.offsets.Clear();
    if (IsText(kDefinitions[i].type)) {
      column.offsets.Append(std::int32_t{0});
    }
  }
}

void FlowColumns::HandOver() {
  sink_(std::move(batch_));
  TakeFreeBatch();
}

FlowRow* FlowColumns::NextRow() {
  if (tile_rows_ == kTileRows) {
    FlushTile();
  }
  FlowRow* row = &tile_[tile_rows_++];
  *row = {};
  return row;
}

void FlowColumns::AppendSingle(const FlowHead& head, const FirstPacket& first, EndReason reason) {
  FlowRow* row = NextRow();
  SetIdentity(head, first, reason, row);
  const std::int64_t payload = first.payload;
  const auto has = [&first](std::uint8_t flag) { return static_cast<std::int64_t>((first.tcp_flags & flag) != 0); };
  row->packets_fwd = 1;
  row->bytes_fwd = first.ip_bytes;
  row->payload_fwd = row->payload_fwd_max = row->payload_fwd_min = row->payload_max = row->payload_min = payload;
  row->payload_fwd_mean = row->payload_mean = static_cast<double>(payload);
  row->header_fwd = row->segment_size_fwd_min = first.header;
  row->psh_fwd = row->flags_psh = has(kTcpPsh);
  row->urg_fwd = row->flags_urg = has(kTcpUrg);
  row->rst_fwd = row->flags_rst = has(kTcpRst);
  row->flags_fin = has(kTcpFin);
  row->flags_syn = has(kTcpSyn);
  row->flags_ack = has(kTcpAck);
  row->flags_cwr = has(kTcpCwr);
  row->flags_ece = has(kTcpEce);
  SetCourse(head, BeginStream(first), false, row);
  row->subflow_fwd_packets = 1;
  row->subflow_fwd_payload = static_cast<double>(payload);
}

void FlowColumns::Append(const FlowHead& head, const FirstPacket& first, const FlowRecord& record, EndReason reason) {
  FlowRow* row = NextRow();
  const Side& fwd = record.sides[kForward];
  const Side& bwd = record.sides[kBackward];
  SetIdentity(head, first, reason, row);
  row->packets_fwd = fwd.packets;
  row->packets_bwd = bwd.packets;
  row->bytes_fwd = Signed(fwd.bytes);
  row->bytes_bwd = Signed(bwd.bytes);
  row->payload_fwd = Signed(fwd.payload);
  row->payload_bwd = Signed(bwd.payload);
  row->header_fwd = Signed(fwd.header_bytes);
  row->header_bwd = Signed(bwd.header_bytes);
  row->data_packets_fwd = record.rhythm.data_packets_forward;
  row->segment_size_fwd_min = record.rhythm.header_forward_least;
  SetPayloads(record, row);
  SetGaps(head, record, row);
  SetSpells(record, row);
  SetTcp(record.tcp, row);
  SetCourse(head, record.stream, bwd.packets > 0, row);
  SetBulks(record, row);
}

void FlowColumns::Flush() {
  FlushTile();
  HandOver();
}

void FlowColumns::FlushTile() {
  for (std::size_t i = 0; i < kDefinitions.size(); ++i) {
    FlushColumn(kDefinitions[i], tile_rows_, &batch_->columns[i]);
  }
  batch_->rows += static_cast<std::int64_t>(tile_rows_);
  tile_rows_ = 0;
  if (batch_->rows >= batch_rows_) {
    HandOver();
  }
}

void FlowColumns::FlushColumn(const ColumnDefinition& definition, std::size_t rows, FlowBatch::Column* column) const {
  const auto* from = reinterpret_cast<const unsigned char*>(tile_.data()) + definition.offset;
  const auto copy = [&]<typename Stored, typename Wanted>(Stored, Wanted) {
    unsigned char* to = column->values.Extend(rows * sizeof(Wanted));
    for (std::size_t row = 0; row < rows; ++row) {
      Stored stored;
      std::memcpy(&stored, from + row * sizeof(FlowRow), sizeof stored);
      const auto wanted = static_cast<Wanted>(stored);
      std::memcpy(to + row * sizeof wanted, &wanted, sizeof wanted);
    }
  };
  const auto write_text = [&](std::size_t longest, const auto& write) {
    auto* start = reinterpret_cast<char*>(column->values.Extend(rows * longest));
    unsigned char* offsets = column->offsets.Extend(rows * sizeof(std::int32_t));
    const std::size_t before = column->values.size() - rows * longest;
    char* to = start;
    for (std::size_t row = 0; row < rows; ++row) {
      to = write(tile_[row], from + row * sizeof(FlowRow), to);
      const std::size_t end = before + static_cast<std::size_t>(to - start);
      if (end > std::numeric_limits<std::int32_t>::max()) {
        throw std::length_error("more flows than one table of text can hold; give fewer captures at once");
      }
      const auto offset = static_cast<std::int32_t>(end);
      std::memcpy(offsets + row * sizeof offset, &offset, sizeof offset);
    }
    column->values.Shrink(rows * longest - static_cast<std::size_t>(to - start));
  };
  switch (definition.type) {
    case ColumnType::kInt64:
      copy(std::int64_t{}, std::int64_t{});
      break;
    case ColumnType::kInt32:
      copy(std::int64_t{}, std::int32_t{});
      break;
    case ColumnType::kFloat64:
      copy(double{}, double{});
      break;
    case ColumnType::kAddress:
      write_text(kLongestAddress, [](const FlowRow& row, const unsigned char* field, char* to) {
        Address address;
        std::memcpy(&address, field, sizeof address);
        return WriteAddress(address, row.ip_version, to);
      });
      break;
    case ColumnType::kCommunityId:
      write_text(kCommunityIdBytes, [](const FlowRow& row, const unsigned char*, char* to) {
        const bool is_icmp = row.icmp_type >= 0;
        const auto first = static_cast<std::uint16_t>(is_icmp ? row.icmp_type : row.src_port);
        const auto second = static_cast<std::uint16_t>(is_icmp ? row.icmp_code : row.dst_port);
        WriteCommunityId({row.src_ip, row.dst_ip, first, second, static_cast<std::uint8_t>(row.protocol), static_cast<std::uint8_t>(row.ip_version)}, to);
        return to + kCommunityIdBytes;
      });
      break;
    case ColumnType::kConnState:
      write_text(sizeof(Word), [](const FlowRow& row, const unsigned char*, char* to) {
        return WriteWord(kConnStates[static_cast<std::size_t>(row.conn_state)], to);
      });
      break;
    case ColumnType::kHistory:
      write_text(kLongestHistory, [](const FlowRow& row, const unsigned char*, char* to) { return WriteHistory(row.history, to); });
      break;
    case ColumnType::kEndReason:
      write_text(sizeof(Word), [](const FlowRow& row, const unsigned char*, char* to) {
        return WriteWord(kEndReasonNames[static_cast<std::size_t>(row.end_reason)], to);
      });
      break;
  }
}

}  // namespace weir
