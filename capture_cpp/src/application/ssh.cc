#include "application/ssh.h"

#include "application/lines.h"

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

}  // namespace

Verdict ParseSsh(const Stretch& stretch, Fields* fields) {
  std::string_view text = AsText(stretch.bytes);
  // A server may say something before its version (RFC 4253, section 4.2).
  if (const std::size_t before = text.find("\nSSH-"); stretch.source_port == kPort && before != std::string_view::npos && !text.starts_with(kBegin)) {
    text.remove_prefix(before + 1);
  }
  if (stretch.is_udp || !text.starts_with(kBegin)) {
    return Verdict::kNo;
  }
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

}  // namespace weir
