// NetFlow v9 (RFC 3954) and IPFIX (RFC 7011) messages: records in, datagrams out.
//
// Both are written the same way but for their headers: a message begins with the templates now and
// then, as over UDP nobody says whether they arrived, and holds one set of records after the other.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "export/record.h"

namespace weir::sensor {

// What a datagram may hold with its IP and UDP headers inside any tunnel of today's networks, B.
inline constexpr std::size_t kMostMessageBytes = 1400;
// The templates are told in the first message, each so many messages and after so long (RFC 3954, section 9, and
// RFC 7011, section 8.4, want both), as a collector that starts anew reads nothing before.
inline constexpr std::uint32_t kMessagesPerTemplate = 20;
inline constexpr std::chrono::seconds kTemplatePatience(10);

class MessageWriter {
 public:
  // A collector waits by its own clock, whatever time the packets have.
  using Clock = std::chrono::steady_clock;

  struct Message {
    std::string bytes;
    std::uint64_t records;
    bool has_templates;
  };

  // `domain` is the observation domain or source id. `send` gets each message when it is complete.
  using Send = std::function<void(const Message& message)>;
  MessageWriter(ExportFormat format, std::uint32_t domain, Send send);

  // `packet_us` is packet time: the export time of what a file holds is when a router would have sent it.
  void Add(const ExportRecord& record, std::int64_t packet_us, Clock::time_point now);
  // The next message that is begun tells the templates: who takes it may not know them.
  void RepeatTemplates() { told_.reset(); }
  // Sends what is left.
  void Flush();

 private:
  void MoveClock(const ExportRecord& record, std::int64_t now_ms);
  void Begin(Clock::time_point now);
  void AppendHeader();
  void AppendTemplates();
  void BeginSet(RecordKind kind);
  void EndSet();

  ExportFormat format_;
  std::uint32_t domain_;
  Send send_;
  std::string message_;  // in the making
  std::int64_t now_ms_ = 0;
  std::optional<std::int64_t> boot_ms_;  // NetFlow v9 counts from here; a day before the first flow exported
  std::optional<RecordKind> set_kind_;   // of the set that is open
  std::size_t set_at_ = 0;
  std::uint16_t records_ = 0;   // in the message
  std::uint16_t templates_ = 0;
  std::optional<Clock::time_point> told_;  // when the templates were; nothing where they are due
  std::uint32_t messages_ = 0;  // sent; NetFlow v9 numbers these
  std::uint32_t sent_ = 0;      // records sent; IPFIX numbers these
};

}  // namespace weir::sensor
