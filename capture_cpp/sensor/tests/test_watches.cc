#include <gtest/gtest.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cstring>
#include <limits>

#include "capture/clock_watch.h"
#include "capture/gap_watch.h"
#include "capture/link_watch.h"
#include "capture/ring.h"

namespace weir::sensor {
namespace {

constexpr std::int64_t kSecond = kMicrosecondsPerSecond;

Moment At(std::int64_t seconds) { return {(1'700'000'000 + seconds) * kSecond, seconds * kSecond}; }

TEST(GapWatchTest, SaysWhenALinkWentAndAgainWhenItCame) {
  GapWatch watch("eth0", 0, At(0));
  watch.SetLink(Link::kDown, At(5));
  watch.SetLink(Link::kDown, At(6));
  watch.SetLink(Link::kUp, At(9));
  const std::vector<Gap> gaps = watch.Take();
  ASSERT_EQ(gaps.size(), 2U);
  EXPECT_TRUE(gaps[0].lasts());
  EXPECT_EQ(gaps[1].reason, "link_down");
  EXPECT_EQ(gaps[1].start.mono_us, 5 * kSecond);
  EXPECT_EQ(gaps[1].end.wall_us, At(9).wall_us);
  EXPECT_TRUE(watch.Take().empty());
}

TEST(GapWatchTest, TellsARemovedInterfaceFromOneThatIsDown) {
  GapWatch watch("eth0", 0, At(0));
  watch.SetLink(Link::kDown, At(1));
  watch.SetLink(Link::kRemoved, At(2));
  watch.SetLink(Link::kDown, At(3));
  watch.SetLink(Link::kUp, At(4));
  std::vector<std::string> ended;
  for (const Gap& gap : watch.Take()) {
    if (!gap.lasts()) ended.push_back(gap.reason);
  }
  EXPECT_EQ(ended, (std::vector<std::string>{"link_down", "removed", "link_down"}));
}

TEST(GapWatchTest, SilenceBeginsWithTheLastPacketAndIsToldOnce) {
  GapWatch watch("eth0", 10 * kSecond, At(0));
  watch.Look(7, At(3));
  watch.Look(7, At(12));
  EXPECT_TRUE(watch.Take().empty());
  EXPECT_FALSE(watch.TakeAlarm());
  watch.Look(7, At(13));
  watch.Look(7, At(14));
  EXPECT_TRUE(watch.TakeAlarm());
  EXPECT_FALSE(watch.TakeAlarm());
  watch.Look(8, At(20));
  const std::vector<Gap> gaps = watch.Take();
  ASSERT_EQ(gaps.size(), 2U);
  EXPECT_EQ(gaps[1].reason, "silent");
  EXPECT_EQ(gaps[1].start.mono_us, 3 * kSecond);
  EXPECT_EQ(gaps[1].end.mono_us, 20 * kSecond);
}

TEST(GapWatchTest, ALongTimeWithoutLinkIsToldAsWellButIsOneGap) {
  GapWatch watch("eth0", 10 * kSecond, At(0));
  watch.SetLink(Link::kDown, At(1));
  watch.Look(0, At(30));
  EXPECT_TRUE(watch.TakeAlarm());
  watch.SetLink(Link::kUp, At(31));
  watch.Look(5, At(32));
  EXPECT_EQ(watch.Take().size(), 2U);
}

TEST(GapWatchTest, SilenceOfZeroSecondsIsNeverTold) {
  GapWatch watch("eth0", 0, At(0));
  watch.Look(0, At(1'000'000));
  EXPECT_FALSE(watch.TakeAlarm());
}

TEST(ClockWatchTest, NoticesStepsBothWaysAndNoDrift) {
  ClockWatch watch;
  EXPECT_FALSE(watch.Look("eth0", {1000 * kSecond, 10 * kSecond}));
  EXPECT_FALSE(watch.Look("eth0", {1001 * kSecond + 400'000, 11 * kSecond}));
  EXPECT_EQ(watch.Look("eth0", {4602 * kSecond, 12 * kSecond}), 3'599'600'000);
  EXPECT_FALSE(watch.Look("eth0", {4603 * kSecond, 13 * kSecond}));
  EXPECT_EQ(watch.Look("eth0", {1004 * kSecond, 14 * kSecond}), -3600 * kSecond);
  EXPECT_EQ(watch.Look("eth0", {1004 * kSecond, 24 * kSecond}), -10 * kSecond);  // a stuck clock
}

TEST(KernelTotalsTest, StayRightWhenTheKernelsFieldsWrap) {
  KernelTotals totals;
  pcap_stat now = {};
  std::uint64_t received = 0;
  for (int i = 0; i < 5; ++i) {
    now.ps_recv += 3'000'000'000U;  // wraps at 4,294,967,296
    now.ps_drop += 4'000'000'000U;
    received += 3'000'000'000U;
    totals.Add(now);
    EXPECT_EQ(totals.received(), received);
  }
  EXPECT_EQ(totals.dropped(), 20'000'000'000U);
}

// A message as the kernel sends it: link 7, up, "eth0", with statistics.
std::vector<std::byte> LinkMessage(unsigned short type, unsigned flags, const rtnl_link_stats64& stats) {
  std::vector<std::byte> bytes(NLMSG_LENGTH(sizeof(ifinfomsg)));
  const auto add = [&](unsigned short kind, const void* data, std::size_t size) {
    rtattr head = {};
    head.rta_type = kind;
    head.rta_len = static_cast<unsigned short>(RTA_LENGTH(size));
    const std::size_t at = bytes.size();
    bytes.resize(at + RTA_SPACE(size));
    std::memcpy(bytes.data() + at, &head, sizeof head);
    std::memcpy(bytes.data() + at + RTA_LENGTH(0), data, size);
  };
  add(IFLA_IFNAME, "eth0", 5);
  add(IFLA_STATS64, &stats, sizeof stats);
  nlmsghdr head = {};
  head.nlmsg_len = static_cast<std::uint32_t>(bytes.size());
  head.nlmsg_type = type;
  std::memcpy(bytes.data(), &head, sizeof head);
  ifinfomsg link = {};
  link.ifi_index = 7;
  link.ifi_type = 1;
  link.ifi_flags = flags;
  std::memcpy(bytes.data() + NLMSG_HDRLEN, &link, sizeof link);
  return bytes;
}

TEST(LinkNewsTest, HasStateNameAndSixtyFourBitsOfDrops) {
  rtnl_link_stats64 stats = {};
  stats.rx_missed_errors = 5'000'000'000;
  stats.rx_fifo_errors = 2;
  stats.rx_dropped = 77;  // no handler wanted these, and the sensor has them
  const std::vector<LinkNews> news = ParseLinkNews(LinkMessage(RTM_NEWLINK, IFF_UP | IFF_RUNNING, stats));
  ASSERT_EQ(news.size(), 1U);
  EXPECT_TRUE(news[0].exists);
  EXPECT_TRUE(news[0].is_up);
  EXPECT_EQ(news[0].index, 7);
  EXPECT_EQ(news[0].name, "eth0");
  EXPECT_EQ(news[0].dropped, 5'000'000'002U);
  EXPECT_FALSE(ParseLinkNews(LinkMessage(RTM_NEWLINK, IFF_UP, stats))[0].is_up);  // no carrier
  EXPECT_FALSE(ParseLinkNews(LinkMessage(RTM_DELLINK, IFF_UP | IFF_RUNNING, stats))[0].exists);
}

TEST(LinkNewsTest, CutAnywhereIsReadWithinItsBounds) {
  const std::vector<std::byte> whole = LinkMessage(RTM_NEWLINK, IFF_UP, {});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_TRUE(ParseLinkNews(cut).empty());
    if (size < sizeof(nlmsghdr)) continue;
    const auto length = static_cast<std::uint32_t>(size);  // a message that says it is as short as that
    std::memcpy(cut.data(), &length, sizeof length);
    EXPECT_LE(ParseLinkNews(cut).size(), 1U);
  }
}

}  // namespace
}  // namespace weir::sensor
