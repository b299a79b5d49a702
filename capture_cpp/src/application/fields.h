// What a conversation said about itself: the fields that parsers find in its first bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bytes.h"

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

class Fields {
 public:
  // A text longer than this is cut; escapes count with all their letters.
  static constexpr std::size_t kLongestText = 255;

  Fields() { numbers_.fill(kUnsaid); }

  // Keeps the text unless the field has one. As packets are written by strangers, only printable
  // ASCII stays as it is; any other byte becomes \xNN, and a backslash \\.
  void Set(TextField field, Bytes text);
  void Set(TextField field, std::string_view text);

  // Keeps the number unless the field has one.
  void Set(NumberField field, std::int32_t number);

  bool Has(TextField field) const { return (said_ >> static_cast<unsigned>(field) & 1) != 0; }
  std::string_view Text(TextField field) const;
  std::int32_t Number(NumberField field) const { return numbers_[static_cast<std::size_t>(field)]; }

  // Forgets everything and keeps the memory.
  void Clear();

  // Memory held, this object included.
  std::size_t bytes() const { return sizeof(*this) + texts_.capacity() + places_.capacity() * sizeof(Place); }

 private:
  struct Place {
    TextField field;
    std::uint16_t begin;
    std::uint16_t end;
  };
  std::uint32_t said_ = 0;  // bit per text field
  std::string texts_;  // one behind the other
  std::vector<Place> places_;
  std::array<std::int32_t, kNumberFields> numbers_;
};

}  // namespace weir
