// Writes one JSON object. Bytes that are not printable ASCII are escaped, so that a hostile file
// name or filter can neither break a line nor the document.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::sensor {

class JsonObject {
 public:
  JsonObject& Text(std::string_view key, std::string_view value);
  JsonObject& Number(std::string_view key, std::int64_t value);
  JsonObject& Count(std::string_view key, std::uint64_t value);
  JsonObject& Null(std::string_view key);
  // `value` is JSON already.
  JsonObject& Raw(std::string_view key, std::string_view value);
  std::string Finish() const { return text_ + "}"; }

 private:
  void Key(std::string_view key);
  std::string text_ = "{";
};

std::string JsonString(std::string_view value);

}  // namespace weir::sensor
