// Any bytes as a capture: records until the end, or a CaptureError; never more bytes than given.
#include "exact_bytes.h"
#include "options.h"
#include "reader/capture_error.h"
#include "reader/capture_file.h"
#include "require.h"

namespace {

bool IsCompressed(const std::uint8_t* data, std::size_t size) { return size >= 2 && ((data[0] == 0x1f && data[1] == 0x8b) || (data[0] == 0x28 && data[1] == 0xb5)); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using weir::fuzz::Require;
  try {
    weir::CaptureFile capture("input", weir::OpenByteSource("input", {data, size}));
    weir::Record record{};
    std::uint64_t last_offset = 0;
    while (capture.Next(&record)) {
      Require(record.bytes.size() <= weir::kLargestRecord, "no record is larger than any capture holds");
      Require(record.bytes.size() <= record.wire_bytes, "nothing is captured that was not on the wire");
      Require(record.time_us >= 0 && record.time_us <= weir::kLatestUs, "times lie in years that calendars print");
      Require(record.offset > last_offset, "offsets rise");
      Require(IsCompressed(data, size) || record.offset + record.bytes.size() <= size, "no record reaches beyond its capture");
      last_offset = record.offset;
      const weir::test::ExactBytes exact(record.bytes);  // a record may be read to its last byte
      Require(exact.bytes().size() == record.bytes.size(), "a record is as long as it says");
    }
  } catch (const weir::CaptureError&) {
    // expected: most inputs are no captures
  }
  return 0;
}
