// Reads a segment of unknown soundness, frame by frame, as a salvage does.
#pragma once

#include <zstd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "store/host_index.h"
#include "store/manifest.h"

namespace weir::sensor {

class SegmentScan {
 public:
  // `file` holds `size` bytes and stays open.
  SegmentScan(int file, std::uint64_t size);

  // The capture header in the first frame; false where there is none.
  bool ReadHeader(RecordFormat* format, std::uint32_t* snaplen);
  // The next frame that decompresses, whose checksum holds and that whole records fill exactly,
  // however many damaged bytes lie before it; false where there is none.
  bool Next(Frame* frame);
  // Bytes of the header and of all frames that Next() found.
  std::uint64_t kept_bytes() const { return kept_bytes_; }

 private:
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };

  // What the file holds at `offset`, as much as a frame can be long; less before its end and before
  // what the disk cannot read. Valid until the next call.
  std::span<const std::byte> Look(std::uint64_t offset);
  // How long the frame at `offset` is by its blocks; nothing where it cannot be one of ours.
  std::optional<std::uint64_t> FrameLength(std::uint64_t offset);
  // What the frame at the current offset decompresses to, and how long it is; nothing where it is
  // not sound.
  std::optional<std::span<const std::byte>> Decompress(std::uint64_t* length);
  // Where to look next, as no sound frame is at the current offset.
  std::uint64_t NextStart();
  // Where, from `offset` on, a frame like ours may begin; the end of the file where nowhere.
  std::uint64_t FindBeginning(std::uint64_t offset);
  void Describe(std::span<const std::byte> records, Frame* frame);
  void StepOver(std::uint64_t length);

  int file_;
  std::uint64_t size_;
  std::uint64_t offset_ = 0;
  bool is_frame_end_ = true;  // whether a frame ends at the current offset, so that the next begins there
  std::uint64_t kept_bytes_ = 0;
  int tries_ = 0;  // in vain, since the last sound frame
  RecordFormat format_;
  HostIndex hosts_;
  std::unique_ptr<ZSTD_DCtx, Free> context_;
  std::vector<std::byte> window_;
  std::uint64_t window_at_ = 0;  // in the file
  std::size_t window_bytes_ = 0;
  std::vector<std::byte> raw_;
};

// Adds one packet to what is said about its frame, but for its hosts.
void Note(const RecordHeader& header, std::int64_t time_us, Frame* frame);

}  // namespace weir::sensor
