// Finished flows as columns: exactly those of schema.FLOWS, in that order.
//
// Rows are collected in a tile that stays in the cache and then moved to the columns, one column
// after the other: writing a hundred columns for each row would touch a hundred pages.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "flow_batch.h"
#include "flow_record.h"

namespace weir {

enum class ColumnType : std::uint8_t { kInt64, kInt32, kFloat64, kAddress, kCommunityId, kEndReason, kConnState, kHistory };

// Whether a column holds text; the others hold numbers.
constexpr bool IsText(ColumnType type) { return type >= ColumnType::kAddress; }

// One row before it is put into the columns. Numbers of 32 bits are narrowed then.
struct FlowRow {
  std::int64_t flow_id;
  std::int64_t start_us;
  Address src_ip;
  Address dst_ip;
  std::int64_t src_port;
  std::int64_t dst_port;
  EndReason end_reason;
  ConnState conn_state;
  History history;
  std::int64_t protocol;
  std::int64_t ip_version;
  std::int64_t duration_us;
  std::int64_t packets_fwd;
  std::int64_t packets_bwd;
  std::int64_t bytes_fwd;
  std::int64_t bytes_bwd;
  std::int64_t payload_fwd;
  std::int64_t payload_bwd;
  std::int64_t payload_fwd_max;
  std::int64_t payload_fwd_min;
  double payload_fwd_mean;
  double payload_fwd_std;
  std::int64_t payload_bwd_max;
  std::int64_t payload_bwd_min;
  double payload_bwd_mean;
  double payload_bwd_std;
  std::int64_t payload_max;
  std::int64_t payload_min;
  double payload_mean;
  double payload_std;
  double payload_var;
  double payload_rate;
  double packet_rate;
  double packet_fwd_rate;
  double packet_bwd_rate;
  double iat_mean_us;
  double iat_std_us;
  std::int64_t iat_max_us;
  std::int64_t iat_min_us;
  std::int64_t iat_fwd_total_us;
  double iat_fwd_mean_us;
  double iat_fwd_std_us;
  std::int64_t iat_fwd_max_us;
  std::int64_t iat_fwd_min_us;
  std::int64_t iat_bwd_total_us;
  double iat_bwd_mean_us;
  double iat_bwd_std_us;
  std::int64_t iat_bwd_max_us;
  std::int64_t iat_bwd_min_us;
  std::int64_t psh_fwd;
  std::int64_t psh_bwd;
  std::int64_t urg_fwd;
  std::int64_t urg_bwd;
  std::int64_t rst_fwd;
  std::int64_t rst_bwd;
  std::int64_t header_fwd;
  std::int64_t header_bwd;
  std::int64_t flags_fin;
  std::int64_t flags_syn;
  std::int64_t flags_rst;
  std::int64_t flags_psh;
  std::int64_t flags_ack;
  std::int64_t flags_urg;
  std::int64_t flags_cwr;
  std::int64_t flags_ece;
  std::int64_t retransmitted_fwd;
  std::int64_t retransmitted_bwd;
  std::int64_t out_of_order_fwd;
  std::int64_t out_of_order_bwd;
  std::int64_t zero_windows_fwd;
  std::int64_t zero_windows_bwd;
  double down_up_ratio;
  double bulk_fwd_bytes_mean;
  double bulk_fwd_packets_mean;
  double bulk_fwd_rate;
  double bulk_bwd_bytes_mean;
  double bulk_bwd_packets_mean;
  double bulk_bwd_rate;
  double subflow_fwd_packets;
  double subflow_fwd_payload;
  double subflow_bwd_packets;
  double subflow_bwd_payload;
  std::int64_t init_win_fwd;
  std::int64_t init_win_bwd;
  std::int64_t data_packets_fwd;
  std::int64_t segment_size_fwd_min;
  double active_mean_us;
  double active_std_us;
  std::int64_t active_max_us;
  std::int64_t active_min_us;
  double idle_mean_us;
  double idle_std_us;
  std::int64_t idle_max_us;
  std::int64_t idle_min_us;
  std::int64_t icmp_type;
  std::int64_t icmp_code;
  std::int64_t segment_index;
  std::int64_t first_offset;
};

struct ColumnDefinition {
  const char* name;
  ColumnType type;
  std::size_t offset;  // in FlowRow; 0 where the column is made of several of its fields
};

// All columns, in order.
std::span<const ColumnDefinition> FlowColumnDefinitions();

class FlowColumns {
 public:
  // Hands over a batch whenever so many rows are ready.
  explicit FlowColumns(FlowSink sink, std::int64_t batch_rows = kBatchRows);

  // Adds the row of a flow of one packet, or of more.
  void AppendSingle(const FlowHead& head, const FirstPacket& first, EndReason reason);
  void Append(const FlowHead& head, const FirstPacket& first, const FlowRecord& record, EndReason reason);

  // Hands over the rows that are left.
  void Flush();

 private:
  static constexpr std::size_t kTileRows = 64;
  FlowRow* NextRow();
  void FlushTile();
  void FlushColumn(const ColumnDefinition& definition, std::size_t rows, FlowBatch::Column* column) const;
  void HandOver();
  void TakeFreeBatch();

  FlowSink sink_;
  std::int64_t batch_rows_;
  std::vector<FlowRow> tile_;
  std::size_t tile_rows_ = 0;
  std::shared_ptr<FlowBatch> batch_;                 // the one being filled
  std::vector<std::shared_ptr<FlowBatch>> batches_;  // all that were made, to be used again
};

}  // namespace weir
