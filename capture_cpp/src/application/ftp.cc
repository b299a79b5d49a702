#include "application/ftp.h"

#include <algorithm>
#include <array>
#include <string>

#include "application/replies.h"

namespace weir {
namespace {

constexpr std::uint16_t kPort = 21;
constexpr std::size_t kMostCommands = 16;

// RFC 959, RFC 1123 (section 4.1.3.1), RFC 1639, RFC 2228, RFC 2389, RFC 2428, RFC 2640, RFC 3659 and RFC 7151; in the last
// line what clients in use send beyond them.
constexpr std::array<std::string_view, 65> kCommands{
    "USER", "PASS", "ACCT", "CWD",  "CDUP", "SMNT", "QUIT", "REIN", "PORT", "PASV", "TYPE", "STRU", "MODE", "RETR", "STOR", "STOU",
    "APPE", "ALLO", "REST", "RNFR", "RNTO", "ABOR", "DELE", "RMD",  "MKD",  "PWD",  "LIST", "NLST", "SITE", "SYST", "STAT", "HELP",
    "NOOP", "XCUP", "XCWD", "XMKD", "XPWD", "XRMD", "LPRT", "LPSV", "AUTH", "ADAT", "PROT", "PBSZ", "CCC",  "MIC",  "CONF", "ENC",
    "FEAT", "OPTS", "EPRT", "EPSV", "LANG", "MDTM", "MLSD", "MLST", "SIZE", "HOST",
    "CLNT", "HASH", "MFCT", "MFF",  "MFMT", "XCRC", "XMD5"};
constexpr std::size_t kLongestCommand = 4;

// The command that the line begins with, in capitals, or nothing.
std::string_view CommandOf(std::string_view line) {
  std::string word(line.substr(0, std::min(line.find(' '), kLongestCommand + 1)));
  std::ranges::transform(word, word.begin(), [](char letter) { return letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter; });
  const auto* const found = std::ranges::find(kCommands, word);
  return found == kCommands.end() ? std::string_view() : *found;
}

// Whether a line of which only the beginning came may be a command.
bool MayBecomeCommand(std::string_view line) {
  const auto is_letter = [](char letter) { return Lower(letter) >= 'a' && Lower(letter) <= 'z'; };
  return line.size() <= kLongestCommand ? !line.empty() && std::ranges::all_of(line, is_letter) : !CommandOf(line).empty();
}

// What follows the commands of Telnet that a line begins with: a client that breaks off says so to both layers (RFC 959,
// section 4.1.3). Options have a byte more (RFC 854).
std::string_view BehindTelnet(std::string_view line) {
  constexpr char kInterpret = '\xff';
  constexpr unsigned char kFirstOption = 0xfb;
  while (line.size() >= 2 && line[0] == kInterpret) {
    const bool is_option = static_cast<unsigned char>(line[1]) >= kFirstOption && line[1] != kInterpret;
    line.remove_prefix(std::min<std::size_t>(is_option ? 3 : 2, line.size()));
  }
  return line;
}

// Commands come one by one, so they are told once it is clear that no more will be looked at. The first line must be one that
// is known unless the server spoke FTP already; other unknown lines are passed over.
Verdict ParseCommands(std::string_view text, bool is_last, Fields* fields) {
  const bool is_known = fields->Has(TextField::kApp);
  std::string commands;
  std::size_t count = 0;
  std::string_view line;
  bool is_secret = false;  // after AUTH the rest is TLS
  while (!is_secret && count < kMostCommands && TakeLine(&text, false, &line)) {
    line = BehindTelnet(line);
    const std::string_view command = CommandOf(line);
    if (command.empty() && count == 0 && !is_known) {
      return Verdict::kNo;
    }
    if (command.empty()) {
      continue;
    }
    commands.append(commands.empty() ? "" : ",").append(command);
    ++count;
    is_secret = command == "AUTH";
    if (command == "USER") {
      fields->Set(TextField::kFtpUser, Trimmed(line.substr(command.size())));
    }
  }
  if (!is_last && !is_secret && count < kMostCommands) {
    return is_known || count > 0 || MayBecomeCommand(BehindTelnet(text)) ? Verdict::kMore : Verdict::kNo;
  }
  fields->Set(TextField::kFtpCommands, commands);
  return count == 0 ? Verdict::kNo : Verdict::kDone;
}

// Whether a client asks for TLS before it says anything else, as it does in no other protocol.
bool AsksForTls(std::string_view text) { return BeginsWith(text, "auth tls\r") || BeginsWith(text, "auth ssl\r"); }

}  // namespace

// Replies and commands look like those of other protocols, so a word must name this one: the port,
// "FTP" in the greeting, or a server that does not say it there, after which this parser alone is asked, or a client's first word.
Verdict ParseFtp(const Stretch& stretch, Fields* fields) {
  const std::string_view text = AsText(stretch.bytes);
  if (stretch.is_udp || text.empty()) {
    return Verdict::kNo;
  }
  if (IsReply(text)) {
    const bool is_ftp = stretch.source_port == kPort || (IsGreeting(text) && (FirstLineHolds(text, "ftp") || FirstLineHolds(text, "filezilla")));
    return is_ftp ? Verdict::kDone : Verdict::kNo;
  }
  const bool is_expected = stretch.destination_port == kPort || (stretch.source_port != kPort && fields->Has(TextField::kApp));
  return is_expected || AsksForTls(text) ? ParseCommands(text, stretch.is_last, fields) : Verdict::kNo;
}

}  // namespace weir
