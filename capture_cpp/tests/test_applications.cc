#include "application/applications.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "parsing.h"

namespace weir {
namespace {

using test::Frame;
using test::Of;

// Shows a message in pieces, as TCP may cut it, and returns what became known.
FieldsPool::Handle Hear(Applications* applications, const Frame& message, std::size_t piece, std::uint32_t sequence) {
  std::uint32_t index = 0;
  for (std::size_t at = 0; at < message.size(); at += piece) {
    const Bytes bytes = Bytes(message).subspan(at, std::min(piece, message.size() - at));
    const Stretch stretch{bytes, true, false, false, 40'000, 443};
    applications->Listen({stretch, sequence + static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(bytes.size())}, &index);
  }
  return applications->Take(index);
}

// What the parts [from, to) of a message tell that come one after the other.
std::string HeardOf(const Frame& message, const std::vector<std::pair<std::size_t, std::size_t>>& parts, std::uint16_t port, TextField field) {
  Applications applications(1 << 20);
  std::uint32_t index = 0;
  std::size_t seen = 0;
  for (const auto& [from, to] : parts) {
    const Bytes bytes = Bytes(message).subspan(from, to - from);
    const Stretch stretch{bytes, true, false, false, 40'000, port};
    const std::int32_t ahead = static_cast<std::int32_t>(from) - static_cast<std::int32_t>(seen);
    applications.Listen({stretch, static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(bytes.size()), ahead}, &index);
    seen = std::max(seen, to);
  }
  const auto fields = applications.Take(index);
  return fields == nullptr ? "unknown" : std::string(fields->Text(TextField::kApp)) + " " + std::string(fields->Text(field));
}

TEST(Applications, JoinAHelloThatComesInPieces) {
  const Frame hello = test::TlsClient();
  for (const std::size_t piece : {std::size_t{6}, std::size_t{20}, std::size_t{64}, hello.size()}) {
    Applications applications(1 << 20);
    const auto fields = Hear(&applications, hello, piece, 0xfffffff0);  // across the wrap of sequence numbers
    ASSERT_NE(fields, nullptr) << piece;
    EXPECT_EQ(fields->Text(TextField::kApp), "tls");
    EXPECT_EQ(fields->Text(TextField::kTlsSni), "www.example.org") << piece;
  }
}

TEST(Applications, KnowAProtocolWhereverItsFirstSegmentEnds) {
  struct Sample {
    Frame message;
    std::uint16_t port;
    TextField field;
    std::string_view told;
  };
  const std::vector<Sample> samples{
      {test::TlsClient(), 443, TextField::kTlsSni, "tls www.example.org"},
      {test::HttpRequest(), 80, TextField::kHttpHost, "http www.example.org"},
      {test::SshClient(), 22, TextField::kSshClient, "ssh SSH-2.0-OpenSSH_9.2p1 Debian-2"},
      {test::SmtpClient(), 25, TextField::kSmtpFrom, "smtp alice@example.org"},
      {test::FtpClient(), 21, TextField::kFtpUser, "ftp alice"},
      {test::MqttConnect(), 1883, TextField::kMqttClientId, "mqtt pump-7"},
      {test::ModbusRequest(), 502, TextField::kDnsQname, "modbus "},
      {test::Sized16(test::DnsQuery()), 53, TextField::kDnsQname, "dns www.example.org"},
  };
  for (const auto& [message, port, field, told] : samples) {
    for (std::size_t cut = 1; cut < message.size(); ++cut) {
      const std::size_t end = message.size();
      EXPECT_EQ(HeardOf(message, {{0, cut}, {cut, end}}, port, field), told) << cut;
      EXPECT_EQ(HeardOf(message, {{0, cut}, {0, end}}, port, field), told) << cut << ", all sent again";
      EXPECT_EQ(HeardOf(message, {{cut, end}, {0, cut}}, port, field), told) << cut << ", the second first";
      EXPECT_EQ(HeardOf(message, {{cut, end}, {0, end}}, port, field), told) << cut << ", the second first, then all";
      EXPECT_EQ(HeardOf(message, {{cut / 2, cut}, {0, cut / 2}, {cut, end}}, port, field), told) << cut << ", the middle first";
      EXPECT_EQ(HeardOf(message, {{0, cut / 2}, {cut, end}, {cut / 2, cut}}, port, field), told) << cut << ", the middle last";
    }
  }
}

TEST(Applications, ReadAnSshVersionWhereverTheTextBeforeItIsCut) {
  const Frame message = test::Letters("Authorised use only\r\nSSH-2.0-OpenSSH_9.2\r\n");
  for (std::size_t cut = 1; cut < message.size(); ++cut) {
    Applications applications(1 << 20);
    std::uint32_t index = 0;
    for (const auto& [from, to] : {std::pair{std::size_t{0}, cut}, {cut, message.size()}}) {
      const Stretch stretch{Bytes(message).subspan(from, to - from), true, false, false, 22, 40'000};
      applications.Listen({stretch, static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to - from)}, &index);
    }
    const auto fields = applications.Take(index);
    ASSERT_NE(fields, nullptr) << cut;
    EXPECT_EQ(fields->Text(TextField::kSshServer), "SSH-2.0-OpenSSH_9.2") << cut;
  }
}

TEST(Applications, ReadWhatCameEarlyWhereTheBeginningNeverComes) {
  const Frame message = test::SshClient();
  Applications applications(1 << 20);
  std::uint32_t index = 0;
  EXPECT_TRUE(applications.Listen({Of(message, false, 22), 1'001, static_cast<std::uint32_t>(message.size()), 1'000}, &index));
  const auto fields = applications.Take(index);
  ASSERT_NE(fields, nullptr);
  EXPECT_EQ(fields->Text(TextField::kApp), "ssh");
}

TEST(Applications, AskNoLongerForABeginningThanForSomeSegments) {
  const Frame message = test::SshClient();
  Applications applications(1 << 20);
  std::uint32_t index = 0;
  int heard = 0;
  while (applications.Listen({Of(message, false, 22), 1'001, static_cast<std::uint32_t>(message.size()), 1'000}, &index)) {
    ASSERT_LT(++heard, 100);
  }
  EXPECT_EQ(applications.Take(index)->Text(TextField::kApp), "ssh");
}

TEST(Applications, HearTheOtherSideThroughAShortSegment) {
  Applications applications(1 << 20);
  std::uint32_t index = 0;
  const auto show = [&](std::string_view text, bool is_forward, std::uint32_t sequence) {
    const Frame bytes = test::Letters(text);
    const Stretch stretch{bytes, is_forward, false, false, is_forward ? std::uint16_t{40'000} : std::uint16_t{80}, is_forward ? std::uint16_t{80} : std::uint16_t{40'000}};
    return applications.Listen({stretch, sequence, static_cast<std::uint32_t>(bytes.size())}, &index);
  };
  show("GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n", true, 1);
  EXPECT_TRUE(show("HTTP/", false, 1));
  EXPECT_FALSE(show("1.1 404 Not Found\r\n", false, 6));
  const auto fields = applications.Take(index);
  ASSERT_NE(fields, nullptr);
  EXPECT_EQ(fields->Number(NumberField::kHttpStatus), 404);
}

TEST(Applications, ForgetWhatStaysShort) {
  Applications applications(1 << 20);
  for (int i = 0; i < 100'000; ++i) {
    std::uint32_t index = 0;
    const Frame bytes{1};
    applications.Listen({Of(bytes, false, 4'000), 1, 1}, &index);
    EXPECT_EQ(applications.Take(index), nullptr);
  }
  EXPECT_EQ(applications.unread(), 0u);
}

TEST(Applications, CountFlowsThatMemoryIsTooShortFor) {
  Applications applications(4'000);
  std::vector<std::uint32_t> indices(50);
  const Frame hello = test::TlsClient();
  for (std::uint32_t& index : indices) {
    applications.Listen({Of(hello, false, 443), 1, static_cast<std::uint32_t>(hello.size())}, &index);
  }
  const auto show = [&applications](const Frame& bytes, std::uint32_t* index) {
    applications.Listen({Of(bytes, false, 443), 1, static_cast<std::uint32_t>(bytes.size())}, index);
  };
  const std::uint64_t unread = applications.unread();
  EXPECT_GE(unread, 1u);
  show(test::HttpRequest(), &indices.back());
  EXPECT_EQ(applications.unread(), unread);  // the same flow once more
  EXPECT_EQ(applications.Take(indices.back()), nullptr);
  ASSERT_NE(applications.Take(indices[0]), nullptr);
  show(hello, &indices[indices.size() - 2]);
  std::uint32_t again = 0;
  show(hello, &again);
  EXPECT_EQ(applications.unread(), unread + 1);  // there was room for one of them
  EXPECT_NE(applications.Take(indices[indices.size() - 2]), nullptr);
}

}  // namespace
}  // namespace weir
