// Ten million flows through a table that holds a twentieth of them.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <memory>
#include <string_view>

#include "options.h"
#include "table/flow_table.h"

namespace weir {
namespace {

constexpr std::uint64_t kFlows = 10'000'000;
constexpr std::uint64_t kAnswered = 4;  // every fourth flow has a second packet
constexpr std::size_t kMemoryBytes = std::size_t{256} << 20;
constexpr FlowSettings kSettings{120'000'000, 1'800'000'000, kMemoryBytes};
constexpr Seed kSeed{0x1234567, 0x89abcdf};
constexpr std::int64_t kStartUs = 1'772'442'000'000'000;

std::size_t ResidentBytes() {
  std::size_t whole = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> whole >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

// The packet that begins flow `number`, or answers it. Multiplying by an odd number draws no address twice.
Packet PacketOf(std::uint64_t number, bool is_answer) {
  Packet packet{};
  packet.key = {{0, static_cast<std::uint32_t>(number * 2'654'435'769u)}, {0, 0x1'0000'0000}, 1024, 53, kProtocolUdp, 4, 0};
  packet.hash = Hash(packet.key, kSeed);
  packet.time_us = kStartUs + static_cast<std::int64_t>(number) * 10;  // all within the idle timeout
  packet.ip_bytes = 60;
  packet.payload = 32;
  packet.header = 8;
  packet.is_from_b = is_answer;
  return packet;
}

// What came out, and whether it is everything that went in.
class Tally {
 public:
  void Take(const FlowBatch& batch) {
    const auto definitions = FlowColumnDefinitions();
    rows_ += static_cast<std::uint64_t>(batch.rows);
    for (std::size_t i = 0; i < definitions.size(); ++i) {
      const std::string_view name = definitions[i].name;
      if (name == "packets_fwd" || name == "packets_bwd") {
        AddNumbers(batch.columns[i], batch.rows);
      } else if (name == "end_reason") {
        AddReasons(batch.columns[i], batch.rows);
      }
    }
  }

  std::uint64_t rows() const { return rows_; }
  std::uint64_t packets() const { return packets_; }
  std::uint64_t table_full() const { return table_full_; }
  std::uint64_t forced() const { return forced_; }

 private:
  void AddNumbers(const FlowBatch::Column& column, std::int64_t rows) {
    for (std::int64_t row = 0; row < rows; ++row) {
      std::int64_t value = 0;
      std::memcpy(&value, static_cast<const char*>(column.values.data()) + row * 8, sizeof value);
      packets_ += static_cast<std::uint64_t>(value);
    }
  }

  void AddReasons(const FlowBatch::Column& column, std::int64_t rows) {
    for (std::int64_t row = 0; row < rows; ++row) {
      std::array<std::int32_t, 2> ends;
      std::memcpy(ends.data(), static_cast<const char*>(column.offsets.data()) + row * 4, sizeof ends);
      const std::string_view reason(static_cast<const char*>(column.values.data()) + ends[0], static_cast<std::size_t>(ends[1] - ends[0]));
      table_full_ += static_cast<std::uint64_t>(reason == "table_full");
      forced_ += static_cast<std::uint64_t>(reason == "forced");
    }
  }

  std::uint64_t rows_ = 0;
  std::uint64_t packets_ = 0;
  std::uint64_t table_full_ = 0;
  std::uint64_t forced_ = 0;
};

TEST(FlowMemory, TenMillionFlowsStayBelowTheCapAndLoseNoPacket) {
  Tally tally;
  Counts odd;
  const std::size_t before = ResidentBytes();
  FlowColumns columns([&tally](const std::shared_ptr<const FlowBatch>& batch) { tally.Take(*batch); });
  FlowTable table(kSettings, kSeed, &columns, &odd);
  std::array<Packet, kBatch> waiting;
  std::size_t size = 0;
  std::uint64_t added = 0;
  const auto add = [&](const Packet& packet) {
    waiting[size++] = packet;
    ++added;
    if (size == waiting.size()) {
      table.Add(waiting);
      size = 0;
    }
  };
  for (std::uint64_t number = 0; number < kFlows; ++number) {
    add(PacketOf(number, false));
    if (number % kAnswered == 0) {
      add(PacketOf(number, true));
    }
  }
  table.Add({waiting.data(), size});
  const std::size_t taken = ResidentBytes() - before;
  table.Finish();
  EXPECT_EQ(added, kFlows + kFlows / kAnswered);
  EXPECT_EQ(tally.packets(), added);
  EXPECT_EQ(tally.rows(), kFlows);
  EXPECT_EQ(tally.table_full(), kFlows - table.most_flows());
  EXPECT_EQ(tally.forced(), table.most_flows());
  constexpr std::size_t kBatches = std::size_t{32} << 20;  // rows on their way, which the cap does not count
  EXPECT_LT(taken, kMemoryBytes + kBatches);
}

}  // namespace
}  // namespace weir
