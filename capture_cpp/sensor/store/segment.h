// One segment under construction: a pcap file inside zstd frames.
#pragma once

#include <zstd.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "disk.h"
#include "store/manifest.h"
#include "store/sha256.h"

namespace weir::sensor {

// The 24 bytes before the first record.
std::vector<std::byte> PcapHeader(const RecordFormat& format, std::uint32_t snaplen);

// Compresses frames; one for the life of the sensor, as its tables are large.
class Compressor {
 public:
  explicit Compressor(int level);
  // One whole frame with a checksum; valid until the next call. `hasty` gives up size for speed.
  // It lies in memory as it will in a file at `offset`, so that it can be written past the page cache.
  std::span<const std::byte> Frame(std::span<const std::byte> raw, bool hasty, std::uint64_t offset);

 private:
  struct Free {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  };
  struct FreeRoom {
    void operator()(std::byte* room) const { std::free(room); }
  };
  std::unique_ptr<ZSTD_CCtx, Free> context_;
  int level_;
  std::size_t size_;  // of the room for a frame, without what aligns it
  std::unique_ptr<std::byte, FreeRoom> room_;
};

class Segment {
 public:
  // `compressor` may be null where nothing will be appended.
  Segment(int folder, const std::string& name, Compressor* compressor);

  // Creates the hidden file with the capture header in a frame of its own.
  std::error_code Open(RecordFormat format, std::uint32_t snaplen);
  // Takes up a file that a dead sensor left, hidden or visible, and takes out of it what is neither
  // the capture header nor a sound frame of whole records: `torn_bytes`. Where the header is not sound
  // that is all of it, and the file is left as it is. On failure the next Reopen() finds what this one did.
  std::error_code Reopen(std::uint64_t* torn_bytes);
  // `facts` says packets, bytes and times of `records`; the rest of it is filled in here.
  std::error_code Append(std::span<const std::byte> records, Frame facts, bool hasty);
  // Gives up the last frame, and with it its space; nothing where there is none.
  std::optional<Frame> CutLastFrame();
  // Makes segment and manifest visible, the manifest last. `manifest` knows everything but what the
  // segment itself says. On failure nothing is visible and all frames with packets are as before.
  std::error_code Seal(Manifest* manifest);
  // Whether the last Seal() had all frames on the disk, so that another one may succeed. What a disk could not
  // flush is lost to it, though it may say otherwise when it is asked again.
  bool is_on_disk() const { return is_on_disk_; }
  void Discard();

  const std::string& name() const { return name_; }
  const RecordFormat& format() const { return format_; }
  const std::vector<Frame>& frames() const { return frames_; }
  std::uint64_t raw_bytes() const { return raw_bytes_; }
  std::uint64_t file_bytes() const { return file_.size(); }

 private:
  std::string Digest() const;
  std::error_code AppendFrame(std::span<const std::byte> frame);
  std::error_code MakeUnlike();
  bool IsUnlike(std::uint64_t header_bytes) const;
  std::error_code MoveFramesUp(std::uint64_t header_bytes);
  std::error_code CopyFrames(std::uint64_t header_bytes, HiddenFile* out);

  int folder_;
  std::string name_;
  RecordFormat format_;
  std::uint32_t snaplen_ = 0;
  Compressor* compressor_;
  HiddenFile file_;
  std::optional<Sha256> digest_;  // of what was appended; none once something was cut off again
  std::vector<Frame> frames_;
  std::uint64_t raw_bytes_ = 0;
  bool is_on_disk_ = false;
  bool is_unlike_ = false;  // by a frame with its name
};

}  // namespace weir::sensor
