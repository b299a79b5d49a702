// The last step of a hash, a code or a cipher of Nettle: version 3 asks how many bytes of the digest are wanted, version 4 gives all.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace weir {

// Takes the whole digest, which `kSize` must be the size of.
template <typename Take, typename Context, std::size_t kSize>
void TakeDigest(Take take, Context* context, std::array<std::uint8_t, kSize>* digest) {
  if constexpr (std::is_invocable_v<Take, Context*, std::size_t, std::uint8_t*>) {
    take(context, digest->size(), digest->data());
  } else {
    take(context, digest->data());
  }
}

}  // namespace weir
