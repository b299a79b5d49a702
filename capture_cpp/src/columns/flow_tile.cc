#include "columns/flow_tile.h"

#include <algorithm>
#include <array>

#include "application/fields.h"

namespace weir {
namespace {

constexpr ColumnDefinition Said(const char* name, TextField field) { return {name, ColumnType::kApplicationText, static_cast<std::size_t>(field)}; }
constexpr ColumnDefinition Said(const char* name, NumberField field) { return {name, ColumnType::kApplicationNumber, static_cast<std::size_t>(field)}; }

constexpr std::array kDefinitions{
    ColumnDefinition{"flow_id", ColumnType::kInt64, offsetof(FlowTile, flow_id)},
    ColumnDefinition{"start_us", ColumnType::kInt64, offsetof(FlowTile, start_us)},
    ColumnDefinition{"src_ip", ColumnType::kAddress, offsetof(FlowTile, src_ip)},
    ColumnDefinition{"dst_ip", ColumnType::kAddress, offsetof(FlowTile, dst_ip)},
    ColumnDefinition{"src_port", ColumnType::kInt32, offsetof(FlowTile, src_port)},
    ColumnDefinition{"dst_port", ColumnType::kInt32, offsetof(FlowTile, dst_port)},
    ColumnDefinition{"community_id", ColumnType::kCommunityId, 0},
    ColumnDefinition{"end_reason", ColumnType::kEndReason, offsetof(FlowTile, end_reason)},
    ColumnDefinition{"conn_state", ColumnType::kConnState, offsetof(FlowTile, conn_state)},
    ColumnDefinition{"history", ColumnType::kHistory, offsetof(FlowTile, history)},
    ColumnDefinition{"protocol", ColumnType::kInt32, offsetof(FlowTile, protocol)},
    ColumnDefinition{"ip_version", ColumnType::kInt32, offsetof(FlowTile, ip_version)},
    ColumnDefinition{"duration_us", ColumnType::kInt64, offsetof(FlowTile, duration_us)},
    ColumnDefinition{"packets_fwd", ColumnType::kInt64, offsetof(FlowTile, packets_fwd)},
    ColumnDefinition{"packets_bwd", ColumnType::kInt64, offsetof(FlowTile, packets_bwd)},
    ColumnDefinition{"bytes_fwd", ColumnType::kInt64, offsetof(FlowTile, bytes_fwd)},
    ColumnDefinition{"bytes_bwd", ColumnType::kInt64, offsetof(FlowTile, bytes_bwd)},
    ColumnDefinition{"payload_fwd", ColumnType::kInt64, offsetof(FlowTile, payload_fwd)},
    ColumnDefinition{"payload_bwd", ColumnType::kInt64, offsetof(FlowTile, payload_bwd)},
    ColumnDefinition{"payload_fwd_max", ColumnType::kInt64, offsetof(FlowTile, payload_fwd_max)},
    ColumnDefinition{"payload_fwd_min", ColumnType::kInt64, offsetof(FlowTile, payload_fwd_min)},
    ColumnDefinition{"payload_fwd_mean", ColumnType::kFloat64, offsetof(FlowTile, payload_fwd_mean)},
    ColumnDefinition{"payload_fwd_std", ColumnType::kFloat64, offsetof(FlowTile, payload_fwd_std)},
    ColumnDefinition{"payload_bwd_max", ColumnType::kInt64, offsetof(FlowTile, payload_bwd_max)},
    ColumnDefinition{"payload_bwd_min", ColumnType::kInt64, offsetof(FlowTile, payload_bwd_min)},
    ColumnDefinition{"payload_bwd_mean", ColumnType::kFloat64, offsetof(FlowTile, payload_bwd_mean)},
    ColumnDefinition{"payload_bwd_std", ColumnType::kFloat64, offsetof(FlowTile, payload_bwd_std)},
    ColumnDefinition{"payload_max", ColumnType::kInt64, offsetof(FlowTile, payload_max)},
    ColumnDefinition{"payload_min", ColumnType::kInt64, offsetof(FlowTile, payload_min)},
    ColumnDefinition{"payload_mean", ColumnType::kFloat64, offsetof(FlowTile, payload_mean)},
    ColumnDefinition{"payload_std", ColumnType::kFloat64, offsetof(FlowTile, payload_std)},
    ColumnDefinition{"payload_var", ColumnType::kFloat64, offsetof(FlowTile, payload_var)},
    ColumnDefinition{"payload_rate", ColumnType::kFloat64, offsetof(FlowTile, payload_rate)},
    ColumnDefinition{"packet_rate", ColumnType::kFloat64, offsetof(FlowTile, packet_rate)},
    ColumnDefinition{"packet_fwd_rate", ColumnType::kFloat64, offsetof(FlowTile, packet_fwd_rate)},
    ColumnDefinition{"packet_bwd_rate", ColumnType::kFloat64, offsetof(FlowTile, packet_bwd_rate)},
    ColumnDefinition{"iat_mean_us", ColumnType::kFloat64, offsetof(FlowTile, iat_mean_us)},
    ColumnDefinition{"iat_std_us", ColumnType::kFloat64, offsetof(FlowTile, iat_std_us)},
    ColumnDefinition{"iat_max_us", ColumnType::kInt64, offsetof(FlowTile, iat_max_us)},
    ColumnDefinition{"iat_min_us", ColumnType::kInt64, offsetof(FlowTile, iat_min_us)},
    ColumnDefinition{"iat_fwd_total_us", ColumnType::kInt64, offsetof(FlowTile, iat_fwd_total_us)},
    ColumnDefinition{"iat_fwd_mean_us", ColumnType::kFloat64, offsetof(FlowTile, iat_fwd_mean_us)},
    ColumnDefinition{"iat_fwd_std_us", ColumnType::kFloat64, offsetof(FlowTile, iat_fwd_std_us)},
    ColumnDefinition{"iat_fwd_max_us", ColumnType::kInt64, offsetof(FlowTile, iat_fwd_max_us)},
    ColumnDefinition{"iat_fwd_min_us", ColumnType::kInt64, offsetof(FlowTile, iat_fwd_min_us)},
    ColumnDefinition{"iat_bwd_total_us", ColumnType::kInt64, offsetof(FlowTile, iat_bwd_total_us)},
    ColumnDefinition{"iat_bwd_mean_us", ColumnType::kFloat64, offsetof(FlowTile, iat_bwd_mean_us)},
    ColumnDefinition{"iat_bwd_std_us", ColumnType::kFloat64, offsetof(FlowTile, iat_bwd_std_us)},
    ColumnDefinition{"iat_bwd_max_us", ColumnType::kInt64, offsetof(FlowTile, iat_bwd_max_us)},
    ColumnDefinition{"iat_bwd_min_us", ColumnType::kInt64, offsetof(FlowTile, iat_bwd_min_us)},
    ColumnDefinition{"psh_fwd", ColumnType::kInt64, offsetof(FlowTile, psh_fwd)},
    ColumnDefinition{"psh_bwd", ColumnType::kInt64, offsetof(FlowTile, psh_bwd)},
    ColumnDefinition{"urg_fwd", ColumnType::kInt64, offsetof(FlowTile, urg_fwd)},
    ColumnDefinition{"urg_bwd", ColumnType::kInt64, offsetof(FlowTile, urg_bwd)},
    ColumnDefinition{"rst_fwd", ColumnType::kInt64, offsetof(FlowTile, rst_fwd)},
    ColumnDefinition{"rst_bwd", ColumnType::kInt64, offsetof(FlowTile, rst_bwd)},
    ColumnDefinition{"header_fwd", ColumnType::kInt64, offsetof(FlowTile, header_fwd)},
    ColumnDefinition{"header_bwd", ColumnType::kInt64, offsetof(FlowTile, header_bwd)},
    ColumnDefinition{"flags_fin", ColumnType::kInt64, offsetof(FlowTile, flags_fin)},
    ColumnDefinition{"flags_syn", ColumnType::kInt64, offsetof(FlowTile, flags_syn)},
    ColumnDefinition{"flags_rst", ColumnType::kInt64, offsetof(FlowTile, flags_rst)},
    ColumnDefinition{"flags_psh", ColumnType::kInt64, offsetof(FlowTile, flags_psh)},
    ColumnDefinition{"flags_ack", ColumnType::kInt64, offsetof(FlowTile, flags_ack)},
    ColumnDefinition{"flags_urg", ColumnType::kInt64, offsetof(FlowTile, flags_urg)},
    ColumnDefinition{"flags_cwr", ColumnType::kInt64, offsetof(FlowTile, flags_cwr)},
    ColumnDefinition{"flags_ece", ColumnType::kInt64, offsetof(FlowTile, flags_ece)},
    ColumnDefinition{"tcp_flags_fwd", ColumnType::kInt32, offsetof(FlowTile, tcp_flags_fwd)},
    ColumnDefinition{"tcp_flags_bwd", ColumnType::kInt32, offsetof(FlowTile, tcp_flags_bwd)},
    ColumnDefinition{"retransmitted_fwd", ColumnType::kInt64, offsetof(FlowTile, retransmitted_fwd)},
    ColumnDefinition{"retransmitted_bwd", ColumnType::kInt64, offsetof(FlowTile, retransmitted_bwd)},
    ColumnDefinition{"out_of_order_fwd", ColumnType::kInt64, offsetof(FlowTile, out_of_order_fwd)},
    ColumnDefinition{"out_of_order_bwd", ColumnType::kInt64, offsetof(FlowTile, out_of_order_bwd)},
    ColumnDefinition{"gap_bytes_fwd", ColumnType::kInt64, offsetof(FlowTile, gap_bytes_fwd)},
    ColumnDefinition{"gap_bytes_bwd", ColumnType::kInt64, offsetof(FlowTile, gap_bytes_bwd)},
    ColumnDefinition{"zero_windows_fwd", ColumnType::kInt64, offsetof(FlowTile, zero_windows_fwd)},
    ColumnDefinition{"zero_windows_bwd", ColumnType::kInt64, offsetof(FlowTile, zero_windows_bwd)},
    ColumnDefinition{"down_up_ratio", ColumnType::kFloat64, offsetof(FlowTile, down_up_ratio)},
    ColumnDefinition{"bulk_fwd_bytes_mean", ColumnType::kFloat64, offsetof(FlowTile, bulk_fwd_bytes_mean)},
    ColumnDefinition{"bulk_fwd_packets_mean", ColumnType::kFloat64, offsetof(FlowTile, bulk_fwd_packets_mean)},
    ColumnDefinition{"bulk_fwd_rate", ColumnType::kFloat64, offsetof(FlowTile, bulk_fwd_rate)},
    ColumnDefinition{"bulk_bwd_bytes_mean", ColumnType::kFloat64, offsetof(FlowTile, bulk_bwd_bytes_mean)},
    ColumnDefinition{"bulk_bwd_packets_mean", ColumnType::kFloat64, offsetof(FlowTile, bulk_bwd_packets_mean)},
    ColumnDefinition{"bulk_bwd_rate", ColumnType::kFloat64, offsetof(FlowTile, bulk_bwd_rate)},
    ColumnDefinition{"subflow_fwd_packets", ColumnType::kFloat64, offsetof(FlowTile, subflow_fwd_packets)},
    ColumnDefinition{"subflow_fwd_payload", ColumnType::kFloat64, offsetof(FlowTile, subflow_fwd_payload)},
    ColumnDefinition{"subflow_bwd_packets", ColumnType::kFloat64, offsetof(FlowTile, subflow_bwd_packets)},
    ColumnDefinition{"subflow_bwd_payload", ColumnType::kFloat64, offsetof(FlowTile, subflow_bwd_payload)},
    ColumnDefinition{"init_win_fwd", ColumnType::kInt64, offsetof(FlowTile, init_win_fwd)},
    ColumnDefinition{"init_win_bwd", ColumnType::kInt64, offsetof(FlowTile, init_win_bwd)},
    ColumnDefinition{"data_packets_fwd", ColumnType::kInt64, offsetof(FlowTile, data_packets_fwd)},
    ColumnDefinition{"segment_size_fwd_min", ColumnType::kInt64, offsetof(FlowTile, segment_size_fwd_min)},
    ColumnDefinition{"active_mean_us", ColumnType::kFloat64, offsetof(FlowTile, active_mean_us)},
    ColumnDefinition{"active_std_us", ColumnType::kFloat64, offsetof(FlowTile, active_std_us)},
    ColumnDefinition{"active_max_us", ColumnType::kInt64, offsetof(FlowTile, active_max_us)},
    ColumnDefinition{"active_min_us", ColumnType::kInt64, offsetof(FlowTile, active_min_us)},
    ColumnDefinition{"idle_mean_us", ColumnType::kFloat64, offsetof(FlowTile, idle_mean_us)},
    ColumnDefinition{"idle_std_us", ColumnType::kFloat64, offsetof(FlowTile, idle_std_us)},
    ColumnDefinition{"idle_max_us", ColumnType::kInt64, offsetof(FlowTile, idle_max_us)},
    ColumnDefinition{"idle_min_us", ColumnType::kInt64, offsetof(FlowTile, idle_min_us)},
    ColumnDefinition{"icmp_type", ColumnType::kInt32, offsetof(FlowTile, icmp_type)},
    ColumnDefinition{"icmp_code", ColumnType::kInt32, offsetof(FlowTile, icmp_code)},
    ColumnDefinition{"payload_entropy_fwd", ColumnType::kFloat64, offsetof(FlowTile, payload_entropy_fwd)},
    ColumnDefinition{"payload_entropy_bwd", ColumnType::kFloat64, offsetof(FlowTile, payload_entropy_bwd)},
    Said("app", TextField::kApp),
    Said("dns_qname", TextField::kDnsQname),
    Said("dns_qtype", NumberField::kDnsQtype),
    Said("dns_rcode", NumberField::kDnsRcode),
    Said("dns_answers", NumberField::kDnsAnswers),
    Said("http_method", TextField::kHttpMethod),
    Said("http_host", TextField::kHttpHost),
    Said("http_uri", TextField::kHttpUri),
    Said("http_user_agent", TextField::kHttpUserAgent),
    Said("http_status", NumberField::kHttpStatus),
    Said("tls_version", TextField::kTlsVersion),
    Said("tls_cipher", NumberField::kTlsCipher),
    Said("tls_sni", TextField::kTlsSni),
    Said("tls_alpn", TextField::kTlsAlpn),
    Said("tls_ja4", TextField::kTlsJa4),
    Said("quic_version", TextField::kQuicVersion),
    Said("ftp_user", TextField::kFtpUser),
    Said("ftp_commands", TextField::kFtpCommands),
    Said("ssh_client", TextField::kSshClient),
    Said("ssh_server", TextField::kSshServer),
    Said("smtp_helo", TextField::kSmtpHelo),
    Said("smtp_from", TextField::kSmtpFrom),
    Said("smtp_to", TextField::kSmtpTo),
    Said("mqtt_client_id", TextField::kMqttClientId),
    Said("mqtt_topic", TextField::kMqttTopic),
    Said("modbus_unit", NumberField::kModbusUnit),
    Said("modbus_function", NumberField::kModbusFunction),
    Said("modbus_exception", NumberField::kModbusException),
    ColumnDefinition{"odd_link", ColumnType::kInt64, offsetof(FlowTile, odd_link)},
    ColumnDefinition{"odd_network", ColumnType::kInt64, offsetof(FlowTile, odd_network)},
    ColumnDefinition{"odd_transport", ColumnType::kInt64, offsetof(FlowTile, odd_transport)},
    ColumnDefinition{"segment_index", ColumnType::kInt32, offsetof(FlowTile, segment_index)},
    ColumnDefinition{"first_offset", ColumnType::kInt64, offsetof(FlowTile, first_offset)},
};

enum class Kind : std::uint8_t { kTileText, kTileNumber, kFieldText, kFieldNumber };

constexpr Kind KindOf(ColumnType type) {
  switch (type) {
    case ColumnType::kApplicationText:
      return Kind::kFieldText;
    case ColumnType::kApplicationNumber:
      return Kind::kFieldNumber;
    default:
      return IsText(type) ? Kind::kTileText : Kind::kTileNumber;
  }
}

constexpr std::size_t CountOf(Kind kind) {
  return static_cast<std::size_t>(std::ranges::count_if(kDefinitions, [kind](const ColumnDefinition& each) { return KindOf(each.type) == kind; }));
}

template <std::size_t kSize>
constexpr std::array<std::size_t, kSize> ColumnsOf(Kind kind) {
  std::array<std::size_t, kSize> columns{};
  std::size_t size = 0;
  for (std::size_t i = 0; i < kDefinitions.size(); ++i) {
    if (KindOf(kDefinitions[i].type) == kind) {
      columns[size++] = i;
    }
  }
  return columns;
}

constexpr auto kTileTexts = ColumnsOf<CountOf(Kind::kTileText)>(Kind::kTileText);
constexpr auto kTileNumbers = ColumnsOf<CountOf(Kind::kTileNumber)>(Kind::kTileNumber);
constexpr auto kFieldTexts = ColumnsOf<kTextFields>(Kind::kFieldText);
constexpr auto kFieldNumbers = ColumnsOf<kNumberFields>(Kind::kFieldNumber);

// Whether the columns of fields stand in the order of the fields, so that one is found by its number.
constexpr bool AreInOrder(std::span<const std::size_t> columns) {
  for (std::size_t field = 0; field < columns.size(); ++field) {
    if (kDefinitions[columns[field]].offset != field) {
      return false;
    }
  }
  return true;
}
static_assert(CountOf(Kind::kFieldText) == kTextFields && AreInOrder(kFieldTexts));
static_assert(CountOf(Kind::kFieldNumber) == kNumberFields && AreInOrder(kFieldNumbers));

}  // namespace

std::span<const ColumnDefinition> FlowColumnDefinitions() { return kDefinitions; }
std::span<const std::size_t> TileTextColumns() { return kTileTexts; }
std::span<const std::size_t> TileNumberColumns() { return kTileNumbers; }
std::span<const std::size_t> FieldTextColumns() { return kFieldTexts; }
std::span<const std::size_t> FieldNumberColumns() { return kFieldNumbers; }

}  // namespace weir
