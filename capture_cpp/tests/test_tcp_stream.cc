#include "record/tcp_stream.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "packet.h"

namespace weir {
namespace {

// What one side sends, from sequence number kStart on.
class Sender {
 public:
  static constexpr std::uint32_t kStart = 0xffffff80;  // numbers wrap soon

  void Send(std::uint32_t at, std::uint32_t size) { AddToStream(kTcpAck, kStart + at, size, 1, 0, &stream_); }

  std::uint32_t missing() const { return stream_.gap_bytes[0]; }
  std::uint32_t late() const { return stream_.out_of_order[0]; }
  std::uint32_t again() const { return stream_.retransmitted[0]; }

 private:
  TcpStream stream_{};
};

// Bytes 100 to 200 are missing.
Sender WithHole() {
  Sender sender;
  sender.Send(0, 100);
  sender.Send(200, 100);
  return sender;
}

TEST(TcpStream, MissesNothingWhereAllComesInTurn) {
  Sender sender;
  sender.Send(0, 100);
  sender.Send(100, 100);
  EXPECT_EQ(sender.missing(), 0u);
  EXPECT_EQ(sender.late() + sender.again(), 0u);
}

TEST(TcpStream, AHoleIsFilledByWhatLiesInIt) {
  Sender sender = WithHole();
  EXPECT_EQ(sender.missing(), 100u);
  sender.Send(100, 100);
  EXPECT_EQ(sender.missing(), 0u);
  EXPECT_EQ(sender.late(), 1u);
  sender.Send(100, 100);
  EXPECT_EQ(sender.again(), 1u);
}

TEST(TcpStream, AHoleStaysWhereOtherBytesComeAgain) {
  for (const std::uint32_t at : {0u, 200u}) {
    Sender sender = WithHole();
    sender.Send(at, 100);
    EXPECT_EQ(sender.missing(), 100u) << at;
    EXPECT_EQ(sender.again(), 1u) << at;
    EXPECT_EQ(sender.late(), 0u) << at;
  }
}

TEST(TcpStream, AHoleIsFilledInParts) {
  Sender from_left = WithHole();
  from_left.Send(50, 100);
  EXPECT_EQ(from_left.missing(), 50u);
  from_left.Send(50, 100);
  EXPECT_EQ(from_left.missing(), 50u);
  from_left.Send(150, 100);
  EXPECT_EQ(from_left.missing(), 0u);

  Sender from_right = WithHole();
  from_right.Send(150, 100);
  EXPECT_EQ(from_right.missing(), 50u);
  from_right.Send(150, 50);
  EXPECT_EQ(from_right.missing(), 50u);
  from_right.Send(0, 400);
  EXPECT_EQ(from_right.missing(), 0u);
}

TEST(TcpStream, SeveralHolesAreFilledInTurn) {
  Sender sender = WithHole();
  sender.Send(400, 100);
  EXPECT_EQ(sender.missing(), 200u);
  sender.Send(100, 100);
  EXPECT_EQ(sender.missing(), 100u);
  sender.Send(400, 100);  // behind the last hole
  EXPECT_EQ(sender.missing(), 100u);
  sender.Send(300, 100);
  EXPECT_EQ(sender.missing(), 0u);
  EXPECT_EQ(sender.late(), 2u);
  EXPECT_EQ(sender.again(), 1u);
}

TEST(TcpStream, MissingBytesStopAtTheMostThatCanBeHeld) {
  Sender sender;
  for (std::uint32_t i = 0; i < 4; ++i) {
    sender.Send(i * 0x7fffff00, 100);
  }
  EXPECT_EQ(sender.missing(), std::numeric_limits<std::uint32_t>::max());
}

TEST(TcpStream, AHoleFilledFromItsMiddleIsTwoHoles) {
  Sender sender = WithHole();
  sender.Send(140, 20);
  EXPECT_EQ(sender.missing(), 80u);
  sender.Send(160, 40);
  sender.Send(100, 40);
  EXPECT_EQ(sender.missing(), 0u);
  EXPECT_EQ(sender.late(), 3u);
  EXPECT_EQ(sender.again(), 0u);
}

// What SYNs and data of one side leave, given as flags, sequence number and payload.
struct Sent {
  std::uint8_t flags;
  std::uint32_t sequence;
  std::uint32_t payload;
};

TcpStream StreamOfAll(const std::vector<Sent>& packets) {
  TcpStream stream{};
  for (const Sent& packet : packets) {
    AddToStream(packet.flags, packet.sequence, packet.payload, 1, 0, &stream);
  }
  return stream;
}

std::string HistoryOf(const TcpStream& stream) {
  std::array<char, kLongestHistory> letters{};
  const History history = stream.history;
  return {letters.data(), WriteHistory(history, letters.data())};
}

TEST(TcpStream, ASynNumbersTheBytesAnew) {
  for (const std::uint32_t next : {4'000'000u, 77u - 4'000'000u}) {
    const TcpStream stream = StreamOfAll({{kTcpSyn, 77, 0}, {kTcpAck, 78, 9}, {kTcpSyn, next, 0}, {kTcpAck, next + 1, 9}, {kTcpAck, next + 10, 9}});
    EXPECT_EQ(stream.gap_bytes[0], 0u) << next;
    EXPECT_EQ(stream.retransmitted[0] + stream.out_of_order[0], 0u) << next;
    EXPECT_EQ(BytesAhead(next + 19, 0, stream), 0) << next;
  }
}

TEST(TcpStream, WhatWasMissedBeforeASynStaysMissed) {
  const TcpStream stream = StreamOfAll({{kTcpAck, 100, 10}, {kTcpAck, 150, 10}, {kTcpSyn, 4'000'000, 0}, {kTcpAck, 4'000'001, 10}, {kTcpAck, 4'000'001, 10}});
  EXPECT_EQ(stream.gap_bytes[0], 40u);
  EXPECT_EQ(stream.retransmitted[0], 1u);
}

TEST(TcpStream, ACopyOfASynIsSentAgainAndNoLetter) {
  const TcpStream stream = StreamOfAll({{kTcpSyn, 77, 0}, {kTcpSyn, 77, 0}, {kTcpAck, 78, 9}, {kTcpSyn, 77, 0}, {kTcpFin | kTcpAck, 87, 0}, {kTcpFin | kTcpAck, 87, 0}});
  EXPECT_EQ(stream.retransmitted[0], 3u);
  EXPECT_EQ(stream.gap_bytes[0], 0u);
  EXPECT_EQ(HistoryOf(stream), "SDF");
}

TEST(TcpStream, PayloadSentAgainIsALetter) {
  EXPECT_EQ(HistoryOf(StreamOfAll({{kTcpAck, 78, 9}, {kTcpAck, 78, 9}})), "DT");
}

TEST(TcpStream, LaterFragmentsGoOnWhereTheirFirstOneEnds) {
  TcpStream stream{};
  AddToStream(kTcpAck, 100, 500, 1, 0, &stream);
  AddFragment(300, 0, &stream);
  AddToStream(kTcpAck, 900, 10, 1, 0, &stream);
  EXPECT_EQ(stream.gap_bytes[0], 0u);
  EXPECT_EQ(stream.out_of_order[0] + stream.retransmitted[0], 0u);
}

struct Turn {
  std::uint8_t flags;
  std::size_t side;
  std::uint32_t payload;
};

ConnState StateAfter(const std::vector<Turn>& turns) {
  TcpStream stream{};
  std::array<std::uint32_t, 2> at{};
  bool has_payload = false;
  for (const Turn& turn : turns) {
    has_payload |= turn.payload > 0;
    AddToStream(turn.flags, at[turn.side], turn.payload, 1, turn.side, &stream);
    at[turn.side] += turn.payload + ((turn.flags & (kTcpSyn | kTcpFin)) != 0 ? 1 : 0);
  }
  return ConnStateOf(stream.seen[0], stream.seen[1], has_payload);
}

// What Zeek's state machine makes of them (TCPSessionAdapter.cc and main.zeek).
TEST(TcpStream, EndsAreThoseOfZeek) {
  constexpr std::uint8_t kFinAck = kTcpFin | kTcpAck;
  const std::vector<Turn> opened{{kTcpSyn, 0, 0}, {kTcpSyn | kTcpAck, 1, 0}, {kTcpAck, 0, 5}};
  const auto after = [&](std::vector<Turn> more) {
    more.insert(more.begin(), opened.begin(), opened.end());
    return StateAfter(more);
  };
  EXPECT_EQ(after({{kFinAck, 0, 0}, {kFinAck, 1, 0}, {kTcpRst, 0, 0}}), ConnState::kSf);
  EXPECT_EQ(after({{kFinAck, 0, 0}, {kFinAck, 1, 0}, {kTcpRst, 1, 0}}), ConnState::kSf);
  EXPECT_EQ(after({{kFinAck, 0, 0}, {kTcpRst, 0, 0}, {kFinAck, 1, 0}}), ConnState::kSf);
  EXPECT_EQ(after({{kFinAck, 0, 0}, {kTcpRst, 0, 0}}), ConnState::kRsto);
  EXPECT_EQ(after({{kFinAck, 0, 0}, {kTcpRst, 1, 0}}), ConnState::kRstr);
  EXPECT_EQ(after({{kTcpRst, 0, 0}, {kFinAck, 0, 0}, {kFinAck, 1, 0}}), ConnState::kRsto);
  EXPECT_EQ(after({{kTcpRst, 0, 0}, {kTcpRst, 1, 0}}), ConnState::kRstr);
  EXPECT_EQ(StateAfter({{kTcpSyn, 0, 0}, {kTcpSyn | kTcpAck, 1, 0}, {kTcpRst, 0, 0}, {kTcpRst, 1, 0}}), ConnState::kRej);
}

TEST(TcpStream, DataOnAFinIsNoLetterOfItsOwn) {
  TcpStream stream{};
  AddToStream(kTcpSyn, 0, 3, 1, 0, &stream);
  AddToStream(kTcpFin | kTcpAck, 4, 7, 1, 0, &stream);
  std::array<char, kLongestHistory> text{};
  EXPECT_EQ(std::string(text.data(), WriteHistory(stream.history, text.data())), "SF");
}

}  // namespace
}  // namespace weir
