// Prefix-preserving pseudonyms of addresses: Crypto-PAn (Xu, Fan, Ammar, Moon: Prefix-Preserving IP
// Address Anonymization, ICNP 2002). Two addresses that share n leading bits have pseudonyms that
// share n leading bits, and no more.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>

namespace weir::sensor {

class CryptoPan {
 public:
  static constexpr std::size_t kKeyBytes = 32;  // 16 of AES key, 16 of padding
  using Key = std::array<std::uint8_t, kKeyBytes>;

  explicit CryptoPan(const Key& key);
  // Replaces an address of 4 or 16 bytes.
  void Replace(std::span<std::uint8_t> address);

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  };

  void Encrypt(std::span<const std::uint8_t> plain, std::span<std::uint8_t> cipher);
  std::string Pseudonym(std::span<const std::uint8_t> address);

  std::unique_ptr<EVP_CIPHER_CTX, Free> cipher_;
  std::array<std::uint8_t, 16> padding_ = {};
  // An address costs 32 or 128 blocks of AES, so those met before are kept.
  std::unordered_map<std::string, std::string> known_;
};

// Reads a key file: 32 bytes, or 64 hexadecimal digits. Throws SensorError naming the file.
CryptoPan::Key ReadKey(const std::string& path);

}  // namespace weir::sensor
