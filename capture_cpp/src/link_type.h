// Link types as captures number them: https://www.tcpdump.org/linktypes.html
#pragma once

#include <cstdint>

namespace weir {

inline constexpr std::uint32_t kLinkNull = 0;
inline constexpr std::uint32_t kLinkEthernet = 1;
inline constexpr std::uint32_t kLinkPpp = 9;
inline constexpr std::uint32_t kLinkAtmRfc1483 = 11;
inline constexpr std::uint32_t kLinkRawBsd = 12;
inline constexpr std::uint32_t kLinkRawOpenBsd = 14;
inline constexpr std::uint32_t kLinkPppHdlc = 50;
inline constexpr std::uint32_t kLinkPppEther = 51;
inline constexpr std::uint32_t kLinkRaw = 101;
inline constexpr std::uint32_t kLinkCiscoHdlc = 104;
inline constexpr std::uint32_t kLinkIeee80211 = 105;
inline constexpr std::uint32_t kLinkLoop = 108;
inline constexpr std::uint32_t kLinkEnc = 109;
inline constexpr std::uint32_t kLinkLinuxSll = 113;
inline constexpr std::uint32_t kLinkPflog = 117;
inline constexpr std::uint32_t kLinkRadiotap = 127;
inline constexpr std::uint32_t kLinkPppWithDirection = 166;
inline constexpr std::uint32_t kLinkIpv4 = 228;
inline constexpr std::uint32_t kLinkIpv6 = 229;
inline constexpr std::uint32_t kLinkNflog = 239;
inline constexpr std::uint32_t kLinkLinuxSll2 = 276;

}  // namespace weir
