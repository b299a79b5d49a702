#include "application/ssh.h"

#include <algorithm>

#include "application/lines.h"
#include "application/replies.h"

namespace weir {
namespace {

constexpr std::uint16_t kPort = 22;
constexpr std::string_view kBegin = "SSH-";
constexpr std::size_t kLongestLine = 255;  // CR LF included

bool IsServer(const Stretch& stretch) {
  if (stretch.source_port == kPort || stretch.destination_port == kPort) {
    return stretch.source_port == kPort;
  }
  return !stretch.is_forward;
}

// Behind "SSH-" comes the version of the protocol, which is a number, and a hyphen.
bool HasVersion(std::string_view line) {
  const std::string_view version = line.substr(kBegin.size(), line.find('-', kBegin.size()) - kBegin.size());
  return line.size() > kBegin.size() + version.size() && !version.empty() && version.find_first_not_of("0123456789.") == std::string_view::npos;
}

// Whether a server may say something before its version (RFC 4253, section 4.2): on the port, or where its client gave one.
bool MayGreet(const Stretch& stretch, const Fields& fields) {
  return stretch.source_port == kPort || (fields.Has(TextField::kSshClient) && IsServer(stretch));
}

// Whether nothing but lines of text in UTF-8 came, and no reply of FTP or SMTP, so that a version may follow.
bool MayPrecedeVersion(std::string_view text) {
  const auto is_text = [](char letter) {
    const auto byte = static_cast<unsigned char>(letter);
    return (byte >= ' ' && byte < 0xf8 && byte != 0x7f) || byte == '\t' || byte == '\r' || byte == '\n';
  };
  return !IsReply(text) && std::ranges::all_of(text, is_text);
}

// A version, or the beginning of one.
Verdict ReadVersion(std::string_view text, const Stretch& stretch, Fields* fields) {
  const bool is_last = stretch.is_last || text.size() >= kLongestLine;
  text = text.substr(0, kLongestLine);
  std::string_view line;
  if (!TakeLine(&text, false, &line)) {
    return !is_last ? Verdict::kMore : HasVersion(text) ? Verdict::kDone : Verdict::kNo;
  }
  if (!HasVersion(line)) {
    return Verdict::kNo;
  }
  fields->Set(IsServer(stretch) ? TextField::kSshServer : TextField::kSshClient, line);
  return Verdict::kDone;
}

}  // namespace

Verdict ParseSsh(const Stretch& stretch, Fields* fields) {
  const std::string_view text = AsText(stretch.bytes);
  if (stretch.is_udp) {
    return Verdict::kNo;
  }
  if (text.starts_with(kBegin)) {
    return ReadVersion(text, stretch, fields);
  }
  if (!MayGreet(stretch, *fields)) {
    return Verdict::kNo;
  }
  if (const std::size_t before = text.find("\nSSH-"); before != std::string_view::npos) {
    return ReadVersion(text.substr(before + 1), stretch, fields);
  }
  const bool may_come = !stretch.is_last && text.size() >= kLeastFirstBytes && MayPrecedeVersion(text);
  return may_come ? Verdict::kMore : Verdict::kNo;
}

}  // namespace weir
