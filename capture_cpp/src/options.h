// Everything that can grow has its limit here: default, unit and price.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weir {

// Fuzzing builds with limits so small that an input of a few hundred bytes reaches them.
#ifdef WEIR_SMALL_LIMITS
inline constexpr bool kHasSmallLimits = true;
#else
inline constexpr bool kHasSmallLimits = false;
#endif

// Bytes asked of the kernel at once. 512 KiB stays in the L2 cache, so the parser reads what the
// copy just wrote; smaller costs system calls, larger costs DRAM.
inline constexpr std::size_t kReadBytes = kHasSmallLimits ? 512 : std::size_t{512} << 10;

// The largest packet record believed, in bytes: libpcap's own limit (MAXIMUM_SNAPLEN).
inline constexpr std::uint32_t kLargestRecord = 262'144;

// The largest pcapng block believed, in bytes; the read buffer may grow to this.
inline constexpr std::uint32_t kLargestBlock = 16u << 20;

// Interfaces one pcapng section may describe; each costs 16 bytes.
inline constexpr std::size_t kMostInterfaces = 65'536;

// Compressed captures may not unpack to more than this many times their size, once they have
// unpacked to kInflateFree bytes. Real captures stay below 100; a bomb costs CPU time only.
inline constexpr std::uint64_t kInflateRatio = 1'000;
inline constexpr std::uint64_t kInflateFree = std::uint64_t{256} << 20;

// Headers around the innermost IP header (tags, labels, tunnels) that are followed.
inline constexpr int kMostLevels = 8;

// IPv6 extension headers followed in one packet.
inline constexpr int kMostExtensionHeaders = 32;

// Fragmented datagrams remembered at once (about 150 bytes each), and for how long by packet time.
inline constexpr std::size_t kMostFragmented = kHasSmallLimits ? 4 : 16'384;
inline constexpr std::size_t kMostEarly = kHasSmallLimits ? 4 : 4'096;  // that came before the first, about 250 bytes each
inline constexpr std::int64_t kFragmentLifeUs = 60'000'000;

// Packets decoded together, so that the memory of their flows is fetched in parallel.
inline constexpr std::size_t kBatch = 32;

// The latest time believed: the end of the year 9999, the last one calendars can print.
inline constexpr std::int64_t kLatestUs = 253'402'300'799'999'999;

// Neither timeout may be longer: times inside a record have 32 bits, and sums of squares 64.
inline constexpr std::int64_t kLongestTimeoutUs = 3'600'000'000;

// The part of the flow table's memory, one in so many, that is for the first bytes of conversations.
inline constexpr std::size_t kApplicationShare = 8;

// First payload bytes that are kept of each direction for parsers outside the core.
inline constexpr std::size_t kMostKeptPayload = 2'048;

// Below this the flow table would spend its time on evictions.
inline constexpr std::size_t kLeastTableBytes = kHasSmallLimits ? 10'000 : std::size_t{1} << 20;

// Seconds in one turn of the timer wheel; a flow that falls due later is looked at once a turn.
inline constexpr std::int64_t kWheelSeconds = kHasSmallLimits ? 64 : 4'096;

}  // namespace weir
