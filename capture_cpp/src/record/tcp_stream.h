// What a flow's TCP headers tell in sequence: who opened and closed it, in Zeek's words, and which
// segments came twice or late.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "packet.h"

namespace weir {

// Letters in the order in which they first came, four bits each, the first one lowest. Packed, so that
// a stream has room for all it keeps.
struct [[gnu::packed]] History {
  std::uint64_t letters;
  std::uint16_t seen;  // one bit for each letter
  std::uint8_t count;
};

struct alignas(64) TcpStream {
  History history;
  std::array<std::uint8_t, 2> seen;   // bits of kSeen…
  std::array<std::uint8_t, 2> flags;  // of all packets together
  std::array<std::uint32_t, 2> next_sequence;
  std::array<std::uint32_t, 2> gap_bytes;  // jumped over and not seen since; stops at the most it can hold
  std::array<std::uint32_t, 2> hole_end;   // sequence number behind the latest of them
  std::array<std::uint32_t, 2> retransmitted;
  std::array<std::uint32_t, 2> out_of_order;
  std::array<std::uint32_t, 2> zero_windows;
};
static_assert(sizeof(TcpStream) == 64);

// The stream of a connection whose first packet, of side 0, is all there is.
TcpStream StreamOf(std::uint8_t flags, std::uint32_t sequence, std::uint32_t payload, std::uint16_t window);

// A stream that goes on after `before`, of which it knows only what sequence numbers come next.
TcpStream StreamAfter(const TcpStream& before);

// The state of a TCP connection, as Zeek's conn_state names it; given is what each side did, as `seen` says, and whether any sent payload.
enum class ConnState : std::uint8_t { kOth, kS0, kS1, kSf, kRej, kS2, kS3, kRsto, kRstr, kRstos0, kRstrh, kSh, kShr };
ConnState ConnStateOf(std::uint8_t seen_forward, std::uint8_t seen_backward, bool has_payload);

// Writes the history to `to`, which has room for kLongestHistory, and returns its end. Letters as
// in Zeek's history, each written once per side: S(YN), H (SYN-ACK), A(CK), D(ata), F(IN), R(ST),
// T (payload again), W (zero window); lower case for the side that spoke second.
inline constexpr std::size_t kLongestHistory = 16;
char* WriteHistory(const History& history, char* to);

// The history of a UDP flow: D and d, that of `first_side` first, the other one where it was answered.
History UdpHistory(std::size_t first_side, bool is_answered);

// Bits of TcpStream::seen.
inline constexpr std::uint8_t kSeenAny = 0x01;
inline constexpr std::uint8_t kSeenSyn = 0x02;
inline constexpr std::uint8_t kSeenSynAck = 0x04;
inline constexpr std::uint8_t kSeenFin = 0x08;
inline constexpr std::uint8_t kSeenRst = 0x10;
inline constexpr std::uint8_t kHasSequence = 0x20;
inline constexpr std::uint8_t kHasHoles = 0x40;  // more than one, and not all were filled since

// The letters of a history, of one side.
enum class Letter : std::uint8_t { kS, kH, kA, kD, kF, kR, kT, kW };
inline constexpr std::size_t kLettersPerSide = 8;
inline constexpr int kBitsPerLetter = 4;
static_assert(kLongestHistory == 2 * kLettersPerSide && kLongestHistory * kBitsPerLetter == 64);

inline void Note(Letter letter, std::size_t side, History* history) {
  const std::uint64_t code = side * kLettersPerSide + static_cast<std::uint64_t>(letter);
  const auto bit = static_cast<std::uint16_t>(1u << code);
  if ((history->seen & bit) != 0) {
    return;
  }
  history->seen |= bit;
  history->letters |= code << (history->count * kBitsPerLetter);
  ++history->count;
}

// Bytes were jumped over, up to this sequence number.
inline void AddHole(std::uint32_t end, std::uint32_t bytes, std::size_t side, TcpStream* stream) {
  std::uint32_t& gap = stream->gap_bytes[side];
  std::uint8_t& seen = stream->seen[side];
  seen = static_cast<std::uint8_t>(gap > 0 ? seen | kHasHoles : seen & ~kHasHoles);
  gap += std::min(bytes, std::numeric_limits<std::uint32_t>::max() - gap);
  stream->hole_end[side] = end;
}

// How many of the missing bytes a late segment brings, which are then missing no more. One hole lies
// right before hole_end; of several it is only known where the last one ends, so whatever comes late
// before that is taken for missing bytes.
inline std::uint32_t FillHole(std::uint32_t sequence, std::uint32_t length, std::size_t side, TcpStream* stream) {
  std::uint32_t& gap = stream->gap_bytes[side];
  std::uint32_t& hole_end = stream->hole_end[side];
  const bool is_one = (stream->seen[side] & kHasHoles) == 0;
  const auto till_end = static_cast<std::int32_t>(hole_end - sequence);
  if (gap == 0 || till_end <= 0) {
    return 0;
  }
  const bool reaches_end = length >= static_cast<std::uint32_t>(till_end);
  std::uint32_t filled = std::min(length, static_cast<std::uint32_t>(till_end));
  const auto till_begin = static_cast<std::int32_t>(hole_end - gap - sequence);
  if (is_one && till_begin > 0) {
    filled -= std::min(filled, static_cast<std::uint32_t>(till_begin));
  } else if (is_one && till_begin < 0 && !reaches_end) {
    stream->seen[side] |= kHasHoles;  // one is left on either side
  }
  filled = std::min(filled, gap);
  gap -= filled;
  hole_end -= is_one && reaches_end ? filled : 0;
  return filled;
}

// How far a segment that is not yet added lies ahead of the first byte that is missing, or behind where that is negative.
// Of several holes it is not known where the first begins, and 0 is said.
inline std::int32_t BytesAhead(std::uint32_t sequence, std::size_t side, const TcpStream& stream) {
  const bool has_hole = stream.gap_bytes[side] > 0;
  if ((stream.seen[side] & kHasSequence) == 0 || (has_hole && (stream.seen[side] & kHasHoles) != 0)) {
    return 0;
  }
  const std::uint32_t missing = has_hole ? stream.hole_end[side] - stream.gap_bytes[side] : stream.next_sequence[side];
  return static_cast<std::int32_t>(sequence - missing);
}

inline std::uint32_t TurnBytes(std::uint8_t flags) { return std::uint32_t{(flags & kTcpSyn) != 0} + std::uint32_t{(flags & kTcpFin) != 0}; }

// A SYN that is no copy of the one before, which may come late, but soon: it numbers its side's bytes anew.
inline bool NumbersAnew(std::uint8_t flags, std::int32_t ahead) {
  constexpr std::int32_t kMostBehind = 0xffff;
  return (flags & kTcpSyn) != 0 && (ahead > 0 || ahead < -kMostBehind);
}

// What was missed before stays missed.
inline void NumberAnew(std::uint32_t sequence, std::size_t side, TcpStream* stream) {
  stream->next_sequence[side] = sequence;
  stream->hole_end[side] = sequence;
  stream->seen[side] = static_cast<std::uint8_t>(stream->gap_bytes[side] > 0 ? stream->seen[side] | kHasHoles : stream->seen[side]);
}

// A segment that lies before the expected sequence number came late if it brings bytes that had been
// jumped over, and otherwise again; that is a letter where it has payload. Its flags take a number each.
[[gnu::always_inline]] inline void AddSegment(std::uint8_t flags, std::uint32_t sequence, std::uint32_t length, std::size_t side, TcpStream* stream) {
  const std::uint32_t end = sequence + length;
  std::uint32_t& next = stream->next_sequence[side];
  if ((stream->seen[side] & kHasSequence) == 0) {
    stream->seen[side] |= kHasSequence;
    next = end;
    return;
  }
  const auto ahead = static_cast<std::int32_t>(sequence - next);
  if (ahead != 0 && NumbersAnew(flags, ahead)) {
    NumberAnew(sequence, side, stream);
  } else if (ahead > 0) {
    AddHole(sequence, static_cast<std::uint32_t>(ahead), side, stream);
  } else if (ahead < 0) {
    if (FillHole(sequence, length, side, stream) > 0) {
      ++stream->out_of_order[side];
    } else {
      ++stream->retransmitted[side];
      if (length > TurnBytes(flags)) {
        Note(Letter::kT, side, &stream->history);
      }
    }
  }
  if (static_cast<std::int32_t>(end - next) > 0) {
    next = end;
  }
}

// Notes who opens, closes or resets. An RST out of nowhere resets nothing, nor does one after both sides said FIN; and one
// after a FIN is forgotten where the other side's FIN comes late. A FIN after an RST closes nothing.
inline void AddTurn(std::uint8_t flags, std::size_t side, TcpStream* stream) {
  std::uint8_t& seen = stream->seen[side];
  std::uint8_t& other = stream->seen[1 - side];
  const bool is_first = ((seen | other) & kSeenAny) == 0;
  if ((flags & kTcpSyn) != 0) {
    const bool has_ack = (flags & kTcpAck) != 0;
    seen |= has_ack ? kSeenSynAck : kSeenSyn;
    Note(has_ack ? Letter::kH : Letter::kS, side, &stream->history);
  }
  if ((flags & kTcpFin) != 0) {
    if ((flags & kTcpRst) == 0 && (seen & kSeenRst) == 0) {
      seen |= kSeenFin;
      other = static_cast<std::uint8_t>((other & kSeenFin) != 0 ? other & ~kSeenRst : other);
    }
    Note(Letter::kF, side, &stream->history);
  }
  if ((flags & kTcpRst) != 0) {
    const bool was_closed = (seen & kSeenFin) != 0 && (other & (kSeenFin | kSeenRst)) == kSeenFin;
    seen |= is_first || was_closed ? std::uint8_t{0} : kSeenRst;
    Note(Letter::kR, side, &stream->history);
  }
}

// Adds the payload of a later fragment, which goes on where what was seen of its side ends.
void AddFragment(std::uint32_t payload, std::size_t side, TcpStream* stream);

// Adds a TCP packet of side 0 (forward) or 1. Inlined, as every TCP packet comes here.
[[gnu::always_inline]] inline void AddToStream(std::uint8_t flags, std::uint32_t sequence, std::uint32_t payload, std::uint16_t window,
                                               std::size_t side, TcpStream* stream) {
  const bool is_turn = (flags & (kTcpSyn | kTcpFin | kTcpRst)) != 0;
  const bool has_rst = (flags & kTcpRst) != 0;
  std::uint32_t length = payload;
  if (is_turn) {
    AddTurn(flags, side, stream);
    length = has_rst ? 0 : payload + TurnBytes(flags);
  }
  stream->seen[side] |= kSeenAny;
  stream->flags[side] |= flags;
  if (payload > 0 && !is_turn) {
    Note(Letter::kD, side, &stream->history);
  } else if (!is_turn && (flags & kTcpAck) != 0) {
    Note(Letter::kA, side, &stream->history);
  }
  if (window == 0 && !has_rst) {
    ++stream->zero_windows[side];
    Note(Letter::kW, side, &stream->history);
  }
  if (length > 0) {
    AddSegment(flags, sequence, length, side, stream);
  }
}

}  // namespace weir
