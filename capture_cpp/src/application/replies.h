// What FTP and SMTP have in common: lines of commands, and replies that begin with three digits.
#pragma once

#include <string_view>

#include "application/lines.h"
#include "application/parser.h"

namespace weir {

// Whether the text may be a reply: three digits, then a blank or a hyphen.
inline bool IsReply(std::string_view text) {
  const auto is_digit = [](char letter) { return letter >= '0' && letter <= '9'; };
  return text.size() >= 4 && text[0] >= '1' && text[0] <= '5' && is_digit(text[1]) && is_digit(text[2]) && (text[3] == ' ' || text[3] == '-');
}

// Whether the server greets: 220 is "ready" in both protocols.
inline bool IsGreeting(std::string_view text) { return IsReply(text) && text.starts_with("220"); }

// Whether the first line holds `lower`, whatever the case of its letters.
inline bool FirstLineHolds(std::string_view text, std::string_view lower) {
  std::string_view line;
  TakeLine(&text, true, &line);
  for (; line.size() >= lower.size(); line.remove_prefix(1)) {
    if (BeginsWith(line, lower)) {
      return true;
    }
  }
  return false;
}

}  // namespace weir
