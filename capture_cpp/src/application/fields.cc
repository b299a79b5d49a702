#include "application/fields.h"

#include <algorithm>

namespace weir {
namespace {

using SafeText = std::array<char, Fields::kLongestText>;

constexpr std::string_view kDigits = "0123456789abcdef";

constexpr bool IsPlain(std::uint8_t byte) { return byte >= 0x20 && byte < 0x7f && byte != '\\'; }

// Whether any of eight bytes is not plain. Where a sum or difference borrows from its neighbour, that
// byte or another one is strange already.
constexpr bool HasStrange(std::uint64_t bytes) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHighest = 0x80 * kOnes;
  const std::uint64_t controls = (bytes - 0x20 * kOnes) & ~bytes;
  const std::uint64_t beyond = (bytes + kOnes) | bytes;
  const std::uint64_t turned = bytes ^ '\\' * kOnes;
  const std::uint64_t backslashes = (turned - kOnes) & ~turned;
  return ((controls | beyond | backslashes) & kHighest) != 0;
}

// The last eight bytes overlap those before.
bool IsPlain(Bytes text) {
  constexpr std::size_t kStep = sizeof(std::uint64_t);
  if (text.size() < kStep) {
    return std::ranges::all_of(text, [](std::uint8_t byte) { return IsPlain(byte); });
  }
  for (std::size_t at = 0; at + kStep < text.size(); at += kStep) {
    if (HasStrange(ReadLittle<std::uint64_t>(text, at))) {
      return false;
    }
  }
  return !HasStrange(ReadLittle<std::uint64_t>(text, text.size() - kStep));
}

// As much of the text as fits; an escape is never cut in two.
std::string_view Escape(Bytes text, SafeText* out) {
  std::size_t size = 0;
  for (const std::uint8_t byte : text) {
    const std::size_t needed = IsPlain(byte) ? 1 : byte == '\\' ? 2 : 4;
    if (size + needed > out->size()) {
      break;
    }
    const std::array<char, 4> hex = {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 0xf]};
    const std::array<char, 4> letters = {IsPlain(byte) ? static_cast<char>(byte) : '\\', '\\'};
    std::copy_n(needed == 4 ? hex.begin() : letters.begin(), needed, out->begin() + static_cast<std::ptrdiff_t>(size));
    size += needed;
  }
  return {out->data(), size};
}

}  // namespace

void Fields::Set(TextField field, Bytes text) {
  if (text.empty() || Has(field)) {
    return;
  }
  SafeText safe;
  const std::string_view letters = IsPlain(text)
                                       ? std::string_view(reinterpret_cast<const char*>(text.data()), std::min(text.size(), kLongestText))
                                       : Escape(text, &safe);
  const bool has_room = letters.size() <= kRoom - used_;
  std::size_t begin = used_;
  if (has_room) {
    std::ranges::copy(letters, texts_.begin() + used_);
    used_ = static_cast<std::uint16_t>(used_ + letters.size());
  } else {
    if (more_ == nullptr) {
      more_ = std::make_unique<std::string>();
    }
    begin = kRoom + more_->size();
    more_->append(letters);
  }
  said_ |= 1u << static_cast<unsigned>(field);
  places_[static_cast<std::size_t>(field)] = {static_cast<std::uint16_t>(begin), static_cast<std::uint16_t>(letters.size())};
}

void Fields::Set(TextField field, std::string_view text) { Set(field, Bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size())); }

void Fields::Clear() {
  said_ = 0;
  used_ = 0;
  more_.reset();
  numbers_.fill(kUnsaid);
}

std::string_view Fields::Text(TextField field) const {
  if (!Has(field)) {
    return {};
  }
  const Place place = places_[static_cast<std::size_t>(field)];
  if (place.begin < kRoom) {
    return {texts_.data() + place.begin, place.size};
  }
  return std::string_view(*more_).substr(place.begin - kRoom, place.size);
}

}  // namespace weir
