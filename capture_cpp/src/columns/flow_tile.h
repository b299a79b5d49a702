// Rows on their way into the columns, one array per column.
//
// A row is written here first: a hundred columns of a batch lie a hundred pages apart, while a tile
// stays in the cache, and whole runs of it are copied at once. A number that a row does not set is 0.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "options.h"
#include "record/flow_record.h"

namespace weir {

inline constexpr std::size_t kTileRows = kHasSmallLimits ? 16 : 64;  // 16 fill a cache line

// A cache line longer than needed: arrays a power of two apart would share few sets of the cache.
template <typename Value>
using Cells = std::array<Value, kTileRows + kCacheLine / sizeof(Value)>;

struct FlowTile {
  Cells<std::int64_t> flow_id;
  Cells<std::int64_t> start_us;
  Cells<Address> src_ip;
  Cells<Address> dst_ip;
  Cells<std::int32_t> src_port;
  Cells<std::int32_t> dst_port;
  Cells<EndReason> end_reason;
  Cells<ConnState> conn_state;
  Cells<History> history;
  Cells<std::int32_t> protocol;
  Cells<std::int32_t> ip_version;
  Cells<std::int64_t> duration_us;
  Cells<std::int64_t> packets_fwd;
  Cells<std::int64_t> packets_bwd;
  Cells<std::int64_t> bytes_fwd;
  Cells<std::int64_t> bytes_bwd;
  Cells<std::int64_t> payload_fwd;
  Cells<std::int64_t> payload_bwd;
  Cells<std::int64_t> payload_fwd_max;
  Cells<std::int64_t> payload_fwd_min;
  Cells<double> payload_fwd_mean;
  Cells<double> payload_fwd_std;
  Cells<std::int64_t> payload_bwd_max;
  Cells<std::int64_t> payload_bwd_min;
  Cells<double> payload_bwd_mean;
  Cells<double> payload_bwd_std;
  Cells<std::int64_t> payload_max;
  Cells<std::int64_t> payload_min;
  Cells<double> payload_mean;
  Cells<double> payload_std;
  Cells<double> payload_var;
  Cells<double> payload_rate;
  Cells<double> packet_rate;
  Cells<double> packet_fwd_rate;
  Cells<double> packet_bwd_rate;
  Cells<double> iat_mean_us;
  Cells<double> iat_std_us;
  Cells<std::int64_t> iat_max_us;
  Cells<std::int64_t> iat_min_us;
  Cells<std::int64_t> iat_fwd_total_us;
  Cells<double> iat_fwd_mean_us;
  Cells<double> iat_fwd_std_us;
  Cells<std::int64_t> iat_fwd_max_us;
  Cells<std::int64_t> iat_fwd_min_us;
  Cells<std::int64_t> iat_bwd_total_us;
  Cells<double> iat_bwd_mean_us;
  Cells<double> iat_bwd_std_us;
  Cells<std::int64_t> iat_bwd_max_us;
  Cells<std::int64_t> iat_bwd_min_us;
  Cells<std::int64_t> psh_fwd;
  Cells<std::int64_t> psh_bwd;
  Cells<std::int64_t> urg_fwd;
  Cells<std::int64_t> urg_bwd;
  Cells<std::int64_t> rst_fwd;
  Cells<std::int64_t> rst_bwd;
  Cells<std::int64_t> header_fwd;
  Cells<std::int64_t> header_bwd;
  Cells<std::int64_t> flags_fin;
  Cells<std::int64_t> flags_syn;
  Cells<std::int64_t> flags_rst;
  Cells<std::int64_t> flags_psh;
  Cells<std::int64_t> flags_ack;
  Cells<std::int64_t> flags_urg;
  Cells<std::int64_t> flags_cwr;
  Cells<std::int64_t> flags_ece;
  Cells<std::int32_t> tcp_flags_fwd;
  Cells<std::int32_t> tcp_flags_bwd;
  Cells<std::int64_t> retransmitted_fwd;
  Cells<std::int64_t> retransmitted_bwd;
  Cells<std::int64_t> out_of_order_fwd;
  Cells<std::int64_t> out_of_order_bwd;
  Cells<std::int64_t> gap_bytes_fwd;
  Cells<std::int64_t> gap_bytes_bwd;
  Cells<std::int64_t> zero_windows_fwd;
  Cells<std::int64_t> zero_windows_bwd;
  Cells<double> down_up_ratio;
  Cells<double> bulk_fwd_bytes_mean;
  Cells<double> bulk_fwd_packets_mean;
  Cells<double> bulk_fwd_rate;
  Cells<double> bulk_bwd_bytes_mean;
  Cells<double> bulk_bwd_packets_mean;
  Cells<double> bulk_bwd_rate;
  Cells<double> subflow_fwd_packets;
  Cells<double> subflow_fwd_payload;
  Cells<double> subflow_bwd_packets;
  Cells<double> subflow_bwd_payload;
  Cells<std::int64_t> init_win_fwd;
  Cells<std::int64_t> init_win_bwd;
  Cells<std::int64_t> data_packets_fwd;
  Cells<std::int64_t> segment_size_fwd_min;
  Cells<double> active_mean_us;
  Cells<double> active_std_us;
  Cells<std::int64_t> active_max_us;
  Cells<std::int64_t> active_min_us;
  Cells<double> idle_mean_us;
  Cells<double> idle_std_us;
  Cells<std::int64_t> idle_max_us;
  Cells<std::int64_t> idle_min_us;
  Cells<std::int32_t> icmp_type;
  Cells<std::int32_t> icmp_code;
  Cells<double> payload_entropy_fwd;
  Cells<double> payload_entropy_bwd;
  Cells<std::int64_t> odd_link;
  Cells<std::int64_t> odd_network;
  Cells<std::int64_t> odd_transport;
  Cells<std::int32_t> segment_index;
  Cells<std::int64_t> first_offset;
};

enum class ColumnType : std::uint8_t {
  kInt64,
  kInt32,
  kFloat64,
  kApplicationNumber,
  kAddress,
  kCommunityId,
  kEndReason,
  kConnState,
  kHistory,
  kApplicationText,
};

// Whether a column holds text; the others hold numbers.
constexpr bool IsText(ColumnType type) { return type >= ColumnType::kAddress; }

struct ColumnDefinition {
  const char* name;
  ColumnType type;
  std::size_t offset;  // of its array in FlowTile, or which field of Fields; 0 where it is made of several arrays
};

// All columns, in order.
std::span<const ColumnDefinition> FlowColumnDefinitions();

// Which of them come out of a tile, and which are fields.
std::span<const std::size_t> TileTextColumns();
std::span<const std::size_t> TileNumberColumns();
std::span<const std::size_t> FieldTextColumns();    // in the order of TextField
std::span<const std::size_t> FieldNumberColumns();  // in the order of NumberField

}  // namespace weir
