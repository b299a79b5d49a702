// A flow as NetFlow and IPFIX see it, and the templates its records are written by.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "flows/rows.h"

namespace weir::sensor {

// Records of a kind have the same elements, and so a template.
enum class RecordKind : std::uint8_t { kIpv4, kIpv6, kIcmp, kIcmp6 };
inline constexpr std::array kRecordKinds = {RecordKind::kIpv4, RecordKind::kIpv6, RecordKind::kIcmp, RecordKind::kIcmp6};

// One direction of a flow. Times are those of the whole flow, as in RFC 5103.
struct ExportRecord {
  std::array<std::uint8_t, 16> source;  // an IPv4 address has the first four
  std::array<std::uint8_t, 16> destination;
  std::uint8_t ip_version;
  bool is_icmp;
  std::uint8_t protocol;
  std::uint8_t tcp_flags;   // of all its packets
  std::uint8_t end_reason;  // IANA, flowEndReason
  std::uint16_t source_port;
  std::uint16_t destination_port;  // ICMP: 256 * type + code, as routers do
  std::uint16_t icmp;              // the same; 0 for others
  std::int64_t start_ms;
  std::int64_t end_ms;
  std::uint64_t packets;
  std::uint64_t bytes;

  RecordKind kind() const {
    if (is_icmp) return ip_version == 4 ? RecordKind::kIcmp : RecordKind::kIcmp6;
    return ip_version == 4 ? RecordKind::kIpv4 : RecordKind::kIpv6;
  }
};

// Finds the columns by name, once per batch. Throws std::invalid_argument where one is missing.
class ExportReader {
 public:
  explicit ExportReader(const Rows& rows);
  ExportRecord Forward(std::size_t row) const;
  bool IsAnswered(std::size_t row) const { return packets_bwd_->Signed(row) > 0; }
  ExportRecord Backward(std::size_t row) const;

 private:
  const ColumnView* source_;
  const ColumnView* destination_;
  const ColumnView* source_port_;
  const ColumnView* destination_port_;
  const ColumnView* protocol_;
  const ColumnView* ip_version_;
  const ColumnView* end_reason_;
  const ColumnView* start_us_;
  const ColumnView* duration_us_;
  const ColumnView* packets_fwd_;
  const ColumnView* packets_bwd_;
  const ColumnView* bytes_fwd_;
  const ColumnView* bytes_bwd_;
  const ColumnView* tcp_flags_fwd_;
  const ColumnView* tcp_flags_bwd_;
  const ColumnView* icmp_type_;
  const ColumnView* icmp_code_;
};

enum class ExportFormat : std::uint8_t { kNetflow9, kIpfix };

// An information element (IANA "IPFIX Information Elements"; NetFlow v9 numbers its own alike).
struct Element {
  std::uint16_t id;
  std::uint16_t bytes;
};

std::span<const Element> ElementsOf(ExportFormat format, RecordKind kind);
std::size_t RecordBytes(ExportFormat format, RecordKind kind);

// Appends the record as the template of its kind says. `boot_ms` is what NetFlow v9 counts
// milliseconds from.
void AppendRecord(ExportFormat format, const ExportRecord& record, std::int64_t boot_ms, std::string* out);

// Appends the lowest `bytes` bytes of a value, the highest of them first.
void AppendBig(std::uint64_t value, std::size_t bytes, std::string* out);

}  // namespace weir::sensor
