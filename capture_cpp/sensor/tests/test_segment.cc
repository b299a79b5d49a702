#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "checkpoint.h"
#include "store/segment.h"
#include "store/segment_scan.h"
#include "store/spool.h"

namespace weir::sensor {
namespace {
namespace fs = std::filesystem;

constexpr std::uint32_t kSnaplen = 262144;

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

TEST_F(SegmentTest, WithoutPacketsIsUnlikeEveryOther) {
  std::string digests[2];
  for (const int i : {0, 1}) {
    Segment segment(folder_.get(), "s" + std::to_string(i), &compressor_);
    ASSERT_FALSE(segment.Open({1, false}, kSnaplen));
    ASSERT_FALSE(segment.MakeUnlike());
    Manifest manifest;
    ASSERT_FALSE(segment.Seal(&manifest));
    digests[i] = manifest.sha256;
  }
  EXPECT_NE(digests[0], digests[1]);
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
  }
  const auto words = Checkpoint::Read(folder_.get(), ".c");
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
}

TEST_F(SegmentTest, CheckpointsThatAreNotWholeAreNotBelieved) {
  std::ofstream(path_ / ".c") << "short";
  EXPECT_FALSE(Checkpoint::Read(folder_.get(), ".c"));
  std::ofstream(path_ / ".c") << std::string(8192, 'x');
  EXPECT_FALSE(Checkpoint::Read(folder_.get(), ".c"));
  EXPECT_FALSE(Checkpoint::Read(folder_.get(), ".not there"));
}

}  // namespace
}  // namespace weir::sensor
