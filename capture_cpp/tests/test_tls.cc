#include "application/tls.h"

#include <gtest/gtest.h>

#include <string>

#include "parsing.h"

namespace weir {
namespace {

using test::Frame;
using test::Of;
using test::operator+;

// A ClientHello body with a server name, two protocols and the ciphers 1301 and a number of GREASE.
Frame ClientHelloBody() {
  const Frame name = test::Sized16(Frame{0} + test::Sized16(test::Letters("example.org")));
  const Frame alpn = test::Sized16(test::Sized8(test::Letters("h2")) + test::Sized8(test::Letters("http/1.1")));
  const Frame versions = test::Sized8({0x03, 0x04, 0x03, 0x03});
  const Frame extensions = Frame{0, 0} + test::Sized16(name) + Frame{0, 16} + test::Sized16(alpn) + Frame{0, 43} + test::Sized16(versions);
  return Frame{3, 3} + Frame(32, 7) + Frame{0} + test::Sized16({0x0a, 0x0a, 0x13, 0x01}) + test::Sized8({0}) + test::Sized16(extensions);
}

Frame Hello(std::uint8_t type, const Frame& body) { return Frame{22, 3, 1} + test::Sized16(Frame{type} + test::Sized24(body)); }

// The two letters of JA4 for the version of a client that offers these.
std::string Ja4VersionOf(const Frame& versions) {
  const Frame extensions = Frame{0, 43} + test::Sized16(test::Sized8(versions));
  const Frame body = Frame{3, 3} + Frame(32, 7) + Frame{0} + test::Sized16({0x13, 0x01}) + test::Sized8({0}) + test::Sized16(extensions);
  Fields fields;
  EXPECT_EQ(ParseTls(Of(Hello(1, body), false, 443), &fields), Verdict::kDone);
  return std::string(fields.Text(TextField::kTlsJa4).substr(1, 2));
}

// A stranger may send an extension twice; others let the last one count, too.
TEST(Tls, TakesTheLastOfSeveralListsOfSignatures) {
  const auto ja4_of = [](const Frame& extensions) {
    Fields fields;
    const Frame body = Frame{3, 3} + Frame(32, 9) + Frame{0} + test::Sized16({0x13, 0x01}) + Frame{1, 0} + test::Sized16(extensions);
    EXPECT_EQ(ParseTls(Of(Hello(1, body), false, 443), &fields), Verdict::kDone);
    return std::string(fields.Text(TextField::kTlsJa4));
  };
  const Frame first{0, 13, 0, 4, 0, 2, 4, 3};
  const Frame last{0, 13, 0, 4, 0, 2, 8, 4};
  const std::string both = ja4_of(first + last);
  EXPECT_EQ(both, ja4_of(last + last));
  EXPECT_NE(both, ja4_of(last + first));
}

TEST(Tls, TellsWhatTheClientAsksForAndTheServerChose) {
  Fields fields;
  EXPECT_EQ(ParseTls(Of(Hello(1, ClientHelloBody()), false, 443), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kTlsSni), "example.org");
  EXPECT_EQ(fields.Text(TextField::kTlsAlpn), "h2,http/1.1");
  EXPECT_EQ(fields.Text(TextField::kTlsJa4).substr(0, 10), "t13d0103h2");
  const Frame server = Frame{3, 3} + Frame(32, 9) + Frame{0} + Frame{0x13, 0x01} + Frame{0} + test::Sized16({0, 43, 0, 2, 3, 4});
  EXPECT_EQ(ParseTls(Of(Hello(2, server), false, 443), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kTlsVersion), "TLS 1.3");
  EXPECT_EQ(fields.Number(NumberField::kTlsCipher), 0x1301);
}

TEST(Tls, FingerprintsTheHighestVersionWhetherItIsKnownOrNot) {
  EXPECT_EQ(Ja4VersionOf({0x0a, 0x0a, 3, 3, 3, 4}), "13");
  EXPECT_EQ(Ja4VersionOf({0xfa, 0xfa, 3, 3}), "12");
  EXPECT_EQ(Ja4VersionOf({0x7f, 0x1c, 3, 3}), "00");
  EXPECT_EQ(Ja4VersionOf({3, 4, 3, 5}), "00");
  EXPECT_EQ(Ja4VersionOf({0xfe, 0xfd, 3, 3}), "d2");
}

TEST(Tls, NamesTheDraftThatTheServerChose) {
  const auto version = [](const Frame& body) {
    Fields fields;
    EXPECT_EQ(ParseTls(Of(Hello(2, body), false, 443), &fields), Verdict::kDone);
    EXPECT_EQ(fields.Number(NumberField::kTlsCipher), 0x1301);
    return std::string(fields.Text(TextField::kTlsVersion));
  };
  const auto chosen = [](std::uint8_t high, std::uint8_t low) {
    return Frame{3, 3} + Frame(32, 9) + Frame{0} + Frame{0x13, 0x01} + Frame{0} + test::Sized16({0, 43, 0, 2, high, low});
  };
  EXPECT_EQ(version(chosen(0x7f, 28)), "TLS 1.3 draft 28");
  EXPECT_EQ(version(chosen(0x7f, 23)), "TLS 1.3 draft 23");
  EXPECT_EQ(version(chosen(0x7f, 29)), "");
  EXPECT_EQ(version(chosen(0x7f, 0)), "");
  EXPECT_EQ(version(Frame{0x7f, 18} + Frame(32, 9) + Frame{0x13, 0x01} + test::Sized16({0, 40, 0, 1, 5})), "TLS 1.3 draft 18");
}

TEST(Tls, ReadsAServersHelloBehindAWarning) {
  const Frame server = Frame{3, 3} + Frame(32, 9) + Frame{0} + Frame{0xc0, 0x2f} + Frame{0} + test::Sized16({});
  const Frame warned = Frame{21, 3, 3, 0, 2, 1, 112} + Hello(2, server);
  Fields fields;
  EXPECT_EQ(ParseTls(Of(warned, false, 443), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Number(NumberField::kTlsCipher), 0xc02f);
}

TEST(Tls, ReadsAHelloWhoseFirstRecordsAreTiny) {
  const Frame message = Frame{1} + test::Sized24(ClientHelloBody());
  for (std::size_t first = 1; first < 9; ++first) {
    const auto at = message.begin() + static_cast<std::ptrdiff_t>(first);
    const Frame records = Frame{22, 3, 1} + test::Sized16(Frame(message.begin(), at)) + Frame{22, 3, 1} + test::Sized16(Frame(at, message.end()));
    Fields fields;
    EXPECT_EQ(ParseTls(Of(records, false, 443), &fields), Verdict::kDone) << first;
    EXPECT_EQ(fields.Text(TextField::kTlsSni), "example.org") << first;
  }
}

TEST(Tls, IsKnownWhereItsHelloIsLongerThanIsKept) {
  Frame hello = Hello(1, Frame(kMostFirstBytes, 0));
  hello.resize(1'400);
  Fields fields;
  EXPECT_EQ(ParseTls(Of(hello, false, 443), &fields), Verdict::kDone);
}

}  // namespace
}  // namespace weir
