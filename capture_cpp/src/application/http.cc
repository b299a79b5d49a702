#include "application/http.h"

#include <algorithm>
#include <array>
#include <string>

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

// Whether a line without a version, of HTTP/0.9 or cut, asks for something as HTTP does; others have words such as GET, too.
bool IsTarget(std::string_view method, std::string_view target) {
  if (method == "CONNECT") {
    return target.substr(0, target.find(' ')).find(':') != std::string_view::npos && !target.starts_with('{');
  }
  return target.starts_with('/') || target.starts_with("http://") || target.starts_with("https://") || (method == "OPTIONS" && target == "*");
}

bool IsKnown(std::string_view method) { return std::ranges::find(kMethods, method) != kMethods.end(); }

// Takes a field off the front, with the lines folded behind it (RFC 9112, section 5.2) and all that is between. False while
// it may go on.
bool TakeField(std::string_view* text, bool is_last, std::string_view* field) {
  std::size_t end = text->find('\n');
  while (end != std::string_view::npos && end + 1 < text->size() && ((*text)[end + 1] == ' ' || (*text)[end + 1] == '\t')) {
    end = text->find('\n', end + 1);
  }
  if (end == std::string_view::npos || (end + 1 == text->size() && !is_last)) {
    return false;
  }
  *field = text->substr(0, end);
  text->remove_prefix(end + 1);
  if (field->ends_with('\r')) {
    field->remove_suffix(1);
  }
  return true;
}

// A value of several lines, with a blank for each fold.
std::string Unfolded(std::string_view value) {
  std::string joined;
  std::string_view line;
  while (TakeLine(&value, true, &line)) {
    const std::string_view part = Trimmed(line);
    joined.append(joined.empty() || part.empty() ? "" : " ").append(part);
  }
  return joined;
}

void SetValue(TextField name, std::string_view value, Fields* fields) {
  if (value.find('\n') == std::string_view::npos) {
    fields->Set(name, Trimmed(value));
  } else {
    fields->Set(name, Unfolded(value));
  }
}

// Fields after the request line, up to the blank one.
Verdict ParseHeaders(std::string_view text, bool is_last, Fields* fields) {
  std::string_view line;
  while (!text.starts_with("\r\n") && !text.starts_with('\n')) {
    if (!TakeField(&text, is_last, &line)) {
      return is_last ? Verdict::kDone : Verdict::kMore;
    }
    for (const auto& [name, field] : {std::pair{std::string_view("host:"), TextField::kHttpHost}, {"user-agent:", TextField::kHttpUserAgent}}) {
      if (BeginsWith(line, name)) {
        SetValue(field, line.substr(name.size()), fields);
      }
    }
  }
  return Verdict::kDone;
}

// As robust servers do (RFC 9112, section 2.2).
std::string_view BehindEmptyLines(std::string_view text) {
  constexpr std::string_view kEmptyLine = "\r\n";
  constexpr int kMost = 4;
  for (int passed = 0; passed < kMost && text.starts_with(kEmptyLine); ++passed) {
    text.remove_prefix(kEmptyLine.size());
  }
  return text;
}

}  // namespace

Verdict ParseHttp(const Stretch& stretch, Fields* fields) {
  if (stretch.is_udp) {
    return Verdict::kNo;
  }
  std::string_view text = BehindEmptyLines(AsText(stretch.bytes));
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
  const std::size_t uri_at = method.size() + 1;
  const std::string_view target = Trimmed(is_whole ? line.substr(uri_at, version_at - uri_at) : line.substr(uri_at));
  if (!is_whole && !(stretch.is_last && is_known && IsTarget(method, target))) {
    return Verdict::kNo;
  }
  fields->Set(TextField::kHttpMethod, method);
  fields->Set(TextField::kHttpUri, target);
  return ParseHeaders(text, stretch.is_last, fields);
}

}  // namespace weir
