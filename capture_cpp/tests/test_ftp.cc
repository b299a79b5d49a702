#include "application/ftp.h"

#include <gtest/gtest.h>

#include "parsing.h"

namespace weir {
namespace {

using test::FieldsOf;
using test::Find;
using test::Frame;
using test::Message;
using test::ParseBytes;
using test::operator+;

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

}  // namespace
}  // namespace weir
