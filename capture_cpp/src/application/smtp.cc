#include "application/smtp.h"

#include <algorithm>
#include <array>

#include "application/replies.h"

namespace weir {
namespace {

constexpr std::array<std::uint16_t, 3> kPorts{25, 587, 2525};

bool IsPort(std::uint16_t port) { return std::ranges::find(kPorts, port) != kPorts.end(); }

// The address between angle brackets, or the first word where there are none; parameters are not part of it.
std::string_view Address(std::string_view path) {
  path = Trimmed(path);
  if (path.starts_with('<')) {
    return path.substr(1, std::min(path.find('>'), path.size()) - 1);
  }
  return path.substr(0, path.find(' '));
}

// Reads a line and says whether it is the last one of interest: the first recipient, or what ends the talk in the clear.
bool ReadCommand(std::string_view line, Fields* fields) {
  constexpr std::string_view kFrom = "mail from:";
  constexpr std::string_view kTo = "rcpt to:";
  if (BeginsWith(line, "ehlo ") || BeginsWith(line, "helo ")) {
    fields->Set(TextField::kSmtpHelo, Trimmed(line.substr(5)));
  } else if (BeginsWith(line, kFrom)) {
    const std::string_view address = Address(line.substr(kFrom.size()));
    fields->Set(TextField::kSmtpFrom, address.empty() ? "<>" : address);  // a bounce has no sender
  } else if (BeginsWith(line, kTo)) {
    fields->Set(TextField::kSmtpTo, Address(line.substr(kTo.size())));
    return true;
  }
  return BeginsWith(line, "starttls") || BeginsWith(line, "data") || BeginsWith(line, "quit");
}

Verdict ParseCommands(std::string_view text, bool is_last, Fields* fields) {
  std::string_view line;
  while (TakeLine(&text, false, &line)) {
    if (ReadCommand(line, fields)) {
      return Verdict::kDone;
    }
  }
  return is_last ? Verdict::kDone : Verdict::kMore;
}

}  // namespace

Verdict ParseSmtp(const Stretch& stretch, Fields* fields) {
  const std::string_view text = AsText(stretch.bytes);
  if (stretch.is_udp || text.empty()) {
    return Verdict::kNo;
  }
  if (IsReply(text)) {
    const bool is_smtp = IsPort(stretch.source_port) || (IsGreeting(text) && FirstLineHolds(text, "smtp"));
    return is_smtp ? Verdict::kDone : Verdict::kNo;
  }
  const bool is_hello = BeginsWith(text, "ehlo ") || BeginsWith(text, "helo ");
  return is_hello || fields->Has(TextField::kApp) ? ParseCommands(text, stretch.is_last, fields) : Verdict::kNo;
}

}  // namespace weir
