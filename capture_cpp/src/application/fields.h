// What a conversation said about itself: the fields that parsers find in its first bytes.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "bytes.h"
#include "memory.h"

namespace weir {

// Each is a column of schema.FLOWS. What was not said is an empty text.
enum class TextField : std::uint8_t {
  kApp,  // name of the protocol
  kDnsQname,
  kHttpMethod,
  kHttpHost,
  kHttpUri,
  kHttpUserAgent,
  kTlsVersion,
  kTlsSni,
  kTlsAlpn,
  kTlsJa4,
  kQuicVersion,
  kFtpUser,
  kFtpCommands,
  kSshClient,
  kSshServer,
  kSmtpHelo,
  kSmtpFrom,
  kSmtpTo,
  kMqttClientId,
  kMqttTopic,
};
inline constexpr std::size_t kTextFields = 20;

// What was not said is -1.
enum class NumberField : std::uint8_t {
  kDnsQtype,
  kDnsRcode,
  kDnsAnswers,
  kHttpStatus,
  kTlsCipher,
  kModbusUnit,
  kModbusFunction,
  kModbusException,
};
inline constexpr std::size_t kNumberFields = 8;
inline constexpr std::int32_t kUnsaid = -1;

// One behind the other, in the order in which they were said: most conversations say little, so what is known of one lies in a
// line or two of the cache.
// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): only what was said is read
class alignas(kCacheLine) Fields {
 public:
  // A text longer than this is cut; escapes count with all their letters.
  static constexpr std::size_t kLongestText = 255;

  // Keeps the text unless the field has one. As packets are written by strangers, only printable
  // ASCII stays as it is; any other byte becomes \xNN, and a backslash \\.
  void Set(TextField field, Bytes text);
  void Set(TextField field, std::string_view text);

  // Keeps the number unless the field has one.
  void Set(NumberField field, std::int32_t number);

  bool Has(TextField field) const { return IsSaid(CodeOf(field)); }
  std::string_view Text(TextField field) const;
  std::int32_t Number(NumberField field) const;

  // Shows all texts to `take_text(field, text)` and all numbers to `take_number(field, number)`.
  template <typename TakeText, typename TakeNumber>
  void Visit(TakeText take_text, TakeNumber take_number) const {
    const auto show = [&](std::string_view said) {
      while (!said.empty()) {
        const auto code = static_cast<Code>(said[0]);
        const std::string_view value = said.substr(kHeadBytes, static_cast<std::uint8_t>(said[1]));
        said.remove_prefix(kHeadBytes + value.size());
        if (code < kTextFields) {
          take_text(static_cast<TextField>(code), value);
        } else {
          take_number(static_cast<NumberField>(code - kTextFields), AsNumber(value));
        }
      }
    };
    show({room_.data(), used_});
    if (more_ != nullptr) [[unlikely]] {
      show(*more_);
    }
  }

  // Forgets everything, and gives back the memory of what had no room inside.
  void Clear();

  // Memory held, this object included.
  std::size_t bytes() const { return sizeof(*this) + (more_ == nullptr ? 0 : sizeof(std::string) + more_->capacity()); }

  // Asks for the memory that most conversations use of it.
  void Prefetch() const {
    PrefetchLine(this);
    PrefetchLine(reinterpret_cast<const char*>(this) + kCacheLine);
  }

 private:
  // Of a field: texts come first, numbers behind them.
  using Code = std::uint8_t;
  static constexpr Code CodeOf(TextField field) { return static_cast<Code>(field); }
  static constexpr Code CodeOf(NumberField field) { return static_cast<Code>(kTextFields + static_cast<std::size_t>(field)); }
  static_assert(kTextFields + kNumberFields <= 32);

  static constexpr std::size_t kHeadBytes = 2;  // of what was said: its code, and how many bytes follow
  static constexpr std::size_t kRoom = 240;     // for what most conversations say

  static std::int32_t AsNumber(std::string_view value) {
    std::int32_t number = kUnsaid;
    assert(value.size() == sizeof number);
    std::memcpy(&number, value.data(), sizeof number);
    return number;
  }

  bool IsSaid(Code code) const { return (said_ >> code & 1) != 0; }
  void Append(Code code, std::string_view value);

  std::uint32_t said_ = 0;  // one bit for each code
  std::uint16_t used_ = 0;  // of room_
  std::unique_ptr<std::string> more_;  // what had no room
  std::array<char, kRoom> room_;
};
static_assert(sizeof(Fields) == 4 * kCacheLine);

}  // namespace weir
