#include "application/http.h"

#include <algorithm>
#include <array>

#include "application/lines.h"

namespace weir {
namespace {

// RFC 9110, RFC 5789 and WebDAV (RFC 4918). Others are believed where a whole request line shows them.
constexpr std::array<std::string_view, 16> kMethods{"GET",      "POST",      "HEAD", "PUT",  "DELETE", "OPTIONS", "PATCH",  "CONNECT",
                                                    "PROPFIND", "PROPPATCH", "COPY", "MOVE", "LOCK",   "UNLOCK",  "MKCOL", "TRACE"};
constexpr std::string_view kVersion = "HTTP/1.";

Verdict ParseResponse(std::string_view text, bool is_last, Fields* fields) {
  constexpr std::size_t kStatusAt = 9;  // behind "HTTP/1.1 "
  constexpr std::size_t kStatusEnd = 12;
  if (text.size() < kStatusEnd) {
    return is_last ? Verdict::kDone : Verdict::kMore;
  }
  const std::string_view status = text.substr(kStatusAt, kStatusEnd - kStatusAt);
  const bool is_number = std::ranges::all_of(status, [](char digit) { return digit >= '0' && digit <= '9'; });
  const bool is_longer = text.size() > kStatusEnd && text[kStatusEnd] >= '0' && text[kStatusEnd] <= '9';
  if (!is_number || is_longer || text[kStatusAt - 1] != ' ') {
    return Verdict::kNo;
  }
  fields->Set(NumberField::kHttpStatus, (status[0] - '0') * 100 + (status[1] - '0') * 10 + (status[2] - '0'));
  return Verdict::kDone;
}

// The method that the text begins with, or nothing. Any word may be one (RFC 9110, section 9.1); those in use have capitals,
// some of them with "-" or "_".
std::string_view MethodOf(std::string_view text) {
  constexpr std::size_t kLongestMethod = 24;
  const std::string_view beginning = text.substr(0, kLongestMethod + 1);
  const std::size_t end = beginning.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ-_");
  const bool is_word = end != std::string_view::npos && end > 0 && beginning[end] == ' ';
  return is_word ? beginning.substr(0, end) : std::string_view();
}

bool IsKnown(std::string_view method) { return std::ranges::find(kMethods, method) != kMethods.end(); }

// Fields after the request line, up to the blank one.
Verdict ParseHeaders(std::string_view text, bool is_last, Fields* fields) {
  std::string_view line;
  while (TakeLine(&text, false, &line)) {
    if (line.empty()) {
      return Verdict::kDone;
    }
    for (const auto& [name, field] : {std::pair{std::string_view("host:"), TextField::kHttpHost}, {"user-agent:", TextField::kHttpUserAgent}}) {
      if (BeginsWith(line, name)) {
        fields->Set(field, Trimmed(line.substr(name.size())));
      }
    }
  }
  return is_last ? Verdict::kDone : Verdict::kMore;
}

}  // namespace

Verdict ParseHttp(const Stretch& stretch, Fields* fields) {
  if (stretch.is_udp) {
    return Verdict::kNo;
  }
  std::string_view text = AsText(stretch.bytes);
  if (text.starts_with("\r\n")) {
    text.remove_prefix(2);  // as robust servers do (RFC 9112, section 2.2)
  }
  if (text.starts_with(kVersion)) {
    return ParseResponse(text, stretch.is_last, fields);
  }
  const std::string_view method = MethodOf(text);
  if (method.empty()) {
    return Verdict::kNo;
  }
  const bool is_known = IsKnown(method);
  std::string_view line;
  if (!TakeLine(&text, stretch.is_last, &line)) {
    return is_known ? Verdict::kMore : Verdict::kNo;
  }
  const std::size_t version_at = line.rfind(kVersion);
  const bool is_whole = version_at != std::string_view::npos && version_at > method.size() + 1;
  if (!is_whole && !(stretch.is_last && is_known)) {
    return Verdict::kNo;
  }
  fields->Set(TextField::kHttpMethod, method);
  const std::size_t uri_at = method.size() + 1;
  fields->Set(TextField::kHttpUri, Trimmed(is_whole ? line.substr(uri_at, version_at - uri_at) : line.substr(uri_at)));
  return ParseHeaders(text, stretch.is_last, fields);
}

}  // namespace weir
