#include "columns/address_text.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>
#include <string>

namespace weir {
namespace {

std::string TextOf(const Address& address, int ip_version) {
  std::array<char, kLongestAddress> text;
  return {text.data(), WriteAddress(address, ip_version, text.data())};
}

std::string ByInetNtop(const Address& address) {
  const std::array<std::uint64_t, 2> network{__builtin_bswap64(address.high), __builtin_bswap64(address.low)};
  std::array<char, INET6_ADDRSTRLEN> text;
  return inet_ntop(AF_INET6, network.data(), text.data(), text.size());
}

TEST(AddressText, WritesIpv4WithoutLeadingZeros) {
  EXPECT_EQ(TextOf({0, 0}, 4), "0.0.0.0");
  EXPECT_EQ(TextOf({0, 0x0a00c801}, 4), "10.0.200.1");
  EXPECT_EQ(TextOf({0, 0xffffffff}, 4), "255.255.255.255");
}

TEST(AddressText, ShortensTheFirstOfTheLongestRunsOfZeros) {
  EXPECT_EQ(TextOf({0, 0}, 6), "::");
  EXPECT_EQ(TextOf({0, 1}, 6), "::1");
  EXPECT_EQ(TextOf({0x2001'0db8'0000'0000, 0x0001'0000'0000'0001}, 6), "2001:db8::1:0:0:1");
  EXPECT_EQ(TextOf({0x2001'0db8'0000'0001, 0x0001'0001'0001'0001}, 6), "2001:db8:0:1:1:1:1:1");
  EXPECT_EQ(TextOf({0, 0xffff'0a00'0001}, 6), "::ffff:10.0.0.1");
}

// Groups are drawn so that runs of zeros of every length and place come often.
TEST(AddressText, IsWhatTheSystemWrites) {
  std::mt19937_64 random(11);
  const auto half = [&random] {
    std::uint64_t bits = 0;
    for (int group = 0; group < 4; ++group) {
      constexpr std::array<std::uint64_t, 6> kGroups{0, 0, 0, 1, 0xffff, 0xab0};
      bits = bits << 16 | (random() % 4 == 0 ? random() & 0xffff : kGroups[random() % kGroups.size()]);
    }
    return bits;
  };
  for (int i = 0; i < 50'000; ++i) {
    const Address address{half(), half()};
    ASSERT_EQ(TextOf(address, 6), ByInetNtop(address));
  }
}

}  // namespace
}  // namespace weir
