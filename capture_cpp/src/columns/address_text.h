// Addresses as text, as inet_ntop writes them (RFC 5952 for IPv6), without its detour over printf: a
// capture with IPv6 spent a tenth of its instructions there.
#pragma once

#include <cstddef>
#include <cstdint>

#include "packet.h"

namespace weir {

inline constexpr std::size_t kLongestAddress = 46;

// Writes to `to`, which has room for kLongestAddress, and returns the end.
char* WriteAddress(const Address& address, std::int32_t ip_version, char* to);

}  // namespace weir
