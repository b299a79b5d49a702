// A stream of bytes: a file or standard input, plain, gzip or zstd.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace weir {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Fills the front of `room` and returns how much; 0 only at the end of the stream.
  // Throws CaptureError when the file cannot be read or its compression is broken.
  virtual std::size_t Read(std::span<std::uint8_t> room) = 0;

  // Whether the stream ended inside a compressed frame: what was read before is sound.
  virtual bool IsCut() const { return false; }
};

// What is called before each wait for bytes of a file, and where a signal interrupts one; it may throw. Nothing at first.
void BeforeWaiting(void (*look)());

// Opens `path` ("-" is standard input) and looks at its first bytes to see whether it is
// compressed. Throws CaptureError when it cannot be opened.
std::unique_ptr<ByteSource> OpenByteSource(const std::string& path);

// The same over bytes in memory, which must outlive the source; `name` is for error messages.
std::unique_ptr<ByteSource> OpenByteSource(const std::string& name, std::span<const std::uint8_t> bytes);

// The same for bytes that come from elsewhere; reads the first ones at once. `name` is for messages.
std::unique_ptr<ByteSource> Unpacked(const std::string& name, std::unique_ptr<ByteSource> source);

}  // namespace weir
