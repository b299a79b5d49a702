#include "application/ja4.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string_view>
#include <vector>

#include "application/digest.h"

namespace weir {
namespace {

Offered OfferedOf(const std::vector<std::uint16_t>& numbers) {
  Offered offered;
  for (const std::uint16_t number : numbers) {
    offered.Add(number);
  }
  return offered;
}

TEST(Ja4, GivesThePublishedFingerprint) {
  const std::vector<std::uint16_t> ciphers{0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035};
  const std::vector<std::uint16_t> extensions{0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015, 0x2a2a};
  const std::vector<std::uint16_t> signatures{0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601};
  ClientHello hello{0x0304, true, "h2", OfferedOf(ciphers), OfferedOf(extensions), OfferedOf(signatures)};
  const Ja4Letters ja4 = Ja4('t', &hello);
  EXPECT_EQ(std::string_view(ja4.data(), ja4.size()), "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

TEST(Ja4, CutsListsThatNoClientSends) {
  Offered offered = OfferedOf(std::vector<std::uint16_t>(600, 7));
  EXPECT_EQ(offered.size(), 512u);
  offered.Drop(7);
  EXPECT_EQ(offered.size(), 0u);
}

// Nettle 3 asks for the length of a digest, Nettle 4 does not.
TEST(Digest, IsTakenFromEitherVersionOfNettle) {
  struct Context {
    std::uint8_t byte;
  };
  std::array<std::uint8_t, 4> digest{};
  Context context{7};
  TakeDigest([](Context* from, std::size_t size, std::uint8_t* to) { std::memset(to, from->byte, size); }, &context, &digest);
  EXPECT_EQ(digest, (std::array<std::uint8_t, 4>{7, 7, 7, 7}));
  TakeDigest([](Context* from, std::uint8_t* to) { to[3] = from->byte + 1; }, &context, &digest);
  EXPECT_EQ(digest, (std::array<std::uint8_t, 4>{7, 7, 7, 8}));
}

}  // namespace
}  // namespace weir
