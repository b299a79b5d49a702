#include "reader/byte_source.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <string>
#include <vector>

#include "options.h"
#include "reader/capture_error.h"

namespace weir {
namespace {

using Data = std::vector<std::uint8_t>;

Data Pattern(std::size_t size) {
  Data data(size);
  std::uint32_t state = 1;
  for (std::uint8_t& byte : data) {
    state = state * 1'664'525 + 1'013'904'223;
    byte = static_cast<std::uint8_t>(state >> 28);
  }
  return data;
}

Data Zstd(const Data& plain) {
  Data packed(ZSTD_compressBound(plain.size()));
  packed.resize(ZSTD_compress(packed.data(), packed.size(), plain.data(), plain.size(), 3));
  return packed;
}

Data Gzip(const Data& plain) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  Data packed(deflateBound(&stream, plain.size()));
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): zlib never writes to it
  stream.next_in = const_cast<Bytef*>(plain.data());
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = packed.data();
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(packed.size() - stream.avail_out);
  deflateEnd(&stream);
  return packed;
}

Data ReadAll(ByteSource* source, std::size_t piece) {
  Data all;
  Data room(piece);
  while (const std::size_t got = source->Read(room)) {
    all.insert(all.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(got));
  }
  return all;
}

TEST(ByteSource, UnpacksGzipAndZstdInPiecesOfAnySize) {
  const Data plain = Pattern(1'500'000);
  for (const Data& packed : {plain, Gzip(plain), Zstd(plain)}) {
    for (const std::size_t piece : {std::size_t{777}, kReadBytes}) {
      const auto source = OpenByteSource("x", packed);
      EXPECT_EQ(ReadAll(source.get(), piece), plain);
      EXPECT_FALSE(source->IsCut());
    }
  }
}

TEST(ByteSource, ReadsFramesAndMembersInARow) {
  const Data plain = Pattern(300'000);
  Data twice = plain;
  twice.insert(twice.end(), plain.begin(), plain.end());
  for (Data packed : {Gzip(plain), Zstd(plain)}) {
    const Data again = packed;
    packed.insert(packed.end(), again.begin(), again.end());
    EXPECT_EQ(ReadAll(OpenByteSource("x", packed).get(), kReadBytes), twice);
  }
}

TEST(ByteSource, PassesOverWhatAZstdFileSkipsAtItsBeginning) {
  const Data plain = Pattern(300'000);
  for (const std::uint8_t kind : {std::uint8_t{0x50}, std::uint8_t{0x5f}}) {
    Data packed{kind, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3};
    const Data frame = Zstd(plain);
    packed.insert(packed.end(), frame.begin(), frame.end());
    EXPECT_EQ(ReadAll(OpenByteSource("x", packed).get(), kReadBytes), plain);
  }
}

TEST(ByteSource, GivesWhatLiesBeforeACutAndSaysSo) {
  const Data plain = Pattern(1'500'000);
  for (Data packed : {Gzip(plain), Zstd(plain)}) {
    packed.resize(packed.size() / 2);
    const auto source = OpenByteSource("x", packed);
    const Data part = ReadAll(source.get(), kReadBytes);
    EXPECT_TRUE(source->IsCut());
    ASSERT_LT(part.size(), plain.size());
    EXPECT_TRUE(std::equal(part.begin(), part.end(), plain.begin()));
  }
}

// However little it is: the checksum at the end is wrong here.
TEST(ByteSource, GivesWhatLiesBeforeDamageAndThenThrows) {
  const Data plain = Pattern(3'000);
  Data gzip = Gzip(plain);
  gzip[gzip.size() - 8] ^= 1;
  Data zstd = Zstd(plain);
  const Data second = Zstd(Pattern(2'000));
  zstd.insert(zstd.end(), second.begin(), second.end());
  zstd[zstd.size() - second.size() + 5] ^= 0xff;
  for (const Data& packed : {gzip, zstd}) {
    const auto source = OpenByteSource("x", packed);
    Data part;
    Data room(kReadBytes);
    const auto read = [&] {
      while (const std::size_t got = source->Read(room)) {
        part.insert(part.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(got));
      }
    };
    EXPECT_THROW(read(), CaptureError);
    ASSERT_GE(part.size(), plain.size());
    EXPECT_TRUE(std::equal(plain.begin(), plain.end(), part.begin()));
    EXPECT_THROW(source->Read(room), CaptureError);
  }
}

TEST(ByteSource, StopsAtABomb) {
  const Data bomb = Zstd(Data(kInflateFree + (std::size_t{64} << 20), 0));
  const auto source = OpenByteSource("x", bomb);
  EXPECT_THROW(ReadAll(source.get(), kReadBytes), CaptureError);
}

TEST(ByteSource, NamesWhatItCannotOpen) {
  try {
    OpenByteSource("/nonexistent/capture.pcap");
    FAIL();
  } catch (const CaptureError& error) {
    EXPECT_EQ(std::string(error.what()), "/nonexistent/capture.pcap: cannot be opened: No such file or directory; check the name and the rights");
  }
}

}  // namespace
}  // namespace weir
