#include "record/tcp_stream.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

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

}  // namespace
}  // namespace weir
