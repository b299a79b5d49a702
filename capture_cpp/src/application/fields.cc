#include "application/fields.h"

#include <algorithm>

namespace weir {
namespace {

// What most conversations need, so that their memory is asked for once.
constexpr std::size_t kUsualPlaces = 6;
constexpr std::size_t kUsualText = 160;

constexpr std::string_view kDigits = "0123456789abcdef";

constexpr bool IsPlain(std::uint8_t byte) { return byte >= 0x20 && byte < 0x7f && byte != '\\'; }

// Appends as much of the text as fits; an escape is never cut in two.
void AppendSafely(Bytes text, std::size_t most, std::string* to) {
  std::uint8_t strange = 0;
  for (const std::uint8_t byte : text) {
    strange |= static_cast<std::uint8_t>(byte < 0x20) | static_cast<std::uint8_t>(byte >= 0x7f) | static_cast<std::uint8_t>(byte == '\\');
  }
  if (strange == 0) {
    to->append(reinterpret_cast<const char*>(text.data()), std::min(text.size(), most));
    return;
  }
  const std::size_t end = to->size() + most;
  for (const std::uint8_t byte : text) {
    const std::size_t needed = IsPlain(byte) ? 1 : byte == '\\' ? 2 : 4;
    if (to->size() + needed > end) {
      return;
    }
    if (IsPlain(byte)) {
      to->push_back(static_cast<char>(byte));
    } else if (byte == '\\') {
      to->append("\\\\");
    } else {
      to->append({'\\', 'x', kDigits[byte >> 4], kDigits[byte & 0xf]});
    }
  }
}

}  // namespace

void Fields::Set(TextField field, Bytes text) {
  if (text.empty() || Has(field)) {
    return;
  }
  if (places_.empty()) {
    places_.reserve(kUsualPlaces);
    texts_.reserve(kUsualText);
  }
  const auto begin = static_cast<std::uint16_t>(texts_.size());
  AppendSafely(text, kLongestText, &texts_);
  said_ |= 1u << static_cast<unsigned>(field);
  places_.push_back({field, begin, static_cast<std::uint16_t>(texts_.size())});
}

void Fields::Set(TextField field, std::string_view text) { Set(field, Bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size())); }

void Fields::Set(NumberField field, std::int32_t number) {
  std::int32_t& kept = numbers_[static_cast<std::size_t>(field)];
  kept = kept == kUnsaid ? number : kept;
}

void Fields::Clear() {
  said_ = 0;
  texts_.clear();
  places_.clear();
  numbers_.fill(kUnsaid);
}

std::string_view Fields::Text(TextField field) const {
  if (!Has(field)) {
    return {};
  }
  for (const Place& place : places_) {
    if (place.field == field) {
      return std::string_view(texts_).substr(place.begin, place.end - std::size_t{place.begin});
    }
  }
  return {};
}

}  // namespace weir
