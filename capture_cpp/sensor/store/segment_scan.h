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
  // The next frame that decompresses, whose checksum holds and that whole records fill exactly;
  // false at the first that does not, and at the end.
  bool Next(Frame* frame);
  // Where the last good frame ends.
  std::uint64_t sound_bytes() const { return offset_; }

 private:
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };

  // What the frame at the current offset decompresses to, and how long it is; nothing where it is
  // not whole.
  std::optional<std::span<const std::byte>> Decompress(std::uint64_t* length);
  bool Describe(std::span<const std::byte> records, Frame* frame);

  int file_;
  std::uint64_t size_;
  std::uint64_t offset_ = 0;
  RecordFormat format_;
  HostIndex hosts_;
  std::unique_ptr<ZSTD_DCtx, Free> context_;
  std::vector<std::byte> packed_;
  std::vector<std::byte> raw_;
};

// Adds one packet to what is said about its frame, but for its hosts.
void Note(const RecordHeader& header, std::int64_t time_us, Frame* frame);

}  // namespace weir::sensor
