#include "tcp_stream.h"

#include <algorithm>
#include <string_view>

namespace weir {
namespace {

constexpr std::uint8_t kSeenAny = 0x01;
constexpr std::uint8_t kSeenSyn = 0x02;
constexpr std::uint8_t kSeenSynAck = 0x04;
constexpr std::uint8_t kSeenFin = 0x08;
constexpr std::uint8_t kSeenRst = 0x10;
constexpr std::uint8_t kHasSequence = 0x20;

constexpr std::string_view kLetters = "SHADFRTWshadfrtw";
constexpr std::size_t kLettersPerSide = kLetters.size() / 2;
constexpr int kBitsPerLetter = 4;
static_assert(kLetters.size() == kLongestHistory && kLongestHistory * kBitsPerLetter == 64);

enum Letter : std::uint8_t { kS, kH, kA, kD, kF, kR, kT, kW };

void Note(Letter letter, std::size_t side, History* history) {
  const std::uint64_t code = side * kLettersPerSide + letter;
  const auto bit = static_cast<std::uint16_t>(1u << code);
  if ((history->seen & bit) != 0) {
    return;
  }
  history->seen |= bit;
  history->letters |= code << (history->count * kBitsPerLetter);
  ++history->count;
}

// A segment that lies before the expected sequence number came late if bytes had been jumped over,
// and otherwise again.
void AddSegment(std::uint32_t sequence, std::uint32_t length, std::size_t side, TcpStream* stream) {
  const std::uint32_t end = sequence + length;
  std::uint32_t& next = stream->next_sequence[side];
  if ((stream->seen[side] & kHasSequence) == 0) {
    stream->seen[side] |= kHasSequence;
    next = end;
    return;
  }
  std::uint32_t& gap = stream->gap_bytes[side];
  const auto ahead = static_cast<std::int32_t>(sequence - next);
  if (ahead >= 0) {
    gap += static_cast<std::uint32_t>(ahead);
  } else if (gap > 0) {
    ++stream->out_of_order[side];
    gap -= std::min(gap, length);
  } else {
    ++stream->retransmitted[side];
    Note(kT, side, &stream->history);
  }
  if (static_cast<std::int32_t>(end - next) > 0) {
    next = end;
  }
}

enum class End : std::uint8_t { kInactive, kPartial, kSynSent, kSynAckSent, kEstablished, kClosed, kReset };

End EndState(std::uint8_t mine, std::uint8_t other) {
  if ((mine & kSeenRst) != 0) {
    return End::kReset;
  }
  if ((mine & kSeenFin) != 0) {
    return End::kClosed;
  }
  if ((mine & kSeenSyn) != 0) {
    return (other & kSeenSynAck) != 0 ? End::kEstablished : End::kSynSent;
  }
  if ((mine & kSeenSynAck) != 0) {
    return (other & kSeenSyn) != 0 ? End::kEstablished : End::kSynAckSent;
  }
  return (mine & kSeenAny) != 0 ? End::kPartial : End::kInactive;
}

}  // namespace

namespace {

[[gnu::always_inline]] inline void Add(std::uint8_t flags, std::uint32_t sequence, std::uint32_t payload, std::uint16_t window, std::size_t side,
                                       TcpStream* stream) {
  const bool has_syn = (flags & kTcpSyn) != 0;
  const bool has_fin = (flags & kTcpFin) != 0;
  const bool has_rst = (flags & kTcpRst) != 0;
  const bool has_ack = (flags & kTcpAck) != 0;
  const bool is_first = stream->seen[0] == 0 && stream->seen[1] == 0;
  std::uint8_t& seen = stream->seen[side];
  seen |= kSeenAny;
  stream->flags[side] |= flags;
  if (has_syn) {
    seen |= has_ack ? kSeenSynAck : kSeenSyn;
    Note(has_ack ? kH : kS, side, &stream->history);
  }
  if (has_fin) {
    seen |= kSeenFin;
    Note(kF, side, &stream->history);
  }
  if (has_rst) {
    // An RST out of nowhere resets nothing.
    seen |= is_first ? std::uint8_t{0} : kSeenRst;
    Note(kR, side, &stream->history);
  }
  if (payload > 0) {
    Note(kD, side, &stream->history);
  } else if (has_ack && !has_syn && !has_fin && !has_rst) {
    Note(kA, side, &stream->history);
  }
  if (window == 0 && !has_rst) {
    ++stream->zero_windows[side];
    Note(kW, side, &stream->history);
  }
  const std::uint32_t length = payload + static_cast<std::uint32_t>(has_syn) + static_cast<std::uint32_t>(has_fin);
  if (length > 0 && !has_rst) {
    AddSegment(sequence, length, side, stream);
  }
}

}  // namespace

void AddToStream(std::uint8_t flags, std::uint32_t sequence, std::uint32_t payload, std::uint16_t window, std::size_t side, TcpStream* stream) {
  Add(flags, sequence, payload, window, side, stream);
}

// The compiler leaves out what an empty stream makes needless.
TcpStream StreamOf(std::uint8_t flags, std::uint32_t sequence, std::uint32_t payload, std::uint16_t window) {
  TcpStream stream{};
  Add(flags, sequence, payload, window, 0, &stream);
  return stream;
}

// The decisions are those of Zeek's scripts/base/protocols/conn/main.zeek, in its documented order.
ConnState ConnStateOf(const TcpStream& stream) {
  const End originator = EndState(stream.seen[0], stream.seen[1]);
  const End responder = EndState(stream.seen[1], stream.seen[0]);
  const bool is_originator_silent = originator == End::kInactive || originator == End::kPartial;
  const bool is_responder_silent = responder == End::kInactive || responder == End::kPartial;
  if (responder == End::kReset) {
    if (originator == End::kSynSent || originator == End::kSynAckSent) {
      return ConnState::kRej;
    }
    return is_originator_silent ? ConnState::kRstrh : ConnState::kRstr;
  }
  if (originator == End::kReset) {
    return is_responder_silent ? ConnState::kRstos0 : ConnState::kRsto;
  }
  if (originator == End::kClosed && responder == End::kClosed) {
    return ConnState::kSf;
  }
  if (originator == End::kClosed) {
    return is_responder_silent ? ConnState::kSh : ConnState::kS2;
  }
  if (responder == End::kClosed) {
    return is_originator_silent ? ConnState::kShr : ConnState::kS3;
  }
  if (originator == End::kSynSent && responder == End::kInactive) {
    return ConnState::kS0;
  }
  return originator == End::kEstablished && responder == End::kEstablished ? ConnState::kS1 : ConnState::kOth;
}

char* WriteHistory(const History& history, char* to) {
  for (int i = 0; i < history.count; ++i) {
    *to++ = kLetters[history.letters >> (i * kBitsPerLetter) & 0xf];
  }
  return to;
}

History UdpHistory(bool is_answered) {
  History history{};
  Note(kD, 0, &history);
  if (is_answered) {
    Note(kD, 1, &history);
  }
  return history;
}

}  // namespace weir
