#include "application/smtp.h"

#include <gtest/gtest.h>

#include "parsing.h"

namespace weir {
namespace {

using test::FieldsOf;
using test::Frame;
using test::operator+;

// Sender and recipient that a client's lines tell, with a slash between.
std::string MailOf(std::string_view lines) {
  const Fields fields = FieldsOf("smtp", test::Letters("EHLO a\r\n" + std::string(lines)), 25);
  return std::string(fields.Text(TextField::kSmtpFrom)) + "/" + std::string(fields.Text(TextField::kSmtpTo));
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

}  // namespace
}  // namespace weir
