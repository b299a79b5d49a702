#include "reader/capture_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "options.h"
#include "reader/capture_error.h"

namespace weir {
namespace {

constexpr std::int64_t kUsPerS = 1'000'000;
constexpr std::uint32_t kNsPerUs = 1'000;

// pcap
constexpr std::uint32_t kMagicMicroseconds = 0xa1b2c3d4;
constexpr std::uint32_t kMagicNanoseconds = 0xa1b23c4d;
constexpr std::uint32_t kMagicModified = 0xa1b2cd34;  // A. Kuznetzov's libpcap patch
constexpr std::size_t kPcapHeaderBytes = 24;
constexpr std::size_t kRecordHeaderBytes = 16;
constexpr std::size_t kModifiedHeaderBytes = 24;
constexpr std::uint16_t kPcapMajor = 2;
constexpr std::uint32_t kLinkTypeMask = 0xffff;  // the upper bits say whether there is a frame check, and how long (draft-ietf-opsawg-pcap, section 4)

// pcapng
constexpr std::uint32_t kSection = 0x0a0d0d0a;
constexpr std::uint32_t kInterface = 1;
constexpr std::uint32_t kObsoletePacket = 2;
constexpr std::uint32_t kSimplePacket = 3;
constexpr std::uint32_t kEnhancedPacket = 6;
constexpr std::uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr std::uint16_t kPcapngMajor = 1;
constexpr std::size_t kBlockHeaderBytes = 8;
constexpr std::size_t kBlockFrameBytes = 12;  // type, length and the length again
constexpr std::size_t kSectionFixedBytes = 16;
constexpr std::size_t kInterfaceFixedBytes = 8;
constexpr std::size_t kPacketFixedBytes = 20;
constexpr std::size_t kSimpleFixedBytes = 4;
constexpr std::uint16_t kOptionEnd = 0;
constexpr std::uint16_t kOptionTimeResolution = 9;
constexpr std::uint16_t kOptionTimeOffset = 14;
constexpr std::uint8_t kPowerOfTwo = 0x80;
constexpr std::uint64_t kMicroseconds = 1'000'000;
constexpr int kMostDecimalDigits = 19;  // 10^19 still fits 64 bits
constexpr int kMostBinaryDigits = 63;

constexpr std::size_t RoundUp4(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

__extension__ using Wide = __int128;

}  // namespace

CaptureFile::CaptureFile(const std::string& path) : CaptureFile(path, OpenByteSource(path)) {}

CaptureFile::CaptureFile(std::string name, std::unique_ptr<ByteSource> source)
    : name_(std::move(name)), source_(std::move(source)), buffer_(kReadBytes + kReadBytes / 8) {
  ReadMagic();
}

bool CaptureFile::Next(Record* record) {
  switch (kind_) {
    case Kind::kPcap:
      return NextPcap(record);
    case Kind::kPcapng:
      return NextPcapng(record);
    case Kind::kEmpty:
      break;
  }
  return false;
}

// Makes at least `size` bytes lie ahead; false when the capture ends before.
inline bool CaptureFile::Ensure(std::size_t size) { return end_ - begin_ >= size || Refill(size); }

bool CaptureFile::Refill(std::size_t size) {
  if (before_refill_) {
    before_refill_();
  }
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  while (end_ < size) {
    if (end_ == buffer_.size()) {  // a length is a claim: memory is taken as bytes come
      buffer_.resize(std::min(size, 2 * buffer_.size()));
    }
    const std::size_t room = std::min(std::max(size - end_, kReadBytes), buffer_.size() - end_);
    const std::size_t got = source_->Read(std::span(buffer_).subspan(end_, room));
    if (got == 0) {
      return false;
    }
    end_ += got;
  }
  return true;
}

inline void CaptureFile::Skip(std::size_t size) {
  begin_ += size;
  offset_ += size;
}

// The capture ends here, perhaps inside a record.
bool CaptureFile::EndTail() {
  truncated_tail_ = end_ - begin_;
  if (truncated_tail_ == 0 && source_->IsCut()) {
    truncated_tail_ = 1;  // compressed bytes are missing, though the last record is whole
  }
  Skip(end_ - begin_);
  return false;
}

void CaptureFile::Refuse(std::uint64_t offset, const std::string& what) const {
  const bool has_advice = what.find(';') != std::string::npos;
  throw CaptureError(name_, offset, what + (has_advice ? "" : "; the file is damaged here: fetch or capture it again"));
}

void CaptureFile::ReadMagic() {
  if (!Ensure(sizeof(std::uint32_t))) {
    if (end_ != begin_) {
      Refuse(0, "is shorter than the magic number of a capture; fetch it again");
    }
    truncated_tail_ = source_->IsCut() ? 1 : 0;
    return;  // nothing at all: an empty capture, or one that was cut while it was packed
  }
  const auto magic = ReadLittle<std::uint32_t>(Ahead(), 0);
  if (magic == kSection) {
    kind_ = Kind::kPcapng;
    return;
  }
  for (const bool is_big : {false, true}) {
    const std::uint32_t ordered = is_big ? __builtin_bswap32(magic) : magic;
    if (ordered == kMagicMicroseconds || ordered == kMagicNanoseconds || ordered == kMagicModified) {
      kind_ = Kind::kPcap;
      order_ = Order(is_big);
      ticks_per_us_ = ordered == kMagicNanoseconds ? kNsPerUs : 1;
      record_header_bytes_ = ordered == kMagicModified ? kModifiedHeaderBytes : kRecordHeaderBytes;
      ReadPcapHeader();
      return;
    }
  }
  Refuse(0, "is neither pcap nor pcapng, nor gzip or zstd around one; convert it first, for example with editcap");
}

void CaptureFile::ReadPcapHeader() {
  if (!Ensure(kPcapHeaderBytes)) {
    Refuse(0, "ends inside its file header; fetch it again");
  }
  const std::uint16_t major = order_.Read16(Ahead(), 4);
  if (major != kPcapMajor) {
    Refuse(4, "has pcap version " + std::to_string(major) + ", only 2 is known; convert it first, for example with editcap");
  }
  link_type_ = order_.Read32(Ahead(), 20) & kLinkTypeMask;
  Skip(kPcapHeaderBytes);
}

bool CaptureFile::NextPcap(Record* record) {
  if (!Ensure(record_header_bytes_)) {
    return EndTail();
  }
  auto [seconds, ticks, captured, wire_bytes] = ReadLittle<std::array<std::uint32_t, 4>>(Ahead(), 0);
  if (order_.is_big()) [[unlikely]] {
    for (std::uint32_t* word : {&seconds, &ticks, &captured, &wire_bytes}) {
      *word = __builtin_bswap32(*word);
    }
  }
  if (captured > kLargestRecord) {
    Refuse(offset_, "record claims " + std::to_string(captured) +
                        " bytes, more than any capture holds; what lies before it can be saved, for example with editcap");
  }
  if (!Ensure(record_header_bytes_ + captured)) {
    return EndTail();
  }
  std::uint32_t rest_ns = 0;
  if (ticks_per_us_ != 1) {
    rest_ns = ticks % kNsPerUs;
    ticks /= kNsPerUs;
  }
  record->bytes = Ahead().subspan(record_header_bytes_, captured);
  record->wire_bytes = std::max(wire_bytes, captured);
  record->link_type = link_type_;
  record->time_us = std::int64_t{seconds} * kUsPerS + ticks;
  record->rest_ns = rest_ns;
  record->is_time_odd = ticks >= kUsPerS;
  record->offset = offset_;
  Skip(record_header_bytes_ + captured);
  return true;
}

bool CaptureFile::NextPcapng(Record* record) {
  while (Ensure(kBlockFrameBytes)) {
    const auto raw_type = ReadLittle<std::uint32_t>(Ahead(), 0);
    if (raw_type == kSection) {
      const auto magic = ReadLittle<std::uint32_t>(Ahead(), 8);
      if (magic != kByteOrderMagic && magic != __builtin_bswap32(kByteOrderMagic)) {
        Refuse(offset_, "section has no byte-order magic");
      }
      order_ = Order(magic != kByteOrderMagic);
    } else if (interfaces_.empty() && offset_ == 0) {
      Refuse(offset_, "does not begin with a section header");
    }
    const std::uint32_t type = order_.Read32(Ahead(), 0);
    const std::uint32_t length = order_.Read32(Ahead(), 4);
    if (length < kBlockFrameBytes || length % 4 != 0) {
      Refuse(offset_, "block has the impossible length " + std::to_string(length));
    }
    const bool is_known = raw_type == kSection || type == kInterface || type == kEnhancedPacket || type == kSimplePacket || type == kObsoletePacket;
    if (!is_known) {
      if (!SkipBlock(length)) {
        return EndTail();
      }
      continue;
    }
    if (length > kLargestBlock) {
      Refuse(offset_, "block claims " + std::to_string(length) + " bytes, more than " + std::to_string(kLargestBlock) + " are not believed");
    }
    if (!Ensure(length)) {
      return EndTail();
    }
    const Bytes whole = Ahead().first(length);
    if (order_.Read32(whole, length - 4) != length) {
      Refuse(offset_, "block's two lengths differ");
    }
    const Bytes block = whole.subspan(kBlockHeaderBytes, length - kBlockFrameBytes);
    record->offset = offset_;
    bool is_packet = true;
    if (raw_type == kSection) {
      ReadSection(block);
      is_packet = false;
    } else if (type == kInterface) {
      ReadInterface(block);
      is_packet = false;
    } else if (type == kEnhancedPacket) {
      ReadEnhancedPacket(block, record);
    } else if (type == kSimplePacket) {
      ReadSimplePacket(block, record);
    } else {
      ReadObsoletePacket(block, record);
    }
    Skip(length);
    if (is_packet) {
      return true;
    }
  }
  return EndTail();
}

// Blocks of other types may be larger than the buffer, so they are passed piece by piece.
bool CaptureFile::SkipBlock(std::uint64_t length) {
  while (length > 0) {
    if (!Ensure(1)) {
      return false;
    }
    const std::size_t piece = static_cast<std::size_t>(std::min<std::uint64_t>(length, end_ - begin_));
    Skip(piece);
    length -= piece;
  }
  return true;
}

void CaptureFile::ReadSection(Bytes block) {
  if (block.size() < kSectionFixedBytes) {
    Refuse(offset_, "section header is too short");
  }
  const std::uint16_t major = order_.Read16(block, 4);
  if (major != kPcapngMajor) {
    Refuse(offset_, "has pcapng version " + std::to_string(major) + ", only 1 is known; convert it first, for example with editcap");
  }
  interfaces_.clear();
}

void CaptureFile::ReadInterface(Bytes block) {
  if (block.size() < kInterfaceFixedBytes) {
    Refuse(offset_, "interface description is too short");
  }
  if (interfaces_.size() == kMostInterfaces) {
    Refuse(offset_, "describes more than " + std::to_string(kMostInterfaces) + " interfaces");
  }
  Interface interface{order_.Read16(block, 0), kMicroseconds, 0};
  ReadInterfaceOptions(block.subspan(kInterfaceFixedBytes), &interface);
  interfaces_.push_back(interface);
}

void CaptureFile::ReadInterfaceOptions(Bytes options, Interface* interface) {
  constexpr std::size_t kOptionHeaderBytes = 4;
  while (options.size() >= kOptionHeaderBytes) {
    const std::uint16_t code = order_.Read16(options, 0);
    const std::size_t size = order_.Read16(options, 2);
    if (code == kOptionEnd) {
      return;
    }
    if (kOptionHeaderBytes + size > options.size()) {
      Refuse(offset_, "interface option runs past the end of its block");
    }
    const Bytes value = options.subspan(kOptionHeaderBytes, size);
    if (code == kOptionTimeResolution && size == 1) {
      const int digits = value[0] & ~kPowerOfTwo;
      const bool is_binary = (value[0] & kPowerOfTwo) != 0;
      if (digits > (is_binary ? kMostBinaryDigits : kMostDecimalDigits)) {
        Refuse(offset_, "interface counts time finer than 64 bits can hold");
      }
      interface->ticks_per_s = 1;
      for (int i = 0; i < digits; ++i) {
        interface->ticks_per_s *= is_binary ? 2 : 10;
      }
    } else if (code == kOptionTimeOffset && size == sizeof(std::uint64_t)) {
      interface->shift_s = static_cast<std::int64_t>(order_.Read64(value, 0));
    }
    options = options.subspan(std::min(options.size(), kOptionHeaderBytes + RoundUp4(size)));
  }
}

void CaptureFile::ReadEnhancedPacket(Bytes block, Record* record) {
  if (block.size() < kPacketFixedBytes) {
    Refuse(offset_, "packet block is too short");
  }
  ReadPacket(block, order_.Read32(block, 0), kPacketFixedBytes, record);
}

// As the enhanced one, but interface and drop count share the first word.
void CaptureFile::ReadObsoletePacket(Bytes block, Record* record) {
  if (block.size() < kPacketFixedBytes) {
    Refuse(offset_, "packet block is too short");
  }
  ReadPacket(block, order_.Read16(block, 0), kPacketFixedBytes, record);
}

void CaptureFile::ReadPacket(Bytes block, std::size_t interface, std::size_t fixed_bytes, Record* record) {
  if (interface >= interfaces_.size()) {
    Refuse(offset_, "packet names interface " + std::to_string(interface) + ", which was not described");
  }
  const Interface& from = interfaces_[interface];
  const std::uint32_t captured = order_.Read32(block, 12);
  if (captured > kLargestRecord || captured > block.size() - fixed_bytes) {
    Refuse(offset_, "packet claims " + std::to_string(captured) + " bytes, more than its block holds or any capture does");
  }
  const std::uint64_t ticks = std::uint64_t{order_.Read32(block, 4)} << 32 | order_.Read32(block, 8);
  const Wide time_ns = Wide{ticks} * kUsPerS * kNsPerUs / Wide{from.ticks_per_s};
  const Wide time_us = time_ns / kNsPerUs + Wide{from.shift_s} * kUsPerS;
  const Wide believed = std::clamp<Wide>(time_us, 0, kLatestUs);
  record->bytes = block.subspan(fixed_bytes, captured);
  record->wire_bytes = std::max(order_.Read32(block, 16), captured);
  record->link_type = from.link_type;
  record->time_us = static_cast<std::int64_t>(believed);
  record->rest_ns = believed == time_us ? static_cast<std::uint32_t>(time_ns % kNsPerUs) : 0;
  record->is_time_odd = believed != time_us;
}

// A simple packet has no time; the draft leaves it open, and we say it came at 0.
void CaptureFile::ReadSimplePacket(Bytes block, Record* record) {
  if (interfaces_.empty() || block.size() < kSimpleFixedBytes) {
    Refuse(offset_, "simple packet block is too short, or no interface was described before it");
  }
  const std::uint32_t wire_bytes = order_.Read32(block, 0);
  const std::size_t captured = std::min<std::size_t>(wire_bytes, block.size() - kSimpleFixedBytes);
  if (captured > kLargestRecord) {
    Refuse(offset_, "packet claims " + std::to_string(captured) + " bytes, more than any capture holds");
  }
  record->bytes = block.subspan(kSimpleFixedBytes, captured);
  record->wire_bytes = wire_bytes;
  record->link_type = interfaces_.front().link_type;
  record->time_us = 0;
  record->rest_ns = 0;
  record->is_time_odd = true;
}

}  // namespace weir
