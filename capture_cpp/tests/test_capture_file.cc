#include "reader/capture_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "frames.h"
#include "options.h"
#include "reader/capture_error.h"

namespace weir {
namespace {

using test::Frame;
using test::Zeros;
using test::operator+;

Frame Little16(std::size_t value) { return {static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(value >> 8)}; }
Frame Little32(std::uint64_t value) { return Little16(value & 0xffff) + Little16(value >> 16 & 0xffff); }

Frame Header(std::uint32_t magic = 0xa1b2c3d4, std::size_t major = 2, std::uint32_t snaplen = 65535) {
  return Little32(magic) + Little16(major) + Little16(4) + Zeros(8) + Little32(snaplen) + Little32(1);
}

Frame Record(std::uint32_t captured, std::uint32_t length, std::size_t bytes, std::uint32_t micros = 5) {
  return Little32(100) + Little32(micros) + Little32(captured) + Little32(length) + Zeros(bytes);
}

Frame Block(std::uint32_t type, const Frame& body) {
  const Frame length = Little32(12 + body.size());
  return Little32(type) + length + body + length;
}

Frame Section(std::size_t major = 1) { return Block(0x0a0d0d0a, Little32(0x1a2b3c4d) + Little16(major) + Little16(0) + Frame(8, 0xff)); }
Frame Interface(const Frame& options = {}) { return Block(1, Little16(1) + Little16(0) + Little32(0) + options); }
Frame Option(std::size_t code, const Frame& value) { return Little16(code) + Little16(value.size()) + value + Zeros((4 - value.size() % 4) % 4); }
Frame EnhancedPacket(std::uint32_t interface, std::uint32_t captured, std::size_t bytes, std::uint64_t ticks = 5) {
  return Block(6, Little32(interface) + Little32(ticks >> 32) + Little32(ticks & 0xffffffff) + Little32(captured) + Little32(captured) + Zeros(bytes));
}

struct Found {
  std::size_t records = 0;
  std::int64_t last_us = -1;
  bool has_odd_time = false;
  std::uint64_t tail = 0;
  std::string error;
};

Found ReadAll(const Frame& bytes) {
  Found found;
  try {
    CaptureFile capture("x", OpenByteSource("x", bytes));
    weir::Record record{};
    while (capture.Next(&record)) {
      ++found.records;
      found.last_us = record.time_us;
      found.has_odd_time |= record.is_time_odd;
    }
    found.tail = capture.truncated_tail();
  } catch (const CaptureError& error) {
    found.error = error.what();
  }
  return found;
}

struct Case {
  std::string name;
  Frame bytes;
  std::size_t records;
  std::uint64_t tail;
  std::string error;  // how it begins; empty: none
};

std::vector<Case> Cases() {
  const Frame one = Header() + Record(4, 4, 4);
  const Frame ng = Section() + Interface();
  return {
      {"nothing", {}, 0, 0, ""},
      {"three_bytes", {0xd4, 0xc3, 0xb2}, 0, 0, "x:0: is shorter"},
      {"text", {'<', 'h', 't', 'm', 'l', '>'}, 0, 0, "x:0: is neither pcap nor pcapng"},
      {"header_cut", Zeros(0) + Frame(one.begin(), one.begin() + 20), 0, 0, "x:0: ends inside its file header"},
      {"header_only", Header(), 0, 0, ""},
      {"one_record", one, 1, 0, ""},
      {"record_header_cut", one + Zeros(7), 1, 7, ""},
      {"record_cut", one + Record(9, 9, 5), 1, 21, ""},
      {"version_1", Header(0xa1b2c3d4, 1), 0, 0, "x:4: has pcap version 1"},
      {"version_3", Header(0xa1b2c3d4, 3), 0, 0, "x:4: has pcap version 3"},
      {"nanoseconds", Header(0xa1b23c4d) + Record(4, 4, 4), 1, 0, ""},
      {"modified", Header(0xa1b2cd34) + Little32(1) + Little32(2) + Little32(4) + Little32(4) + Zeros(8) + Zeros(4), 1, 0, ""},
      {"snaplen_0", Header(0xa1b2c3d4, 2, 0) + Record(4, 4, 4), 1, 0, ""},
      {"snaplen_4_gib", Header(0xa1b2c3d4, 2, 0xffffffff) + Record(4, 4, 4), 1, 0, ""},
      {"captured_beyond_snaplen", Header(0xa1b2c3d4, 2, 2) + Record(4, 4, 4), 1, 0, ""},
      {"captured_beyond_length", Header() + Record(4, 2, 4), 1, 0, ""},
      {"record_of_no_bytes", Header() + Record(0, 60, 0), 1, 0, ""},
      {"captured_4_gib", one + Record(0xffffffff, 60, 60), 1, 0, "x:44: record claims 4294967295"},
      {"captured_just_too_much", one + Record(kLargestRecord + 1, 60, 60), 1, 0, "x:44: record claims 262145"},
      {"captured_as_much_as_allowed", one + Record(kLargestRecord, 60, kLargestRecord), 2, 0, ""},
      {"ng_section_only", Section(), 0, 0, ""},
      {"ng_packet", ng + EnhancedPacket(0, 4, 4), 1, 0, ""},
      {"ng_version_2", Section(2), 0, 0, "x:0: has pcapng version 2"},
      {"ng_no_byte_order", Block(0x0a0d0d0a, Zeros(16)), 0, 0, "x:0: section has no byte-order magic"},
      {"ng_section_short", Block(0x0a0d0d0a, Little32(0x1a2b3c4d)), 0, 0, "x:0: section header is too short"},
      {"ng_block_of_0_bytes", ng + Little32(6) + Zeros(20), 0, 0, "x:48: block has the impossible length 0"},
      {"ng_block_of_13_bytes", ng + Little32(6) + Little32(13) + Zeros(20), 0, 0, "x:48: block has the impossible length 13"},
      {"ng_block_of_3_gib", ng + Little32(6) + Little32(0xc0000000) + Zeros(20), 0, 0, "x:48: block claims 3221225472"},
      {"ng_unknown_block_cut", ng + Little32(77) + Little32(0xc0000000) + Zeros(20), 0, 1, ""},
      {"ng_trailer_differs", ng + Little32(77) + Little32(12) + Little32(12) + Little32(6) + Little32(16) + Zeros(4) + Little32(20), 0, 0,
       "x:60: block's two lengths differ"},
      {"ng_no_interface", Section() + EnhancedPacket(0, 4, 4), 0, 0, "x:28: packet names interface 0"},
      {"ng_interface_9", ng + EnhancedPacket(9, 4, 4), 0, 0, "x:48: packet names interface 9"},
      {"ng_packet_beyond_block", ng + EnhancedPacket(0, 40, 4), 0, 0, "x:48: packet claims 40 bytes"},
      {"ng_packet_short", ng + Block(6, Zeros(8)), 0, 0, "x:48: packet block is too short"},
      {"ng_option_overrun", Section() + Interface(Little16(2) + Little16(400) + Zeros(4)), 0, 0, "x:28: interface option runs past"},
      {"ng_resolution_255", Section() + Interface(Option(9, {255})), 0, 0, "x:28: interface counts time finer"},
      {"ng_resolution_2_to_63", Section() + Interface(Option(9, {0x80 | 63})) + EnhancedPacket(0, 4, 4), 1, 0, ""},
      {"ng_simple_packet", ng + Block(3, Little32(4) + Zeros(4)), 1, 0, ""},
      {"ng_simple_without_interface", Section() + Block(3, Little32(4) + Zeros(4)), 0, 0, "x:28: simple packet block"},
      {"ng_obsolete_packet", ng + Block(2, Zeros(12) + Little32(4) + Little32(4) + Zeros(4)), 1, 0, ""},
      {"ng_two_sections", ng + EnhancedPacket(0, 4, 4) + ng + EnhancedPacket(0, 4, 4), 2, 0, ""},
      {"ng_interfaces_end_with_their_section", ng + Section() + EnhancedPacket(0, 4, 4), 0, 0, "x:76: packet names interface 0"},
      {"ng_cut", ng + Frame{6, 0, 0, 0, 36, 0, 0, 0, 0, 0, 0, 0, 0}, 0, 13, ""},
  };
}

class EveryCapture : public testing::TestWithParam<Case> {};

TEST_P(EveryCapture, IsReadAsFarAsItIsSoundOrRefusedWithPlaceAndReason) {
  const Found found = ReadAll(GetParam().bytes);
  EXPECT_EQ(found.error.substr(0, GetParam().error.size()), GetParam().error);
  EXPECT_EQ(found.error.empty(), GetParam().error.empty()) << found.error;
  EXPECT_EQ(found.records, GetParam().records);
  if (GetParam().name == "ng_unknown_block_cut") {
    return;  // its tail is passed piece by piece and not counted
  }
  EXPECT_EQ(found.tail, GetParam().tail);
}

TEST_P(EveryCapture, CutAtEveryByteIsReadOrRefused) {
  const Frame& whole = GetParam().bytes;
  const std::size_t step = whole.size() > 4096 ? 4093 : 1;
  for (std::size_t size = 0; size < whole.size(); size += step) {
    const Found found = ReadAll(Frame(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
    EXPECT_LE(found.records, 2u);
  }
}

INSTANTIATE_TEST_SUITE_P(CaptureFile, EveryCapture, testing::ValuesIn(Cases()), [](const auto& one) { return one.param.name; });

TEST(CaptureFile, MicrosecondsBeyondASecondAreOddAndAdded) {
  const Found found = ReadAll(Header() + Record(4, 4, 4, 1'500'000));
  EXPECT_TRUE(found.has_odd_time);
  EXPECT_EQ(found.last_us, 101'500'000);
}

TEST(CaptureFile, TimesBeyondTheYear9999AreOddAndHeldThere) {
  const Frame seconds = Section() + Interface(Option(9, {0}));
  const Found found = ReadAll(seconds + EnhancedPacket(0, 4, 4, 0xffffffffffffffff));
  EXPECT_TRUE(found.has_odd_time);
  EXPECT_EQ(found.last_us, kLatestUs);
}

TEST(CaptureFile, AnInterfaceMayShiftItsTimes) {
  const Frame shifted = Section() + Interface(Option(14, Little32(1000) + Little32(0)));
  EXPECT_EQ(ReadAll(shifted + EnhancedPacket(0, 4, 4, 7)).last_us, 1'000'000'007);
}

TEST(CaptureFile, RecordsAcrossBufferEndsStayWhole) {
  Frame bytes = Header();
  constexpr std::size_t kRecords = 400;
  for (std::size_t i = 0; i < kRecords; ++i) {
    bytes = std::move(bytes) + Record(static_cast<std::uint32_t>(4'001 + i), 9'000, 4'001 + i, static_cast<std::uint32_t>(i));
  }
  CaptureFile capture("x", OpenByteSource("x", bytes));
  weir::Record record{};
  std::uint64_t offset = 24;
  for (std::size_t i = 0; i < kRecords; ++i) {
    ASSERT_TRUE(capture.Next(&record));
    EXPECT_EQ(record.bytes.size(), 4'001 + i);
    EXPECT_EQ(record.offset, offset);
    offset += 16 + record.bytes.size();
  }
  EXPECT_FALSE(capture.Next(&record));
}

// Gives its bytes and notes the most room it was offered.
class Watched final : public ByteSource {
 public:
  Watched(Frame bytes, std::size_t* most_room) : bytes_(std::move(bytes)), most_room_(most_room) {}
  std::size_t Read(std::span<std::uint8_t> room) override {
    *most_room_ = std::max(*most_room_, room.size());
    const std::size_t size = std::min(room.size(), bytes_.size() - given_);
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(given_), size, room.begin());
    given_ += size;
    return size;
  }

 private:
  Frame bytes_;
  std::size_t given_ = 0;
  std::size_t* most_room_;
};

TEST(CaptureFile, ABlockThatClaimsMuchTakesNoMemoryBeforeItsBytesCome) {
  std::size_t most_room = 0;
  const Frame claim = Little32(6) + Little32(kLargestBlock) + Zeros(40);
  CaptureFile capture("x", std::make_unique<Watched>(Section() + Interface() + claim, &most_room));
  weir::Record record{};
  EXPECT_FALSE(capture.Next(&record));
  EXPECT_EQ(capture.truncated_tail(), claim.size());
  EXPECT_LE(most_room, 2 * kReadBytes);
}

TEST(CaptureFile, ALargeBlockIsReadPieceByPiece) {
  std::size_t most_room = 0;
  const Frame large = Block(kLargestRecord, Zeros(8));  // another type, passed over
  const Frame packet = EnhancedPacket(0, 200'000, 200'000) + EnhancedPacket(0, kLargestRecord, kLargestRecord);
  const Frame padded = Block(6, Zeros(12) + Little32(4) + Little32(4) + Zeros(4 << 20));
  CaptureFile capture("x", std::make_unique<Watched>(Section() + Interface() + large + packet + padded, &most_room));
  weir::Record record{};
  for (const std::size_t size : {std::size_t{200'000}, std::size_t{kLargestRecord}, std::size_t{4}}) {
    ASSERT_TRUE(capture.Next(&record));
    EXPECT_EQ(record.bytes.size(), size);
  }
  EXPECT_FALSE(capture.Next(&record));
  EXPECT_EQ(capture.truncated_tail(), 0u);
}

TEST(CaptureFile, KnowsTheLinkTypeBesideWhatIsSaidOfFrameChecks) {
  Frame bytes = Header() + Record(60, 60, 60);
  bytes[23] = 0x24;  // a frame check of 2 words
  CaptureFile capture("x", OpenByteSource("x", bytes));
  weir::Record record{};
  ASSERT_TRUE(capture.Next(&record));
  EXPECT_EQ(record.link_type, 1u);
}

}  // namespace
}  // namespace weir
