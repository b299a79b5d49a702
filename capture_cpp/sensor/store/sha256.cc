#include "store/sha256.h"

#include <stdexcept>

#include "hex.h"

namespace weir::sensor {
namespace {

void Check(int outcome) {
  if (outcome != 1) throw std::runtime_error("libcrypto refuses SHA-256; is this a restricted OpenSSL configuration?");
}

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new()) { Check(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr)); }

void Sha256::Add(std::span<const std::byte> bytes) { Check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size())); }

std::string Sha256::Hex() const {
  const std::unique_ptr<EVP_MD_CTX, Free> copy(EVP_MD_CTX_new());
  Check(EVP_MD_CTX_copy_ex(copy.get(), context_.get()));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  Check(EVP_DigestFinal_ex(copy.get(), digest, &size));
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex.append(HexDigits<2>(digest[i]).data(), 2);
  }
  return hex;
}

}  // namespace weir::sensor
