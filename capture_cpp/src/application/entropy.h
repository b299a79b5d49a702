// How evenly the values of the first bytes of a payload are spread: text repeats itself, what is packed or encrypted does not.
#pragma once

#include <cstddef>
#include <cstdint>

#include "bytes.h"

namespace weir {

inline constexpr std::size_t kEntropyBytes = 64;  // are looked at
inline constexpr std::uint16_t kEntropySteps = 8'192;

// Shannon's entropy of the first bytes, in steps of 1 / kEntropySteps bit per byte; 0 for none.
std::uint16_t EntropyOf(Bytes bytes);

}  // namespace weir
