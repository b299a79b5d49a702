#include "export/message.h"

#include <algorithm>
#include <limits>

namespace weir::sensor {
namespace {

constexpr std::int64_t kMillisecondsPerSecond = 1000;
constexpr std::int64_t kMillisecondsPerDay = 86'400'000;
constexpr std::int64_t kMicrosecondsPerMillisecond = 1000;
// NetFlow v9 tells times in 32 bits, which hold 49 days; a header's time is rounded up by a second at most.
constexpr std::int64_t kLongestUptimeMs = std::numeric_limits<std::uint32_t>::max() - kMillisecondsPerSecond;
constexpr std::size_t kSetHeaderBytes = 4;
constexpr std::size_t kSetAlignment = 4;

// What differs between the two beside the elements.
struct Dialect {
  std::uint16_t version;
  std::uint16_t template_set;
  std::size_t header_bytes;
};

constexpr Dialect DialectOf(ExportFormat format) {
  return format == ExportFormat::kIpfix ? Dialect{10, 2, 16} : Dialect{9, 0, 20};
}

constexpr std::uint16_t kFirstTemplate = 256;
constexpr std::uint16_t TemplateOf(RecordKind kind) { return static_cast<std::uint16_t>(kFirstTemplate + static_cast<int>(kind)); }

void SetBig16(std::size_t value, std::size_t at, std::string* out) {
  (*out)[at] = static_cast<char>(value >> 8 & 0xff);
  (*out)[at + 1] = static_cast<char>(value & 0xff);
}

}  // namespace

MessageWriter::MessageWriter(ExportFormat format, std::uint32_t domain, Send send)
    : format_(format), domain_(domain), send_(std::move(send)) {}

void MessageWriter::Add(const ExportRecord& record, std::int64_t packet_us, Clock::time_point now) {
  MoveClock(record, packet_us / kMicrosecondsPerMillisecond);
  const bool is_new_set = set_kind_ != record.kind();
  const std::size_t wanted = RecordBytes(format_, record.kind()) + (is_new_set ? kSetHeaderBytes + kSetAlignment : 0) + kSetAlignment;
  if (!message_.empty() && message_.size() + wanted > kMostMessageBytes) Flush();
  if (message_.empty()) Begin(now);
  if (set_kind_ != record.kind()) {
    EndSet();
    BeginSet(record.kind());
  }
  AppendRecord(format_, record, boot_ms_.value_or(0), &message_);
  ++records_;
}

// In NetFlow v9 all times of a message count from one start. Where they do not reach, as in a sensor that
// has run for seven weeks or a file that holds more, the exporter starts again.
void MessageWriter::MoveClock(const ExportRecord& record, std::int64_t now_ms) {
  const std::int64_t now = std::max({now_ms_, now_ms, record.end_ms});
  const auto reaches = [&](std::int64_t time_ms) { return boot_ms_ && record.start_ms >= *boot_ms_ && time_ms - *boot_ms_ <= kLongestUptimeMs; };
  if (format_ == ExportFormat::kIpfix || reaches(now)) {
    now_ms_ = now;
    return;
  }
  Flush();
  boot_ms_ = (record.start_ms - kMillisecondsPerDay) / kMillisecondsPerSecond * kMillisecondsPerSecond;
  now_ms_ = reaches(now) ? now : record.end_ms;
}

void MessageWriter::Begin(Clock::time_point now) {
  message_.assign(DialectOf(format_).header_bytes, '\0');
  const bool is_due = messages_ % kMessagesPerTemplate == 0 || !told_ || now - *told_ >= kTemplatePatience;
  if (!is_due) return;
  AppendTemplates();
  told_ = now;
}

void MessageWriter::AppendTemplates() {
  const std::size_t at = message_.size();
  AppendBig(DialectOf(format_).template_set, 2, &message_);
  AppendBig(0, 2, &message_);
  for (const RecordKind kind : kRecordKinds) {
    const auto elements = ElementsOf(format_, kind);
    AppendBig(TemplateOf(kind), 2, &message_);
    AppendBig(elements.size(), 2, &message_);
    for (const Element& element : elements) {
      AppendBig(element.id, 2, &message_);
      AppendBig(element.bytes, 2, &message_);
    }
    ++templates_;
  }
  SetBig16(message_.size() - at, at + 2, &message_);
}

void MessageWriter::BeginSet(RecordKind kind) {
  set_kind_ = kind;
  set_at_ = message_.size();
  AppendBig(TemplateOf(kind), 2, &message_);
  AppendBig(0, 2, &message_);
}

void MessageWriter::EndSet() {
  if (!set_kind_) return;
  message_.append((kSetAlignment - (message_.size() - set_at_) % kSetAlignment) % kSetAlignment, '\0');
  SetBig16(message_.size() - set_at_, set_at_ + 2, &message_);
  set_kind_.reset();
}

void MessageWriter::AppendHeader() {
  std::string header;
  AppendBig(DialectOf(format_).version, 2, &header);
  if (format_ == ExportFormat::kIpfix) {
    AppendBig(message_.size(), 2, &header);
    AppendBig(static_cast<std::uint64_t>(now_ms_ / kMillisecondsPerSecond), 4, &header);
    AppendBig(sent_, 4, &header);  // records before this message
  } else {
    // The clock of the header has seconds, so uptime is taken at a full one and times stay exact.
    const std::int64_t second = (now_ms_ + kMillisecondsPerSecond - 1) / kMillisecondsPerSecond;
    AppendBig(static_cast<std::uint64_t>(records_) + templates_, 2, &header);
    AppendBig(static_cast<std::uint64_t>(second * kMillisecondsPerSecond - boot_ms_.value_or(0)), 4, &header);
    AppendBig(static_cast<std::uint64_t>(second), 4, &header);
    AppendBig(messages_, 4, &header);
  }
  AppendBig(domain_, 4, &header);
  message_.replace(0, header.size(), header);
}

void MessageWriter::Flush() {
  if (message_.empty()) return;
  EndSet();
  AppendHeader();
  send_({message_, records_, templates_ > 0});
  ++messages_;
  sent_ += records_;
  message_.clear();
  records_ = 0;
  templates_ = 0;
}

}  // namespace weir::sensor
