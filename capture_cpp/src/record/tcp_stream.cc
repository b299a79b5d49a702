#include "record/tcp_stream.h"

#include <string_view>

namespace weir {
namespace {

constexpr std::string_view kLetters = "SHADFRTWshadfrtw";
static_assert(kLetters.size() == kLongestHistory);

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

void AddFragment(std::uint32_t payload, std::size_t side, TcpStream* stream) {
  if (payload > 0) {
    stream->seen[side] |= kSeenAny;
    Note(Letter::kD, side, &stream->history);
    if ((stream->seen[side] & kHasSequence) != 0) {
      AddSegment(0, stream->next_sequence[side], payload, side, stream);
    }
  }
}

// The compiler leaves out what an empty stream makes needless.
TcpStream StreamOf(std::uint8_t flags, std::uint32_t sequence, std::uint32_t payload, std::uint16_t window) {
  TcpStream stream{};
  AddToStream(flags, sequence, payload, window, 0, &stream);
  return stream;
}

TcpStream StreamAfter(const TcpStream& before) {
  TcpStream stream{};
  stream.next_sequence = before.next_sequence;
  for (std::size_t side = 0; side < stream.seen.size(); ++side) {
    stream.seen[side] = before.seen[side] & kHasSequence;
  }
  return stream;
}

// The decisions are those of Zeek's scripts/base/protocols/conn/main.zeek, in its documented order.
ConnState ConnStateOf(std::uint8_t seen_forward, std::uint8_t seen_backward, bool has_payload) {
  const End originator = EndState(seen_forward, seen_backward);
  const End responder = EndState(seen_backward, seen_forward);
  const bool is_originator_silent = originator == End::kInactive || originator == End::kPartial;
  const bool is_responder_silent = responder == End::kInactive || responder == End::kPartial;
  if (responder == End::kReset) {
    if (originator == End::kSynSent || originator == End::kSynAckSent || (originator == End::kReset && !has_payload)) {
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

History UdpHistory(std::size_t first_side, bool is_answered) {
  History history{};
  Note(Letter::kD, first_side, &history);
  if (is_answered) {
    Note(Letter::kD, 1 - first_side, &history);
  }
  return history;
}

}  // namespace weir
