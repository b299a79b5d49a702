// Makes Initial packets of QUIC version 1 under the keys that RFC 9001, appendix A.1, prints for
// the identifier 8394c8f03e515708; so the derivation of keys is not used to test itself.
#pragma once

#include <openssl/evp.h>

#include <array>

#include "frames.h"

namespace weir::test {

inline Frame QuicIdentifier() { return {0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08}; }

// An Initial packet that holds `frames`, its number `number` in four bytes.
inline Frame SealInitial(Frame frames, std::uint8_t number = 2) {
  constexpr std::array<std::uint8_t, 16> kKey{0x1f, 0x36, 0x96, 0x13, 0xdd, 0x76, 0xd5, 0x46, 0x77, 0x30, 0xef, 0xcb, 0xe3, 0xb1, 0xa2, 0x2d};
  constexpr std::array<std::uint8_t, 16> kProtection{0x9f, 0x50, 0x44, 0x9e, 0x04, 0xa0, 0xe8, 0x10, 0x28, 0x3a, 0x1e, 0x99, 0x33, 0xad, 0xed, 0xd2};
  std::array<std::uint8_t, 12> nonce{0xfa, 0x04, 0x4b, 0x2f, 0x42, 0xa3, 0xfd, 0x3b, 0x46, 0xfb, 0x25, 0x5c};
  nonce[11] ^= number;
  frames.resize(frames.size() + 1, 0);
  const Frame identifier = QuicIdentifier();
  const Frame before = Frame{0xc3, 0, 0, 0, 1, 8} + identifier + Frame{0, 0};
  const Frame header = before + Big16(0x4000 | (4 + frames.size() + 16)) + Frame{0, 0, 0, number};
  Frame sealed(frames.size() + 16);
  int size = 0;
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), nullptr, kKey.data(), nonce.data());
  EVP_EncryptUpdate(context, nullptr, &size, header.data(), static_cast<int>(header.size()));
  EVP_EncryptUpdate(context, sealed.data(), &size, frames.data(), static_cast<int>(frames.size()));
  EVP_EncryptFinal_ex(context, sealed.data() + size, &size);
  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, 16, sealed.data() + frames.size());
  EVP_CIPHER_CTX_reset(context);
  Frame packet = header + sealed;
  std::array<std::uint8_t, 32> mask{};
  EVP_EncryptInit_ex(context, EVP_aes_128_ecb(), nullptr, kProtection.data(), nullptr);
  EVP_EncryptUpdate(context, mask.data(), &size, packet.data() + header.size(), 16);
  EVP_CIPHER_CTX_free(context);
  mask[0] &= 0x0f;
  packet[0] ^= mask[0];
  for (std::size_t i = 0; i < 4; ++i) {
    packet[header.size() - 4 + i] ^= mask[1 + i];
  }
  return packet;
}

}  // namespace weir::test
