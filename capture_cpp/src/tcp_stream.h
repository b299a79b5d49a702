// What a flow's TCP headers tell in sequence: who opened and closed it, in Zeek's words, and which
// segments came twice or late.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "packet.h"

namespace weir {

// Letters in the order in which they first came, four bits each, the first one lowest.
struct History {
  std::uint64_t letters;
  std::uint16_t seen;  // one bit for each letter
  std::uint8_t count;
};

struct alignas(64) TcpStream {
  History history;
  std::array<std::uint32_t, 2> next_sequence;
  std::array<std::uint32_t, 2> gap_bytes;  // jumped over and not seen since
  std::array<std::uint32_t, 2> retransmitted;
  std::array<std::uint32_t, 2> out_of_order;
  std::array<std::uint32_t, 2> zero_windows;
  std::array<std::uint8_t, 2> seen;  // bits of kSeen…
  std::array<std::uint8_t, 2> flags;  // of all packets together
};
static_assert(sizeof(TcpStream) == 64);

// Adds a TCP packet of side 0 (forward) or 1.
void AddToStream(std::uint8_t flags, std::uint32_t sequence, std::uint32_t payload, std::uint16_t window, std::size_t side, TcpStream* stream);

// The stream of a connection whose first packet, of side 0, is all there is.
TcpStream StreamOf(std::uint8_t flags, std::uint32_t sequence, std::uint32_t payload, std::uint16_t window);

// The state of a TCP connection, as Zeek's conn_state names it.
enum class ConnState : std::uint8_t { kOth, kS0, kS1, kSf, kRej, kS2, kS3, kRsto, kRstr, kRstos0, kRstrh, kSh, kShr };
ConnState ConnStateOf(const TcpStream& stream);

// Writes the history to `to`, which has room for kLongestHistory, and returns its end. Letters as
// in Zeek's history, each written once per side: S(YN), H (SYN-ACK), A(CK), D(ata), F(IN), R(ST),
// T (retransmission), W (zero window); lower case for the side that spoke second.
inline constexpr std::size_t kLongestHistory = 16;
char* WriteHistory(const History& history, char* to);

// The history of a UDP flow: D, and d where it was answered.
History UdpHistory(bool is_answered);

}  // namespace weir
