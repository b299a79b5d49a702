#include "store/segment_scan.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "segment_format.h"

namespace weir::sensor {

void Note(const RecordHeader& header, std::int64_t time_us, Frame* frame) {
  frame->first_us = frame->packets == 0 ? time_us : std::min(frame->first_us, time_us);
  frame->last_us = frame->packets == 0 ? time_us : std::max(frame->last_us, time_us);
  ++frame->packets;
  frame->packet_bytes += header.captured;
  frame->truncated += header.captured < header.length ? 1 : 0;
}

SegmentScan::SegmentScan(int file, std::uint64_t size)
    : file_(file), size_(size), context_(ZSTD_createDCtx()), packed_(ZSTD_compressBound(kFrameBytes)), raw_(kFrameBytes) {}

std::optional<std::span<const std::byte>> SegmentScan::Decompress(std::uint64_t* length) {
  const std::size_t wanted = std::min<std::uint64_t>(packed_.size(), size_ - offset_);
  if (::pread(file_, packed_.data(), wanted, static_cast<off_t>(offset_)) != static_cast<ssize_t>(wanted)) return std::nullopt;
  *length = ZSTD_findFrameCompressedSize(packed_.data(), wanted);
  if (ZSTD_isError(*length)) return std::nullopt;
  const std::size_t raw_length = ZSTD_decompressDCtx(context_.get(), raw_.data(), raw_.size(), packed_.data(), *length);
  if (ZSTD_isError(raw_length)) return std::nullopt;
  return std::span(raw_.data(), raw_length);
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
  offset_ = length;
  return true;
}

bool SegmentScan::Next(Frame* frame) {
  if (offset_ == size_) return false;
  std::uint64_t length = 0;
  const auto records = Decompress(&length);
  if (!records || records->empty() || !Describe(*records, frame)) return false;
  frame->offset = offset_;
  frame->length = length;
  frame->raw_length = records->size();
  offset_ += length;
  return true;
}

bool SegmentScan::Describe(std::span<const std::byte> records, Frame* frame) {
  *frame = {};
  while (!records.empty()) {
    RecordHeader header = {};
    if (records.size() < sizeof header) return false;
    std::memcpy(&header, records.data(), sizeof header);
    if (header.captured > records.size() - sizeof header) return false;
    Note(header, header.Microseconds(format_.nanoseconds), frame);
    hosts_.Add(format_.link_type, PacketOf(records, header), header.length);
    records = records.subspan(sizeof header + header.captured);
  }
  frame->hosts = hosts_.Take();
  return true;
}

}  // namespace weir::sensor
