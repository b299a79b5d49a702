#include "application/quic_keys.h"

#include <nettle/aes.h>
#include <nettle/gcm.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>

#include <algorithm>

#include "application/digest.h"

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

// HKDF with SHA-256 (RFC 5869), whose steps are HMACs: a key serves as many of them as are asked for.
class Hmac {
 public:
  using Digest = std::array<std::uint8_t, SHA256_DIGEST_SIZE>;

  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): the key fills it
  explicit Hmac(Bytes key) { hmac_sha256_set_key(&state_, key.size(), key.data()); }

  Digest Extract(Bytes message) {
    hmac_sha256_update(&state_, message.size(), message.data());
    return Take();
  }

  // HKDF-Expand-Label of RFC 8446 for at most one digest.
  template <std::size_t kSize>
  std::array<std::uint8_t, kSize> Expand(std::string_view label) {
    static_assert(kSize <= SHA256_DIGEST_SIZE);
    constexpr std::string_view kPrefix = "tls13 ";
    const std::array<char, 3> sizes{0, static_cast<char>(kSize), static_cast<char>(kPrefix.size() + label.size())};
    constexpr std::array<char, 2> kEnd{0, 1};
    for (const std::string_view part : {std::string_view(sizes.data(), sizes.size()), kPrefix, label, std::string_view(kEnd.data(), kEnd.size())}) {
      hmac_sha256_update(&state_, part.size(), reinterpret_cast<const std::uint8_t*>(part.data()));
    }
    std::array<std::uint8_t, kSize> expanded;
    std::ranges::copy_n(Take().begin(), kSize, expanded.begin());
    return expanded;
  }

 private:
  // Afterwards the state is as the key left it.
  Digest Take() {
    Digest digest;
    TakeDigest(&hmac_sha256_digest, &state_, &digest);
    return digest;
  }

  hmac_sha256_ctx state_;
};

}  // namespace

const QuicVersion* FindQuicVersion(std::uint32_t number) {
  const auto* const found = std::ranges::find_if(kVersions, [number](const QuicVersion& version) { return version.number == number; });
  return found == kVersions.end() ? nullptr : &*found;
}

QuicKeys::QuicKeys(const QuicVersion& version, Bytes connection_id) {
  Hmac client(Hmac(Hmac(version.salt).Extract(connection_id)).Expand<SHA256_DIGEST_SIZE>("client in"));
  key_ = client.Expand<AES128_KEY_SIZE>(version.key_label);
  iv_ = client.Expand<GCM_IV_SIZE>(version.iv_label);
  protection_ = client.Expand<AES128_KEY_SIZE>(version.protection_label);
}

std::array<std::uint8_t, 5> QuicKeys::Mask(Bytes sample) const {
  aes128_ctx cipher;
  std::array<std::uint8_t, AES_BLOCK_SIZE> block;
  aes128_set_encrypt_key(&cipher, protection_.data());
  aes128_encrypt(&cipher, block.size(), block.data(), sample.data());
  std::array<std::uint8_t, 5> mask;
  std::copy_n(block.begin(), mask.size(), mask.begin());
  return mask;
}

bool QuicKeys::Open(std::uint32_t packet_number, Bytes header, Bytes sealed, std::string* plain) const {
  if (sealed.size() < kTagBytes) {
    return false;
  }
  std::array<std::uint8_t, GCM_IV_SIZE> nonce = iv_;
  for (std::size_t i = 0; i < sizeof packet_number; ++i) {
    nonce[nonce.size() - 1 - i] ^= static_cast<std::uint8_t>(packet_number >> 8 * i);
  }
  const Bytes text = sealed.first(sealed.size() - kTagBytes);
  plain->resize(text.size());
  gcm_aes128_ctx cipher;  // NOLINT(cppcoreguidelines-pro-type-member-init): the key fills it
  std::array<std::uint8_t, GCM_DIGEST_SIZE> tag;
  gcm_aes128_set_key(&cipher, key_.data());
  gcm_aes128_set_iv(&cipher, nonce.size(), nonce.data());
  gcm_aes128_update(&cipher, header.size(), header.data());
  gcm_aes128_decrypt(&cipher, text.size(), reinterpret_cast<std::uint8_t*>(plain->data()), text.data());
  TakeDigest(&gcm_aes128_digest, &cipher, &tag);
  static_assert(kTagBytes == GCM_DIGEST_SIZE);
  return memeql_sec(tag.data(), sealed.last(kTagBytes).data(), tag.size()) != 0;
}

}  // namespace weir
