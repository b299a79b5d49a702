#include <array>
#include <charconv>
#include <cmath>

#include "flows/encoder.h"
#include "hex.h"

namespace weir::sensor {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD in UTF-8

template <typename Number>
void AppendNumber(Number value, std::string* out) {
  std::array<char, 32> text;
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  out->append(text.data(), end);
}

// Bytes of the UTF-8 sequence at the front of `text`, RFC 3629 table 3-7 of Unicode; 0 where it is none.
std::size_t SequenceBytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned lead = byte(0);
  if (lead >= 0xc2 && lead <= 0xdf) return tail(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const unsigned low = lead == 0xe0 ? 0xa0 : 0x80;
    const unsigned high = lead == 0xed ? 0x9f : 0xbf;
    return byte(1) >= low && byte(1) <= high && tail(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const unsigned low = lead == 0xf0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xf4 ? 0x8f : 0xbf;
    return byte(1) >= low && byte(1) <= high && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

void AppendEscaped(unsigned char letter, std::string* out) {
  if (letter == '"' || letter == '\\') {
    *out += '\\';
    *out += static_cast<char>(letter);
    return;
  }
  *out += "\\u00";
  out->append(HexDigits<2>(letter).data(), 2);
}

void AppendText(std::string_view text, std::string* out) {
  *out += '"';
  while (!text.empty()) {
    const auto letter = static_cast<unsigned char>(text.front());
    std::size_t used = 1;
    if (letter >= 0x80) {
      used = SequenceBytes(text);
      *out += used == 0 ? kReplacement : text.substr(0, used);
      used += used == 0 ? 1 : 0;
    } else if (letter < 0x20 || letter == 0x7f || letter == '"' || letter == '\\') {
      AppendEscaped(letter, out);
    } else {
      *out += text.front();
    }
    text.remove_prefix(used);
  }
  *out += '"';
}

void AppendValue(const ColumnView& column, std::size_t row, std::string* out) {
  if (column.IsNull(row)) {
    *out += "null";
    return;
  }
  switch (column.kind()) {
    case ValueKind::kSigned: return AppendNumber(column.Signed(row), out);
    case ValueKind::kUnsigned: return AppendNumber(column.Unsigned(row), out);
    case ValueKind::kText: return AppendText(column.Text(row), out);
    case ValueKind::kBool: *out += column.Bool(row) ? "true" : "false"; return;
    case ValueKind::kReal: break;
  }
  const double value = column.Real(row);
  if (!std::isfinite(value)) {
    *out += "null";
  } else {
    AppendNumber(value, out);  // the shortest text that reads back as the same number
  }
}

class JsonEncoder : public Encoder {
 public:
  void Begin(std::string*) override {}
  void Encode(const Rows& rows, std::size_t from, std::size_t count, std::string* out) override {
    for (std::size_t row = from; row < from + count; ++row) {
      char before = '{';
      for (const ColumnView& column : rows.columns()) {
        *out += before;
        AppendText(column.name(), out);
        *out += ':';
        AppendValue(column, row, out);
        before = ',';
      }
      *out += "}\n";
    }
  }
  void End(std::string*) override {}
};

}  // namespace

std::unique_ptr<Encoder> MakeJsonEncoder() { return std::make_unique<JsonEncoder>(); }

}  // namespace weir::sensor
