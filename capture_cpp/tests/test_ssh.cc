#include "application/ssh.h"

#include <gtest/gtest.h>

#include <string_view>

#include "parsing.h"

namespace weir {
namespace {

using test::FieldsOf;
using test::Find;
using test::Frame;
using test::Of;

TEST(Ssh, PassesOverWhatAServerSaysBeforeItsVersion) {
  const Frame bytes = test::Letters("Authorised use only\r\nSSH-2.0-OpenSSH_9.2\r\n");
  Fields fields;
  EXPECT_EQ(ParseSsh({bytes, false, false, false, 22, 40'000}, &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kSshServer), "SSH-2.0-OpenSSH_9.2");
  EXPECT_EQ(ParseSsh({bytes, true, false, false, 40'000, 22}, &fields), Verdict::kNo);
}

TEST(Ssh, WaitsForAVersionBehindLinesOfText) {
  const auto verdict = [](std::string_view text, std::uint16_t port, bool is_last = false) {
    Fields fields;
    return ParseSsh({test::Letters(text), false, false, is_last, port, 40'000}, &fields);
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
  EXPECT_EQ(ParseSsh(Of(test::Letters("SSH-2.0-PuTTY_0.78\r\n"), false, 2'222), &fields), Verdict::kDone);
  EXPECT_EQ(ParseSsh({test::Letters("Authorised use only\r\nSSH-2.0-x\r\n"), false, false, false, 2'222, 40'000}, &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kSshServer), "SSH-2.0-x");
}

TEST(Ssh, KeepsBothSidesIdentifications) {
  EXPECT_EQ(FieldsOf("ssh", test::SshClient(), 22).Text(TextField::kSshClient), "SSH-2.0-OpenSSH_9.2p1 Debian-2");
  EXPECT_EQ(FieldsOf("ssh", test::Letters("SSH-1.99-Cisco-1.25\n"), 22, false).Text(TextField::kSshServer), "SSH-1.99-Cisco-1.25");
}

TEST(Ssh, TellsTheServerByItsPortEvenWhereItSpokeFirst) {
  Fields fields;
  const test::ExactBytes exact(test::SshClient());
  EXPECT_EQ(Find("ssh")({exact.bytes(), true, false, true, 22, 40'000}, &fields), Verdict::kDone);
  EXPECT_TRUE(fields.Has(TextField::kSshServer));
}

}  // namespace
}  // namespace weir
