#include "application/entropy.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

namespace weir {
namespace {

using Octets = std::vector<std::uint8_t>;

Octets OctetsOf(std::string_view text) { return {text.begin(), text.end()}; }

// Shannon's sum over values, as it stands in his paper of 1948 (A Mathematical Theory of Communication, section 6).
double Shannon(const Octets& bytes) {
  std::array<int, 256> counts{};
  for (const std::uint8_t byte : bytes) {
    ++counts[byte];
  }
  double sum = 0;
  for (const int count : counts) {
    const double share = static_cast<double>(count) / static_cast<double>(bytes.size());
    sum -= count == 0 ? 0 : share * std::log2(share);
  }
  return sum;
}

TEST(Entropy, IsNoneWhereNothingVaries) {
  EXPECT_EQ(EntropyOf({}), 0);
  for (std::size_t size = 1; size <= kEntropyBytes; ++size) {
    EXPECT_EQ(EntropyOf(Octets(size, 'a')), 0) << size;
  }
}

TEST(Entropy, IsOneBitForTwoValues) { EXPECT_NEAR(EntropyOf(OctetsOf("abab")), kEntropySteps, 1); }

TEST(Entropy, IsOfTheFirstBytesOnly) {
  Octets all(256);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = static_cast<std::uint8_t>(i);
  }
  EXPECT_NEAR(EntropyOf(all), 6 * kEntropySteps, 1);
  Octets even(kEntropyBytes, 'a');
  even.push_back('b');
  EXPECT_EQ(EntropyOf(even), 0);
}

TEST(Entropy, IsThatOfShannon) {
  std::mt19937 random(1948);
  for (std::size_t size = 1; size <= kEntropyBytes; ++size) {
    for (const unsigned values : {2u, 10u, 100u, 256u}) {
      Octets bytes(size);
      for (std::uint8_t& byte : bytes) {
        byte = static_cast<std::uint8_t>(random() % values);
      }
      EXPECT_NEAR(EntropyOf(bytes), Shannon(bytes) * kEntropySteps, 1) << size << " bytes of " << values << " values";
    }
  }
}

}  // namespace
}  // namespace weir
