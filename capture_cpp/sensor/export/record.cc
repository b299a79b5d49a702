#include "export/record.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string_view>

namespace weir::sensor {
namespace {

constexpr std::int64_t kMicrosecondsPerMillisecond = 1000;
constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kIcmp6 = 58;

// Numbers of https://www.iana.org/assignments/ipfix, which RFC 3954 section 8 began.
enum ElementId : std::uint16_t {
  kOctets = 1,
  kPackets = 2,
  kProtocol = 4,
  kTcpFlags = 6,
  kSourcePort = 7,
  kSourceIpv4 = 8,
  kDestinationPort = 11,
  kDestinationIpv4 = 12,
  kLastSwitched = 21,   // ms since the exporter's start
  kFirstSwitched = 22,
  kSourceIpv6 = 27,
  kDestinationIpv6 = 28,
  kIcmpTypeCode = 32,
  kIpVersion = 60,
  kEndReason = 136,
  kIcmpTypeCodeIpv6 = 139,
  kStartMilliseconds = 152,
  kEndMilliseconds = 153,
};

// The elements of a kind in one of the formats, addresses first.
template <std::size_t kCommon>
constexpr auto Elements(RecordKind kind, const std::array<Element, kCommon>& common, ElementId icmp) {
  const bool is_ipv4 = kind == RecordKind::kIpv4 || kind == RecordKind::kIcmp;
  std::array<Element, kCommon + 3> all = {};
  all[0] = is_ipv4 ? Element{kSourceIpv4, 4} : Element{kSourceIpv6, 16};
  all[1] = is_ipv4 ? Element{kDestinationIpv4, 4} : Element{kDestinationIpv6, 16};
  std::copy(common.begin(), common.end(), all.begin() + 2);
  // Only in records of ICMP: collectors take it for the destination port where there is one.
  all.back() = {icmp, 2};
  return all;
}

constexpr auto kOfNetflow9 = std::to_array<Element>({{kSourcePort, 2}, {kDestinationPort, 2}, {kProtocol, 1}, {kTcpFlags, 1},
                                                     {kPackets, 8}, {kOctets, 8}, {kFirstSwitched, 4}, {kLastSwitched, 4}});
constexpr auto kOfIpfix = std::to_array<Element>({{kSourcePort, 2}, {kDestinationPort, 2}, {kProtocol, 1}, {kTcpFlags, 1}, {kIpVersion, 1},
                                                  {kEndReason, 1}, {kPackets, 8}, {kOctets, 8}, {kStartMilliseconds, 8}, {kEndMilliseconds, 8}});

const ColumnView* Need(const Rows& rows, std::string_view name) {
  const ColumnView* column = rows.Find(name);
  if (column == nullptr) throw std::invalid_argument("flow rows lack the column " + std::string(name));
  return column;
}

std::array<std::uint8_t, 16> ParseAddress(std::string_view text, std::uint8_t ip_version) {
  std::array<std::uint8_t, 16> bytes = {};
  std::array<char, INET6_ADDRSTRLEN> copy = {};
  if (text.size() < copy.size()) std::memcpy(copy.data(), text.data(), text.size());
  inet_pton(ip_version == 4 ? AF_INET : AF_INET6, copy.data(), bytes.data());
  return bytes;
}

// flowEndReason: 1 idle, 2 active, 3 end of flow detected, 4 forced end, 5 lack of resources.
std::uint8_t EndReasonNumber(std::string_view name) {
  constexpr std::array<std::string_view, 5> kNames = {"idle", "active", "finished", "forced", "table_full"};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<std::uint8_t>(i + 1);
  }
  return 0;
}

// The ICMP type that answers another, as Community ID v1 pairs them; others answer with their own.
std::uint8_t AnswerTo(std::uint8_t protocol, std::uint8_t type) {
  struct Pair {
    std::uint8_t protocol;
    std::uint8_t asks;
    std::uint8_t answers;
  };
  constexpr std::array kPairs = std::to_array<Pair>({
      {kIcmp, 8, 0}, {kIcmp, 10, 9}, {kIcmp, 13, 14}, {kIcmp, 15, 16}, {kIcmp, 17, 18}, {kIcmp6, 128, 129},
      {kIcmp6, 130, 131}, {kIcmp6, 133, 134}, {kIcmp6, 135, 136}, {kIcmp6, 139, 140}, {kIcmp6, 144, 145}});
  for (const Pair& pair : kPairs) {
    if (pair.protocol == protocol && pair.asks == type) return pair.answers;
    if (pair.protocol == protocol && pair.answers == type) return pair.asks;
  }
  return type;
}

std::uint64_t ValueOf(std::uint16_t element, const ExportRecord& record, std::int64_t boot_ms) {
  switch (element) {
    case kOctets: return record.bytes;
    case kPackets: return record.packets;
    case kProtocol: return record.protocol;
    case kTcpFlags: return record.tcp_flags;
    case kSourcePort: return record.source_port;
    case kDestinationPort: return record.destination_port;
    case kFirstSwitched: return static_cast<std::uint64_t>(record.start_ms - boot_ms);
    case kLastSwitched: return static_cast<std::uint64_t>(record.end_ms - boot_ms);
    case kIcmpTypeCode:
    case kIcmpTypeCodeIpv6: return record.icmp;
    case kIpVersion: return record.ip_version;
    case kEndReason: return record.end_reason;
    case kStartMilliseconds: return static_cast<std::uint64_t>(record.start_ms);
    case kEndMilliseconds: return static_cast<std::uint64_t>(record.end_ms);
    default: return 0;
  }
}

}  // namespace

ExportReader::ExportReader(const Rows& rows)
    : source_(Need(rows, "src_ip")), destination_(Need(rows, "dst_ip")), source_port_(Need(rows, "src_port")),
      destination_port_(Need(rows, "dst_port")), protocol_(Need(rows, "protocol")), ip_version_(Need(rows, "ip_version")),
      end_reason_(Need(rows, "end_reason")), start_us_(Need(rows, "start_us")), duration_us_(Need(rows, "duration_us")),
      packets_fwd_(Need(rows, "packets_fwd")), packets_bwd_(Need(rows, "packets_bwd")), bytes_fwd_(Need(rows, "bytes_fwd")),
      bytes_bwd_(Need(rows, "bytes_bwd")), tcp_flags_fwd_(Need(rows, "tcp_flags_fwd")), tcp_flags_bwd_(Need(rows, "tcp_flags_bwd")),
      icmp_type_(Need(rows, "icmp_type")), icmp_code_(Need(rows, "icmp_code")) {}

ExportRecord ExportReader::Forward(std::size_t row) const {
  ExportRecord record = {};
  record.ip_version = static_cast<std::uint8_t>(ip_version_->Signed(row));
  record.source = ParseAddress(source_->Text(row), record.ip_version);
  record.destination = ParseAddress(destination_->Text(row), record.ip_version);
  record.protocol = static_cast<std::uint8_t>(protocol_->Signed(row));
  record.tcp_flags = static_cast<std::uint8_t>(tcp_flags_fwd_->Signed(row));
  record.end_reason = EndReasonNumber(end_reason_->Text(row));
  record.source_port = static_cast<std::uint16_t>(source_port_->Signed(row));
  record.destination_port = static_cast<std::uint16_t>(destination_port_->Signed(row));
  record.is_icmp = icmp_type_->Signed(row) >= 0;
  if (record.is_icmp) {
    record.icmp = static_cast<std::uint16_t>(icmp_type_->Signed(row) << 8 | icmp_code_->Signed(row));
    record.destination_port = record.icmp;
  }
  record.start_ms = start_us_->Signed(row) / kMicrosecondsPerMillisecond;
  record.end_ms = (start_us_->Signed(row) + duration_us_->Signed(row)) / kMicrosecondsPerMillisecond;
  record.packets = static_cast<std::uint64_t>(packets_fwd_->Signed(row));
  record.bytes = static_cast<std::uint64_t>(bytes_fwd_->Signed(row));
  return record;
}

ExportRecord ExportReader::Backward(std::size_t row) const {
  ExportRecord record = Forward(row);
  std::swap(record.source, record.destination);
  if (record.is_icmp) {
    record.icmp = static_cast<std::uint16_t>(AnswerTo(record.protocol, static_cast<std::uint8_t>(icmp_type_->Signed(row))) << 8);
    record.destination_port = record.icmp;
  } else {
    std::swap(record.source_port, record.destination_port);
  }
  record.tcp_flags = static_cast<std::uint8_t>(tcp_flags_bwd_->Signed(row));
  record.packets = static_cast<std::uint64_t>(packets_bwd_->Signed(row));
  record.bytes = static_cast<std::uint64_t>(bytes_bwd_->Signed(row));
  return record;
}

std::span<const Element> ElementsOf(ExportFormat format, RecordKind kind) {
  static constexpr std::array kNetflow9 = {
      Elements(RecordKind::kIpv4, kOfNetflow9, kIcmpTypeCode), Elements(RecordKind::kIpv6, kOfNetflow9, kIcmpTypeCode),
      Elements(RecordKind::kIcmp, kOfNetflow9, kIcmpTypeCode), Elements(RecordKind::kIcmp6, kOfNetflow9, kIcmpTypeCode)};
  static constexpr std::array kIpfix = {
      Elements(RecordKind::kIpv4, kOfIpfix, kIcmpTypeCode), Elements(RecordKind::kIpv6, kOfIpfix, kIcmpTypeCodeIpv6),
      Elements(RecordKind::kIcmp, kOfIpfix, kIcmpTypeCode), Elements(RecordKind::kIcmp6, kOfIpfix, kIcmpTypeCodeIpv6)};
  const auto index = static_cast<std::size_t>(kind);
  const auto all = format == ExportFormat::kNetflow9 ? std::span<const Element>(kNetflow9[index]) : std::span<const Element>(kIpfix[index]);
  const bool is_icmp = kind == RecordKind::kIcmp || kind == RecordKind::kIcmp6;
  return all.first(all.size() - (is_icmp ? 0 : 1));
}

std::size_t RecordBytes(ExportFormat format, RecordKind kind) {
  std::size_t bytes = 0;
  for (const Element& element : ElementsOf(format, kind)) bytes += element.bytes;
  return bytes;
}

void AppendBig(std::uint64_t value, std::size_t bytes, std::string* out) {
  for (std::size_t left = bytes; left > 0; --left) *out += static_cast<char>(value >> (8 * (left - 1)) & 0xff);
}

void AppendRecord(ExportFormat format, const ExportRecord& record, std::int64_t boot_ms, std::string* out) {
  for (const Element& element : ElementsOf(format, record.kind())) {
    if (element.id == kSourceIpv4 || element.id == kSourceIpv6) {
      out->append(reinterpret_cast<const char*>(record.source.data()), element.bytes);
    } else if (element.id == kDestinationIpv4 || element.id == kDestinationIpv6) {
      out->append(reinterpret_cast<const char*>(record.destination.data()), element.bytes);
    } else {
      AppendBig(ValueOf(element.id, record, boot_ms), element.bytes, out);
    }
  }
}

}  // namespace weir::sensor
