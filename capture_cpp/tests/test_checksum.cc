#include "decode/checksum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "sound_sums.h"

namespace weir {
namespace {

// Each length in a buffer of its own, so that a sanitizer sees any read beyond it; the longest has
// room for the largest packet.
TEST(Checksum, SumsEveryLengthAsTheWordsOneByOne) {
  std::mt19937 random(1);
  for (std::size_t size = 0; size < 700; ++size) {
    const std::size_t actual = size == 699 ? 65'535 : size;
    const auto exact = std::make_unique<std::uint8_t[]>(actual);
    for (const bool is_full : {false, true}) {
      std::generate_n(exact.get(), actual, [&] { return is_full ? std::uint8_t{0xff} : static_cast<std::uint8_t>(random()); });
      const Bytes bytes(exact.get(), actual);
      EXPECT_EQ(BigWordSum(bytes) % 0xffff, test::SumOf(bytes) % 0xffff) << actual;
    }
  }
}

TEST(Checksum, CarriesWhatDoesNotFit) {
  EXPECT_EQ(AddCarried(~std::uint64_t{0}, 1), 1u);
  EXPECT_EQ(AddCarried(~std::uint64_t{0}, ~std::uint64_t{0}), ~std::uint64_t{0});
  EXPECT_EQ(AddCarried(3, 4), 7u);
}

TEST(Checksum, IsSoundWhereNothingIsLeftOver) {
  std::mt19937_64 random(2);
  for (const std::uint64_t sum : {std::uint64_t{0}, std::uint64_t{0xffff}, std::uint64_t{0xfffe}, std::uint64_t{0x10000}, ~std::uint64_t{0}, ~std::uint64_t{0} - 1}) {
    EXPECT_EQ(IsSoundSum(sum), sum % 0xffff == 0) << sum;
  }
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t sum = random();
    const std::uint64_t multiple = sum - sum % 0xffff;
    ASSERT_TRUE(IsSoundSum(multiple)) << multiple;
    ASSERT_EQ(IsSoundSum(sum), sum % 0xffff == 0) << sum;
  }
}

}  // namespace
}  // namespace weir
