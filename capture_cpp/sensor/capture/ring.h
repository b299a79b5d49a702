// One interface's ring buffer: opening it, reading it, and what the kernel counts beside it.
#pragma once

#include <pcap/pcap.h>

#include <cstdint>
#include <memory>
#include <string>

#include "batch.h"
#include "capture_options.h"

namespace weir::sensor {

// What the kernel says of a socket, in 64 bits: libpcap's own fields wrap after 71 minutes at 1 Mpps.
class KernelTotals {
 public:
  std::uint64_t received() const { return received_; }  // on Linux this includes the dropped
  std::uint64_t dropped() const { return dropped_; }
  // `now` as libpcap gives it; unsigned differences stay right when a field wraps.
  void Add(const pcap_stat& now);
  void Forget() { received_ = dropped_ = 0; }

 private:
  std::uint64_t received_ = 0;
  std::uint64_t dropped_ = 0;
  pcap_stat last_ = {};
};

class Ring {
 public:
  // Opens the interface and sets the filter; from then on each packet that passes it is counted.
  // Throws SensorError.
  explicit Ring(const Options& options);

  const RecordFormat& format() const { return format_; }
  // Reads what the ring holds, a bounded number of packets; how many, or -1 where the interface may be gone.
  int Dispatch(pcap_handler handler, void* argument);
  void BreakLoop() { pcap_breakloop(capture_.get()); }
  std::string Trouble() const { return pcap_geterr(capture_.get()); }
  int descriptor() const { return pcap_get_selectable_fd(capture_.get()); }
  void CountRead() { ++read_; }
  std::uint64_t read() const { return read_; }

  // The kernel accepts no packet from here on.
  void RejectAll();
  const KernelTotals& AskKernel();
  // Packets the kernel put into the ring that nobody has seen yet, as of the last AskKernel().
  std::uint64_t Waiting() const { return kernel_.received() - kernel_.dropped() - read_; }
  // Takes packets of the interface with this index from now on; false where it is gone again. Needs no right.
  bool Attach(int index);

 private:
  void Activate(const Options& options);
  void Settle();
  void SetFilter(const std::string& text);
  void IgnoreLoopbackOutput();
  void IgnoreLoopbackOutputOfAll();

  std::string interface_;
  bool promiscuous_;
  std::unique_ptr<pcap_t, decltype(&pcap_close)> capture_;
  RecordFormat format_;
  KernelTotals kernel_;
  std::uint64_t read_ = 0;
};

}  // namespace weir::sensor
