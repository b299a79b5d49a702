// SHA-256 as it is named in manifests: 64 lower-case hexadecimal digits.
#pragma once

#include <openssl/evp.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace weir::sensor {

class Sha256 {
 public:
  Sha256();
  void Add(std::span<const std::byte> bytes);
  // The digest of what was added so far; more may be added afterwards.
  std::string Hex() const;

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

}  // namespace weir::sensor
