#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "batch_queue.h"

namespace weir::sensor {
namespace {

constexpr std::chrono::milliseconds kNoPatience(0);
constexpr std::chrono::milliseconds kPatience(10'000);

TEST(BatchQueue, GivesBatchesInTheOrderTheyWereHandedOver) {
  BatchQueue queue(3);
  for (std::int64_t i = 1; i <= 3; ++i) {
    auto batch = queue.TakeEmpty();
    batch->last_seen_us = i;
    queue.HandOver(std::move(batch));
  }
  for (std::int64_t i = 1; i <= 3; ++i) EXPECT_EQ(queue.TakeFull(kPatience)->last_seen_us, i);
}

TEST(BatchQueue, ReturnsNothingWhenNothingComes) {
  BatchQueue queue(1);
  EXPECT_EQ(queue.TakeFull(kNoPatience), nullptr);
  EXPECT_FALSE(queue.ended());
}

TEST(BatchQueue, EndsAfterTheLastBatchWasTaken) {
  BatchQueue queue(2);
  queue.HandOver(queue.TakeEmpty());
  queue.NoMoreBatches();
  EXPECT_FALSE(queue.ended());
  EXPECT_NE(queue.TakeFull(kPatience), nullptr);
  EXPECT_TRUE(queue.ended());
  EXPECT_EQ(queue.TakeFull(kPatience), nullptr);
}

TEST(BatchQueue, LetsTheReaderWaitUntilABatchComesBack) {
  BatchQueue queue(1);
  queue.HandOver(queue.TakeEmpty());
  std::thread writer([&] { queue.GiveBack(queue.TakeFull(kPatience)); });
  EXPECT_NE(queue.TakeEmpty(), nullptr);
  writer.join();
}

TEST(BatchQueue, WakesTheReaderWhenNobodyWritesAnyMore) {
  BatchQueue queue(1);
  const auto held = queue.TakeEmpty();
  std::thread writer([&] { queue.NoMoreReading(); });
  EXPECT_EQ(queue.TakeEmpty(), nullptr);
  writer.join();
}

TEST(BatchQueue, GivesBackEmptyWhatCameBackFull) {
  BatchQueue queue(1);
  auto batch = queue.TakeEmpty();
  const std::uint8_t byte = 7;
  batch->Append({1, 2, 1, 1}, &byte);
  batch->tally.filtered = 5;
  batch->seal_after = true;
  queue.GiveBack(std::move(batch));
  batch = queue.TakeEmpty();
  EXPECT_TRUE(batch->empty());
  EXPECT_TRUE(batch->tally.AllZero());
  EXPECT_FALSE(batch->seal_after);
}

TEST(BatchQueue, SaysWhenHalfOfItWaits) {
  BatchQueue queue(4);
  queue.HandOver(queue.TakeEmpty());
  EXPECT_FALSE(queue.AtLeastHalfFull());
  queue.HandOver(queue.TakeEmpty());
  EXPECT_TRUE(queue.AtLeastHalfFull());
}

TEST(Batch, HasRoomForTheLargestPacketWhenEmptyAndForNoMoreThanAFrame) {
  Batch batch;
  EXPECT_TRUE(batch.HasRoomFor(kLargestPacket));
  const std::vector<std::uint8_t> data(kLargestPacket);
  int packets = 0;
  for (; batch.HasRoomFor(kLargestPacket); ++packets) batch.Append({0, 0, kLargestPacket, kLargestPacket}, data.data());
  EXPECT_EQ(packets, 3);
  EXPECT_LE(batch.records().size(), kFrameBytes);
}

}  // namespace
}  // namespace weir::sensor
