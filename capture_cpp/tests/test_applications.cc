#include "application/applications.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "application/digest.h"
#include "application/dns.h"
#include "application/http.h"
#include "application/ja4.h"
#include "application/ssh.h"
#include "application/tls.h"
#include "messages.h"

namespace weir {
namespace {

using Octets = std::vector<std::uint8_t>;

Octets BytesOf(std::string_view text) { return {text.begin(), text.end()}; }

Octets Joined(std::initializer_list<Octets> parts) {
  Octets joined;
  for (const Octets& part : parts) {
    joined.insert(joined.end(), part.begin(), part.end());
  }
  return joined;
}

Octets Number(std::size_t value, int bytes) {
  Octets out;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<std::uint8_t>(value >> shift));
  }
  return out;
}

Octets Sized(int length_bytes, const Octets& body) { return Joined({Number(body.size(), length_bytes), body}); }

// A ClientHello body with a server name, two protocols and the ciphers 1301 and a number of GREASE.
Octets ClientHelloBody() {
  const Octets name = Sized(2, Joined({{0}, Sized(2, BytesOf("example.org"))}));
  const Octets alpn = Sized(2, Joined({Sized(1, BytesOf("h2")), Sized(1, BytesOf("http/1.1"))}));
  const Octets versions = Sized(1, {0x03, 0x04, 0x03, 0x03});
  const Octets extensions = Joined({{0, 0}, Sized(2, name), {0, 16}, Sized(2, alpn), {0, 43}, Sized(2, versions)});
  return Joined({{3, 3}, Octets(32, 7), {0}, Sized(2, {0x0a, 0x0a, 0x13, 0x01}), Sized(1, {0}), Sized(2, extensions)});
}

Octets Hello(std::uint8_t type, const Octets& body) { return Joined({{22, 3, 1}, Sized(2, Joined({{type}, Sized(3, body)}))}); }

Octets Question(std::string_view first_label, std::uint16_t flags) {
  return Joined({{0x12, 0x34}, Number(flags, 2), {0, 1, 0, flags == 0 ? std::uint8_t{0} : std::uint8_t{2}, 0, 0, 0, 0},
                 Sized(1, BytesOf(first_label)), Sized(1, BytesOf("org")), {0, 0, 28, 0, 1}});
}

Stretch Of(const Octets& bytes, bool is_udp, std::uint16_t port) { return {bytes, true, is_udp, false, 40'000, port}; }

TEST(Fields, KeepOnlyPrintableLettersAndNeverCutAnEscape) {
  Fields fields;
  fields.Set(TextField::kHttpUri, std::string_view("a\\b\x01\xff<z>"));
  EXPECT_EQ(fields.Text(TextField::kHttpUri), "a\\\\b\\x01\\xff<z>");
  fields.Set(TextField::kHttpHost, std::string(254, 'x') + "\n");
  EXPECT_EQ(fields.Text(TextField::kHttpHost), std::string(254, 'x'));
  fields.Set(TextField::kTlsSni, std::string(300, 'y'));
  EXPECT_EQ(fields.Text(TextField::kTlsSni), std::string(255, 'y'));
}

// Plain letters are looked at eight at a time, so a strange one is tried at every place.
TEST(Fields, EscapeAnyStrangeByteAtAnyPlace) {
  for (std::size_t size = 1; size < 20; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (int value = 0; value < 256; ++value) {
        Octets text(size, 'x');
        text[at] = static_cast<std::uint8_t>(value);
        std::string escaped(1, static_cast<char>(value));
        if (value == '\\') {
          escaped = "\\\\";
        } else if (value < ' ' || value > '~') {
          constexpr std::string_view kDigits = "0123456789abcdef";
          const auto byte = static_cast<unsigned>(value);
          escaped = {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 0xf]};
        }
        Fields fields;
        fields.Set(TextField::kHttpUri, Bytes(text));
        ASSERT_EQ(fields.Text(TextField::kHttpUri), std::string(at, 'x') + escaped + std::string(size - at - 1, 'x')) << size << " " << at << " " << value;
      }
    }
  }
}

TEST(FieldsPool, GivesEmptyFieldsAndTakesNoMoreThanItHasRoomFor) {
  FieldsPool pool(2);
  FieldsPool::Handle first = pool.Take();
  first->Set(TextField::kApp, std::string_view("dns"));
  const FieldsPool::Handle second = pool.Take();
  EXPECT_NE(first.get(), second.get());
  EXPECT_THROW(pool.Take(), std::bad_alloc);
  first.reset();
  const FieldsPool::Handle again = pool.Take();
  EXPECT_FALSE(again->Has(TextField::kApp));
}

// What has no room inside is kept as well, whatever comes when.
TEST(Fields, KeepMoreThanTheyHaveRoomFor) {
  const auto text_of = [](std::size_t field) { return std::string(7 + 13 * field, static_cast<char>('a' + field)); };
  Fields fields;
  for (int round = 0; round < 2; ++round) {
    for (std::size_t field = 0; field < kTextFields; ++field) {
      fields.Set(static_cast<TextField>(field), text_of(field));
    }
    for (std::size_t field = 0; field < kNumberFields; ++field) {
      fields.Set(static_cast<NumberField>(field), static_cast<std::int32_t>(100'000 * field));
    }
    for (std::size_t field = 0; field < kTextFields; ++field) {
      EXPECT_EQ(fields.Text(static_cast<TextField>(field)), text_of(field).substr(0, Fields::kLongestText));
    }
    for (std::size_t field = 0; field < kNumberFields; ++field) {
      EXPECT_EQ(fields.Number(static_cast<NumberField>(field)), static_cast<std::int32_t>(100'000 * field));
    }
    EXPECT_GT(fields.bytes(), sizeof(Fields));
    fields.Clear();
    EXPECT_FALSE(fields.Has(TextField::kApp));
    EXPECT_EQ(fields.bytes(), sizeof(Fields));
  }
}

TEST(Fields, KeepWhatWasSaidFirst) {
  Fields fields;
  fields.Set(TextField::kTlsSni, std::string_view("first"));
  fields.Set(TextField::kTlsSni, std::string_view("second"));
  fields.Set(NumberField::kDnsRcode, 0);
  fields.Set(NumberField::kDnsRcode, 3);
  EXPECT_EQ(fields.Text(TextField::kTlsSni), "first");
  EXPECT_EQ(fields.Number(NumberField::kDnsRcode), 0);
  EXPECT_EQ(fields.Number(NumberField::kHttpStatus), kUnsaid);
}

TEST(Dns, TellsQuestionAndAnswer) {
  Fields fields;
  EXPECT_EQ(ParseDns(Of(Question("weir", 0), true, 53), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kDnsQname), "weir.org");
  EXPECT_EQ(fields.Number(NumberField::kDnsQtype), 28);
  EXPECT_EQ(fields.Number(NumberField::kDnsRcode), kUnsaid);
  EXPECT_EQ(ParseDns(Of(Question("weir", 0x8183), true, 53), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Number(NumberField::kDnsRcode), 3);
  EXPECT_EQ(fields.Number(NumberField::kDnsAnswers), 2);
}

TEST(Dns, IsBelievedOnAnyPortWhenItIsUnmistakable) {
  Fields fields;
  EXPECT_EQ(ParseDns(Of(Question("weir", 0), true, 9'999), &fields), Verdict::kDone);
  Octets strange = Question("weir", 0);
  strange[5] = 2;  // two questions
  EXPECT_EQ(ParseDns(Of(strange, true, 9'999), &fields), Verdict::kNo);
}

TEST(Dns, FollowsNoCircle) {
  Octets circle = Question("weir", 0);
  circle[12] = 0xc0;
  circle[13] = 12;  // a name that goes on where it begins
  Fields fields;
  EXPECT_EQ(ParseDns(Of(circle, true, 53), &fields), Verdict::kNo);
}

TEST(Dns, TellsOfAnAnswerThatIsNoMoreThanAHeader) {
  const Octets refused{0x12, 0x34, 0x80, 0x05, 0, 0, 0, 0, 0, 0, 0, 0};
  Fields fields;
  EXPECT_EQ(ParseDns(Of(refused, true, 53), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Number(NumberField::kDnsRcode), 5);
  EXPECT_EQ(fields.Number(NumberField::kDnsAnswers), 0);
  EXPECT_EQ(ParseDns(Of(refused, true, 9'999), &fields), Verdict::kNo);
}

TEST(Dns, TellsOfAnAnswerThatHoldsOnlyARecordOfEdns) {
  const Octets answer{0x12, 0x34, 0x80, 0x01, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 2, 7, 7};
  Fields fields;
  EXPECT_EQ(ParseDns(Of(answer, true, 53), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Number(NumberField::kDnsRcode), 1);
  EXPECT_EQ(fields.Number(NumberField::kDnsAnswers), 0);
  EXPECT_EQ(ParseDns(Of(answer, true, 9'999), &fields), Verdict::kNo);
  EXPECT_EQ(ParseDns(Of(Joined({answer, {0}}), true, 53), &fields), Verdict::kNo);
  for (const std::size_t at : {std::size_t{2}, std::size_t{9}, std::size_t{11}, std::size_t{12}, std::size_t{14}, std::size_t{22}}) {
    Octets other = answer;
    other[at] ^= 0x81;  // no answer, two or other records, or a length that does not fit
    EXPECT_EQ(ParseDns(Of(other, true, 53), &fields), Verdict::kNo) << at;
  }
}

TEST(Ssh, PassesOverWhatAServerSaysBeforeItsVersion) {
  const Octets bytes = BytesOf("Authorised use only\r\nSSH-2.0-OpenSSH_9.2\r\n");
  Fields fields;
  EXPECT_EQ(ParseSsh({bytes, false, false, false, 22, 40'000}, &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kSshServer), "SSH-2.0-OpenSSH_9.2");
  EXPECT_EQ(ParseSsh({bytes, true, false, false, 40'000, 22}, &fields), Verdict::kNo);
}

TEST(Ssh, WaitsForAVersionBehindLinesOfText) {
  const auto verdict = [](std::string_view text, std::uint16_t port, bool is_last = false) {
    Fields fields;
    return ParseSsh({BytesOf(text), false, false, is_last, port, 40'000}, &fields);
  };
  EXPECT_EQ(verdict("Authorised use only\r\nGr\xc3\xbc\xc3\x9f" "e\r\n", 22), Verdict::kMore);
  EXPECT_EQ(verdict("Authorised use only\r\n", 22, true), Verdict::kNo);
  EXPECT_EQ(verdict("Authorised use only\r\n", 2'222), Verdict::kNo);
  EXPECT_EQ(verdict("login: ", 22), Verdict::kNo);
  EXPECT_EQ(verdict("220 files.example.org FTP server ready\r\n", 22), Verdict::kNo);
  EXPECT_EQ(verdict("\xff\xfd\x18\xff\xfd\x20 Authorised use only\r\n", 22), Verdict::kNo);
  EXPECT_EQ(verdict("Authorised use only\r\n\x01", 22), Verdict::kNo);
}

TEST(Ssh, ReadsAVersionBehindTextOnAnyPortWhoseClientGaveOne) {
  Fields fields;
  EXPECT_EQ(ParseSsh(Of(BytesOf("SSH-2.0-PuTTY_0.78\r\n"), false, 2'222), &fields), Verdict::kDone);
  EXPECT_EQ(ParseSsh({BytesOf("Authorised use only\r\nSSH-2.0-x\r\n"), false, false, false, 2'222, 40'000}, &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kSshServer), "SSH-2.0-x");
}

TEST(Http, BelievesAnyMethodThatAWholeLineShows) {
  for (const std::string_view method : {"REPORT", "SUBSCRIBE", "M-SEARCH", "BITS_POST", "RPC_IN_DATA"}) {
    Fields fields;
    EXPECT_EQ(ParseHttp(Of(BytesOf(std::string(method) + " /x HTTP/1.1\r\n\r\n"), false, 80), &fields), Verdict::kDone);
    EXPECT_EQ(fields.Text(TextField::kHttpMethod), method);
  }
  Fields fields;
  EXPECT_EQ(ParseHttp(Of(BytesOf("REGISTER sip:example.org SIP/2.0\r\n\r\n"), false, 80), &fields), Verdict::kNo);
  EXPECT_EQ(ParseHttp(Of(BytesOf("\r\nGET /y HTTP/1.1\r\n\r\n"), false, 80), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kHttpUri), "/y");
}

TEST(Http, TellsRequestAndResponse) {
  Fields fields;
  const Octets request = BytesOf("GET /a?b=c HTTP/1.1\r\nHOST: weir.example\r\nUser-Agent: test/1\r\n\r\nHost: other\r\n");
  EXPECT_EQ(ParseHttp(Of(request, false, 8'080), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kHttpMethod), "GET");
  EXPECT_EQ(fields.Text(TextField::kHttpUri), "/a?b=c");
  EXPECT_EQ(fields.Text(TextField::kHttpHost), "weir.example");
  EXPECT_EQ(fields.Text(TextField::kHttpUserAgent), "test/1");
  EXPECT_EQ(ParseHttp(Of(BytesOf("HTTP/1.1 404 Not Found\r\n"), false, 8'080), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Number(NumberField::kHttpStatus), 404);
  EXPECT_EQ(ParseHttp(Of(BytesOf("GETTING nowhere fast"), false, 80), &fields), Verdict::kNo);
}

TEST(Http, JoinsFoldedLinesByABlank) {
  const Octets request = BytesOf("GET / HTTP/1.1\r\nHost:\r\n\tweir.example\r\nUser-Agent: a \r\n \r\n  b\r\n\r\n User-Agent: body\r\n");
  Fields fields;
  for (std::size_t cut = 1; cut < request.size() - 20; ++cut) {
    ParseHttp(Of(Octets(request.begin(), request.begin() + static_cast<std::ptrdiff_t>(cut)), false, 80), &fields);
    EXPECT_TRUE(fields.Text(TextField::kHttpUserAgent).empty() || fields.Text(TextField::kHttpUserAgent) == "a b") << cut;
  }
  EXPECT_EQ(ParseHttp(Of(request, false, 80), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kHttpHost), "weir.example");
  EXPECT_EQ(fields.Text(TextField::kHttpUserAgent), "a b");
}

TEST(Http, TellsNoFieldWhoseFoldedLineIsCut) {
  const Octets request = BytesOf("GET / HTTP/1.1\r\nUser-Agent: a\r\n b");
  Fields fields;
  EXPECT_EQ(ParseHttp({request, true, false, true, 40'000, 80}, &fields), Verdict::kDone);
  EXPECT_FALSE(fields.Has(TextField::kHttpUserAgent));
}

TEST(Http, TellsAFieldBehindWhichNothingFollows) {
  const Octets request = BytesOf("GET / HTTP/1.1\r\nUser-Agent: a\r\n");
  Fields fields;
  EXPECT_EQ(ParseHttp({request, true, false, true, 40'000, 80}, &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kHttpUserAgent), "a");
}

TEST(Http, PassesOverAFewEmptyLines) {
  for (const std::string_view lines : {"", "\r\n", "\r\n\r\n", "\r\n\r\n\r\n\r\n"}) {
    Fields fields;
    EXPECT_EQ(ParseHttp(Of(BytesOf(std::string(lines) + "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"), false, 80), &fields), Verdict::kDone);
    EXPECT_EQ(fields.Text(TextField::kHttpUri), "/x");
  }
  Fields fields;
  EXPECT_EQ(ParseHttp(Of(BytesOf("\r\n\r\n\r\n\r\n\r\nGET /x HTTP/1.1\r\n\r\n"), false, 80), &fields), Verdict::kNo);
}

Offered OfferedOf(const std::vector<std::uint16_t>& numbers) {
  Offered offered;
  for (const std::uint16_t number : numbers) {
    offered.Add(number);
  }
  return offered;
}

TEST(Ja4, GivesThePublishedFingerprint) {
  const std::vector<std::uint16_t> ciphers{0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035};
  const std::vector<std::uint16_t> extensions{0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015, 0x2a2a};
  const std::vector<std::uint16_t> signatures{0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601};
  ClientHello hello{0x0304, true, "h2", OfferedOf(ciphers), OfferedOf(extensions), OfferedOf(signatures)};
  const Ja4Letters ja4 = Ja4('t', &hello);
  EXPECT_EQ(std::string_view(ja4.data(), ja4.size()), "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

TEST(Ja4, CutsListsThatNoClientSends) {
  Offered offered = OfferedOf(std::vector<std::uint16_t>(600, 7));
  EXPECT_EQ(offered.size(), 512u);
  offered.Drop(7);
  EXPECT_EQ(offered.size(), 0u);
}

// As it was before, and as it is with others: a stranger may send an extension twice.
TEST(Tls, TakesTheLastOfSeveralListsOfSignatures) {
  const auto ja4_of = [](const Octets& extensions) {
    Fields fields;
    EXPECT_EQ(ParseTls(Of(Hello(1, Joined({{3, 3}, Octets(32, 9), {0}, Sized(2, {0x13, 0x01}), {1, 0}, Sized(2, extensions)})), false, 443), &fields), Verdict::kDone);
    return std::string(fields.Text(TextField::kTlsJa4));
  };
  const Octets first{0, 13, 0, 4, 0, 2, 4, 3};
  const Octets last{0, 13, 0, 4, 0, 2, 8, 4};
  const std::string both = ja4_of(Joined({first, last}));
  EXPECT_EQ(both, ja4_of(Joined({last, last})));
  EXPECT_NE(both, ja4_of(Joined({last, first})));
}

// Nettle 3 asks for the length of a digest, Nettle 4 does not.
TEST(Digest, IsTakenFromEitherVersionOfNettle) {
  struct Context {
    std::uint8_t byte;
  };
  std::array<std::uint8_t, 4> digest{};
  Context context{7};
  TakeDigest([](Context* from, std::size_t size, std::uint8_t* to) { std::memset(to, from->byte, size); }, &context, &digest);
  EXPECT_EQ(digest, (std::array<std::uint8_t, 4>{7, 7, 7, 7}));
  TakeDigest([](Context* from, std::uint8_t* to) { to[3] = from->byte + 1; }, &context, &digest);
  EXPECT_EQ(digest, (std::array<std::uint8_t, 4>{7, 7, 7, 8}));
}

TEST(Tls, TellsWhatTheClientAsksForAndTheServerChose) {
  Fields fields;
  EXPECT_EQ(ParseTls(Of(Hello(1, ClientHelloBody()), false, 443), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kTlsSni), "example.org");
  EXPECT_EQ(fields.Text(TextField::kTlsAlpn), "h2,http/1.1");
  EXPECT_EQ(fields.Text(TextField::kTlsJa4).substr(0, 10), "t13d0103h2");
  const Octets server = Joined({{3, 3}, Octets(32, 9), {0}, {0x13, 0x01}, {0}, Sized(2, {0, 43, 0, 2, 3, 4})});
  EXPECT_EQ(ParseTls(Of(Hello(2, server), false, 443), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kTlsVersion), "TLS 1.3");
  EXPECT_EQ(fields.Number(NumberField::kTlsCipher), 0x1301);
}

// The two letters of JA4 for the version of a client that offers these.
std::string Ja4VersionOf(const Octets& versions) {
  const Octets extensions = Joined({{0, 43}, Sized(2, Sized(1, versions))});
  const Octets body = Joined({{3, 3}, Octets(32, 7), {0}, Sized(2, {0x13, 0x01}), Sized(1, {0}), Sized(2, extensions)});
  Fields fields;
  EXPECT_EQ(ParseTls(Of(Hello(1, body), false, 443), &fields), Verdict::kDone);
  return std::string(fields.Text(TextField::kTlsJa4).substr(1, 2));
}

TEST(Tls, FingerprintsTheHighestVersionWhetherItIsKnownOrNot) {
  EXPECT_EQ(Ja4VersionOf({0x0a, 0x0a, 3, 3, 3, 4}), "13");
  EXPECT_EQ(Ja4VersionOf({0xfa, 0xfa, 3, 3}), "12");
  EXPECT_EQ(Ja4VersionOf({0x7f, 0x1c, 3, 3}), "00");
  EXPECT_EQ(Ja4VersionOf({3, 4, 3, 5}), "00");
  EXPECT_EQ(Ja4VersionOf({0xfe, 0xfd, 3, 3}), "d2");
}

TEST(Tls, NamesTheDraftThatTheServerChose) {
  const auto version = [](const Octets& body) {
    Fields fields;
    EXPECT_EQ(ParseTls(Of(Hello(2, body), false, 443), &fields), Verdict::kDone);
    EXPECT_EQ(fields.Number(NumberField::kTlsCipher), 0x1301);
    return std::string(fields.Text(TextField::kTlsVersion));
  };
  const auto chosen = [](std::uint8_t high, std::uint8_t low) {
    return Joined({{3, 3}, Octets(32, 9), {0}, {0x13, 0x01}, {0}, Sized(2, {0, 43, 0, 2, high, low})});
  };
  EXPECT_EQ(version(chosen(0x7f, 28)), "TLS 1.3 draft 28");
  EXPECT_EQ(version(chosen(0x7f, 23)), "TLS 1.3 draft 23");
  EXPECT_EQ(version(chosen(0x7f, 29)), "");
  EXPECT_EQ(version(chosen(0x7f, 0)), "");
  EXPECT_EQ(version(Joined({{0x7f, 18}, Octets(32, 9), {0x13, 0x01}, Sized(2, {0, 40, 0, 1, 5})})), "TLS 1.3 draft 18");
}

TEST(Tls, ReadsAServersHelloBehindAWarning) {
  const Octets server = Joined({{3, 3}, Octets(32, 9), {0}, {0xc0, 0x2f}, {0}, Sized(2, {})});
  const Octets warned = Joined({{21, 3, 3, 0, 2, 1, 112}, Hello(2, server)});
  Fields fields;
  EXPECT_EQ(ParseTls(Of(warned, false, 443), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Number(NumberField::kTlsCipher), 0xc02f);
}

TEST(Tls, ReadsAHelloWhoseFirstRecordsAreTiny) {
  const Octets message = Joined({{1}, Sized(3, ClientHelloBody())});
  for (std::size_t first = 1; first < 9; ++first) {
    const auto at = message.begin() + static_cast<std::ptrdiff_t>(first);
    const Octets records = Joined({{22, 3, 1}, Sized(2, Octets(message.begin(), at)), {22, 3, 1}, Sized(2, Octets(at, message.end()))});
    Fields fields;
    EXPECT_EQ(ParseTls(Of(records, false, 443), &fields), Verdict::kDone) << first;
    EXPECT_EQ(fields.Text(TextField::kTlsSni), "example.org") << first;
  }
}

TEST(Tls, IsKnownWhereItsHelloIsLongerThanIsKept) {
  Octets hello = Hello(1, Octets(kMostFirstBytes, 0));
  hello.resize(1'400);
  Fields fields;
  EXPECT_EQ(ParseTls(Of(hello, false, 443), &fields), Verdict::kDone);
}

// Every beginning of a message in a buffer of its own: no parser may read past it, nor believe it whole.
TEST(Applications, NoParserReadsPastAMessageCutAnywhere) {
  const std::vector<std::pair<Octets, bool>> messages{{Hello(1, ClientHelloBody()), false}, {Question("weir", 0x8180), true}, {Sized(2, Question("weir", 0)), false},
                                                     {BytesOf("POST /x HTTP/1.1\r\nHost: a\r\n\r\n"), false}};
  for (const auto& [message, is_udp] : messages) {
    for (std::size_t size = 0; size < message.size(); ++size) {
      const Octets cut(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(size));
      for (const Parser parser : {&ParseTls, &ParseDns, &ParseHttp}) {
        Fields fields;
        const Verdict verdict = parser(Of(cut, is_udp, 53), &fields);
        EXPECT_TRUE(verdict != Verdict::kNo || fields.Text(TextField::kTlsSni).empty());
      }
    }
  }
}

// Shows a message in pieces, as TCP may cut it, and returns what became known.
FieldsPool::Handle Hear(Applications* applications, const Octets& message, std::size_t piece, std::uint32_t sequence) {
  std::uint32_t index = 0;
  for (std::size_t at = 0; at < message.size(); at += piece) {
    const Bytes bytes = Bytes(message).subspan(at, std::min(piece, message.size() - at));
    const Stretch stretch{bytes, true, false, false, 40'000, 443};
    applications->Listen({stretch, sequence + static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(bytes.size())}, &index);
  }
  return applications->Take(index);
}

TEST(Applications, JoinAHelloThatComesInPieces) {
  const Octets hello = Hello(1, ClientHelloBody());
  for (const std::size_t piece : {std::size_t{6}, std::size_t{20}, std::size_t{64}, hello.size()}) {
    Applications applications(1 << 20);
    const auto fields = Hear(&applications, hello, piece, 0xfffffff0);  // across the wrap of sequence numbers
    ASSERT_NE(fields, nullptr) << piece;
    EXPECT_EQ(fields->Text(TextField::kApp), "tls");
    EXPECT_EQ(fields->Text(TextField::kTlsSni), "example.org") << piece;
  }
}

// What the parts [from, to) of a message tell that come one after the other.
std::string HeardOf(const Octets& message, const std::vector<std::pair<std::size_t, std::size_t>>& parts, std::uint16_t port, TextField field) {
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

TEST(Applications, KnowAProtocolWhereverItsFirstSegmentEnds) {
  struct Sample {
    Octets message;
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
  const Octets message = BytesOf("Authorised use only\r\nSSH-2.0-OpenSSH_9.2\r\n");
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
  const Octets message = test::SshClient();
  Applications applications(1 << 20);
  std::uint32_t index = 0;
  EXPECT_TRUE(applications.Listen({Of(message, false, 22), 1'001, static_cast<std::uint32_t>(message.size()), 1'000}, &index));
  const auto fields = applications.Take(index);
  ASSERT_NE(fields, nullptr);
  EXPECT_EQ(fields->Text(TextField::kApp), "ssh");
}

TEST(Applications, AskNoLongerForABeginningThanForSomeSegments) {
  const Octets message = test::SshClient();
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
    const Octets bytes = BytesOf(text);
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
    const Octets bytes{1};
    applications.Listen({Of(bytes, false, 4'000), 1, 1}, &index);
    EXPECT_EQ(applications.Take(index), nullptr);
  }
  EXPECT_EQ(applications.unread(), 0u);
}

TEST(Applications, CountFlowsThatMemoryIsTooShortFor) {
  Applications applications(4'000);
  std::vector<std::uint32_t> indices(50);
  const Octets hello = Hello(1, ClientHelloBody());
  for (std::uint32_t& index : indices) {
    applications.Listen({Of(hello, false, 443), 1, static_cast<std::uint32_t>(hello.size())}, &index);
  }
  EXPECT_NE(indices[0], 0u);
  EXPECT_EQ(indices.back(), 0u);
  EXPECT_GE(applications.unread(), 1u);
  ASSERT_NE(applications.Take(indices[0]), nullptr);
  std::uint32_t again = 0;
  applications.Listen({Of(hello, false, 443), 1, static_cast<std::uint32_t>(hello.size())}, &again);
  EXPECT_NE(again, 0u);
}

}  // namespace
}  // namespace weir
