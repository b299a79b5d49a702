// What a conversation said about itself: the fields that parsers find in its first bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
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

// In the order in which it is touched, line by line of the cache: few fields, and short ones, are the rule.
class alignas(kCacheLine) Fields {
 public:
  // A text longer than this is cut; escapes count with all their letters.
  static constexpr std::size_t kLongestText = 255;

  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): it fills them
  Fields() { numbers_.fill(kUnsaid); }

  // Keeps the text unless the field has one. As packets are written by strangers, only printable
  // ASCII stays as it is; any other byte becomes \xNN, and a backslash \\.
  void Set(TextField field, Bytes text);
  void Set(TextField field, std::string_view text);

  // Keeps the number unless the field has one.
  void Set(NumberField field, std::int32_t number) {
    std::int32_t& kept = numbers_[static_cast<std::size_t>(field)];
    kept = kept == kUnsaid ? number : kept;
  }

  bool Has(TextField field) const { return (said_ >> static_cast<unsigned>(field) & 1) != 0; }
  std::string_view Text(TextField field) const;
  std::int32_t Number(NumberField field) const { return numbers_[static_cast<std::size_t>(field)]; }

  // One bit for each text field that has one.
  std::uint32_t said() const { return said_; }

  // Forgets everything, and gives back the memory of texts that had no room inside.
  void Clear();

  // Memory held, this object included.
  std::size_t bytes() const { return sizeof(*this) + (more_ == nullptr ? 0 : sizeof(std::string) + more_->capacity()); }

  // Asks for the memory that most conversations use of it.
  void Prefetch() const {
    for (std::size_t at = 0; at < 4 * kCacheLine; at += kCacheLine) {
      PrefetchLine(reinterpret_cast<const char*>(this) + at);
    }
  }

 private:
  static constexpr std::size_t kRoom = 192;  // for the texts of most conversations

  struct Place {
    std::uint16_t begin;  // from kRoom on in more_
    std::uint16_t size;
  };

  std::uint32_t said_ = 0;
  std::uint16_t used_ = 0;  // of texts_
  std::unique_ptr<std::string> more_;  // texts for which there was no room
  std::array<std::int32_t, kNumberFields> numbers_;
  std::array<Place, kTextFields> places_;  // of those that were said
  std::array<char, kRoom> texts_;          // one behind the other
};
static_assert(sizeof(Fields) == 5 * kCacheLine);

}  // namespace weir
