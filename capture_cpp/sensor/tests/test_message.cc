#include "export/message.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace weir::sensor {
namespace {

using std::chrono::seconds;

// What an exporter of one record a message sends, by the seconds that pass between its messages.
class Exporter {
 public:
  explicit Exporter(ExportFormat format)
      : header_bytes_(format == ExportFormat::kIpfix ? 16 : 20), template_set_(format == ExportFormat::kIpfix ? 2 : 0),
        writer_(format, 1, [this](const MessageWriter::Message& message) { message_ = message.bytes; }) {}

  // Whether the next message tells the templates.
  bool TellsAfter(seconds pause) {
    now_ += pause;
    ExportRecord record = {};
    record.ip_version = 4;
    record.start_ms = record.end_ms = kNow;
    writer_.Add(record, kNow * 1000, now_);
    writer_.Flush();
    return message_.at(header_bytes_) == 0 && message_.at(header_bytes_ + 1) == template_set_;
  }
  MessageWriter* writer() { return &writer_; }

 private:
  static constexpr std::int64_t kNow = 1'700'000'000'000;

  std::size_t header_bytes_;
  char template_set_;
  std::string message_;
  MessageWriter::Clock::time_point now_;
  MessageWriter writer_;
};

class Templates : public testing::TestWithParam<ExportFormat> {};
INSTANTIATE_TEST_SUITE_P(Both, Templates, testing::Values(ExportFormat::kIpfix, ExportFormat::kNetflow9));

TEST_P(Templates, AreToldFirstAndInEachTwentiethMessage) {
  Exporter exporter(GetParam());
  for (int message = 0; message < 60; ++message) EXPECT_EQ(exporter.TellsAfter(seconds(0)), message % 20 == 0) << message;
}

TEST_P(Templates, AreToldAgainAfterTenSecondsOnAQuietLink) {
  Exporter exporter(GetParam());
  for (int message = 0; message < 9; ++message) EXPECT_EQ(exporter.TellsAfter(seconds(4)), message % 3 == 0) << message;
}

TEST_P(Templates, AreToldWhereSomebodyMayNotKnowThem) {
  Exporter exporter(GetParam());
  EXPECT_TRUE(exporter.TellsAfter(seconds(0)));
  exporter.writer()->RepeatTemplates();
  EXPECT_TRUE(exporter.TellsAfter(seconds(0)));
  EXPECT_FALSE(exporter.TellsAfter(seconds(0)));
}

}  // namespace
}  // namespace weir::sensor
