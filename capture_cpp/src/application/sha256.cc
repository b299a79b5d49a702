#include "application/sha256.h"

#include <openssl/evp.h>

#include <memory>

namespace weir {
namespace {

// Looked up and set up once for each thread.
struct Hasher {
  struct Free {
    void operator()(EVP_MD* unused) const { EVP_MD_free(unused); }
    void operator()(EVP_MD_CTX* unused) const { EVP_MD_CTX_free(unused); }
  };
  std::unique_ptr<EVP_MD, Free> sha256{EVP_MD_fetch(nullptr, "SHA256", nullptr)};
  std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
};

}  // namespace

Digest Sha256(Bytes first, Bytes second) {
  thread_local const Hasher kHasher;
  Digest digest{};
  EVP_DigestInit_ex2(kHasher.context.get(), kHasher.sha256.get(), nullptr);
  EVP_DigestUpdate(kHasher.context.get(), first.data(), first.size());
  EVP_DigestUpdate(kHasher.context.get(), second.data(), second.size());
  EVP_DigestFinal_ex(kHasher.context.get(), digest.data(), nullptr);
  return digest;
}

}  // namespace weir
