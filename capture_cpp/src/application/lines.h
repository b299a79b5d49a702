// Lines of text, as many protocols send them.
#pragma once

#include <string_view>

#include "bytes.h"

namespace weir {

inline std::string_view AsText(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// Takes a line off the front, without its CR LF or LF. False when none is whole; then `text` stays,
// unless nothing more will come and what is left counts as the last line.
inline bool TakeLine(std::string_view* text, bool is_last, std::string_view* line) {
  const std::size_t end = text->find('\n');
  if (end == std::string_view::npos) {
    if (!is_last || text->empty()) {
      return false;
    }
    *line = *text;
    *text = {};
    return true;
  }
  *line = text->substr(0, end);
  text->remove_prefix(end + 1);
  if (line->ends_with('\r')) {
    line->remove_suffix(1);
  }
  return true;
}

inline char Lower(char letter) { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter; }

// Whether the text begins with `lower`, whatever the case of its letters.
inline bool BeginsWith(std::string_view text, std::string_view lower) {
  if (text.size() < lower.size()) {
    return false;
  }
  for (std::size_t i = 0; i < lower.size(); ++i) {
    if (Lower(text[i]) != lower[i]) {
      return false;
    }
  }
  return true;
}

inline std::string_view Trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

}  // namespace weir
