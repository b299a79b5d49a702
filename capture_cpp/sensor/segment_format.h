// What writer and reader of segments agree on; docs/formats/segment.md explains it.
// include/weir/packets/manifest.py holds the reader's copy, and a test compares the two.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::sensor {

inline constexpr int kManifestFormat = 1;

inline constexpr std::string_view kSegmentSuffix = ".pcap.zst";
inline constexpr std::string_view kManifestSuffix = ".json";
inline constexpr std::string_view kAckSuffix = ".ack";
inline constexpr std::string_view kPartSuffix = ".part";

// A frame holds whole records and at most this much of them, uncompressed.
inline constexpr std::size_t kFrameBytes = 1 << 20;

// The index of a frame: a Bloom filter with a power of two of bits, from 64 to 2^20 and this many or more
// per address, of which each address sets this many; about one search in 80 reads in vain.
inline constexpr std::size_t kIndexBitsPerHost = 10;
inline constexpr std::size_t kIndexHashes = 4;

// pcap, as in draft-ietf-opsawg-pcap; always in the byte order of the sensor.
inline constexpr std::uint32_t kPcapMicroseconds = 0xa1b2c3d4;
inline constexpr std::uint32_t kPcapNanoseconds = 0xa1b23c4d;
inline constexpr std::uint16_t kPcapMajor = 2;
inline constexpr std::uint16_t kPcapMinor = 4;
inline constexpr std::size_t kPcapHeaderBytes = 24;
inline constexpr std::size_t kRecordHeaderBytes = 16;

// libpcap's own limit; a record that claims more is not believed.
inline constexpr std::uint32_t kLargestPacket = 262144;

inline constexpr std::int64_t kMicrosecondsPerSecond = 1'000'000;
inline constexpr std::int64_t kMicrosecondsPerHour = 3'600 * kMicrosecondsPerSecond;

}  // namespace weir::sensor
