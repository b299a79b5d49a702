#include "community_id.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iomanip>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace weir {
namespace {

std::string Hex(const std::array<std::uint8_t, 20>& digest) {
  std::ostringstream out;
  for (const std::uint8_t byte : digest) {
    out << std::hex << std::setw(2) << std::setfill('0') << static_cast<int>(byte);
  }
  return out.str();
}

std::vector<std::uint8_t> BytesOf(std::string_view text) { return {text.begin(), text.end()}; }

// The examples of FIPS 180-2, appendix A, and the empty message.
TEST(Sha1, GivesThePublishedDigests) {
  EXPECT_EQ(Hex(Sha1OfShort(BytesOf(""))), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(Hex(Sha1OfShort(BytesOf("abc"))), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(Hex(Sha1OfShortPortable(BytesOf("abc"))), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

TEST(Sha1, IsTheSameInPortableCode) {
  std::vector<std::uint8_t> message;
  for (std::size_t size = 0; size <= kLongestShortMessage; ++size) {
    EXPECT_EQ(Sha1OfShort(message), Sha1OfShortPortable(message)) << size;
    message.push_back(static_cast<std::uint8_t>(size * 37 + 1));
  }
}

Address V4(std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d) { return {0, a << 24 | b << 16 | c << 8 | d}; }

std::string IdOf(const Conversation& conversation) {
  std::string id(kCommunityIdBytes, ' ');
  WriteCommunityId(conversation, id.data());
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

TEST(CommunityId, IsTheSameInBothDirections) {
  EXPECT_EQ(IdOf({V4(1, 2, 3, 4), V4(5, 6, 7, 8), 10, 20, kProtocolTcp, 4}), IdOf({V4(5, 6, 7, 8), V4(1, 2, 3, 4), 20, 10, kProtocolTcp, 4}));
  EXPECT_EQ(IdOf({V4(1, 2, 3, 4), V4(5, 6, 7, 8), 8, 0, kProtocolIcmp, 4}), IdOf({V4(5, 6, 7, 8), V4(1, 2, 3, 4), 0, 0, kProtocolIcmp, 4}));
}

}  // namespace
}  // namespace weir
