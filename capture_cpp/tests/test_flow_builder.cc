#include "flow_builder.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "link_type.h"

namespace weir {
namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::int64_t kStartUs = 1'772'442'000 * kSecondUs;
constexpr std::size_t kPortAt = 14 + 20;  // behind the Ethernet and IP headers
constexpr FlowSettings kSettings{10 * kSecondUs, 1'800 * kSecondUs, std::size_t{4} << 20};

// A builder that is fed packet by packet, and the end reasons of the rows it gave.
class Live {
 public:
  void Add(std::int64_t time_us, std::uint16_t port) {
    frame_[kPortAt] = static_cast<std::uint8_t>(port >> 8);
    frame_[kPortAt + 1] = static_cast<std::uint8_t>(port);
    Record record{};
    record.bytes = frame_;
    record.wire_bytes = static_cast<std::uint32_t>(frame_.size());
    record.link_type = kLinkEthernet;
    record.time_us = time_us;
    builder.Add(record);
  }

  std::int64_t rows = 0;
  FlowBuilder builder{kSettings, {1, 2}, [this](const auto& batch) { rows += batch->rows; }};

 private:
  // Ethernet, IPv4 and UDP around five bytes.
  std::vector<std::uint8_t> frame_ = {0, 0, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, 8, 0, 0x45, 0, 0, 33, 0, 1, 0,  0, 64, 17,
                                      0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 0, 0, 53, 0,   13, 0, 0, 0, 0, 0, 0, 0};
};

TEST(FlowBuilder, HandsOverWhatIsFinishedAndGoesOn) {
  Live live;
  live.Add(kStartUs, 1000);
  live.builder.HandOver();
  EXPECT_EQ(live.rows, 0);
  live.Add(kStartUs + 20 * kSecondUs, 2000);
  live.builder.HandOver();
  EXPECT_EQ(live.rows, 1);
  live.builder.Finish();
  EXPECT_EQ(live.rows, 2);
  EXPECT_EQ(live.builder.counts().Of(Outcome::kAccepted), 2u);
}

TEST(FlowBuilder, EndsSilentFlowsWhereItIsToldThatTimeHasPassed) {
  Live live;
  live.Add(kStartUs, 1000);
  live.builder.AdvanceTo(kStartUs + 9 * kSecondUs);
  live.builder.HandOver();
  EXPECT_EQ(live.rows, 0);
  live.builder.AdvanceTo(kStartUs + 12 * kSecondUs);
  live.builder.HandOver();
  EXPECT_EQ(live.rows, 1);
}

TEST(FlowBuilder, DoesNotGoBackInTimeAndCountsNothingForTime) {
  Live live;
  live.builder.AdvanceTo(kStartUs + 3'600 * kSecondUs);
  live.Add(kStartUs, 1000);
  live.builder.AdvanceTo(kStartUs - kSecondUs);
  live.Add(kStartUs + kSecondUs, 1000);
  live.builder.Finish();
  EXPECT_EQ(live.rows, 1);
  for (const auto& [name, number] : live.builder.counts().Named()) {
    const bool is_of_all = name == "read" || name == "accepted" || name == "odd_network_checksum";  // none was written
    EXPECT_EQ(number, is_of_all ? 2 : 0) << name;
  }
}

}  // namespace
}  // namespace weir
