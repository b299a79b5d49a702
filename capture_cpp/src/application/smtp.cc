#include "application/smtp.h"

#include <algorithm>
#include <array>

#include "application/replies.h"

namespace weir {
namespace {

constexpr std::array<std::uint16_t, 3> kPorts{25, 587, 2525};

bool IsPort(std::uint16_t port) { return std::ranges::find(kPorts, port) != kPorts.end(); }

// Where a path ends: at the first such letter outside quotes (RFC 5321, section 4.1.2), or at any where a quote stays open.
std::size_t EndOf(std::string_view path, char end) {
  bool is_quoted = false;
  for (std::size_t at = 0; at < path.size(); ++at) {
    if (path[at] == '"') {
      is_quoted = !is_quoted;
    } else if (is_quoted && path[at] == '\\') {
      ++at;
    } else if (!is_quoted && path[at] == end) {
      return at;
    }
  }
  return is_quoted ? std::min(path.find(end), path.size()) : path.size();
}

// The address between angle brackets, or the first word where there are none; parameters are not part of it.
std::string_view Address(std::string_view path) {
  path = Trimmed(path);
  if (path.starts_with('<')) {
    path.remove_prefix(1);
    return path.substr(0, EndOf(path, '>'));
  }
  return path.substr(0, EndOf(path, ' '));
}

bool IsCommand(std::string_view line, std::string_view lower) { return BeginsWith(line, lower) && (line.size() == lower.size() || line[lower.size()] == ' '); }

// What the lines before named of mails. A sender is forgotten when the client begins anew: the server may have refused it.
struct Mail {
  std::string_view sender;        // of the mail that is being made; empty without one
  std::string_view first_sender;  // of the first mail, whatever became of it
  std::string_view recipient;     // the latest one
  bool is_whole = false;          // a recipient followed its sender
};

// Reads a line and says whether it is the last one of interest: the first mail's recipient, or what ends the talk in the clear.
bool ReadCommand(std::string_view line, Mail* mail, Fields* fields) {
  constexpr std::string_view kFrom = "mail from:";
  constexpr std::string_view kTo = "rcpt to:";
  if (BeginsWith(line, "ehlo ") || BeginsWith(line, "helo ")) {
    fields->Set(TextField::kSmtpHelo, Trimmed(line.substr(5)));
    mail->sender = {};
  } else if (IsCommand(line, "rset")) {
    mail->sender = {};
  } else if (BeginsWith(line, kFrom)) {
    const std::string_view address = Address(line.substr(kFrom.size()));
    mail->sender = address.empty() ? "<>" : address;  // a bounce has no sender
    mail->first_sender = mail->first_sender.empty() ? mail->sender : mail->first_sender;
  } else if (BeginsWith(line, kTo)) {
    mail->recipient = Address(line.substr(kTo.size()));
    mail->is_whole = !mail->sender.empty() && !mail->recipient.empty();
    return mail->is_whole;
  }
  return IsCommand(line, "starttls") || IsCommand(line, "data") || IsCommand(line, "quit");
}

// Sender and recipient are told of one mail. Where none has both, its first sender is told, or a recipient where none was
// named, as in a talk of which the beginning was not captured.
void Tell(const Mail& mail, Fields* fields) {
  fields->Set(TextField::kSmtpFrom, mail.is_whole ? mail.sender : mail.first_sender);
  if (mail.is_whole || mail.first_sender.empty()) {
    fields->Set(TextField::kSmtpTo, mail.recipient);
  }
}

Verdict ParseCommands(std::string_view text, bool is_last, Fields* fields) {
  Mail mail;
  std::string_view line;
  bool is_over = is_last;
  while (TakeLine(&text, false, &line)) {
    if (ReadCommand(line, &mail, fields)) {
      is_over = true;
      break;
    }
  }
  if (is_over) {
    Tell(mail, fields);
  }
  return is_over ? Verdict::kDone : Verdict::kMore;
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
