// SHA-256 of short texts, which OpenSSL's one-shot functions spend most of their time preparing for.
#pragma once

#include <array>
#include <cstdint>

#include "bytes.h"

namespace weir {

using Digest = std::array<std::uint8_t, 32>;

// Of the two put together.
Digest Sha256(Bytes first, Bytes second = {});

}  // namespace weir
