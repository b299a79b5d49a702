#include "store/segment.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "segment_format.h"
#include "store/segment_scan.h"

namespace weir::sensor {
namespace {

// Six times as fast as level 1 and still a little smaller than nothing at all, for the time the queue is long.
constexpr int kHastyLevel = -100;

void Put(std::vector<std::byte>* out, const auto& value) {
  out->resize(out->size() + sizeof value);
  std::memcpy(out->data() + out->size() - sizeof value, &value, sizeof value);
}

std::size_t Check(std::size_t outcome) {
  if (ZSTD_isError(outcome)) throw std::runtime_error(std::string("zstd: ") + ZSTD_getErrorName(outcome));
  return outcome;
}

// A frame that decompresses to nothing and holds `name`.
std::vector<std::byte> NameFrame(const std::string& name) {
  std::vector<std::byte> frame;
  Put(&frame, static_cast<std::uint32_t>(ZSTD_MAGIC_SKIPPABLE_START));
  Put(&frame, static_cast<std::uint32_t>(name.size()));
  const auto text = std::as_bytes(std::span(name));
  frame.insert(frame.end(), text.begin(), text.end());
  return frame;
}

}  // namespace

std::vector<std::byte> PcapHeader(const RecordFormat& format, std::uint32_t snaplen) {
  std::vector<std::byte> header;
  Put(&header, format.nanoseconds ? kPcapNanoseconds : kPcapMicroseconds);
  Put(&header, kPcapMajor);
  Put(&header, kPcapMinor);
  Put(&header, std::uint32_t{0});  // time zone, always UTC
  Put(&header, std::uint32_t{0});  // accuracy, never used
  Put(&header, snaplen);
  Put(&header, format.link_type);
  return header;
}

Compressor::Compressor(int level)
    : context_(ZSTD_createCCtx()), level_(level == 0 ? ZSTD_minCLevel() : level), size_(ZSTD_compressBound(kFrameBytes)) {
  const std::size_t blocks = size_ / kBlockBytes + 2;
  room_.reset(static_cast<std::byte*>(std::aligned_alloc(kBlockBytes, blocks * kBlockBytes)));
  if (context_ == nullptr || room_ == nullptr) throw std::bad_alloc();
  Check(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1));
}

std::span<const std::byte> Compressor::Frame(std::span<const std::byte> raw, bool hasty, std::uint64_t offset) {
  const int level = hasty ? std::min(level_, kHastyLevel) : level_;
  Check(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level));
  std::byte* out = room_.get() + offset % kBlockBytes;
  return {out, Check(ZSTD_compress2(context_.get(), out, size_, raw.data(), raw.size()))};
}

Segment::Segment(int folder, const std::string& name, Compressor* compressor)
    : folder_(folder), name_(name), compressor_(compressor), file_(folder, name + std::string(kSegmentSuffix)) {}

std::error_code Segment::Open(RecordFormat format, std::uint32_t snaplen) {
  format_ = format;
  snaplen_ = snaplen;
  if (const std::error_code error = file_.Create()) return error;
  const std::vector<std::byte> header = PcapHeader(format_, snaplen_);
  digest_.emplace();
  raw_bytes_ = header.size();
  const std::error_code error = AppendFrame(compressor_->Frame(header, false, 0));
  if (error) file_.Discard();
  return error;
}

std::error_code Segment::AppendFrame(std::span<const std::byte> frame) {
  if (const std::error_code error = file_.Append(frame)) return error;
  if (digest_) digest_->Add(frame);
  return {};
}

// Adds a frame that decompresses to nothing but the name: without packets, a segment is its capture header
// alone, and the store knows segments by their digests.
std::error_code Segment::MakeUnlike() {
  if (is_unlike_) return {};
  const std::error_code error = AppendFrame(NameFrame(name_));
  is_unlike_ = !error;
  return error;
}

// Whether MakeUnlike() was the last that was done to it.
bool Segment::IsUnlike(std::uint64_t header_bytes) const {
  const std::vector<std::byte> frame = NameFrame(name_);
  std::vector<std::byte> found(frame.size());
  if (file_.size() != header_bytes + frame.size()) return false;
  return !ReadAllAt(file_.descriptor(), found, header_bytes) && found == frame;
}

// A frame is kept where it decompresses, its checksum holds and its records fill it exactly.
std::error_code Segment::Reopen(std::uint64_t* torn_bytes) {
  if (const std::error_code error = file_.Reopen()) return error;
  SegmentScan scan(file_.descriptor(), file_.size());
  *torn_bytes = file_.size();
  if (!scan.ReadHeader(&format_, &snaplen_)) return {};
  const std::uint64_t header_bytes = scan.kept_bytes();
  raw_bytes_ = kPcapHeaderBytes;
  for (Frame frame; scan.Next(&frame);) {
    frame.raw_offset = raw_bytes_;
    raw_bytes_ += frame.raw_length;
    frames_.push_back(frame);
  }
  *torn_bytes = IsUnlike(header_bytes) ? 0 : file_.size() - scan.kept_bytes();
  const bool is_torn_inside = !frames_.empty() && frames_.back().offset + frames_.back().length != scan.kept_bytes();
  return is_torn_inside ? MoveFramesUp(header_bytes) : file_.CutTo(scan.kept_bytes());
}

// In a second file that takes the place of the first once it is whole on the disk: whenever the sensor is
// killed, all frames are in the file of that name, and each of them once.
std::error_code Segment::MoveFramesUp(std::uint64_t header_bytes) {
  HiddenFile whole(folder_, file_.hidden_name());
  std::error_code error = whole.Create();
  if (!error) error = CopyFrames(header_bytes, &whole);
  if (!error) error = whole.Flush();
  if (error) {
    whole.Discard();
    return error;
  }
  // Not discarded where this fails, as it may have the name already.
  error = whole.Publish();
  return error ? error : file_.Reopen();
}

std::error_code Segment::CopyFrames(std::uint64_t header_bytes, HiddenFile* out) {
  std::vector<std::byte> bytes(header_bytes);
  if (const std::error_code error = ReadAllAt(file_.descriptor(), bytes, 0)) return error;
  if (const std::error_code error = out->Append(bytes)) return error;
  for (Frame& frame : frames_) {
    bytes.resize(frame.length);
    if (const std::error_code error = ReadAllAt(file_.descriptor(), bytes, frame.offset)) return error;
    frame.offset = out->size();
    if (const std::error_code error = out->Append(bytes)) return error;
  }
  return {};
}

std::error_code Segment::Append(std::span<const std::byte> records, Frame facts, bool hasty) {
  const std::span<const std::byte> frame = compressor_->Frame(records, hasty, file_.size());
  facts.offset = file_.size();
  facts.length = frame.size();
  facts.raw_offset = raw_bytes_;
  facts.raw_length = records.size();
  if (const std::error_code error = AppendFrame(frame)) return error;
  raw_bytes_ += records.size();
  frames_.push_back(facts);
  return {};
}

std::optional<Frame> Segment::CutLastFrame() {
  if (frames_.empty()) return std::nullopt;
  Frame last = frames_.back();
  if (file_.CutTo(last.offset)) return std::nullopt;
  digest_.reset();
  raw_bytes_ = last.raw_offset;
  frames_.pop_back();
  return last;
}

std::string Segment::Digest() const {
  if (digest_) return digest_->Hex();
  Sha256 digest;
  std::vector<std::byte> buffer(kFrameBytes);
  for (std::uint64_t at = 0; at < file_.size(); at += buffer.size()) {
    const auto piece = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), file_.size() - at));
    if (ReadAllAt(file_.descriptor(), piece, at)) return {};
    digest.Add(piece);
  }
  return digest.Hex();
}

std::error_code Segment::Seal(Manifest* manifest) {
  is_on_disk_ = false;
  if (frames_.empty()) {
    if (const std::error_code error = MakeUnlike()) return error;
  }
  if (const std::error_code error = file_.Flush()) return error;
  is_on_disk_ = true;
  manifest->file = file_.name();
  manifest->format = format_;
  manifest->snaplen = snaplen_;
  manifest->file_bytes = file_.size();
  manifest->frames = frames_;
  manifest->sha256 = Digest();
  if (manifest->sha256.empty()) return std::make_error_code(std::errc::io_error);
  // The manifest is on the disk before the segment shows, so that a full disk can still be met by
  // giving up a frame.
  HiddenFile paper(folder_, name_ + std::string(kManifestSuffix));
  const std::string text = manifest->ToJson();
  std::error_code error = paper.Create();
  if (!error) error = paper.Append(std::as_bytes(std::span(text)));
  if (!error) error = paper.Flush();
  if (!error) error = file_.Publish();
  if (!error) error = paper.Publish();
  if (!error) return {};
  paper.Discard();
  return file_.Hide() ? std::make_error_code(std::errc::io_error) : error;
}

void Segment::Discard() { file_.Discard(); }

}  // namespace weir::sensor
