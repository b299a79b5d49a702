#include "application/fields.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "hex.h"

namespace weir {
namespace {

using SafeText = std::array<char, Fields::kLongestText>;

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
    const auto [high, low] = HexDigits<2>(byte);
    const std::array<char, 4> hex = {'\\', 'x', high, low};
    const std::array<char, 4> letters = {IsPlain(byte) ? static_cast<char>(byte) : '\\', '\\'};
    std::copy_n(needed == 4 ? hex.begin() : letters.begin(), needed, out->begin() + static_cast<std::ptrdiff_t>(size));
    size += needed;
  }
  return {out->data(), size};
}

}  // namespace

void Fields::Append(Code code, std::string_view value) {
  const std::array<char, kHeadBytes> head{static_cast<char>(code), static_cast<char>(value.size())};
  if (kHeadBytes + value.size() <= kRoom - used_) [[likely]] {
    char* end = room_.data() + used_;
    std::memcpy(end, head.data(), kHeadBytes);
    CopyFew(end + kHeadBytes, value.data(), value.size());
    used_ = static_cast<std::uint16_t>(used_ + kHeadBytes + value.size());
  } else {
    if (more_ == nullptr) {
      more_ = std::make_unique<std::string>();
    }
    more_->reserve(more_->size() + kHeadBytes + value.size());  // all of it, or where memory is short nothing
    more_->append(head.data(), kHeadBytes).append(value);
  }
  said_ |= 1u << code;
}

void Fields::Set(TextField field, Bytes text) {
  if (text.empty() || Has(field)) {
    return;
  }
  SafeText safe;
  const std::string_view letters = IsPlain(text)
                                       ? std::string_view(reinterpret_cast<const char*>(text.data()), std::min(text.size(), kLongestText))
                                       : Escape(text, &safe);
  Append(CodeOf(field), letters);
}

void Fields::Set(TextField field, std::string_view text) { Set(field, Bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size())); }

void Fields::Set(NumberField field, std::int32_t number) {
  if (!IsSaid(CodeOf(field))) {
    std::array<char, sizeof number> value;
    std::memcpy(value.data(), &number, sizeof number);
    Append(CodeOf(field), {value.data(), value.size()});
  }
}

void Fields::Clear() {
  said_ = 0;
  used_ = 0;
  more_.reset();
}

std::string_view Fields::Text(TextField field) const {
  std::string_view found;
  Visit([&](TextField each, std::string_view text) { found = each == field ? text : found; }, [](NumberField, std::int32_t) {});
  return found;
}

std::int32_t Fields::Number(NumberField field) const {
  std::int32_t found = kUnsaid;
  Visit([](TextField, std::string_view) {}, [&](NumberField each, std::int32_t number) { found = each == field ? number : found; });
  return found;
}

}  // namespace weir
