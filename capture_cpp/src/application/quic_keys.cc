#include "application/quic_keys.h"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>

#include "application/sha256.h"

namespace weir {
namespace {

constexpr std::array<std::uint8_t, 20> kSalt1{0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
constexpr std::array<std::uint8_t, 20> kSalt2{0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9};
constexpr std::array<std::uint8_t, 20> kSalt29{0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43, 0x90, 0xa8, 0x99};

constexpr std::array kVersions{
    QuicVersion{0x00000001, 0, kSalt1, "quic key", "quic iv", "quic hp"},
    QuicVersion{0x6b3343cf, 1, kSalt2, "quicv2 key", "quicv2 iv", "quicv2 hp"},
    QuicVersion{0xff00001d, 0, kSalt29, "quic key", "quic iv", "quic hp"},  // draft 29
};

// Ciphers, looked up and set up once for each thread, as that takes longer than their work on a packet.
class Tools {
 public:
  static Tools& OfThisThread() {
    thread_local Tools tools;
    return tools;
  }

  EVP_CIPHER_CTX* block() { return block_.get(); }
  EVP_CIPHER_CTX* authenticated() { return authenticated_.get(); }

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  };

  Tools() {
    EVP_EncryptInit_ex2(block_.get(), EVP_aes_128_ecb(), nullptr, nullptr, nullptr);
    EVP_DecryptInit_ex2(authenticated_.get(), EVP_aes_128_gcm(), nullptr, nullptr, nullptr);
  }

  std::unique_ptr<EVP_CIPHER_CTX, Free> block_{EVP_CIPHER_CTX_new()};
  std::unique_ptr<EVP_CIPHER_CTX, Free> authenticated_{EVP_CIPHER_CTX_new()};
};

// RFC 2104; keys here are never longer than a block.
Digest HmacSha256(Bytes key, Bytes message) {
  constexpr std::size_t kBlockBytes = 64;
  std::array<std::uint8_t, kBlockBytes> inner;
  std::array<std::uint8_t, kBlockBytes> outer;
  inner.fill(0x36);
  outer.fill(0x5c);
  for (std::size_t i = 0; i < key.size(); ++i) {
    inner[i] ^= key[i];
    outer[i] ^= key[i];
  }
  return Sha256(outer, Sha256(inner, message));
}

// HKDF-Expand-Label of RFC 8446 for at most one digest.
template <std::size_t kSize>
std::array<std::uint8_t, kSize> Expand(const Digest& secret, std::string_view label) {
  static_assert(kSize <= std::tuple_size_v<Digest>);
  constexpr std::string_view kPrefix = "tls13 ";
  std::string info{'\0', static_cast<char>(kSize), static_cast<char>(kPrefix.size() + label.size())};
  info.append(kPrefix).append(label).append({'\0', '\x01'});
  const Digest digest = HmacSha256(secret, {reinterpret_cast<const std::uint8_t*>(info.data()), info.size()});
  std::array<std::uint8_t, kSize> expanded;
  std::copy_n(digest.begin(), kSize, expanded.begin());
  return expanded;
}

}  // namespace

const QuicVersion* FindQuicVersion(std::uint32_t number) {
  const auto* const found = std::ranges::find_if(kVersions, [number](const QuicVersion& version) { return version.number == number; });
  return found == kVersions.end() ? nullptr : &*found;
}

QuicKeys::QuicKeys(const QuicVersion& version, Bytes connection_id) {
  const Digest client = Expand<32>(HmacSha256(version.salt, connection_id), "client in");
  key_ = Expand<16>(client, version.key_label);
  iv_ = Expand<12>(client, version.iv_label);
  protection_ = Expand<16>(client, version.protection_label);
}

std::array<std::uint8_t, 5> QuicKeys::Mask(Bytes sample) const {
  std::array<std::uint8_t, 2 * kSampleBytes> block{};
  int size = 0;
  EVP_CIPHER_CTX* cipher = Tools::OfThisThread().block();
  EVP_EncryptInit_ex2(cipher, nullptr, protection_.data(), nullptr, nullptr);
  EVP_EncryptUpdate(cipher, block.data(), &size, sample.data(), static_cast<int>(kSampleBytes));
  std::array<std::uint8_t, 5> mask;
  std::copy_n(block.begin(), mask.size(), mask.begin());
  return mask;
}

bool QuicKeys::Open(std::uint32_t packet_number, Bytes header, Bytes sealed, std::string* plain) const {
  if (sealed.size() < kTagBytes) {
    return false;
  }
  std::array<std::uint8_t, 12> nonce = iv_;
  for (std::size_t i = 0; i < sizeof packet_number; ++i) {
    nonce[nonce.size() - 1 - i] ^= static_cast<std::uint8_t>(packet_number >> 8 * i);
  }
  const Bytes text = sealed.first(sealed.size() - kTagBytes);
  std::array<std::uint8_t, kTagBytes> tag;
  std::copy(sealed.end() - kTagBytes, sealed.end(), tag.begin());
  plain->resize(text.size());
  auto* out = reinterpret_cast<std::uint8_t*>(plain->data());
  int size = 0;
  EVP_CIPHER_CTX* cipher = Tools::OfThisThread().authenticated();
  return EVP_DecryptInit_ex2(cipher, nullptr, key_.data(), nonce.data(), nullptr) == 1 &&
         EVP_DecryptUpdate(cipher, nullptr, &size, header.data(), static_cast<int>(header.size())) == 1 &&
         EVP_DecryptUpdate(cipher, out, &size, text.data(), static_cast<int>(text.size())) == 1 &&
         EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, static_cast<int>(tag.size()), tag.data()) == 1 &&
         EVP_DecryptFinal_ex(cipher, out + size, &size) == 1;
}

}  // namespace weir
