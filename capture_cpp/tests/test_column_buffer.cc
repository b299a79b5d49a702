#include "columns/column_buffer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

#include "memory.h"

namespace weir {
namespace {

// From some bytes to megabytes: what was written stays, wherever it moves to, and rows that are streamed to it find their lines.
TEST(ColumnBuffer, KeepsItsValuesAndBeginsAtALineHoweverItGrows) {
  ColumnBuffer buffer;
  constexpr std::uint32_t kValues = 2'000'000;
  for (std::uint32_t value = 0; value < kValues; ++value) {
    buffer.Append(value);
    if ((value & (value + 1)) == 0) {
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % kCacheLine, 0u) << value;
    }
  }
  ASSERT_EQ(buffer.size(), kValues * sizeof(std::uint32_t));
  for (std::uint32_t value = 0; value < kValues; ++value) {
    std::uint32_t kept = 0;
    std::memcpy(&kept, static_cast<const char*>(buffer.data()) + value * sizeof kept, sizeof kept);
    ASSERT_EQ(kept, value);
  }
}

}  // namespace
}  // namespace weir
