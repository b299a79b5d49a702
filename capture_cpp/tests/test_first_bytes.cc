#include "first_bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace weir {
namespace {

constexpr std::size_t kMost = 64;

std::vector<std::uint8_t> Message(std::size_t size) {
  std::vector<std::uint8_t> message(size);
  std::iota(message.begin(), message.end(), std::uint8_t{1});
  return message;
}

// The segment of a message's bytes [from, to), numbered from `base`; the capture left out its last `cut` bytes.
SegmentBytes Part(const std::vector<std::uint8_t>& message, std::size_t from, std::size_t to, std::uint32_t base, std::size_t cut = 0) {
  return {Bytes(message).subspan(from, to - from - cut), base + static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to - from), 0};
}

std::vector<std::uint8_t> BytesOf(const FirstBytes& first) { return {first.bytes().begin(), first.bytes().end()}; }

TEST(FirstBytes, AreTheMessageInAnyOrderOfThreePartsAcrossTheWrapOfNumbers) {
  const auto message = Message(30);
  constexpr std::uint32_t kBase = 0xfffffff0;
  std::array<std::pair<std::size_t, std::size_t>, 3> parts{{{0, 9}, {9, 20}, {20, 30}}};
  do {
    FirstBytes first;
    SegmentBytes begin = Part(message, parts[0].first, parts[0].second, kBase);
    begin.ahead = static_cast<std::int32_t>(parts[0].first);
    first.Add(begin, kMost);
    first.Add(Part(message, parts[1].first, parts[1].second, kBase), kMost);
    first.Add(Part(message, parts[2].first, parts[2].second, kBase), kMost);
    EXPECT_EQ(BytesOf(first), message);
  } while (std::ranges::next_permutation(parts).found);
}

// Whatever comes, however often: what is in order is the message's beginning, no longer than asked for.
TEST(FirstBytes, AreAlwaysABeginningOfWhatWasSent) {
  std::mt19937 random(7);
  const auto message = Message(100);
  for (int round = 0; round < 20'000; ++round) {
    FirstBytes first;
    const auto base = static_cast<std::uint32_t>(random());
    for (int segment = 0; segment < 6; ++segment) {
      const std::size_t from = random() % 99;
      const std::size_t to = from + 1 + random() % (100 - from);
      SegmentBytes part = Part(message, from, to, base, random() % 8 == 0 ? random() % (to - from) : 0);
      part.ahead = static_cast<std::int32_t>(from);
      const std::size_t before = first.bytes().size();
      const bool was_over = first.is_over();
      const bool was_taken = first.Add(part, kMost);
      EXPECT_EQ(was_taken, first.bytes().size() > before || first.is_over() != was_over);
    }
    ASSERT_LE(first.bytes().size(), kMost);
    ASSERT_TRUE(std::equal(first.bytes().begin(), first.bytes().end(), message.begin()));
  }
}

TEST(FirstBytes, KeepTheNearestOfWhatCameEarly) {
  const auto message = Message(60);
  FirstBytes first;
  const auto add = [&](std::size_t from, std::size_t to, std::uint32_t at) {
    SegmentBytes part = Part(message, from, to, 0);
    part.sequence = at;
    part.ahead = static_cast<std::int32_t>(at);
    return first.Add(part, kMost);
  };
  for (std::uint32_t far = 0; far < 20; ++far) {
    add(0, 50, 1'000'000 - far);  // of which none will ever be reached
  }
  add(40, 60, 40);
  add(20, 40, 20);
  EXPECT_TRUE(add(0, 20, 0));
  EXPECT_EQ(BytesOf(first), message);
}

TEST(FirstBytes, BeginBehindWhatIsKnownAlready) {
  const auto message = Message(30);
  FirstBytes first;
  SegmentBytes old = Part(message, 0, 9, 100);
  old.ahead = -9;
  EXPECT_FALSE(first.Add(old, kMost));
  EXPECT_FALSE(first.is_waiting());
  EXPECT_TRUE(first.Add(Part(message, 5, 30, 100), kMost));
  EXPECT_EQ(BytesOf(first), std::vector<std::uint8_t>(message.begin() + 9, message.end()));
}

TEST(FirstBytes, EndWhereASegmentWasCapturedInPart) {
  const auto message = Message(30);
  FirstBytes first;
  EXPECT_TRUE(first.Add(Part(message, 0, 10, 5, 3), kMost));
  EXPECT_TRUE(first.is_over());
  EXPECT_FALSE(first.Add(Part(message, 10, 30, 5), kMost));
  EXPECT_EQ(BytesOf(first), Message(7));
}

TEST(FirstBytes, BeginWithWhatCameEarlyOnceTheBeginningIsGivenUp) {
  const auto message = Message(30);
  FirstBytes first;
  SegmentBytes early = Part(message, 10, 20, 5);
  early.ahead = 10;
  EXPECT_FALSE(first.Add(early, kMost));
  EXPECT_TRUE(first.is_waiting());
  EXPECT_TRUE(first.bytes().empty());
  first.GiveUp(kMost);
  EXPECT_EQ(BytesOf(first).front(), 11);
  EXPECT_EQ(BytesOf(first).size(), 10u);
}

}  // namespace
}  // namespace weir
