#include "columns/community_id.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace weir {
namespace {

Address V4(std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d) { return {0, a << 24 | b << 16 | c << 8 | d}; }

std::string IdOf(const Conversation& conversation) {
  std::string id(kCommunityIdBytes, ' ');
  WriteCommunityIds({&conversation, 1}, id.data());
  return id;
}

// Published baselines of the specification's own test captures.
TEST(CommunityId, GivesThePublishedIdentifiers) {
  const Conversation tcp{V4(128, 232, 110, 120), V4(66, 35, 250, 204), 34855, 80, kProtocolTcp, 4};
  const Conversation udp{V4(192, 168, 1, 52), V4(8, 8, 8, 8), 54585, 53, kProtocolUdp, 4};
  const Conversation icmp{V4(192, 168, 0, 89), V4(192, 168, 0, 1), 8, 0, kProtocolIcmp, 4};
  const Conversation sctp{V4(192, 168, 170, 8), V4(192, 168, 170, 56), 7, 80, kProtocolSctp, 4};
  EXPECT_EQ(IdOf(tcp), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
  EXPECT_EQ(IdOf(udp), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
  EXPECT_EQ(IdOf(icmp), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=");
  EXPECT_EQ(IdOf(sctp), "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ=");
}

// Each lane of the hash, more conversations than lanes, and both lengths of addresses.
TEST(CommunityId, IsTheSameAloneAndAmongOthers) {
  std::vector<Conversation> conversations;
  for (std::uint16_t i = 0; i < 37; ++i) {
    const std::array<std::uint8_t, 3> protocols{kProtocolTcp, kProtocolUdp, 47};
    const Address far{i % 2 == 0 ? 0u : 0x20010db800000000u + i, 0x0a000000u + i};
    conversations.push_back({{0, 0x7f000001}, far, i, static_cast<std::uint16_t>(9 * i), protocols[i % 3], static_cast<std::uint8_t>(i % 2 == 0 ? 4 : 6)});
  }
  std::string together(conversations.size() * kCommunityIdBytes, ' ');
  WriteCommunityIds(conversations, together.data());
  for (std::size_t i = 0; i < conversations.size(); ++i) {
    EXPECT_EQ(IdOf(conversations[i]), together.substr(i * kCommunityIdBytes, kCommunityIdBytes)) << i;
  }
}

TEST(CommunityId, IsTheSameInBothDirections) {
  EXPECT_EQ(IdOf({V4(1, 2, 3, 4), V4(5, 6, 7, 8), 10, 20, kProtocolTcp, 4}), IdOf({V4(5, 6, 7, 8), V4(1, 2, 3, 4), 20, 10, kProtocolTcp, 4}));
  EXPECT_EQ(IdOf({V4(1, 2, 3, 4), V4(5, 6, 7, 8), 8, 0, kProtocolIcmp, 4}), IdOf({V4(5, 6, 7, 8), V4(1, 2, 3, 4), 0, 0, kProtocolIcmp, 4}));
}

}  // namespace
}  // namespace weir
