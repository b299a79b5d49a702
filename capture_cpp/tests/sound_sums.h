// Puts right checksums into a frame, so that tests can change anything else and have it believed.
// Summed word by word as RFC 1071 says, independent of the code under test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace weir::test {

inline std::uint32_t SumOf(std::span<const std::uint8_t> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? std::uint32_t{bytes[i]} << 8 : bytes[i];
  }
  return sum;
}

inline void PutSum(std::uint32_t sum, std::size_t at, std::span<std::uint8_t> bytes) {
  while (sum >> 16 != 0) {
    sum = (sum & 0xffff) + (sum >> 16);
  }
  bytes[at] = static_cast<std::uint8_t>(~sum >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(~sum);
}

// Of TCP or UDP; a UDP packet without a checksum stays without.
inline void MakeTransportSumSound(int protocol, std::uint32_t addresses, std::span<std::uint8_t> bytes) {
  const std::size_t at = protocol == 6 ? 16 : 6;
  if ((protocol != 6 && protocol != 17) || bytes.size() < at + 2) return;
  if (protocol == 17 && bytes[at] == 0 && bytes[at + 1] == 0) return;
  bytes[at] = bytes[at + 1] = 0;
  PutSum(addresses + static_cast<std::uint32_t>(protocol) + static_cast<std::uint32_t>(bytes.size()) + SumOf(bytes), at, bytes);
}

// An Ethernet frame with one VLAN tag or none, IPv4 without options or IPv6; any other stays as it is.
inline void MakeSumsSound(std::span<std::uint8_t> frame) {
  if (frame.size() < 18) return;
  const auto word = [&frame](std::size_t at) { return frame[at] << 8 | frame[at + 1]; };
  const std::size_t type_at = word(12) == 0x8100 ? 16 : 12;
  const int type = word(type_at);
  const std::span<std::uint8_t> ip = frame.subspan(type_at + 2);
  const auto length = [&ip](std::size_t at) { return static_cast<std::size_t>(ip[at] << 8 | ip[at + 1]); };
  if (type == 0x0800 && ip.size() >= 20 && ip[0] == 0x45) {
    ip[10] = ip[11] = 0;
    PutSum(SumOf(ip.first(20)), 10, ip);
    if (length(2) >= 20 && length(2) <= ip.size()) MakeTransportSumSound(ip[9], SumOf(ip.subspan(12, 8)), ip.subspan(20, length(2) - 20));
  } else if (type == 0x86dd && ip.size() >= 40 && length(4) + 40 <= ip.size()) {
    MakeTransportSumSound(ip[6], SumOf(ip.subspan(8, 32)), ip.subspan(40, length(4)));
  }
}

}  // namespace weir::test
