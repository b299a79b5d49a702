// An uncompressed capture file beside the segments, or instead of them.
//
// A file is written in aligned pieces past the page cache, where its file system allows that: copying
// packets into fresh cache pages would cost three times as much as all the rest of a capture.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "batch.h"
#include "disk.h"
#include "pipe.h"

namespace weir::sensor {

class PlainCapture {
 public:
  // "-" is stdout. Throws SensorError where the file cannot be created. `pipe` says how long its reader may take
  // where it is no file.
  PlainCapture(std::string path, std::uint32_t snaplen, PipeWriter pipe);

  // Takes whole records, `packets` of them. False once the file failed; why was said on stderr.
  bool Write(const RecordFormat& format, std::span<const std::byte> records, std::uint64_t packets);
  // Makes it last; false where that failed. Where no record came, the file still becomes a capture, of this format.
  bool Close(const RecordFormat& format);
  // Packets that Write() took and a failure lost afterwards; 0 when asked again.
  std::uint64_t TakeLost();

 private:
  // Where records handed over together end in the file.
  struct Mark {
    std::uint64_t end;
    std::uint64_t packets;
  };
  struct Free {
    void operator()(std::byte* buffer) const { std::free(buffer); }
  };

  void Open();
  bool WriteHeader(const RecordFormat& format);
  std::error_code Append(std::span<const std::byte> bytes);
  std::error_code WriteBuffer();
  std::error_code WritePipe();
  std::error_code WriteRest();
  void Wrote(std::size_t bytes);
  bool Fail(const std::string& why);

  std::string path_;
  std::uint32_t snaplen_;
  PipeWriter pipe_;
  Descriptor file_;
  bool is_regular_ = false;
  bool is_direct_ = false;
  std::unique_ptr<std::byte, Free> buffer_;
  std::size_t buffered_ = 0;
  std::uint64_t on_disk_ = 0;     // bytes
  std::uint64_t whole_bytes_ = 0;  // of them, up to the end of a mark
  std::deque<Mark> marks_;         // not yet on the disk
  std::uint64_t lost_ = 0;
  std::optional<RecordFormat> format_;
  bool failed_ = false;
};

}  // namespace weir::sensor
