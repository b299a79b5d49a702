#include "application/http.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "parsing.h"

namespace weir {
namespace {

using test::FieldsOf;
using test::Find;
using test::Frame;
using test::IsUntouched;
using test::Of;
using test::ParseBytes;
using test::operator+;

TEST(Http, BelievesAnyMethodThatAWholeLineShows) {
  for (const std::string_view method : {"REPORT", "SUBSCRIBE", "M-SEARCH", "BITS_POST", "RPC_IN_DATA"}) {
    Fields fields;
    EXPECT_EQ(ParseHttp(Of(test::Letters(std::string(method) + " /x HTTP/1.1\r\n\r\n"), false, 80), &fields), Verdict::kDone);
    EXPECT_EQ(fields.Text(TextField::kHttpMethod), method);
  }
  Fields fields;
  EXPECT_EQ(ParseHttp(Of(test::Letters("REGISTER sip:example.org SIP/2.0\r\n\r\n"), false, 80), &fields), Verdict::kNo);
  EXPECT_EQ(ParseHttp(Of(test::Letters("\r\nGET /y HTTP/1.1\r\n\r\n"), false, 80), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kHttpUri), "/y");
}

TEST(Http, TellsRequestAndResponse) {
  Fields fields;
  const Frame request = test::Letters("GET /a?b=c HTTP/1.1\r\nHOST: weir.example\r\nUser-Agent: test/1\r\n\r\nHost: other\r\n");
  EXPECT_EQ(ParseHttp(Of(request, false, 8'080), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kHttpMethod), "GET");
  EXPECT_EQ(fields.Text(TextField::kHttpUri), "/a?b=c");
  EXPECT_EQ(fields.Text(TextField::kHttpHost), "weir.example");
  EXPECT_EQ(fields.Text(TextField::kHttpUserAgent), "test/1");
  EXPECT_EQ(ParseHttp(Of(test::Letters("HTTP/1.1 404 Not Found\r\n"), false, 8'080), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Number(NumberField::kHttpStatus), 404);
  EXPECT_EQ(ParseHttp(Of(test::Letters("GETTING nowhere fast"), false, 80), &fields), Verdict::kNo);
}

TEST(Http, JoinsFoldedLinesByABlank) {
  const Frame request = test::Letters("GET / HTTP/1.1\r\nHost:\r\n\tweir.example\r\nUser-Agent: a \r\n \r\n  b\r\n\r\n User-Agent: body\r\n");
  Fields fields;
  for (std::size_t cut = 1; cut < request.size() - 20; ++cut) {
    ParseHttp(Of(Frame(request.begin(), request.begin() + static_cast<std::ptrdiff_t>(cut)), false, 80), &fields);
    EXPECT_TRUE(fields.Text(TextField::kHttpUserAgent).empty() || fields.Text(TextField::kHttpUserAgent) == "a b") << cut;
  }
  EXPECT_EQ(ParseHttp(Of(request, false, 80), &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kHttpHost), "weir.example");
  EXPECT_EQ(fields.Text(TextField::kHttpUserAgent), "a b");
}

TEST(Http, TellsNoFieldWhoseFoldedLineIsCut) {
  const Frame request = test::Letters("GET / HTTP/1.1\r\nUser-Agent: a\r\n b");
  Fields fields;
  EXPECT_EQ(ParseHttp({request, true, false, true, 40'000, 80}, &fields), Verdict::kDone);
  EXPECT_FALSE(fields.Has(TextField::kHttpUserAgent));
}

TEST(Http, TellsAFieldBehindWhichNothingFollows) {
  const Frame request = test::Letters("GET / HTTP/1.1\r\nUser-Agent: a\r\n");
  Fields fields;
  EXPECT_EQ(ParseHttp({request, true, false, true, 40'000, 80}, &fields), Verdict::kDone);
  EXPECT_EQ(fields.Text(TextField::kHttpUserAgent), "a");
}

TEST(Http, PassesOverAFewEmptyLines) {
  for (const std::string_view lines : {"", "\r\n", "\r\n\r\n", "\r\n\r\n\r\n\r\n"}) {
    Fields fields;
    EXPECT_EQ(ParseHttp(Of(test::Letters(std::string(lines) + "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"), false, 80), &fields), Verdict::kDone);
    EXPECT_EQ(fields.Text(TextField::kHttpUri), "/x");
  }
  Fields fields;
  EXPECT_EQ(ParseHttp(Of(test::Letters("\r\n\r\n\r\n\r\n\r\nGET /x HTTP/1.1\r\n\r\n"), false, 80), &fields), Verdict::kNo);
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

}  // namespace
}  // namespace weir
