// Reads pcap and pcapng captures, record by record, from a file or standard input.
//
// pcap as in draft-ietf-opsawg-pcap, in both byte orders, in micro- and nanoseconds, and with the
// longer records of "modified" pcap; pcapng as in draft-ietf-opsawg-pcapng.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bytes.h"
#include "reader/byte_source.h"

namespace weir {

// One captured packet. `bytes` points into the reader's buffer until it is filled anew.
struct Record {
  Bytes bytes;
  std::uint32_t wire_bytes = 0;  // length on the wire; at least bytes.size()
  std::uint32_t link_type = 0;
  std::int64_t time_us = 0;      // UTC since 1970, rounded down
  std::uint32_t rest_ns = 0;     // what the rounding took, 0 to 999
  std::uint64_t offset = 0;      // where the record begins in the uncompressed capture
  bool is_time_odd = false;      // the file's time was out of range; time_us is the nearest one believed
};

class CaptureFile {
 public:
  // Throws CaptureError when the file cannot be opened or is not a capture.
  explicit CaptureFile(const std::string& path);
  CaptureFile(std::string name, std::unique_ptr<ByteSource> source);

  // Fills `record` with the next packet; false at the end of the capture. Throws CaptureError
  // when the file is broken there; records given before are sound.
  bool Next(Record* record);

  // Calls `before` whenever the bytes of earlier records are about to be overwritten.
  void OnRefill(std::function<void()> before) { before_refill_ = std::move(before); }

  // Bytes of an unfinished record at the end, as a killed writer leaves them.
  std::uint64_t truncated_tail() const { return truncated_tail_; }
  bool is_empty() const { return kind_ == Kind::kEmpty && truncated_tail_ == 0; }
  // Whether the capture counts time in nanoseconds; a pcapng file may always.
  bool is_nanoseconds() const { return kind_ == Kind::kPcapng || ticks_per_us_ > 1; }

 private:
  enum class Kind : std::uint8_t { kEmpty, kPcap, kPcapng };
  struct Interface {
    std::uint32_t link_type;
    std::uint64_t ticks_per_s;
    std::int64_t shift_s;
  };

  Bytes Ahead() const { return {buffer_.data() + begin_, end_ - begin_}; }
  bool Ensure(std::size_t size);
  bool Refill(std::size_t size);
  void Skip(std::size_t size);
  bool EndTail();
  void ReadMagic();
  void ReadPcapHeader();
  bool NextPcap(Record* record);
  bool NextPcapng(Record* record);
  void ReadSection(Bytes block);
  void ReadInterface(Bytes block);
  void ReadInterfaceOptions(Bytes options, Interface* interface);
  void ReadEnhancedPacket(Bytes block, Record* record);
  void ReadObsoletePacket(Bytes block, Record* record);
  void ReadSimplePacket(Bytes block, Record* record);
  void ReadPacket(Bytes block, std::size_t interface, std::size_t fixed_bytes, Record* record);
  bool SkipBlock(std::uint64_t length);
  [[noreturn]] void Refuse(std::uint64_t offset, const std::string& what) const;

  std::string name_;
  std::unique_ptr<ByteSource> source_;
  std::function<void()> before_refill_;
  std::vector<std::uint8_t> buffer_;
  std::size_t begin_ = 0;  // what lies ahead is buffer_[begin_, end_)
  std::size_t end_ = 0;
  std::uint64_t offset_ = 0;  // of buffer_[begin_] in the uncompressed capture
  std::uint64_t truncated_tail_ = 0;
  Kind kind_ = Kind::kEmpty;
  Order order_;
  std::uint32_t link_type_ = 0;         // pcap only
  std::uint32_t ticks_per_us_ = 1;      // pcap only
  std::size_t record_header_bytes_ = 0;  // pcap only
  std::vector<Interface> interfaces_;
};

}  // namespace weir
