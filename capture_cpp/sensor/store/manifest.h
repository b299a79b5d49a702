// What is said about a sealed segment; docs/formats/manifest.md lists the fields.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "batch.h"
#include "counters.h"
#include "gap.h"

namespace weir::sensor {

// One zstd frame with whole records.
struct Frame {
  std::uint64_t offset = 0;      // in the file
  std::uint64_t length = 0;      // in the file
  std::uint64_t raw_offset = 0;  // of its first record in the uncompressed capture
  std::uint64_t raw_length = 0;
  std::uint64_t packets = 0;
  std::uint64_t packet_bytes = 0;
  std::uint64_t truncated = 0;  // packets shorter than they were on the wire
  std::int64_t first_us = 0;    // earliest and latest, not first and last: packets may come out of order
  std::int64_t last_us = 0;
  std::string hosts;  // from HostIndex
};

struct Manifest {
  std::string sensor_id;
  std::string boot_id;
  std::uint64_t seq = 0;
  std::string file;
  std::string sha256;
  std::string previous_sha256;  // empty for the first of a boot
  RecordFormat format;
  std::uint32_t snaplen = 0;
  std::string filter;
  std::string privacy;  // empty where packets are as they were captured
  std::uint64_t file_bytes = 0;
  std::string hour;
  std::int64_t sealed_wall_us = 0;
  std::int64_t sealed_mono_us = 0;
  std::string source;
  Counters counters;
  std::vector<Gap> gaps;  // that ended since the previous seal, and the one that lasts
  std::vector<Frame> frames;

  std::string ToJson() const;
};

std::string GapToJson(const Gap& gap);
std::string CountersToJson(const Counters& counters);
// Reads the counters of a manifest that ToJson() wrote; false where they are not all there.
bool CountersFromJson(const std::string& manifest, Counters* out);

// Reads the segment's digest from such a manifest, or from an acknowledgement; empty where there is none.
std::string Sha256FromJson(const std::string& text);

// "2024-03-04T09", UTC.
std::string HourName(std::int64_t time_us);

}  // namespace weir::sensor
