// What every parser of an application protocol promises.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "parsing.h"
#include "quic_seal.h"

namespace weir {
namespace {

using test::Find;
using test::Frame;
using test::IsUntouched;
using test::Message;
using test::ParseBytes;
using test::operator+;

std::vector<Message> Messages() {
  return {
      {"dns", test::DnsQuery(), true, 53},
      {"dns", test::Sized16(test::DnsQuery()), false, 53},
      {"http", test::HttpRequest(), false, 80},
      {"tls", test::TlsClient(), false, 443},
      {"ftp", test::FtpClient(), false, 21},
      {"ssh", test::SshClient(), false, 22},
      {"smtp", test::SmtpClient(), false, 25},
      {"mqtt", test::MqttConnect() + test::MqttPublish(), false, 1883},
      {"mqtt", test::MqttConnect5() + test::MqttPublish(), false, 1883},
      {"modbus", test::ModbusRequest(), false, 502},
      {"quic", test::SealInitial(test::QuicFrames()), true, 443},
  };
}

TEST(Parsers, RecogniseTheirOwnMessagesAndNoOthers) {
  for (const Message& message : Messages()) {
    for (const Protocol& protocol : Protocols(message.is_udp)) {
      Fields fields;
      const Verdict verdict = ParseBytes(protocol.parse, message.bytes, message, true, &fields);
      EXPECT_EQ(verdict, protocol.name == message.protocol ? Verdict::kDone : Verdict::kNo) << protocol.name << " reads " << message.protocol;
      EXPECT_EQ(IsUntouched(fields), verdict == Verdict::kNo) << protocol.name << " reads " << message.protocol;
    }
  }
}

TEST(Parsers, SayTheSameOfAMessageThatComesInTwoParts) {
  for (const Message& message : Messages()) {
    Fields whole;
    ParseBytes(Find(message.protocol), message.bytes, message, true, &whole);
    for (std::size_t cut = 0; cut < message.bytes.size(); ++cut) {
      Fields fields;
      const Frame part(message.bytes.begin(), message.bytes.begin() + static_cast<std::ptrdiff_t>(cut));
      if (ParseBytes(Find(message.protocol), part, message, false, &fields) != Verdict::kMore) {
        continue;
      }
      ParseBytes(Find(message.protocol), message.bytes, message, true, &fields);
      for (std::size_t i = 0; i < kTextFields; ++i) {
        EXPECT_EQ(fields.Text(static_cast<TextField>(i)), whole.Text(static_cast<TextField>(i))) << message.protocol << " cut at " << cut;
      }
    }
  }
}

TEST(Parsers, SetNothingWhereTheySayNo) {
  for (const Message& message : Messages()) {
    for (std::size_t cut = 0; cut <= message.bytes.size(); ++cut) {
      const Frame part(message.bytes.begin(), message.bytes.begin() + static_cast<std::ptrdiff_t>(cut));
      for (const Protocol& protocol : Protocols(message.is_udp)) {
        for (const bool is_last : {false, true}) {
          Fields fields;
          const Verdict verdict = ParseBytes(protocol.parse, part, message, is_last, &fields);
          EXPECT_TRUE(verdict != Verdict::kNo || IsUntouched(fields)) << protocol.name << " reads " << message.protocol << " cut at " << cut;
          EXPECT_TRUE(verdict != Verdict::kMore || !is_last) << protocol.name << " reads " << message.protocol << " cut at " << cut;
        }
      }
    }
  }
}

TEST(Parsers, EndureEveryChangedByte) {
  for (const Message& message : Messages()) {
    for (std::size_t at = 0; at < message.bytes.size(); ++at) {
      for (const std::uint8_t value : Frame{0x00, 0x7f, 0x80, 0xff}) {
        Frame changed = message.bytes;
        changed[at] = value;
        for (const bool is_forward : {true, false}) {
          Fields fields;
          const Verdict verdict = ParseBytes(Find(message.protocol), changed, message, true, &fields, is_forward);
          EXPECT_TRUE(verdict != Verdict::kNo || IsUntouched(fields)) << message.protocol << " at " << at;
        }
      }
    }
  }
}

TEST(Parsers, BelieveNoNoiseOnAnyPort) {
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    Frame noise(1 + random() % 64);
    std::ranges::generate(noise, [&random] { return static_cast<std::uint8_t>(random()); });
    for (const Protocol& protocol : Protocols(round % 2 == 0)) {
      Fields fields;
      const Message like{protocol.name, noise, round % 2 == 0, 40'001};
      EXPECT_EQ(ParseBytes(protocol.parse, noise, like, true, &fields), Verdict::kNo) << protocol.name << " in round " << round;
    }
  }
}

}  // namespace
}  // namespace weir
