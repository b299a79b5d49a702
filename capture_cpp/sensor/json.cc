#include "json.h"

#include <cstdio>

namespace weir::sensor {

std::string JsonString(std::string_view value) {
  std::string out = "\"";
  for (const char letter : value) {
    const auto byte = static_cast<unsigned char>(letter);
    if (letter == '"' || letter == '\\') {
      out += '\\';
      out += letter;
    } else if (byte >= 0x20 && byte < 0x7f) {
      out += letter;
    } else {
      char escaped[7];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", byte);
      out += escaped;
    }
  }
  return out + '"';
}

void JsonObject::Key(std::string_view key) {
  if (text_.size() > 1) text_ += ", ";
  text_ += JsonString(key) + ": ";
}

JsonObject& JsonObject::Text(std::string_view key, std::string_view value) { return Raw(key, JsonString(value)); }
JsonObject& JsonObject::Number(std::string_view key, std::int64_t value) { return Raw(key, std::to_string(value)); }
JsonObject& JsonObject::Count(std::string_view key, std::uint64_t value) { return Raw(key, std::to_string(value)); }
JsonObject& JsonObject::Null(std::string_view key) { return Raw(key, "null"); }

JsonObject& JsonObject::Raw(std::string_view key, std::string_view value) {
  Key(key);
  text_ += value;
  return *this;
}

}  // namespace weir::sensor
