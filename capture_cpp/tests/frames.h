// Builds frames byte by byte for the tests, independent of the code under test.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace weir::test {

using Frame = std::vector<std::uint8_t>;

inline Frame operator+(Frame left, const Frame& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

inline Frame Big16(std::size_t value) { return {static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)}; }
inline Frame Big32(std::uint64_t value) { return Big16(value >> 16 & 0xffff) + Big16(value & 0xffff); }
inline Frame Zeros(std::size_t size) { return Frame(size, 0); }

inline Frame Ethernet(std::size_t type, const Frame& rest) { return Zeros(12) + Big16(type) + rest; }
inline Frame Vlan(std::size_t type, const Frame& rest) { return Big16(7) + Big16(type) + rest; }
inline Frame Mpls(bool is_bottom, const Frame& rest) { return Frame{0, 1, static_cast<std::uint8_t>(is_bottom ? 1 : 0), 64} + rest; }
inline Frame Pppoe(std::size_t protocol, const Frame& rest) {
  return Frame{0x11, 0, 0, 1} + Big16(rest.size() + 2) + Big16(protocol) + rest;
}

inline Frame Ipv4(std::uint8_t protocol, const Frame& rest, std::size_t fragment = 0, std::size_t id = 1) {
  return Frame{0x45, 0} + Big16(20 + rest.size()) + Big16(id) + Big16(fragment) + Frame{64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2} + rest;
}

inline Frame Ipv6(std::uint8_t next, const Frame& rest) {
  Frame source = Zeros(16);
  Frame destination = Zeros(16);
  source[0] = destination[0] = 0xfd;
  source[15] = 1;
  destination[15] = 2;
  return Frame{0x60, 0, 0, 0} + Big16(rest.size()) + Frame{next, 64} + source + destination + rest;
}

inline Frame Udp(std::size_t source, std::size_t destination, const Frame& rest) {
  return Big16(source) + Big16(destination) + Big16(8 + rest.size()) + Big16(0) + rest;
}

inline Frame Tcp(std::size_t source, std::size_t destination, std::uint8_t flags, const Frame& rest) {
  return Big16(source) + Big16(destination) + Zeros(8) + Frame{0x50, flags} + Big16(512) + Zeros(4) + rest;
}

inline Frame Gre(std::size_t type, const Frame& rest) { return Zeros(2) + Big16(type) + rest; }
inline Frame Vxlan(const Frame& rest) { return Frame{8, 0, 0, 0, 0, 0, 9, 0} + rest; }
inline Frame Geneve(const Frame& rest) { return Frame{0, 0, 0x65, 0x58, 0, 0, 9, 0} + rest; }
inline Frame GtpU(const Frame& rest) { return Frame{0x30, 255} + Big16(rest.size()) + Big32(77) + rest; }

// A UDP packet between two hosts and ports that the tests look for inside everything.
inline Frame Innermost() { return Ipv4(17, Udp(1111, 2222, Zeros(5))); }

}  // namespace weir::test
