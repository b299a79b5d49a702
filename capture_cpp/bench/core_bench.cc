// Measures the flow core: weir-core-bench MODE FILE [RUNS [MEMORY_MB]]
//
//   read   walk the records
//   parse  ... and decode each packet: the floor of any flow engine
//   flows  ... and build flows, all columns, batch by batch
//   headers  ... without looking at payload
//   table  ... and keep them all as one table
// Prints one JSON line per run; cpu_s is user + system time of the process during the run.
#include <sys/resource.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <string>

#include "flow_builder.h"

namespace {

constexpr std::int64_t kIdleUs = 120'000'000;
constexpr std::int64_t kActiveUs = 1'800'000'000;
constexpr std::size_t kMiB = std::size_t{1} << 20;

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec); };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double ResidentMiB() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-union-access): the C library spells this field so
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

struct Result {
  std::uint64_t packets = 0;
  std::uint64_t flows = 0;
  std::uint64_t result_bytes = 0;  // what the columns hold
  std::uint64_t check = 0;         // keeps the compiler from leaving the work out
};

Result Read(const std::string& path) {
  weir::CaptureFile capture(path);
  weir::Record record{};
  Result result;
  while (capture.Next(&record)) {
    ++result.packets;
    result.check += static_cast<std::uint64_t>(record.time_us);
  }
  return result;
}

Result Parse(const std::string& path) {
  weir::CaptureFile capture(path);
  weir::Record record{};
  weir::Counts counts;
  weir::Decoder decoder(weir::RandomSeed(), &counts);
  weir::Packet packet{};
  Result result;
  while (capture.Next(&record)) {
    ++result.packets;
    if (decoder.Decode(record, &packet) == weir::Outcome::kAccepted) {
      result.check += packet.hash + packet.ip_bytes;
    }
  }
  return result;
}

Result Flows(const std::string& path, std::size_t memory_bytes, std::int64_t batch_rows, bool parse_applications) {
  Result result;
  const auto count = [&result](const std::shared_ptr<const weir::FlowBatch>& batch) {
    result.flows += static_cast<std::uint64_t>(batch->rows);
    for (const weir::FlowBatch::Column& column : batch->columns) {
      result.result_bytes += column.values.size() + column.offsets.size();
    }
  };
  weir::FlowBuilder builder({kIdleUs, kActiveUs, memory_bytes, parse_applications}, weir::RandomSeed(), count, batch_rows);
  weir::CaptureFile capture(path);
  builder.Read(&capture);
  builder.Finish();
  result.packets = builder.counts().read;
  return result;
}

Result Measure(const std::string& mode, const std::string& path, std::size_t memory_bytes) {
  if (mode == "read") {
    return Read(path);
  }
  if (mode == "parse") {
    return Parse(path);
  }
  return Flows(path, memory_bytes, mode == "table" ? weir::kAllRows : weir::kBatchRows, mode != "headers");
}

std::size_t Number(const char* text, std::size_t fallback) {
  std::size_t number = fallback;
  if (text != nullptr) {
    std::from_chars(text, text + std::strlen(text), number);
  }
  return number;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 2 ? argv[1] : "";
  if (mode != "read" && mode != "parse" && mode != "flows" && mode != "headers" && mode != "table") {
    std::fprintf(stderr, "usage: weir-core-bench read|parse|flows|headers|table FILE [RUNS [MEMORY_MB]]\n");
    return 2;
  }
  const std::string path = argv[2];
  const std::size_t runs = Number(argc > 3 ? argv[3] : nullptr, 1);
  const std::size_t memory_mb = Number(argc > 4 ? argv[4] : nullptr, 4'096);
  try {
    for (std::size_t run = 0; run < runs; ++run) {
      const double before = CpuSeconds();
      const Result result = Measure(mode, path, memory_mb * kMiB);
      const double cpu = CpuSeconds() - before;
      std::printf("{\"mode\":\"%s\",\"packets\":%llu,\"flows\":%llu,\"cpu_s\":%.4f,\"mpps\":%.3f,\"rss_mib\":%.0f,\"result_mib\":%.0f,\"check\":%llu}\n", mode.c_str(),
                  static_cast<unsigned long long>(result.packets), static_cast<unsigned long long>(result.flows), cpu,
                  1e-6 * static_cast<double>(result.packets) / cpu, ResidentMiB(), static_cast<double>(result.result_bytes) / static_cast<double>(kMiB), static_cast<unsigned long long>(result.check));
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
