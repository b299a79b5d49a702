#include "privacy/crypto_pan.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <vector>

#include "events.h"

namespace weir::sensor {
namespace {

constexpr std::size_t kBlockBytes = 16;
// Addresses remembered, about 100 B each; a scan through more starts afresh.
constexpr std::size_t kMostKnown = std::size_t{1} << 19;

void Check(int outcome) {
  if (outcome != 1) throw std::runtime_error("libcrypto refuses AES-128; is this a restricted OpenSSL configuration?");
}

}  // namespace

CryptoPan::CryptoPan(const Key& key) : cipher_(EVP_CIPHER_CTX_new()) {
  Check(EVP_EncryptInit_ex(cipher_.get(), EVP_aes_128_ecb(), nullptr, key.data(), nullptr));
  Check(EVP_CIPHER_CTX_set_padding(cipher_.get(), 0));
  Encrypt(std::span(key).subspan(kBlockBytes), padding_);
}

void CryptoPan::Encrypt(std::span<const std::uint8_t> plain, std::span<std::uint8_t> cipher) {
  int size = 0;
  Check(EVP_EncryptUpdate(cipher_.get(), cipher.data(), &size, plain.data(), static_cast<int>(plain.size())));
}

void CryptoPan::Replace(std::span<std::uint8_t> address) {
  const std::string original(address.begin(), address.end());
  auto known = known_.find(original);
  if (known == known_.end()) {
    if (known_.size() == kMostKnown) known_.clear();
    known = known_.emplace(original, Pseudonym(address)).first;
  }
  std::copy(known->second.begin(), known->second.end(), address.begin());
}

// Bit i is flipped where the first bit of AES(first i bits of the address, then padding) is set.
std::string CryptoPan::Pseudonym(std::span<const std::uint8_t> address) {
  const std::size_t bits = address.size() * 8;
  std::vector<std::uint8_t> blocks;
  std::array<std::uint8_t, kBlockBytes> block = padding_;
  for (std::size_t bit = 0; bit < bits; ++bit) {
    blocks.insert(blocks.end(), block.begin(), block.end());
    const auto mask = static_cast<std::uint8_t>(0x80 >> bit % 8);
    block[bit / 8] = static_cast<std::uint8_t>((block[bit / 8] & ~mask) | (address[bit / 8] & mask));
  }
  std::vector<std::uint8_t> ciphers(blocks.size());
  Encrypt(blocks, ciphers);
  std::string pseudonym(address.begin(), address.end());
  for (std::size_t bit = 0; bit < bits; ++bit) {
    const int flip = ciphers[bit * kBlockBytes] >> 7;
    pseudonym[bit / 8] = static_cast<char>(pseudonym[bit / 8] ^ flip << (7 - bit % 8));
  }
  return pseudonym;
}

CryptoPan::Key ReadKey(const std::string& path) {
  constexpr std::size_t kMostBytes = 256;  // of a key with much space behind it; a device gives as many as are asked for
  std::ifstream in(path, std::ios::binary);
  std::string text(kMostBytes, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  const bool is_read = in.is_open() && !in.bad();
  text.resize(static_cast<std::size_t>(in.gcount()));
  CryptoPan::Key key = {};
  while (text.size() > 2 * key.size() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  const bool is_hex = text.size() == 2 * key.size() && std::ranges::all_of(text, [](unsigned char c) { return std::isxdigit(c); });
  if (!is_read || (text.size() != key.size() && !is_hex)) {
    const std::string problem = is_read ? "is no key, which is 32 bytes or 64 hexadecimal digits" : "cannot be read";
    throw SensorError(ExitCode::kSettings, "--anonymise " + path + ": " + problem + "; make one in a new file with: openssl rand -hex 32 > weir.key");
  }
  for (std::size_t i = 0; i < key.size(); ++i) {
    key[i] = static_cast<std::uint8_t>(is_hex ? std::stoi(text.substr(2 * i, 2), nullptr, 16) : text[i]);
  }
  return key;
}

}  // namespace weir::sensor
