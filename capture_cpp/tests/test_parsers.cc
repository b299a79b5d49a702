// What every parser of an application protocol promises, and what each one reads.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "application/protocols.h"
#include "application/quic_keys.h"
#include "messages.h"
#include "quic_seal.h"

namespace weir {
namespace {

using test::Frame;
using test::operator+;


// Bytes in a heap buffer of exactly their size, so that a sanitizer sees a read beyond.
class Exact {
 public:
  explicit Exact(const Frame& frame) : size_(frame.size()), bytes_(new std::uint8_t[size_]) { std::ranges::copy(frame, bytes_.get()); }
  Bytes bytes() const { return {bytes_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<std::uint8_t[]> bytes_;
};

struct Message {
  std::string_view protocol;
  Frame bytes;
  bool is_udp;
  std::uint16_t port;
};

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

Parser Find(std::string_view name) {
  const auto protocols = Protocols(name == "quic");
  return std::ranges::find_if(protocols, [name](const Protocol& protocol) { return protocol.name == name; })->parse;
}

Verdict ParseBytes(Parser parse, const Frame& bytes, const Message& like, bool is_last, Fields* fields, bool is_forward = true) {
  const Exact exact(bytes);
  const std::uint16_t source = is_forward ? 40'000 : like.port;
  const std::uint16_t destination = is_forward ? like.port : 40'000;
  return parse({exact.bytes(), is_forward, like.is_udp, is_last, source, destination}, fields);
}

bool IsUntouched(const Fields& fields) {
  bool is_untouched = true;
  for (std::size_t i = 0; i < kTextFields; ++i) {
    is_untouched = is_untouched && !fields.Has(static_cast<TextField>(i));
  }
  for (std::size_t i = 0; i < kNumberFields; ++i) {
    is_untouched = is_untouched && fields.Number(static_cast<NumberField>(i)) == kUnsaid;
  }
  return is_untouched;
}

// The fields of a whole message that its own parser reads at once.
Fields FieldsOf(std::string_view protocol, const Frame& bytes, std::uint16_t port, bool is_forward = true, bool is_udp = false) {
  Fields fields;
  EXPECT_EQ(ParseBytes(Find(protocol), bytes, {protocol, bytes, is_udp, port}, true, &fields, is_forward), Verdict::kDone);
  return fields;
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
      for (const bool is_last : {false, true}) {
        Fields fields;
        const Frame part(message.bytes.begin(), message.bytes.begin() + static_cast<std::ptrdiff_t>(cut));
        const Verdict verdict = ParseBytes(Find(message.protocol), part, message, is_last, &fields);
        EXPECT_TRUE(verdict != Verdict::kNo || IsUntouched(fields)) << message.protocol << " cut at " << cut;
        EXPECT_TRUE(verdict != Verdict::kMore || !is_last) << message.protocol << " cut at " << cut;
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

TEST(Ftp, KeepsUserAndCommandsButNoPassword) {
  const Fields fields = FieldsOf("ftp", test::FtpClient(), 21);
  EXPECT_EQ(fields.Text(TextField::kFtpUser), "alice");
  EXPECT_EQ(fields.Text(TextField::kFtpCommands), "USER,PASS,SYST,LIST,QUIT");
}

TEST(Ftp, IsKnownOnAnotherPortByItsGreeting) {
  Fields fields;
  const Message server{"ftp", test::FtpServer(), false, 2'121};
  EXPECT_EQ(ParseBytes(Find("ftp"), server.bytes, server, false, &fields, false), Verdict::kDone);
  EXPECT_EQ(ParseBytes(Find("smtp"), server.bytes, server, false, &fields, false), Verdict::kNo);
}

TEST(Ftp, IsKnownOnAnotherPortByAServersNameThatDoesNotSayFtp) {
  Fields fields;
  const Frame greeting = test::Letters("220-FileZilla Server 1.8.1\r\n220-Please visit\r\n");
  EXPECT_EQ(ParseBytes(Find("ftp"), greeting, {"ftp", greeting, false, 2'121}, true, &fields, false), Verdict::kDone);
  const Frame unknown = test::Letters("220 ready\r\n");
  EXPECT_EQ(ParseBytes(Find("ftp"), unknown, {"ftp", unknown, false, 2'121}, true, &fields, false), Verdict::kNo);
}

TEST(Ftp, IsKnownOnAnotherPortByAClientThatAsksForTlsFirst) {
  EXPECT_EQ(FieldsOf("ftp", test::Letters("AUTH TLS\r\n"), 2'121).Text(TextField::kFtpCommands), "AUTH");
  EXPECT_EQ(FieldsOf("ftp", test::Letters("auth ssl\r\n"), 2'121).Text(TextField::kFtpCommands), "AUTH");
  Fields fields;
  const Frame login = test::Letters("AUTH PLAIN\r\n");
  EXPECT_EQ(ParseBytes(Find("ftp"), login, {"ftp", login, false, 2'121}, true, &fields), Verdict::kNo);
}

TEST(Http, BelievesALineWithoutVersionOnlyWhereItAsksAsHttpDoes) {
  for (const char* line : {"GET /index.html\r\n", "GET / HTT", "HEAD http://example.org/", "OPTIONS *", "CONNECT example.org:443 HT"}) {
    EXPECT_TRUE(FieldsOf("http", test::Letters(line), 8'080).Has(TextField::kHttpUri)) << line;
  }
  for (const char* line : {"GET key\r\n", "COPY a b\r\n", "MOVE key 1\r\n", "CONNECT {\"verbose\":false}\r\n", "LOCK *\r\n", "GET \r\n"}) {
    Fields fields;
    const Frame bytes = test::Letters(line);
    EXPECT_EQ(ParseBytes(Find("http"), bytes, {"http", bytes, false, 8'080}, true, &fields), Verdict::kNo) << line;
    EXPECT_TRUE(IsUntouched(fields)) << line;
  }
}

TEST(Ftp, LooksNoFurtherThanTheCommandAfterWhichAllIsEncrypted) {
  const Fields fields = FieldsOf("ftp", test::Letters("AUTH TLS\r\n\x16\x03\x01QUIT\r\n"), 21);
  EXPECT_EQ(fields.Text(TextField::kFtpCommands), "AUTH");
}

TEST(Ftp, PassesOverUnknownCommandsOnceTheServerSpokeFtp) {
  const Frame client = test::Letters("SESAME open\r\nUSER alice\r\nnonsense\r\nxpwd\r\n");
  const Message like{"ftp", client, false, 21};
  Fields fields;
  EXPECT_EQ(ParseBytes(Find("ftp"), client, like, true, &fields), Verdict::kNo);
  EXPECT_EQ(ParseBytes(Find("ftp"), test::FtpServer(), {"ftp", {}, false, 2'121}, false, &fields, false), Verdict::kDone);
  fields.Set(TextField::kApp, "ftp");
  for (std::size_t cut = 1; cut < client.size(); ++cut) {
    EXPECT_EQ(ParseBytes(Find("ftp"), Frame(client.begin(), client.begin() + static_cast<std::ptrdiff_t>(cut)), like, false, &fields), Verdict::kMore) << cut;
  }
  EXPECT_EQ(ParseBytes(Find("ftp"), client, {"ftp", client, false, 2'121}, true, &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kFtpUser), "alice");
  EXPECT_EQ(fields.Text(TextField::kFtpCommands), "USER,XPWD");
}

TEST(Ftp, ReadsNoCommandIntoWhatAServerSays) {
  Fields fields;
  fields.Set(TextField::kApp, "ftp");
  const Frame help = test::Letters(" USER PASS\r\nQUIT\r\n214 end\r\n");
  EXPECT_EQ(ParseBytes(Find("ftp"), help, {"ftp", help, false, 21}, true, &fields, false), Verdict::kNo);
  EXPECT_FALSE(fields.Has(TextField::kFtpCommands));
}

TEST(Ftp, KnowsCommandsOfLaterAndOfEarlierRfcs) {
  EXPECT_EQ(FieldsOf("ftp", test::Letters("CLNT x\r\nXCWD /\r\nXMKD a\r\nLANG en\r\nLPSV\r\nENC x\r\nMFMT x\r\n"), 21).Text(TextField::kFtpCommands),
            "CLNT,XCWD,XMKD,LANG,LPSV,ENC,MFMT");
}

TEST(Ftp, ReadsACommandBehindThoseOfTelnet) {
  const Frame interrupt{0xff, 0xf4, 0xff, 0xf2};
  const Frame option{0xff, 0xfb, 0x06};
  const Fields fields = FieldsOf("ftp", test::Letters("USER alice\r\n") + interrupt + test::Letters("ABOR\r\n") + option + test::Letters("QUIT\r\n"), 21);
  EXPECT_EQ(fields.Text(TextField::kFtpCommands), "USER,ABOR,QUIT");
  EXPECT_EQ(FieldsOf("ftp", interrupt + test::Letters("ABOR\r\n"), 21).Text(TextField::kFtpCommands), "ABOR");
  Fields none;
  for (const Frame& telnet : {interrupt, option, Frame{0xff}, Frame{0xff, 0xfb}, interrupt + test::Letters("hello\r\n")}) {
    EXPECT_EQ(ParseBytes(Find("ftp"), telnet, {"ftp", telnet, false, 21}, false, &none), Verdict::kNo);
  }
}

TEST(Ssh, KeepsBothSidesIdentifications) {
  EXPECT_EQ(FieldsOf("ssh", test::SshClient(), 22).Text(TextField::kSshClient), "SSH-2.0-OpenSSH_9.2p1 Debian-2");
  EXPECT_EQ(FieldsOf("ssh", test::Letters("SSH-1.99-Cisco-1.25\n"), 22, false).Text(TextField::kSshServer), "SSH-1.99-Cisco-1.25");
}

TEST(Ssh, TellsTheServerByItsPortEvenWhereItSpokeFirst) {
  Fields fields;
  const Exact exact(test::SshClient());
  EXPECT_EQ(Find("ssh")({exact.bytes(), true, false, true, 22, 40'000}, &fields), Verdict::kDone);
  EXPECT_TRUE(fields.Has(TextField::kSshServer));
}

TEST(Smtp, KeepsGreetingSenderAndRecipient) {
  const Fields fields = FieldsOf("smtp", test::SmtpClient(), 25);
  EXPECT_EQ(fields.Text(TextField::kSmtpHelo), "client.example.org");
  EXPECT_EQ(fields.Text(TextField::kSmtpFrom), "alice@example.org");
  EXPECT_EQ(fields.Text(TextField::kSmtpTo), "bob@example.net");
}

TEST(Smtp, NamesTheEmptySenderOfABounce) {
  EXPECT_EQ(FieldsOf("smtp", test::Letters("HELO a\r\nMAIL FROM:<>\r\n"), 25).Text(TextField::kSmtpFrom), "<>");
}

// Sender and recipient that a client's lines tell, with a slash between.
std::string MailOf(std::string_view lines) {
  const Fields fields = FieldsOf("smtp", test::Letters("EHLO a\r\n" + std::string(lines)), 25);
  return std::string(fields.Text(TextField::kSmtpFrom)) + "/" + std::string(fields.Text(TextField::kSmtpTo));
}

TEST(Smtp, TellsSenderAndRecipientOfOneMail) {
  EXPECT_EQ(MailOf("MAIL FROM:<bad@b>\r\nRSET\r\nMAIL FROM:<good@b>\r\nRCPT TO:<c@d>\r\n"), "good@b/c@d");
  EXPECT_EQ(MailOf("MAIL FROM:<bad@b>\r\nmail from:<good@b>\r\nRCPT TO:<c@d>\r\n"), "good@b/c@d");
  EXPECT_EQ(MailOf("MAIL FROM:<bad@b>\r\nHELO a\r\nRCPT TO:<no@d>\r\nMAIL FROM:<good@b>\r\nRCPT TO:<c@d>\r\n"), "good@b/c@d");
  EXPECT_EQ(MailOf("RCPT TO:<no@d>\r\nMAIL FROM:<>\r\nRCPT TO:<c@d>\r\n"), "<>/c@d");
  EXPECT_EQ(MailOf("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\nRSET\r\nMAIL FROM:<g@h>\r\n"), "a@b/c@d");
}

TEST(Smtp, TellsWhatItKnowsOfAMailThatWasNeverMade) {
  EXPECT_EQ(MailOf("MAIL FROM:<a@b>\r\nQUIT\r\n"), "a@b/");
  EXPECT_EQ(MailOf("MAIL FROM:<a@b>\r\nRSET\r\nMAIL FROM:<c@d>\r\n"), "a@b/");
  EXPECT_EQ(MailOf("MAIL FROM:<a@b>\r\nRSET\r\nRCPT TO:<c@d>\r\n"), "a@b/");
  EXPECT_EQ(MailOf("RCPT TO:<c@d>\r\nDATA\r\n"), "/c@d");
}

TEST(Smtp, ReadsNoCommandIntoALineThatOnlyBeginsLikeOne) {
  EXPECT_EQ(MailOf("AUTH LOGIN\r\nDATAbGljZQ==\r\nquitc2VjcmV0\r\nMAIL FROM:<a@b>\r\nrset1\r\nRCPT TO:<c@d>\r\n"), "a@b/c@d");
}

TEST(Smtp, EndsAnAddressOutsideQuotesOnly) {
  EXPECT_EQ(MailOf("MAIL FROM:<\"x>y\"@b> SIZE=1\r\nRCPT TO:<\"u\\\">v\"@d> NOTIFY=NEVER\r\n"), "\"x>y\"@b/\"u\\\\\">v\"@d");
  EXPECT_EQ(MailOf("MAIL FROM: \"x y\"@b SIZE=1\r\nRCPT TO:<\"c@d> NOTIFY=NEVER\r\n"), "\"x y\"@b/\"c@d");
  EXPECT_EQ(MailOf("MAIL FROM:<a@b\r\nRCPT TO:<\"c\\\r\n"), "a@b/\"c\\\\");
}

TEST(Mqtt, KeepsClientAndFirstTopicOfBothVersions) {
  const Fields old = FieldsOf("mqtt", test::MqttConnect() + test::MqttPublish(), 1883);
  EXPECT_EQ(old.Text(TextField::kMqttClientId), "pump-7");
  EXPECT_EQ(old.Text(TextField::kMqttTopic), "plant/pump/7");
  EXPECT_EQ(FieldsOf("mqtt", test::MqttConnect5(), 1883).Text(TextField::kMqttClientId), "pump-8");
}

TEST(Mqtt, ReadsATopicThatTheBrokerSends) {
  Fields fields = FieldsOf("mqtt", test::MqttConnect(), 1883);
  fields.Set(TextField::kApp, "mqtt");
  const Frame answer = Frame{0x20, 2, 0, 0, 0x90, 3, 0, 1, 0} + test::MqttPublish();
  ParseBytes(Find("mqtt"), answer, {"mqtt", answer, false, 1883}, true, &fields, false);
  EXPECT_EQ(fields.Text(TextField::kMqttTopic), "plant/pump/7");
}

TEST(Mqtt, KnowsABridgeByTheHighestBitOfItsVersion) {
  for (const auto& [name, version] : {std::pair{"MQIsdp", std::uint8_t{0x83}}, {"MQTT", std::uint8_t{0x84}}}) {
    const Frame body = test::Sized16(test::Letters(name)) + Frame{version, 2} + test::Big16(60) + test::Sized16(test::Letters("plant-2"));
    EXPECT_EQ(FieldsOf("mqtt", Frame{0x10} + test::Sized8(body), 1883).Text(TextField::kMqttClientId), "plant-2");
  }
  Fields fields;
  const Frame unknown = Frame{0x10} + test::Sized8(test::Sized16(test::Letters("MQTT")) + Frame{0x86, 2} + test::Big16(60) + test::Sized16({}));
  EXPECT_EQ(ParseBytes(Find("mqtt"), unknown, {"mqtt", unknown, false, 1883}, true, &fields), Verdict::kNo);
}

TEST(Mqtt, PassesOverMessagesWhoseTopicIsAnAlias) {
  const Frame aliased = Frame{0x30} + test::Sized8(test::Sized16({}) + Frame{3, 0x23, 0, 1} + test::Letters("on"));
  EXPECT_EQ(FieldsOf("mqtt", test::MqttConnect5() + aliased + aliased + test::MqttPublish(), 1883).Text(TextField::kMqttTopic), "plant/pump/7");
  const Frame broken = Frame{0x30, 1, 0, 0};  // shorter than its topic's length
  EXPECT_FALSE(FieldsOf("mqtt", test::MqttConnect5() + broken + test::MqttPublish(), 1883).Has(TextField::kMqttTopic));
}

TEST(Modbus, KeepsUnitFunctionAndException) {
  const Fields request = FieldsOf("modbus", test::ModbusRequest(), 502);
  EXPECT_EQ(request.Number(NumberField::kModbusUnit), 17);
  EXPECT_EQ(request.Number(NumberField::kModbusFunction), 3);
  EXPECT_EQ(request.Number(NumberField::kModbusException), kUnsaid);
  EXPECT_EQ(FieldsOf("modbus", test::ModbusException(), 502, false).Number(NumberField::kModbusException), 2);
}

TEST(Modbus, IsKnownOnAnotherPortWhereEveryLengthFits) {
  EXPECT_EQ(FieldsOf("modbus", test::ModbusRequest(), 5'020).Number(NumberField::kModbusFunction), 3);
  Fields fields;
  const Frame longer = test::ModbusRequest() + Frame{0};
  EXPECT_EQ(ParseBytes(Find("modbus"), longer, {"modbus", longer, false, 5'020}, true, &fields), Verdict::kNo);
}

TEST(Quic, ReadsTheHelloInsideTheInitialPacket) {
  const Fields fields = FieldsOf("quic", test::SealInitial(test::QuicFrames()), 443, true, true);
  EXPECT_EQ(fields.Text(TextField::kQuicVersion), "0x00000001");
  EXPECT_EQ(fields.Text(TextField::kTlsSni), "www.example.org");
  EXPECT_EQ(fields.Text(TextField::kTlsAlpn), "h3,h2");
  EXPECT_TRUE(fields.Text(TextField::kTlsJa4).starts_with("q13d0204h3_"));
}

TEST(Quic, JoinsAHelloSpreadOverTwoDatagrams) {
  const Frame hello = test::ClientHello();
  const Frame first(hello.begin(), hello.begin() + 50);
  const Frame second(hello.begin() + 50, hello.end());
  const Frame one = test::SealInitial(Frame{6, 0, 50} + first, 0);
  const Frame two = test::SealInitial(Frame{6, 50} + (test::Big16(0x4000 | second.size()) + second), 1);
  Fields fields;
  const Message like{"quic", one, true, 443};
  EXPECT_EQ(ParseBytes(Find("quic"), one, like, false, &fields), Verdict::kMore);
  EXPECT_EQ(ParseBytes(Find("quic"), one + test::Zeros(9) + two, like, false, &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kTlsSni), "www.example.org");
}

TEST(Quic, SaysOnlyTheVersionOfAPacketThatIsNotAuthentic) {
  Frame packet = test::SealInitial(test::QuicFrames());
  packet.back() ^= 1;
  const Fields fields = FieldsOf("quic", packet, 443, true, true);
  EXPECT_EQ(fields.Text(TextField::kQuicVersion), "0x00000001");
  EXPECT_FALSE(fields.Has(TextField::kTlsSni));
}

// The sample and mask of RFC 9001, appendix A.2; version 2's header protection key is that of RFC 9369, appendix A.1.
TEST(QuicKeys, AreThoseThatTheRfcsPrint) {
  const Frame identifier = test::QuicIdentifier();
  const std::array<std::uint8_t, 16> sample{0xd1, 0xb1, 0xc9, 0x8d, 0xd7, 0x68, 0x9f, 0xb8, 0xec, 0x11, 0xd2, 0x42, 0xb1, 0x23, 0xdc, 0x9b};
  const std::array<std::uint8_t, 5> mask{0x43, 0x7b, 0x9a, 0xec, 0x36};
  EXPECT_EQ(QuicKeys(*FindQuicVersion(1), identifier).Mask(sample), mask);
  constexpr std::array<std::uint8_t, 16> kProtection2{0x45, 0xb9, 0x5e, 0x15, 0x23, 0x5d, 0x6f, 0x45, 0xa6, 0xb1, 0x9c, 0xbc, 0xb0, 0x29, 0x4b, 0xa9};
  std::array<std::uint8_t, 32> block{};
  int size = 0;
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  EVP_EncryptInit_ex(context, EVP_aes_128_ecb(), nullptr, kProtection2.data(), nullptr);
  EVP_EncryptUpdate(context, block.data(), &size, sample.data(), 16);
  EVP_CIPHER_CTX_free(context);
  const std::array<std::uint8_t, 5> mask2{block[0], block[1], block[2], block[3], block[4]};
  EXPECT_EQ(QuicKeys(*FindQuicVersion(0x6b3343cf), identifier).Mask(sample), mask2);
}

}  // namespace
}  // namespace weir
