#include "columns/flow_text.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "columns/address_text.h"
#include "columns/community_id.h"

namespace weir {
namespace {

// A short text that is copied whole, sixteen bytes at once, whatever its length.
struct Word {
  std::array<char, 16> letters;
  std::size_t size;
};

constexpr Word MakeWord(std::string_view text) {
  Word word{{}, text.size()};
  std::ranges::copy(text, word.letters.begin());
  return word;
}

char* WriteWord(const Word& word, char* to) {
  std::memcpy(to, word.letters.data(), word.letters.size());
  return to + word.size;
}

// The indices are those of EndReason.
constexpr std::array<Word, 5> kEndReasons{MakeWord("idle"), MakeWord("active"), MakeWord("finished"), MakeWord("forced"), MakeWord("table_full")};

// The indices are those of ConnState.
constexpr std::array<Word, 13> kConnStates{
    MakeWord("OTH"), MakeWord("S0"), MakeWord("S1"), MakeWord("SF"), MakeWord("REJ"), MakeWord("S2"), MakeWord("S3"),
    MakeWord("RSTO"), MakeWord("RSTR"), MakeWord("RSTOS0"), MakeWord("RSTRH"), MakeWord("SH"), MakeWord("SHR")};

template <typename Value>
const Value* CellsAt(const FlowTile& tile, std::size_t offset) {
  return reinterpret_cast<const Value*>(reinterpret_cast<const char*>(&tile) + offset);
}

template <typename Write>
char* WriteEach(std::size_t rows, std::int32_t base, char* to, std::int32_t* ends, const Write& write) {
  const char* start = to;
  for (std::size_t row = 0; row < rows; ++row) {
    to = write(row, to);
    ends[row] = base + static_cast<std::int32_t>(to - start);
  }
  return to;
}

char* WriteCommunityIds(const FlowTile& tile, std::size_t rows, char* to) {
  std::array<Conversation, kTileRows> conversations;
  for (std::size_t row = 0; row < rows; ++row) {
    const bool is_icmp = tile.icmp_type[row] >= 0;
    conversations[row] = {
        .source = tile.src_ip[row],
        .destination = tile.dst_ip[row],
        .source_port = static_cast<std::uint16_t>(is_icmp ? tile.icmp_type[row] : tile.src_port[row]),
        .destination_port = static_cast<std::uint16_t>(is_icmp ? tile.icmp_code[row] : tile.dst_port[row]),
        .protocol = static_cast<std::uint8_t>(tile.protocol[row]),
        .ip_version = static_cast<std::uint8_t>(tile.ip_version[row]),
    };
  }
  weir::WriteCommunityIds({conversations.data(), rows}, to);
  return to + rows * kCommunityIdBytes;
}

}  // namespace

std::size_t LongestText(ColumnType type) {
  switch (type) {
    case ColumnType::kAddress:
      return kLongestAddress;
    case ColumnType::kCommunityId:
      return kCommunityIdBytes;
    case ColumnType::kHistory:
      return kLongestHistory;
    default:
      break;
  }
  return sizeof(Word::letters);
}

char* WriteTexts(const ColumnDefinition& definition, const FlowTile& tile, std::size_t rows, std::int32_t base, char* to, std::int32_t* ends) {
  switch (definition.type) {
    case ColumnType::kAddress: {
      const auto* addresses = CellsAt<Address>(tile, definition.offset);
      return WriteEach(rows, base, to, ends, [&](std::size_t row, char* at) { return WriteAddress(addresses[row], tile.ip_version[row], at); });
    }
    case ColumnType::kCommunityId:
      for (std::size_t row = 0; row < rows; ++row) {
        ends[row] = base + static_cast<std::int32_t>((row + 1) * kCommunityIdBytes);
      }
      return WriteCommunityIds(tile, rows, to);
    case ColumnType::kEndReason:
      return WriteEach(rows, base, to, ends,
                       [&](std::size_t row, char* at) { return WriteWord(kEndReasons[static_cast<std::size_t>(tile.end_reason[row])], at); });
    case ColumnType::kConnState:
      return WriteEach(rows, base, to, ends,
                       [&](std::size_t row, char* at) { return WriteWord(kConnStates[static_cast<std::size_t>(tile.conn_state[row])], at); });
    case ColumnType::kHistory:
      return WriteEach(rows, base, to, ends, [&](std::size_t row, char* at) { return WriteHistory(tile.history[row], at); });
    default:
      break;
  }
  return to;
}

}  // namespace weir
