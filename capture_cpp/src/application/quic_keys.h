// The keys of QUIC's first packets, which anybody on the way can derive (RFC 9001, section 5.2;
// RFC 9369 for version 2). Hash and ciphers are Nettle's.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "bytes.h"

namespace weir {

struct QuicVersion {
  std::uint32_t number;
  std::uint8_t initial_type;                // bits 4 and 5 of the first byte of an Initial packet
  std::array<std::uint8_t, 20> salt;
  std::string_view key_label;
  std::string_view iv_label;
  std::string_view protection_label;
};

// Null where the version's first packets cannot be read.
const QuicVersion* FindQuicVersion(std::uint32_t number);

// Of the client's Initial packets, by the identifier that it first chose for the server.
class QuicKeys {
 public:
  static constexpr std::size_t kSampleBytes = 16;
  static constexpr std::size_t kTagBytes = 16;

  QuicKeys(const QuicVersion& version, Bytes connection_id);

  // The mask of header protection.
  std::array<std::uint8_t, 5> Mask(Bytes sample) const;

  // Decrypts what is protected, its tag at the end, into `plain`. False where it is not authentic.
  bool Open(std::uint32_t packet_number, Bytes header, Bytes sealed, std::string* plain) const;

 private:
  std::array<std::uint8_t, 16> key_ = {};
  std::array<std::uint8_t, 12> iv_ = {};
  std::array<std::uint8_t, 16> protection_ = {};
};

}  // namespace weir
