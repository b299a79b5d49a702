#include "store/segment_scan.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "disk.h"
#include "segment_format.h"

namespace weir::sensor {
namespace {

// As much as a frame can be long in the file.
constexpr std::size_t kPackedBytes = ZSTD_COMPRESSBOUND(kFrameBytes);

// RFC 8878, section 3.1.1: the magic number, and the byte behind it that says what the frame has.
constexpr std::array kMagic = {std::byte{0x28}, std::byte{0xb5}, std::byte{0x2f}, std::byte{0xfd}};
constexpr std::byte kHasChecksum{0x04};

// What begins like a frame is read like one, which costs as much as kFrameBytes at worst; after so many in vain
// the rest is given up, so that bytes made to look so cannot keep a sensor from its start.
constexpr int kMostTries = 1024;

// Reads up to what cannot be read: the end of the file, or a bad block of the disk.
std::size_t ReadSome(int file, std::span<std::byte> bytes, std::uint64_t offset) {
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = ::pread(file, bytes.data() + filled, bytes.size() - filled, static_cast<off_t>(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    filled += static_cast<std::size_t>(got);
  }
  return filled;
}

// Whether a frame begins here that has a checksum, without which garbage could pass for records, and
// that says it holds no more than ours do.
bool BeginsLikeOurs(std::span<const std::byte> bytes) {
  if (bytes.size() <= kMagic.size() || !std::ranges::equal(bytes.first(kMagic.size()), kMagic)) return false;
  if ((bytes[kMagic.size()] & kHasChecksum) == std::byte{0}) return false;
  const unsigned long long raw_length = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  return raw_length > 0 && raw_length <= kFrameBytes;  // "unknown" and "none" are beyond that
}

RecordHeader HeaderOf(std::span<const std::byte> records) {
  RecordHeader header = {};
  std::memcpy(&header, records.data(), sizeof header);
  return header;
}

// Whether records fill it exactly.
bool AreWhole(std::span<const std::byte> records) {
  while (records.size() >= sizeof(RecordHeader)) {
    const std::size_t captured = HeaderOf(records).captured;
    if (captured > records.size() - sizeof(RecordHeader)) return false;
    records = records.subspan(sizeof(RecordHeader) + captured);
  }
  return records.empty();
}

}  // namespace

void Note(const RecordHeader& header, std::int64_t time_us, Frame* frame) {
  frame->first_us = frame->packets == 0 ? time_us : std::min(frame->first_us, time_us);
  frame->last_us = frame->packets == 0 ? time_us : std::max(frame->last_us, time_us);
  ++frame->packets;
  frame->packet_bytes += header.captured;
  frame->truncated += header.captured < header.length ? 1 : 0;
}

SegmentScan::SegmentScan(int file, std::uint64_t size)
    : file_(file), size_(size), context_(ZSTD_createDCtx()), window_(2 * kPackedBytes), raw_(kFrameBytes) {}

std::span<const std::byte> SegmentScan::Look(std::uint64_t offset) {
  const std::uint64_t wanted = std::min<std::uint64_t>(kPackedBytes, size_ - offset);
  if (offset < window_at_ || offset + wanted > window_at_ + window_bytes_) {
    window_at_ = offset;
    window_bytes_ = ReadSome(file_, std::span(window_).first(std::min<std::uint64_t>(window_.size(), size_ - offset)), offset);
  }
  const std::span<const std::byte> seen = std::span(window_).first(window_bytes_).subspan(offset - window_at_);
  return seen.first(std::min<std::uint64_t>(wanted, seen.size()));
}

std::optional<std::uint64_t> SegmentScan::FrameLength(std::uint64_t offset) {
  const std::span<const std::byte> bytes = Look(offset);
  if (!BeginsLikeOurs(bytes)) return std::nullopt;
  const std::size_t length = ZSTD_findFrameCompressedSize(bytes.data(), bytes.size());
  return ZSTD_isError(length) ? std::nullopt : std::optional<std::uint64_t>(length);
}

std::optional<std::span<const std::byte>> SegmentScan::Decompress(std::uint64_t* length) {
  const std::optional<std::uint64_t> found = FrameLength(offset_);
  if (!found) return std::nullopt;
  const std::size_t raw_length = ZSTD_decompressDCtx(context_.get(), raw_.data(), raw_.size(), Look(offset_).data(), *found);
  if (ZSTD_isError(raw_length)) return std::nullopt;
  *length = *found;
  return std::span(raw_.data(), raw_length);
}

void SegmentScan::StepOver(std::uint64_t length) {
  offset_ += length;
  kept_bytes_ += length;
  is_frame_end_ = true;
  tries_ = 0;
}

bool SegmentScan::ReadHeader(RecordFormat* format, std::uint32_t* snaplen) {
  constexpr std::size_t kSnaplenAt = 16;
  constexpr std::size_t kLinkTypeAt = 20;
  std::uint64_t length = 0;
  const auto header = Decompress(&length);
  if (!header || header->size() != kPcapHeaderBytes) return false;
  std::uint32_t magic = 0;
  std::memcpy(&magic, header->data(), sizeof magic);
  if (magic != kPcapMicroseconds && magic != kPcapNanoseconds) return false;
  format->nanoseconds = magic == kPcapNanoseconds;
  std::memcpy(snaplen, header->data() + kSnaplenAt, sizeof *snaplen);
  std::memcpy(&format->link_type, header->data() + kLinkTypeAt, sizeof format->link_type);
  format_ = *format;
  StepOver(length);
  return true;
}

bool SegmentScan::Next(Frame* frame) {
  for (; offset_ < size_; offset_ = NextStart()) {
    std::uint64_t length = 0;
    const auto records = Decompress(&length);
    if (!records || !AreWhole(*records)) continue;
    Describe(*records, frame);
    frame->offset = offset_;
    frame->length = length;
    frame->raw_length = records->size();
    StepOver(length);
    return true;
  }
  return false;
}

// Where bytes inside a frame changed, its blocks mostly still say where it ends. That is believed first:
// packets carry whatever was sent to them, even what looks like a frame.
std::uint64_t SegmentScan::NextStart() {
  if (++tries_ > kMostTries) return size_;
  const std::optional<std::uint64_t> length = is_frame_end_ ? FrameLength(offset_) : std::nullopt;
  if (length && (offset_ + *length == size_ || FrameLength(offset_ + *length))) return offset_ + *length;
  is_frame_end_ = false;
  return FindBeginning(offset_ + 1);
}

std::uint64_t SegmentScan::FindBeginning(std::uint64_t offset) {
  while (offset < size_) {
    const std::span<const std::byte> bytes = Look(offset);
    const auto found = std::ranges::search(bytes, kMagic);
    if (!found.empty()) {
      offset += static_cast<std::uint64_t>(found.begin() - bytes.begin());
      if (BeginsLikeOurs(Look(offset))) return offset;
      ++offset;
      continue;
    }
    // The last bytes may begin one; where the disk cannot read, its next block may be better.
    offset += bytes.size() < kMagic.size() ? kBlockBytes : bytes.size() - kMagic.size() + 1;
  }
  return size_;
}

void SegmentScan::Describe(std::span<const std::byte> records, Frame* frame) {
  *frame = {};
  while (!records.empty()) {
    const RecordHeader header = HeaderOf(records);
    Note(header, header.Microseconds(format_.nanoseconds), frame);
    hosts_.Add(format_.link_type, PacketOf(records, header), header.length);
    records = records.subspan(sizeof header + header.captured);
  }
  frame->hosts = hosts_.Take();
}

}  // namespace weir::sensor
