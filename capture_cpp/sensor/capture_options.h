// What the command line says, and every limit of the sensor with its default and price.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flows/flow_options.h"

namespace weir::sensor {

enum class WhenFull : std::uint8_t { kDropNewest, kDropOldest, kStop };

struct Options {
  std::vector<std::string> interfaces;  // these or the file are given
  std::string interface;  // the one that this stream is about; empty for a file
  std::string file;       // "-" is stdin
  std::string filter;     // BPF, as tcpdump takes it; empty takes all
  std::string sensor = "sensor";
  std::string spool;       // at least one of these two is given
  std::string plain_file;  // "-" is stdout
  FlowOptions flows;       // with destinations neither of the two is needed

  std::uint32_t snaplen = 262144;             // B kept of each packet
  std::uint64_t count = 0;                    // packets accepted before stopping; 0 = no limit
  std::uint64_t rotate_bytes = 64ULL << 20;   // B of pcap in a segment, uncompressed; the collector holds one in memory
  std::uint64_t rotate_seconds = 300;         // s; how late the newest packets are in the spool
  std::uint64_t silence_seconds = 600;        // s without a packet until it is told; 0 = never
  std::uint64_t ring_mb = 64;                 // MiB of kernel memory; one holds about 2,200 packets of 400 B
  std::uint64_t spool_mb = 0;                 // MiB; 0 = until the disk is full
  WhenFull when_full = WhenFull::kDropNewest;
  bool promiscuous = true;
  bool cut_payload = false;
  std::string key_file;  // of Crypto-PAn; empty keeps addresses
  std::string user;          // whom to become once the source is open; empty stays
  bool sandboxed = true;
  bool check_sandbox = false;
  int level = 1;  // of zstd; 1 costs about 2 ns per byte, 0 stores
};

// The kernel hands over a block of the ring when it is full or this old.
inline constexpr int kBlockMilliseconds = 100;
// Full batches that may wait for the disk: 16 MiB beside the ring.
inline constexpr std::size_t kQueuedBatches = 16;
// How long a packet may wait in an unfilled batch, and how often the kernel's counters are asked.
inline constexpr int kHandOverMilliseconds = 1000;
// How long the ring is drained after a stop; sealing follows, and all of it stays below 5 s.
inline constexpr int kDrainMilliseconds = 3000;
// After a failed write, how long packets are counted as lost before the disk is tried again.
inline constexpr int kDiskRetryMilliseconds = 1000;
// Acknowledgements kept for their looks after their segments are gone.
inline constexpr std::size_t kKeptAcks = 1000;

// One for each interface, or one for the file: what each stream of segments is made by.
std::vector<Options> PerInterface(const Options& options);

// What a manifest says of packets that were edited: "", "cut-payload" or "anonymised".
std::string_view PrivacyName(const Options& options);

// The filter as manifests tell it: where addresses are replaced, it is not told which it names.
std::string ToldFilter(const Options& options);

// Throws SensorError for a wrong argument; prints and exits for --help and --version.
Options ParseOptions(int argc, char** argv);

}  // namespace weir::sensor
