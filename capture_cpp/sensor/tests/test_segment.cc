#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>

#include "checkpoint.h"
#include "store/segment.h"
#include "store/segment_scan.h"
#include "store/spool.h"

namespace weir::sensor {
namespace {
namespace fs = std::filesystem;

constexpr std::uint32_t kSnaplen = 262144;
constexpr std::uint32_t kNoisyPackets = 40;
constexpr std::size_t kPage = 4096;

// A folder of its own for each test.
class SegmentTest : public testing::Test {
 protected:
  SegmentTest() {
    std::string pattern = (fs::temp_directory_path() / "weir-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
    folder_ = Descriptor(::open(path_.c_str(), O_RDONLY | O_DIRECTORY));
  }
  ~SegmentTest() override { fs::remove_all(path_); }

  static std::vector<std::byte> Records(std::uint32_t packets, std::uint32_t size) {
    std::vector<std::byte> records;
    for (std::uint32_t i = 0; i < packets; ++i) {
      const RecordHeader header = {100 + i, i, size, size};
      const auto* first = reinterpret_cast<const std::byte*>(&header);
      records.insert(records.end(), first, first + sizeof header);
      records.insert(records.end(), size, std::byte{static_cast<unsigned char>(i)});
    }
    return records;
  }

  static std::error_code AppendPackets(Segment* segment, std::uint32_t packets) {
    Frame facts;
    for (std::uint32_t i = 0; i < packets; ++i) Note({100 + i, i, 50, 60}, 100 + i, &facts);
    return segment->Append(Records(packets, 50), facts, false);
  }

  std::size_t VisibleFiles() const {
    std::size_t visible = 0;
    for (const auto& entry : fs::directory_iterator(path_)) visible += entry.path().filename().string()[0] != '.' ? 1 : 0;
    return visible;
  }

  // A part of `frames` frames of 40 packets that do not compress, as a dead sensor leaves it; where each frame
  // ends, the header's first.
  std::vector<std::uint64_t> LeavePart(int frames, std::span<const std::byte> inside = {}) {
    std::vector<std::uint64_t> ends;
    Segment segment(folder_.get(), "s", &compressor_);
    EXPECT_FALSE(segment.Open({1, false}, kSnaplen));
    ends.push_back(segment.file_bytes());
    std::mt19937 noise(5);
    for (int i = 0; i < frames; ++i) {
      std::vector<std::byte> records;
      AddNoise(&noise, inside, &records);
      for (std::uint32_t packet = 1; packet < kNoisyPackets; ++packet) AddNoise(&noise, {}, &records);
      Frame facts;
      facts.packets = kNoisyPackets;
      EXPECT_FALSE(segment.Append(records, facts, false));
      ends.push_back(segment.file_bytes());
    }
    return ends;
  }

  // A record of noise, with `inside` in its middle.
  static void AddNoise(std::mt19937* noise, std::span<const std::byte> inside, std::vector<std::byte>* records) {
    constexpr std::size_t kAround = 500;
    const auto size = static_cast<std::uint32_t>(2 * kAround + inside.size());
    const RecordHeader header = {7, 7, size, size};
    const auto* first = reinterpret_cast<const std::byte*>(&header);
    records->insert(records->end(), first, first + sizeof header);
    const auto add_noise = [&] { std::generate_n(std::back_inserter(*records), kAround, [&] { return std::byte((*noise)() & 0xff); }); };
    add_noise();
    records->insert(records->end(), inside.begin(), inside.end());
    add_noise();
  }

  std::string Part() const {
    std::ifstream in(path_ / ".s.pcap.zst.part", std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  void SetPart(const std::string& bytes) const { std::ofstream(path_ / ".s.pcap.zst.part", std::ios::binary) << bytes; }

  // Takes the part up again and says which of its frames were kept; that they lie one behind the other in a
  // file of nothing else is checked here.
  std::vector<int> Kept(const std::vector<std::uint64_t>& ends, std::uint64_t* torn) const {
    const std::string before = Part();
    Segment again(folder_.get(), "s", nullptr);
    EXPECT_FALSE(again.Reopen(torn));
    if (again.frames().empty()) return {};
    const std::string after = Part();
    EXPECT_EQ(before.size(), after.size() + *torn);
    EXPECT_EQ(again.file_bytes(), after.size());
    std::vector<int> kept;
    std::uint64_t at = ends[0];
    for (const Frame& frame : again.frames()) {
      EXPECT_EQ(frame.offset, at);
      at += frame.length;
      const std::size_t was_at = before.find(after.substr(frame.offset, frame.length));
      const auto end = std::ranges::find(ends, was_at);
      kept.push_back(end == ends.end() ? -1 : static_cast<int>(end - ends.begin()));
    }
    EXPECT_EQ(at, after.size());
    return kept;
  }

  std::uint64_t HiddenSize() const { return fs::file_size(path_ / ".s.pcap.zst.part"); }

  fs::path path_;
  Descriptor folder_;
  Compressor compressor_{1};
};

TEST_F(SegmentTest, IsInvisibleUntilItIsSealed) {
  Segment segment(folder_.get(), "s", &compressor_);
  ASSERT_FALSE(segment.Open({1, false}, kSnaplen));
  ASSERT_FALSE(AppendPackets(&segment, 10));
  EXPECT_EQ(VisibleFiles(), 0U);
  Manifest manifest;
  ASSERT_FALSE(segment.Seal(&manifest));
  EXPECT_EQ(VisibleFiles(), 2U);
  EXPECT_EQ(manifest.file_bytes, fs::file_size(path_ / "s.pcap.zst"));
}

TEST_F(SegmentTest, IsTakenUpAgainAsItWasLeft) {
  {
    Segment segment(folder_.get(), "s", &compressor_);
    ASSERT_FALSE(segment.Open({101, true}, 96));
    ASSERT_FALSE(AppendPackets(&segment, 10));
    ASSERT_FALSE(AppendPackets(&segment, 20));
  }
  Segment again(folder_.get(), "s", nullptr);
  std::uint64_t torn = 1;
  ASSERT_FALSE(again.Reopen(&torn));
  EXPECT_EQ(torn, 0U);
  EXPECT_EQ(again.format(), (RecordFormat{101, true}));
  ASSERT_EQ(again.frames().size(), 2U);
  EXPECT_EQ(again.frames()[1].packets, 20U);
  EXPECT_EQ(again.frames()[1].truncated, 0U);
  EXPECT_EQ(again.frames()[1].raw_offset, kPcapHeaderBytes + 10 * (kRecordHeaderBytes + 50));
}

TEST_F(SegmentTest, KeepsWholeFramesWhereverItWasCut) {
  std::uint64_t size = 0;
  std::uint64_t second_frame = 0;
  std::string whole;
  {
    Segment segment(folder_.get(), "s", &compressor_);
    ASSERT_FALSE(segment.Open({1, false}, kSnaplen));
    ASSERT_FALSE(AppendPackets(&segment, 10));
    second_frame = segment.file_bytes();
    ASSERT_FALSE(AppendPackets(&segment, 20));
    size = segment.file_bytes();
    std::ifstream in(path_ / ".s.pcap.zst.part", std::ios::binary);
    whole.assign(std::istreambuf_iterator<char>(in), {});
  }
  ASSERT_EQ(whole.size(), size);
  for (std::uint64_t cut = 0; cut <= size; ++cut) {
    std::ofstream(path_ / ".s.pcap.zst.part", std::ios::binary) << whole.substr(0, cut);
    Segment again(folder_.get(), "s", nullptr);
    std::uint64_t torn = 0;
    const std::error_code error = again.Reopen(&torn);
    const std::size_t frames = error ? 0 : again.frames().size();
    EXPECT_EQ(frames, cut == size ? 2U : cut >= second_frame ? 1U : 0U) << cut;
    EXPECT_TRUE(error || again.file_bytes() == HiddenSize()) << cut;
  }
}

TEST_F(SegmentTest, DropsAFrameWhoseBytesChanged) {
  {
    Segment segment(folder_.get(), "s", &compressor_);
    ASSERT_FALSE(segment.Open({1, false}, kSnaplen));
    ASSERT_FALSE(AppendPackets(&segment, 10));
    ASSERT_FALSE(AppendPackets(&segment, 20));
  }
  std::fstream file(path_ / ".s.pcap.zst.part", std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(-2, std::ios::end);  // inside the checksum
  file.put('?');
  file.close();
  Segment again(folder_.get(), "s", nullptr);
  std::uint64_t torn = 0;
  ASSERT_FALSE(again.Reopen(&torn));
  EXPECT_EQ(again.frames().size(), 1U);
  EXPECT_GT(torn, 0U);
}

TEST_F(SegmentTest, KeepsTheFramesBehindADamagedOne) {
  const std::vector<std::uint64_t> ends = LeavePart(5);
  const std::string whole = Part();
  std::uint64_t torn = 0;
  EXPECT_EQ(Kept(ends, &torn), (std::vector{0, 1, 2, 3, 4}));
  EXPECT_EQ(torn, 0U);
  for (int damaged = 0; damaged < 5; ++damaged) {
    std::vector<int> others = {0, 1, 2, 3, 4};
    std::erase(others, damaged);
    const std::uint64_t begin = ends[static_cast<std::size_t>(damaged)];
    const std::uint64_t length = ends[static_cast<std::size_t>(damaged) + 1] - begin;
    // In its magic number, in what it says of itself, in the size of its first block, inside that, and in its checksum.
    for (const std::uint64_t at : {0UL, 3UL, 4UL, 6UL, 8UL, 9UL, 10UL, 11UL, 20'000UL, length - 1}) {
      std::string changed = whole;
      changed[begin + at] = static_cast<char>(changed[begin + at] ^ 0x55);
      SetPart(changed);
      EXPECT_EQ(Kept(ends, &torn), others) << damaged << " at " << at;
      EXPECT_EQ(torn, length) << damaged << " at " << at;
    }
  }
}

TEST_F(SegmentTest, KeepsTheFramesAroundZeroedPages) {
  const std::vector<std::uint64_t> ends = LeavePart(5);
  const std::string whole = Part();
  for (std::uint64_t page = 1; (page + 1) * kPage <= whole.size(); ++page) {
    std::vector<int> others;
    for (std::size_t i = 0; i < 5; ++i) {
      if (ends[i + 1] <= page * kPage || ends[i] >= (page + 1) * kPage) others.push_back(static_cast<int>(i));
    }
    SetPart(std::string(whole).replace(page * kPage, kPage, kPage, '\0'));
    std::uint64_t torn = 0;
    EXPECT_EQ(Kept(ends, &torn), others) << page;
  }
}

TEST_F(SegmentTest, KeepsWhatLiesBetweenTwoDamagedFramesAndBeforeACutOne) {
  const std::vector<std::uint64_t> ends = LeavePart(6);
  std::string part = Part();
  for (const std::size_t damaged : {1U, 3U}) part.replace(ends[damaged] + 9000, kPage, kPage, '\0');
  part.resize(ends[6] - 1);
  SetPart(part);
  std::uint64_t torn = 0;
  EXPECT_EQ(Kept(ends, &torn), (std::vector{0, 2, 4}));
  EXPECT_EQ(torn, ends[2] - ends[1] + ends[4] - ends[3] + ends[6] - 1 - ends[5]);
  std::uint64_t no_more = 1;
  EXPECT_EQ(Kept({ends[0], ends[1], ends[1] + ends[3] - ends[2]}, &no_more), (std::vector{0, 1, 2}));
  EXPECT_EQ(no_more, 0U);
}

TEST_F(SegmentTest, KeepsNothingWhereItsHeaderIsDamaged) {
  const std::vector<std::uint64_t> ends = LeavePart(2);
  std::string part = Part();
  part[ends[0] / 2] = static_cast<char>(part[ends[0] / 2] ^ 1);
  SetPart(part);
  std::uint64_t torn = 0;
  EXPECT_TRUE(Kept(ends, &torn).empty());
  EXPECT_EQ(torn, part.size());
}

TEST_F(SegmentTest, TakesNoFrameWithoutAChecksum) {
  LeavePart(1);
  const std::uint64_t size = HiddenSize();
  const std::vector<std::byte> records = Records(10, 50);
  std::vector<char> frame(ZSTD_compressBound(records.size()));
  frame.resize(ZSTD_compress(frame.data(), frame.size(), records.data(), records.size(), 1));
  SetPart(Part() + std::string(frame.data(), frame.size()));
  Segment again(folder_.get(), "s", nullptr);
  std::uint64_t torn = 0;
  ASSERT_FALSE(again.Reopen(&torn));
  EXPECT_EQ(again.frames().size(), 1U);
  EXPECT_EQ(torn, frame.size());
  EXPECT_EQ(HiddenSize(), size);
}

TEST_F(SegmentTest, TakesNoFrameThatAPacketCarried) {
  const std::vector<std::byte> records = Records(10, 50);
  Compressor forger(1);
  const std::span<const std::byte> carried = forger.Frame(records, false, 0);
  const std::vector<std::uint64_t> ends = LeavePart(3, carried);
  std::string part = Part();
  const std::size_t at = part.find(std::string(reinterpret_cast<const char*>(carried.data()), carried.size()), ends[1]);
  ASSERT_NE(at, std::string::npos);  // noise is stored as it is
  part[ends[1] + 40] = static_cast<char>(part[ends[1] + 40] ^ 1);
  SetPart(part);
  std::uint64_t torn = 0;
  EXPECT_EQ(Kept(ends, &torn), (std::vector{0, 2}));
}

TEST_F(SegmentTest, GivesUpBehindManyBeginningsOfFramesAndKeepsThoseBefore) {
  const std::vector<std::uint64_t> ends = LeavePart(2);
  const std::string beginning = "\x28\xb5\x2f\xfd\x24\xff";
  std::string flood;
  for (int i = 0; i < 2000; ++i) flood += beginning;
  SetPart(Part().insert(ends[1], flood));
  std::uint64_t torn = 0;
  EXPECT_EQ(Kept(ends, &torn), (std::vector{0}));
  EXPECT_EQ(torn, flood.size() + ends[2] - ends[1]);
}

TEST_F(SegmentTest, KeepsItsFramesWhereThereIsNoRoomToMoveThemUp) {
  const std::vector<std::uint64_t> ends = LeavePart(3);
  std::string part = Part();
  part[ends[1] + 40] = static_cast<char>(part[ends[1] + 40] ^ 1);
  SetPart(part);
  std::uint64_t torn = 0;
  fs::create_directories(path_ / "..s.pcap.zst.part.part" / "in the way");
  {
    Segment again(folder_.get(), "s", nullptr);
    EXPECT_TRUE(again.Reopen(&torn));
    EXPECT_EQ(Part(), part);
  }
  fs::remove_all(path_ / "..s.pcap.zst.part.part");
  EXPECT_EQ(Kept(ends, &torn), (std::vector{0, 2}));
}

TEST_F(SegmentTest, LosesNothingByBeingLeftWithoutPackets) {
  fs::create_directories(path_ / "s.json" / "in the way");
  {
    Segment segment(folder_.get(), "s", &compressor_);
    ASSERT_FALSE(segment.Open({1, false}, kSnaplen));
    Manifest manifest;
    ASSERT_TRUE(segment.Seal(&manifest));
  }
  Segment again(folder_.get(), "s", nullptr);
  std::uint64_t torn = 1;
  ASSERT_FALSE(again.Reopen(&torn));
  EXPECT_TRUE(again.frames().empty());
  EXPECT_EQ(torn, 0U);
}

TEST_F(SegmentTest, HasTheSameDigestWhetherAFrameWasCutOffOrNeverWritten) {
  Manifest manifests[2];
  for (const bool is_cut : {false, true}) {
    Segment segment(folder_.get(), is_cut ? "cut" : "never", &compressor_);
    ASSERT_FALSE(segment.Open({1, false}, kSnaplen));
    ASSERT_FALSE(AppendPackets(&segment, 10));
    if (is_cut) {
      ASSERT_FALSE(AppendPackets(&segment, 20));
      EXPECT_EQ(segment.CutLastFrame().value().packets, 20U);
    }
    ASSERT_FALSE(segment.Seal(&manifests[is_cut]));
  }
  EXPECT_EQ(manifests[0].sha256, manifests[1].sha256);
  EXPECT_EQ(manifests[0].sha256.size(), 64U);
}

// Also where its last frame was cut off, as on a full disk.
TEST_F(SegmentTest, WithoutPacketsIsUnlikeEveryOther) {
  std::set<std::string> digests;
  for (int i = 0; i < 4; ++i) {
    Segment segment(folder_.get(), "s" + std::to_string(i), &compressor_);
    ASSERT_FALSE(segment.Open({1, false}, kSnaplen));
    if (i >= 2) {
      ASSERT_FALSE(AppendPackets(&segment, 10));
      ASSERT_TRUE(segment.CutLastFrame());
    }
    Manifest manifest;
    ASSERT_FALSE(segment.Seal(&manifest));
    digests.insert(manifest.sha256);
  }
  EXPECT_EQ(digests.size(), 4U);
}

TEST_F(SegmentTest, WithoutPacketsHoldsItsNameOnceHoweverOftenItIsSealed) {
  Segment segment(folder_.get(), "s", &compressor_);
  ASSERT_FALSE(segment.Open({1, false}, kSnaplen));
  Manifest manifest;
  fs::create_directories(path_ / "s.json" / "in the way");
  ASSERT_TRUE(segment.Seal(&manifest));
  fs::remove_all(path_ / "s.json");
  const std::uint64_t bytes = segment.file_bytes();
  ASSERT_FALSE(segment.Seal(&manifest));
  EXPECT_EQ(manifest.file_bytes, bytes);
}

TEST_F(SegmentTest, LeavesNothingVisibleWhereTheNameIsTaken) {
  fs::create_directories(path_ / "s.json" / "in the way");
  Segment segment(folder_.get(), "s", &compressor_);
  ASSERT_FALSE(segment.Open({1, false}, kSnaplen));
  ASSERT_FALSE(AppendPackets(&segment, 10));
  Manifest manifest;
  EXPECT_TRUE(segment.Seal(&manifest));
  EXPECT_FALSE(fs::exists(path_ / "s.pcap.zst"));
  EXPECT_TRUE(fs::exists(path_ / ".s.pcap.zst.part"));
}

TEST_F(SegmentTest, CheckpointsOutliveTheirWriter) {
  {
    Checkpoint checkpoint;
    ASSERT_FALSE(checkpoint.MakeFile(folder_.get(), ".c", {"live:eth0", "tcp", "anonymised"}));
    for (int i = 0; i < 7; ++i) checkpoint.CountRead();
    checkpoint.CountFiltered();
    checkpoint.CountDrops(3, 4);
    SealedSoFar sealed;
    sealed.segments = 2;
    sealed.counters.read = 5;
    sealed.previous_sha256 = std::string(64, 'e');
    checkpoint.SetSealed(sealed);
    checkpoint.SetSpoolDrops(1);
    sealed.carried.drop_spool = 6;
    sealed.dropping = {{"0123456789abcdef", 9}, {}};
    sealed.dropping->counters.drop_disk = 4;
    checkpoint.SetCarried(sealed);
  }
  std::error_code error;
  const auto words = Checkpoint::Read(folder_.get(), ".c", &error);
  ASSERT_TRUE(words);
  EXPECT_EQ(words->seen.read, 8U);
  EXPECT_EQ(words->seen.filtered, 1U);
  EXPECT_EQ(words->seen.received, 11U);
  EXPECT_EQ(words->seen.interface_dropped, 4U);
  EXPECT_EQ(words->sealed.segments, 2U);
  EXPECT_EQ(words->sealed.counters.read, 5U);
  EXPECT_EQ(words->sealed.previous_sha256, std::string(64, 'e'));
  EXPECT_EQ(words->drop_spool, 1U);
  EXPECT_EQ(words->origin.source, "live:eth0");
  EXPECT_EQ(words->origin.filter, "tcp");
  EXPECT_EQ(words->origin.privacy, "anonymised");
  EXPECT_EQ(words->sealed.carried.drop_spool, 6U);
  ASSERT_TRUE(words->sealed.dropping);
  EXPECT_EQ(words->sealed.dropping->stem, (Stem{"0123456789abcdef", 9}));
  EXPECT_EQ(words->sealed.dropping->counters.drop_disk, 4U);
}

TEST_F(SegmentTest, WhatIsSettledForADeadSensorIsAmendedInItsCheckpoint) {
  {
    Checkpoint checkpoint;
    ASSERT_FALSE(checkpoint.MakeFile(folder_.get(), ".c", {"live:eth0", "tcp", "anonymised"}));
    for (int i = 0; i < 7; ++i) checkpoint.CountFiltered();
    SealedSoFar sealed;
    sealed.dropping = {{"0123456789abcdef", 9}, Counters{}};
    checkpoint.SetCarried(sealed);
    checkpoint.SetSpoolDrops(5);
  }
  std::error_code error;
  LastWords words = Checkpoint::Read(folder_.get(), ".c", &error).value();
  words.sealed.dropping.reset();
  words.sealed.segments = 3;
  words.sealed.counters.read = 4;
  words.sealed.previous_sha256 = std::string(64, 'f');
  words.drop_spool = 0;
  words.seen.filtered = 2;
  ASSERT_FALSE(Checkpoint::Amend(folder_.get(), ".c", words));
  const auto later = Checkpoint::Read(folder_.get(), ".c", &error);
  ASSERT_TRUE(later);
  EXPECT_FALSE(later->sealed.dropping);
  EXPECT_EQ(later->sealed.segments, 3U);
  EXPECT_EQ(later->sealed.counters.read, 4U);
  EXPECT_EQ(later->sealed.previous_sha256, std::string(64, 'f'));
  EXPECT_EQ(later->drop_spool, 0U);
  EXPECT_EQ(later->seen.read, 7U);
  EXPECT_EQ(later->seen.filtered, 2U);
  EXPECT_EQ(later->origin.source, "live:eth0");
  EXPECT_TRUE(Checkpoint::Amend(folder_.get(), ".not there", words));
}

TEST_F(SegmentTest, CheckpointsThatAreNotWholeAreNotBelieved) {
  std::error_code error;
  std::ofstream(path_ / ".c") << "short";
  EXPECT_FALSE(Checkpoint::Read(folder_.get(), ".c", &error));
  EXPECT_FALSE(error);
  std::ofstream(path_ / ".c") << std::string(8192, 'x');
  EXPECT_FALSE(Checkpoint::Read(folder_.get(), ".c", &error));
  EXPECT_FALSE(error);
  EXPECT_FALSE(Checkpoint::Read(folder_.get(), ".not there", &error));
  EXPECT_FALSE(error);
  std::filesystem::create_directory(path_ / ".folder");
  EXPECT_FALSE(Checkpoint::Read(folder_.get(), ".folder", &error));
  EXPECT_TRUE(error);
}

}  // namespace
}  // namespace weir::sensor
