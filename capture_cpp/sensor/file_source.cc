#include "file_source.h"

#include <pcap/pcap.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "events.h"
#include "filter.h"

namespace weir::sensor {
namespace {

// Signals are looked for once in this many packets.
constexpr std::uint64_t kPacketsPerLook = 4096;

class FileSource : public CaptureSource {
 public:
  FileSource(const Options& options, pcap_t* capture, RecordFormat format)
      : name_(options.file), snaplen_(options.snaplen), filter_(options.filter, options.snaplen),
        capture_(capture, &pcap_close), format_(format) {}

  std::string Name() const override { return "file:" + name_; }

  void Run(Feeder* feeder, StopSignal* signal) override {
    for (std::uint64_t packets = 1; !feeder->done(); ++packets) {
      pcap_pkthdr* header = nullptr;
      const u_char* data = nullptr;
      const int outcome = pcap_next_ex(capture_.get(), &header, &data);
      if (outcome == PCAP_ERROR_BREAK) return;
      if (outcome != 1) {
        throw SensorError(ExitCode::kCapture, name_ + ": " + pcap_geterr(capture_.get()) + "; what came before it was kept");
      }
      Offer(*header, data, feeder);
      if (packets % kPacketsPerLook == 0 && signal->Take() == Wish::kStop) return;
    }
  }

 private:
  void Offer(const pcap_pkthdr& packet, const std::uint8_t* data, Feeder* feeder) {
    RecordHeader header = {static_cast<std::uint32_t>(packet.ts.tv_sec), static_cast<std::uint32_t>(packet.ts.tv_usec),
                           packet.caplen, packet.len};
    if (!filter_.Takes(format_.link_type, header, data)) {
      feeder->Reject(header.Microseconds(format_.nanoseconds));
      return;
    }
    header.captured = std::min(header.captured, snaplen_);
    feeder->Take(format_, header, data);
  }

  std::string name_;
  std::uint32_t snaplen_;
  FileFilter filter_;
  std::unique_ptr<pcap_t, decltype(&pcap_close)> capture_;
  RecordFormat format_;
};

}  // namespace

std::unique_ptr<CaptureSource> OpenFileSource(const Options& options) {
  std::FILE* file = options.file == "-" ? stdin : std::fopen(options.file.c_str(), "rb");
  if (file == nullptr) {
    throw SensorError(ExitCode::kCapture, options.file + ": " + std::strerror(errno) + "; give the path of a pcap or pcapng file");
  }
  char error[PCAP_ERRBUF_SIZE];
  pcap_t* capture = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, error);
  if (capture == nullptr) throw SensorError(ExitCode::kCapture, options.file + ": " + error);
  return std::make_unique<FileSource>(options, capture, RecordFormat{LinkTypeOfDlt(pcap_datalink(capture)), true});
}

}  // namespace weir::sensor
