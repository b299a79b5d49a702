#include "table/flow_table.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "options.h"

namespace weir {
namespace {

constexpr std::int64_t kStartUs = 1'772'442'000'000'000;
constexpr FlowSettings kSettings{120'000'000, 1'800'000'000, std::size_t{16} << 20};
constexpr Seed kSeed{0x1234567, 0x89abcdf};

Packet PacketAt(std::int64_t time_us, std::uint64_t host, std::uint8_t protocol = kProtocolUdp, std::uint8_t flags = 0, bool is_from_b = false) {
  Packet packet{};
  packet.key = {{0, host}, {0, 0xffffffff}, 1000, 53, protocol, 4, 0};
  packet.hash = Hash(packet.key, kSeed);
  packet.time_us = time_us;
  packet.ip_bytes = 60;
  packet.payload = 32;
  packet.header = 8;
  packet.tcp_flags = flags;
  packet.is_from_b = is_from_b;
  return packet;
}

// A table that is fed packet by packet, and its rows.
class Table {
 public:
  explicit Table(const FlowSettings& settings = kSettings, const Seed& seed = kSeed) : table_(settings, seed, &columns_, &odd_) {}

  void Add(const Packet& packet) {
    table_.Add({&packet, 1});
    ++added_;
  }

  void Finish() { table_.Finish(); }

  template <typename Value>
  std::vector<Value> Column(const std::string& name) const {
    const auto definitions = FlowColumnDefinitions();
    for (std::size_t i = 0; i < definitions.size(); ++i) {
      if (definitions[i].name == name) {
        std::vector<Value> values(static_cast<std::size_t>(batch_->rows));
        std::memcpy(values.data(), batch_->columns[i].values.data(), values.size() * sizeof(Value));
        return values;
      }
    }
    throw std::out_of_range(name);
  }

  std::string EndReasons() const { return Texts("end_reason"); }

  // The texts of a column, one behind the other.
  std::string Texts(const std::string& name) const {
    for (std::size_t i = 0; i < FlowColumnDefinitions().size(); ++i) {
      if (FlowColumnDefinitions()[i].name == name) {
        const ColumnBuffer& text = batch_->columns[i].values;
        return {static_cast<const char*>(text.data()), text.size()};
      }
    }
    throw std::out_of_range(name);
  }

  std::int64_t PacketsInRows() const {
    std::int64_t packets = 0;
    for (const char* name : {"packets_fwd", "packets_bwd"}) {
      for (const std::int64_t value : Column<std::int64_t>(name)) {
        packets += value;
      }
    }
    return packets;
  }

  std::int64_t rows() const { return batch_->rows; }
  std::int64_t added() const { return added_; }
  const Counts& odd() const { return odd_; }
  std::size_t most_flows() const { return table_.most_flows(); }

 private:
  std::shared_ptr<const FlowBatch> batch_;
  FlowColumns columns_{[this](std::shared_ptr<const FlowBatch> batch) { batch_ = std::move(batch); }, kAllRows};
  Counts odd_;
  FlowTable table_;
  std::int64_t added_ = 0;
};

TEST(FlowTable, SilenceOfExactlyTheIdleTimeoutKeepsAFlow) {
  Table table;
  table.Add(PacketAt(kStartUs, 1));
  table.Add(PacketAt(kStartUs + kSettings.idle_timeout_us, 1));
  table.Add(PacketAt(kStartUs + 2 * kSettings.idle_timeout_us + 1, 1));
  table.Finish();
  EXPECT_EQ(table.rows(), 2);
  EXPECT_EQ(table.EndReasons(), "idleforced");
}

TEST(FlowTable, AFlowIsCutWhenItLastsLongerThanTheActiveTimeout) {
  Table table;
  for (std::int64_t second = 0; second <= 3'720; second += 60) {
    table.Add(PacketAt(kStartUs + second * 1'000'000, 1));
  }
  table.Finish();
  EXPECT_EQ(table.EndReasons(), "activeactiveforced");
  EXPECT_EQ(table.Column<std::int64_t>("duration_us"), (std::vector<std::int64_t>{1'800'000'000, 1'800'000'000, 0}));
}

// Adds packets of one host every minute from a second to another, and what the other side sends instead.
void AddMinutes(Table* table, std::int64_t from_s, std::int64_t to_s, bool is_from_b) {
  for (std::int64_t second = from_s; second <= to_s; second += 60) {
    Packet packet = PacketAt(kStartUs + second * 1'000'000, 1, kProtocolUdp, 0, is_from_b);
    packet.payload = is_from_b ? 100 : 32;
    table->Add(packet);
  }
}

TEST(FlowTable, WhoSpokeFirstStaysForwardInAllRowsOfAFlow) {
  Table table;
  AddMinutes(&table, 0, 1'800, false);
  AddMinutes(&table, 1'860, 1'980, true);
  AddMinutes(&table, 2'010, 2'070, false);
  AddMinutes(&table, 2'130, 3'690, true);
  AddMinutes(&table, 3'780, 3'780, true);
  table.Finish();
  EXPECT_EQ(table.EndReasons(), "activeactiveforced");
  EXPECT_EQ(table.Column<std::int32_t>("src_port"), (std::vector<std::int32_t>{1'000, 1'000, 1'000}));
  EXPECT_EQ(table.Column<std::int64_t>("packets_fwd"), (std::vector<std::int64_t>{31, 2, 0}));
  EXPECT_EQ(table.Column<std::int64_t>("packets_bwd"), (std::vector<std::int64_t>{0, 29, 2}));
  EXPECT_EQ(table.Column<std::int64_t>("payload_fwd_min"), (std::vector<std::int64_t>{32, 32, 0}));
  EXPECT_EQ(table.Column<std::int64_t>("payload_bwd_min"), (std::vector<std::int64_t>{0, 100, 100}));
  EXPECT_EQ(table.Column<std::int64_t>("segment_size_fwd_min"), (std::vector<std::int64_t>{8, 8, 0}));
  EXPECT_EQ(table.Column<std::int64_t>("iat_fwd_total_us"), (std::vector<std::int64_t>{1'800'000'000, 60'000'000, 0}));
  EXPECT_EQ(table.Column<std::int64_t>("iat_bwd_total_us"), (std::vector<std::int64_t>{0, 1'770'000'000, 90'000'000}));
  EXPECT_EQ(table.Texts("conn_state"), "S0SFSHR");
  EXPECT_EQ(table.Texts("history"), "DdDd");
}

TEST(FlowTable, ARowOfOnePacketOfTheOtherSideHasNoGaps) {
  Table table;
  AddMinutes(&table, 0, 1'800, false);
  AddMinutes(&table, 1'860, 1'860, true);
  table.Finish();
  EXPECT_EQ(table.Column<std::int64_t>("iat_min_us"), (std::vector<std::int64_t>{60'000'000, 0}));
  EXPECT_EQ(table.Column<double>("iat_mean_us"), (std::vector<double>{60'000'000, 0}));
  EXPECT_EQ(table.Column<double>("down_up_ratio"), (std::vector<double>{0, 0}));
}

TEST(FlowTable, ARowThatGoesOnKnowsWhichBytesComeNext) {
  for (const bool is_from_b : {false, true}) {
    Table table({3'600'000'000, 1'800'000'000, std::size_t{16} << 20});
    const auto add = [&](std::int64_t second, std::uint32_t sequence) {
      Packet packet = PacketAt(kStartUs + second * 1'000'000, 1, kProtocolTcp, kTcpAck, second > 0 && is_from_b);
      packet.sequence = sequence;
      packet.payload = 100;
      packet.window = 1;
      table.Add(packet);
    };
    add(0, 1'000);
    add(900, 1'000);
    add(1'860, 1'000);  // again
    add(1'861, 1'200);  // 100 are missing
    add(3'700, 1'500);  // 200 more, right behind the next cut
    table.Finish();
    const std::string side = is_from_b ? "bwd" : "fwd";
    EXPECT_EQ(table.EndReasons(), "activeactiveforced");
    EXPECT_EQ(table.Column<std::int64_t>("retransmitted_" + side), (std::vector<std::int64_t>{is_from_b ? 0 : 1, 1, 0}));
    EXPECT_EQ(table.Column<std::int64_t>("gap_bytes_" + side), (std::vector<std::int64_t>{0, 100, 200}));
  }
}

TEST(FlowTable, AFlowOfOnePacketThatGoesOnKnowsWhichBytesComeNext) {
  Table table({3'600'000'000, 1'000'000, std::size_t{16} << 20});
  for (const std::int64_t second : {0, 10}) {
    Packet packet = PacketAt(kStartUs + second * 1'000'000, 1, kProtocolTcp, kTcpAck);
    packet.sequence = 1'000;
    table.Add(packet);
  }
  table.Finish();
  EXPECT_EQ(table.EndReasons(), "activeforced");
  EXPECT_EQ(table.Column<std::int64_t>("retransmitted_fwd"), (std::vector<std::int64_t>{0, 1}));
}

TEST(FlowTable, AConnectionThatGoesOnIsClosedByTheSidesThatCloseIt) {
  Table table;
  const auto add = [&table](std::int64_t second, std::uint8_t flags, bool is_from_b) {
    Packet packet = PacketAt(kStartUs + second * 1'000'000, 1, kProtocolTcp, flags, is_from_b);
    packet.payload = 0;
    packet.window = 1;
    table.Add(packet);
  };
  for (std::int64_t second = 0; second <= 1'800; second += 60) {
    add(second, second == 0 ? kTcpSyn : kTcpAck, false);
  }
  add(1'860, kTcpFin | kTcpAck, true);
  add(1'861, kTcpFin | kTcpAck, false);
  table.Finish();
  EXPECT_EQ(table.EndReasons(), "activefinished");
  EXPECT_EQ(table.Texts("history"), "SAfF");
  EXPECT_EQ(table.Column<std::int64_t>("packets_fwd"), (std::vector<std::int64_t>{31, 1}));
  EXPECT_EQ(table.Column<std::int64_t>("packets_bwd"), (std::vector<std::int64_t>{0, 1}));
}

TEST(FlowTable, ASynAfterTheEndOfAConnectionBeginsANewRecord) {
  Table table;
  for (const auto& [flags, is_from_b] : std::vector<std::pair<std::uint8_t, bool>>{
           {kTcpSyn, false}, {kTcpFin | kTcpAck, false}, {kTcpSyn, false}, {kTcpFin | kTcpAck, true}, {kTcpAck, false}, {kTcpSyn, true}}) {
    table.Add(PacketAt(kStartUs, 1, kProtocolTcp, flags, is_from_b));
  }
  table.Finish();
  EXPECT_EQ(table.Column<std::int64_t>("packets_fwd"), (std::vector<std::int64_t>{4, 1}));
  EXPECT_EQ(table.Column<std::int64_t>("flags_syn"), (std::vector<std::int64_t>{2, 1}));
  EXPECT_EQ(table.EndReasons(), "finishedforced");
}

TEST(FlowTable, ConnectionsThatBeginInOneMicrosecondAreToldApart) {
  Table table;
  for (int connection = 0; connection < 300; ++connection) {
    table.Add(PacketAt(kStartUs, 1, kProtocolTcp, kTcpSyn));
    table.Add(PacketAt(kStartUs, 1, kProtocolTcp, kTcpRst | kTcpAck, true));
  }
  table.Finish();
  const auto ids = table.Column<std::int64_t>("flow_id");
  EXPECT_EQ(ids.size(), 300u);
  EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), ids.size());

  Table alone;
  alone.Add(PacketAt(kStartUs, 1, kProtocolTcp, kTcpSyn));
  alone.Finish();
  EXPECT_EQ(alone.Column<std::int64_t>("flow_id").front(), ids.front());
}

TEST(FlowTable, ARefusedConnectionHasFinished) {
  Table table;
  table.Add(PacketAt(kStartUs, 1, kProtocolTcp, kTcpSyn));
  table.Add(PacketAt(kStartUs, 1, kProtocolTcp, kTcpRst | kTcpAck, true));
  table.Finish();
  EXPECT_EQ(table.EndReasons(), "finished");
}

TEST(FlowTable, APacketOutOfOrderComesWithTheOneBefore) {
  Table table;
  table.Add(PacketAt(kStartUs + 100, 1));
  table.Add(PacketAt(kStartUs, 1));
  table.Finish();
  EXPECT_EQ(table.Column<std::int64_t>("duration_us"), std::vector<std::int64_t>{0});
  EXPECT_EQ(table.Column<std::int64_t>("start_us"), std::vector<std::int64_t>{kStartUs + 100});
  EXPECT_EQ(table.odd().oddities[static_cast<std::size_t>(Oddity::kOutOfOrder)], 1u);
}

TEST(FlowTable, OneAbsurdTimeDoesNotTearLaterFlowsApart) {
  Table table;
  table.Add(PacketAt(kStartUs, 1));
  table.Add(PacketAt(kLatestUs, 2));
  for (int i = 1; i <= 10; ++i) {
    table.Add(PacketAt(kStartUs + i, 3));
  }
  table.Finish();
  EXPECT_EQ(table.PacketsInRows(), table.added());
  EXPECT_EQ(table.rows(), 3);
  EXPECT_EQ(table.odd().oddities[static_cast<std::size_t>(Oddity::kTime)], 1u);
}

// 40 hosts that talk all the time, before and after `shown` happens to the clock.
std::int64_t RowsAround(const std::vector<std::int64_t>& shown_us) {
  Table table;
  std::int64_t at = kStartUs;
  for (const std::int64_t step_us : shown_us) {
    at += step_us;
    for (std::int64_t second = 0; second < 100; ++second) {
      for (std::uint64_t host = 0; host < 40; ++host) {
        table.Add(PacketAt(at + second * 1'000'000, host));
      }
    }
  }
  table.Finish();
  EXPECT_EQ(table.PacketsInRows(), table.added());
  return table.rows();
}

TEST(FlowTable, AClockSetBackTearsNoFlowApart) {
  constexpr std::int64_t kMinuteUs = 60'000'000;
  EXPECT_EQ(RowsAround({0}), 40);
  for (const std::int64_t minutes : {1, 3, 10, 59, 61, 600}) {
    EXPECT_EQ(RowsAround({0, -minutes * kMinuteUs}), 40) << minutes;
  }
}

TEST(FlowTable, OnePacketAheadOfItsTimeEndsEachFlowOnce) {
  Table table;
  for (std::int64_t second = 0; second < 100; ++second) {
    for (std::uint64_t host = 0; host < 40; ++host) {
      table.Add(PacketAt(kStartUs + second * 1'000'000, host));
    }
    if (second == 50) {
      table.Add(PacketAt(kStartUs + 1'800'000'000, 1'000));
    }
  }
  table.Finish();
  EXPECT_EQ(table.rows(), 81);
  EXPECT_EQ(table.PacketsInRows(), table.added());
}

// The way forward leads past every flow again: whoever makes the clock jump must send as many packets.
TEST(FlowTable, TheClockIsSetBackOnlyAfterAShareOfItsFlowsAsManyPackets) {
  constexpr std::uint64_t kFlows = 1'600;
  Table table;
  for (std::uint64_t host = 0; host < kFlows; ++host) {
    table.Add(PacketAt(kStartUs, host));
  }
  for (int i = 0; i < 1'000; ++i) {
    table.Add(PacketAt(0, 5'000));
  }
  table.Finish();
  EXPECT_EQ(table.odd().oddities[static_cast<std::size_t>(Oddity::kTime)], (kFlows + 1 + 15) / 16);
  EXPECT_EQ(table.PacketsInRows(), table.added());
}

TEST(FlowTable, AddressesThatSomebodyChoseGiveNoTwoFlowsOneId) {
  Table table;
  for (std::uint64_t host = 0; host < 1'000; ++host) {
    for (const std::uint64_t chosen : {kIdentitySeed.first, kIdentitySeed.second, std::uint64_t{0}}) {
      for (const bool is_low : {false, true}) {
        Packet packet = PacketAt(kStartUs, 1);
        packet.key.ip_version = 6;
        packet.key.a = {is_low ? 5 : chosen, is_low ? chosen : 5};
        packet.key.b = {~std::uint64_t{0}, host};
        packet.hash = Hash(packet.key, kSeed);
        table.Add(packet);
      }
    }
  }
  table.Finish();
  const auto ids = table.Column<std::int64_t>("flow_id");
  EXPECT_EQ(ids.size(), 6'000u);
  EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), ids.size());
}

TEST(FlowTable, TheFirstSequenceNumberIsInTheId) {
  std::set<std::int64_t> ids;
  for (const std::uint32_t sequence : {0u, 1u, 0xffff'ffffu}) {
    Table table;
    Packet packet = PacketAt(kStartUs, 1, kProtocolTcp, kTcpSyn);
    packet.sequence = sequence;
    table.Add(packet);
    table.Finish();
    ids.insert(table.Column<std::int64_t>("flow_id").front());
  }
  EXPECT_EQ(ids.size(), 3u);
}

TEST(FlowTable, TimesFromZeroToTheLastAreTaken) {
  Table table;
  for (const std::int64_t time_us : {std::int64_t{0}, std::int64_t{1}, std::int64_t{4'294'967'295'999'999}, kLatestUs, std::int64_t{0}}) {
    table.Add(PacketAt(time_us, 1));
  }
  table.Finish();
  EXPECT_EQ(table.PacketsInRows(), table.added());
}

TEST(FlowTable, AtItsCapItExportsTheFlowThatWasSilentTheLongest) {
  Table table({120'000'000, 1'800'000'000, std::size_t{4} << 20});
  const auto most = static_cast<std::uint64_t>(table.most_flows());
  for (std::uint64_t host = 0; host < 3 * most; ++host) {
    table.Add(PacketAt(kStartUs + static_cast<std::int64_t>(host) * 1'000, host));
    table.Add(PacketAt(kStartUs + static_cast<std::int64_t>(host) * 1'000, 0));  // host 0 never falls silent
  }
  table.Finish();
  EXPECT_EQ(table.PacketsInRows(), table.added());
  EXPECT_EQ(table.rows(), static_cast<std::int64_t>(3 * most));
  const auto starts = table.Column<std::int64_t>("start_us");
  EXPECT_NE(starts.front(), kStartUs);
  std::size_t full = 0;
  const std::string reasons = table.EndReasons();
  for (std::size_t at = reasons.find("table_full"); at != std::string::npos; at = reasons.find("table_full", at + 1)) {
    ++full;
  }
  EXPECT_EQ(full, 2 * most);
}

TEST(FlowTable, TheSeedDoesNotShowInTheRows) {
  std::vector<std::vector<std::int64_t>> ids;
  for (const Seed& seed : {kSeed, Seed{99, 77}}) {
    Table table(kSettings, seed);
    std::mt19937 random(5);
    for (int i = 0; i < 20'000; ++i) {
      Packet packet = PacketAt(kStartUs + i * std::int64_t{10'000}, random() % 3'000);
      packet.hash = Hash(packet.key, seed);
      table.Add(packet);
    }
    table.Finish();
    ids.push_back(table.Column<std::int64_t>("flow_id"));
  }
  EXPECT_EQ(ids[0], ids[1]);
}

TEST(FlowTable, RefusesSettingsOutOfRange) {
  EXPECT_THROW(Table({0, 1, std::size_t{1} << 20}), std::invalid_argument);
  EXPECT_THROW(Table({1, kLongestTimeoutUs + 1, std::size_t{1} << 20}), std::invalid_argument);
  EXPECT_THROW(Table({1, 1, 1'000}), std::invalid_argument);
}

TEST(FlowIndex, FindsWhatAMapFindsThroughGrowthAndErasure) {
  LargeArray<FlowHead> heads(200'001);
  FlowIndex index(&heads);
  std::map<std::uint64_t, std::uint32_t> known;
  std::mt19937_64 random(3);
  std::uint32_t slots = 0;
  for (int i = 0; i < 300'000; ++i) {
    const std::uint64_t host = random() % 200'000;
    const Packet packet = PacketAt(0, host);
    const std::uint32_t found = index.Find(packet.hash, packet.key);
    const auto wanted = known.find(host);
    ASSERT_EQ(found, wanted == known.end() ? 0 : wanted->second);
    if (found == 0) {
      ++slots;
      ASSERT_LT(slots, heads.size());
      heads[slots].key = packet.key;
      index.Insert(packet.hash, slots);
      known[host] = slots;
    } else if (random() % 4 == 0) {
      index.Erase(packet.hash, found);
      known.erase(host);
    }
    if (slots + 1 == heads.size()) {
      break;
    }
  }
}

TEST(FlowIndex, KeysOfOneHashAreToldApart) {
  LargeArray<FlowHead> heads(101);
  FlowIndex index(&heads);
  constexpr std::uint64_t kSame = 0x1234'5678'9abc'def0;
  for (std::uint32_t slot = 1; slot <= 100; ++slot) {
    heads[slot].key = PacketAt(0, slot).key;
    index.Insert(kSame, slot);
  }
  for (std::uint32_t slot = 100; slot >= 1; --slot) {
    EXPECT_EQ(index.Find(kSame, heads[slot].key), slot);
    index.Erase(kSame, slot);
    EXPECT_EQ(index.Find(kSame, heads[slot].key), 0u);
  }
}

TEST(TimerWheel, GivesEachEntryOnceInTheSecondItWasEnteredFor) {
  TimerWheel wheel;
  wheel.SetClock(1'000);
  wheel.Enter(1, 1'003);
  wheel.Enter(2, 1'001);
  wheel.Enter(3, 999);
  wheel.Enter(4, 1'000 + 10 * TimerWheel::kSeconds);
  std::vector<std::pair<std::int64_t, std::uint32_t>> seen;
  while (wheel.next_second() < 1'000 + TimerWheel::kSeconds) {
    const std::int64_t second = wheel.next_second();
    wheel.Advance([&](const std::vector<std::uint32_t>& due, std::size_t i) { seen.emplace_back(second, due[i]); });
  }
  EXPECT_EQ(seen, (std::vector<std::pair<std::int64_t, std::uint32_t>>{{1'000, 3}, {1'001, 2}, {1'003, 1}, {999 + TimerWheel::kSeconds, 4}}));
}

TEST(TimerWheel, TakesTheFirstEnteredFirst) {
  TimerWheel wheel;
  wheel.SetClock(50);
  for (std::uint32_t slot = 0; slot < 5'000; ++slot) {
    wheel.Enter(slot, 60 + slot / 1'000);
  }
  for (std::uint32_t slot = 0; slot < 5'000; ++slot) {
    std::int64_t second = 0;
    EXPECT_EQ(wheel.TakeFirst(&second), slot);
    EXPECT_EQ(second, 60 + slot / 1'000);
  }
}

}  // namespace
}  // namespace weir
