#include "application/dns.h"

#include <gtest/gtest.h>

#include "parsing.h"

namespace weir {
namespace {

using test::Frame;
using test::Of;
using test::operator+;

// For the address of weir.org, or where flags say so an answer to it.
Frame Question(std::uint16_t flags) {
  const std::size_t answers = flags == 0 ? 0 : 2;
  const Frame header = test::Big16(0x1234) + test::Big16(flags) + test::Big16(1) + test::Big16(answers) + test::Zeros(4);
  return header + test::Sized8(test::Letters("weir")) + test::Sized8(test::Letters("org")) + Frame{0, 0, 28, 0, 1};
}

TEST(Dns, TellsQuestionAndAnswer) {
  Fields fields;
  EXPECT_EQ(ParseDns(Of(Question(0), true, 53), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kDnsQname), "weir.org");
  EXPECT_EQ(fields.Number(NumberField::kDnsQtype), 28);
  EXPECT_EQ(fields.Number(NumberField::kDnsRcode), kUnsaid);
  EXPECT_EQ(ParseDns(Of(Question(0x8183), true, 53), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Number(NumberField::kDnsRcode), 3);
  EXPECT_EQ(fields.Number(NumberField::kDnsAnswers), 2);
}

TEST(Dns, IsBelievedOnAnyPortWhenItIsUnmistakable) {
  Fields fields;
  EXPECT_EQ(ParseDns(Of(Question(0), true, 9'999), &fields), Verdict::kDone);
  Frame strange = Question(0);
  strange[5] = 2;  // two questions
  EXPECT_EQ(ParseDns(Of(strange, true, 9'999), &fields), Verdict::kNo);
}

TEST(Dns, FollowsNoCircle) {
  Frame circle = Question(0);
  circle[12] = 0xc0;
  circle[13] = 12;  // a name that goes on where it begins
  Fields fields;
  EXPECT_EQ(ParseDns(Of(circle, true, 53), &fields), Verdict::kNo);
}

TEST(Dns, TellsOfAnAnswerThatIsNoMoreThanAHeader) {
  const Frame refused{0x12, 0x34, 0x80, 0x05, 0, 0, 0, 0, 0, 0, 0, 0};
  Fields fields;
  EXPECT_EQ(ParseDns(Of(refused, true, 53), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Number(NumberField::kDnsRcode), 5);
  EXPECT_EQ(fields.Number(NumberField::kDnsAnswers), 0);
  EXPECT_EQ(ParseDns(Of(refused, true, 9'999), &fields), Verdict::kNo);
}

TEST(Dns, TellsOfAnAnswerThatHoldsOnlyARecordOfEdns) {
  const Frame answer{0x12, 0x34, 0x80, 0x01, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 2, 7, 7};
  Fields fields;
  EXPECT_EQ(ParseDns(Of(answer, true, 53), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Number(NumberField::kDnsRcode), 1);
  EXPECT_EQ(fields.Number(NumberField::kDnsAnswers), 0);
  EXPECT_EQ(ParseDns(Of(answer, true, 9'999), &fields), Verdict::kNo);
  EXPECT_EQ(ParseDns(Of(answer + Frame{0}, true, 53), &fields), Verdict::kNo);
  for (const std::size_t at : {std::size_t{2}, std::size_t{9}, std::size_t{11}, std::size_t{12}, std::size_t{14}, std::size_t{22}}) {
    Frame other = answer;
    other[at] ^= 0x81;  // no answer, two or other records, or a length that does not fit
    EXPECT_EQ(ParseDns(Of(other, true, 53), &fields), Verdict::kNo) << at;
  }
}

}  // namespace
}  // namespace weir
