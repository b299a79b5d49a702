#include "hash.h"

#include <sys/random.h>

#include <cerrno>
#include <system_error>

namespace weir {

Seed RandomSeed() {
  Seed seed{};
  ssize_t got = 0;
  do {
    got = getrandom(&seed, sizeof seed, 0);
  } while (got < 0 && errno == EINTR);
  if (got != sizeof seed) {
    throw std::system_error(errno, std::generic_category(), "getrandom");
  }
  seed.first |= 1;  // a zero would make the product zero
  seed.second |= 1;
  return seed;
}

}  // namespace weir
