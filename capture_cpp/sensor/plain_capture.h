// An uncompressed capture file beside the segments, or instead of them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "batch.h"
#include "disk.h"

namespace weir::sensor {

class PlainCapture {
 public:
  // "-" is stdout. Throws SensorError where the file cannot be created.
  PlainCapture(std::string path, std::uint32_t snaplen);

  // False once the file failed; why was said on stderr.
  bool Write(const RecordFormat& format, std::span<const std::byte> records);
  // Makes it last; false where that failed.
  bool Close();

 private:
  bool Fail(const std::string& why);
  bool WriteHeader(const RecordFormat& format);

  std::string path_;
  std::uint32_t snaplen_;
  Descriptor file_;
  std::optional<RecordFormat> format_;
  bool failed_ = false;
};

}  // namespace weir::sensor
