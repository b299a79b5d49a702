// A batch of packets on its way from the capture thread to the writing thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "counters.h"
#include "gap.h"
#include "segment_format.h"

namespace weir::sensor {

// How the records of a batch are to be read: what a pcap file says once in its header.
struct RecordFormat {
  std::uint32_t link_type = 1;  // LINKTYPE_ value, as in pcap files
  bool nanoseconds = true;

  bool operator==(const RecordFormat&) const = default;
};

// The fields of one record's header, in pcap's order.
struct RecordHeader {
  std::uint32_t seconds;
  std::uint32_t fraction;  // us or ns, by RecordFormat
  std::uint32_t captured;  // bytes that follow
  std::uint32_t length;    // bytes on the wire

  std::int64_t Microseconds(bool nanoseconds) const {
    return seconds * kMicrosecondsPerSecond + (nanoseconds ? fraction / 1000 : fraction);
  }
};
static_assert(sizeof(RecordHeader) == kRecordHeaderBytes);

// The bytes of the record that `records` begins with, behind its header.
inline std::span<const std::uint8_t> PacketOf(std::span<const std::byte> records, const RecordHeader& header) {
  return {reinterpret_cast<const std::uint8_t*>(records.data()) + sizeof header, header.captured};
}

// Records lie one behind the other, each as its 16 bytes of header and its captured bytes.
class Batch {
 public:
  // Room for one frame; the largest record fits in an empty batch.
  static_assert(kRecordHeaderBytes + kLargestPacket <= kFrameBytes);

  Batch() : bytes_(std::make_unique_for_overwrite<std::byte[]>(kFrameBytes)) {}

  bool HasRoomFor(std::uint32_t captured) const { return size_ + kRecordHeaderBytes + captured <= kFrameBytes; }
  // `data` holds header.captured bytes, at most kLargestPacket.
  void Append(const RecordHeader& header, const std::uint8_t* data) {
    std::memcpy(bytes_.get() + size_, &header, sizeof header);
    std::memcpy(bytes_.get() + size_ + sizeof header, data, header.captured);
    size_ += sizeof header + header.captured;
    ++packets_;
    truncated_ += header.captured < header.length ? 1 : 0;
  }
  // Calls `edit(header, packet)` for each record; where it makes header->captured smaller, the
  // record ends there.
  template <typename Edit>
  void Rewrite(Edit edit) {
    std::size_t to = 0;
    truncated_ = 0;
    for (std::size_t from = 0; from < size_;) {
      RecordHeader header = {};
      std::memcpy(&header, bytes_.get() + from, sizeof header);
      auto* data = reinterpret_cast<std::uint8_t*>(bytes_.get() + from + sizeof header);
      const std::size_t next = from + sizeof header + header.captured;
      edit(&header, std::span(data, header.captured));
      std::memmove(bytes_.get() + to + sizeof header, data, header.captured);
      std::memcpy(bytes_.get() + to, &header, sizeof header);
      to += sizeof header + header.captured;
      truncated_ += header.captured < header.length ? 1 : 0;
      from = next;
    }
    size_ = to;
  }
  void Clear() {
    size_ = 0;
    packets_ = 0;
    truncated_ = 0;
    tally = {};
    gaps.clear();
    quiet_until_us = 0;
    offset = 0;
    offsets.clear();
    seal_after = false;
  }
  bool empty() const { return size_ == 0; }
  std::uint64_t packets() const { return packets_; }
  std::uint64_t truncated() const { return truncated_; }
  std::span<const std::byte> records() const { return {bytes_.get(), size_}; }

  RecordFormat format;  // also of the packets that were seen and not taken, where there are no others
  // What happened beside the records: kernel_dropped, interface_dropped, unread, filtered.
  Counters tally;
  std::vector<Gap> gaps;
  std::int64_t last_seen_us = 0;  // time of the last packet read, filtered ones included; 0 without
  std::int64_t quiet_until_us = 0;  // every packet up to this time was seen; 0 where nobody can say
  bool seal_after = false;        // the segment ends with this batch
  // Where the records begin in the capture file they come from; none where they come from elsewhere,
  // and then `offset` is where the first of them would begin if all had gone into one pcap file.
  std::vector<std::uint64_t> offsets;
  std::uint64_t offset = 0;

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_ = 0;
  std::uint64_t packets_ = 0;
  std::uint64_t truncated_ = 0;  // of them, shorter than on the wire
};

}  // namespace weir::sensor
