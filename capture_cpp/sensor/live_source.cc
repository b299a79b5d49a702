#include "live_source.h"

#include <linux/filter.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <exception>

#include "events.h"
#include "filter.h"

namespace weir::sensor {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// The kernel hands over a block of the ring when it is full or this old.
constexpr int kBlockMilliseconds = 100;
// Signals and counters are looked at between runs of this many packets.
constexpr int kPacketsPerRun = 8192;
// Before the first packet counts, those that came while the ring was set up are let go.
constexpr int kSettleMilliseconds = 1000;

// What the kernel says of this socket, in 64 bits: libpcap's own fields wrap after 71 minutes at 1 Mpps.
struct KernelTotals {
  std::uint64_t received = 0;  // on Linux this includes the dropped
  std::uint64_t dropped = 0;
  std::uint64_t interface_dropped = 0;
};

class LiveSource : public CaptureSource {
 public:
  explicit LiveSource(const Options& options);

  std::string Name() const override { return "live:" + interface_; }
  void Run(Feeder* feeder, StopSignal* signal) override;

 private:
  void Activate(const Options& options);
  void Settle();
  void SetFilter(const std::string& text);
  void RejectAll();
  void Capture(Feeder* feeder, StopSignal* signal);
  void Drain(Feeder* feeder);
  void Wait(const StopSignal& signal) const;
  // Reads what the ring holds, a bounded number of packets; returns how many.
  int Dispatch(pcap_handler handler, void* argument);
  void AskKernel();
  void CountDrops(Feeder* feeder);
  // Packets the kernel put into the ring that nobody has seen yet.
  std::uint64_t Waiting() const { return kernel_.received - kernel_.dropped - read_; }
  static void OnPacket(u_char* self, const pcap_pkthdr* packet, const u_char* data);

  std::string interface_;
  std::unique_ptr<pcap_t, decltype(&pcap_close)> capture_;
  RecordFormat format_;
  KernelTotals kernel_;
  pcap_stat last_stat_ = {};
  std::uint64_t read_ = 0;
  Feeder* feeder_ = nullptr;
};

pcap_t* Create(const std::string& interface) {
  char error[PCAP_ERRBUF_SIZE];
  pcap_t* capture = pcap_create(interface.c_str(), error);
  if (capture == nullptr) throw SensorError(ExitCode::kCapture, interface + ": " + error);
  return capture;
}

std::string WhyNotActive(int outcome, const std::string& interface, const std::string& detail) {
  switch (outcome) {
    case PCAP_ERROR_NO_SUCH_DEVICE:
      return "there is no interface \"" + interface + "\"; `ip link` lists those there are";
    case PCAP_ERROR_PERM_DENIED:
    case PCAP_ERROR_PROMISC_PERM_DENIED:
      return interface + ": capturing needs the capability CAP_NET_RAW; "
             "run as root, or give it once: setcap cap_net_raw+ep weir-capture";
    case PCAP_ERROR_IFACE_NOT_UP:
      return interface + ": the interface is down; `ip link set " + interface + " up` raises it";
    default:
      return interface + ": " + (detail.empty() ? pcap_statustostr(outcome) : detail);
  }
}

LiveSource::LiveSource(const Options& options)
    : interface_(options.interface), capture_(Create(options.interface), &pcap_close) {
  Activate(options);
  Settle();
  SetFilter(options.filter);
}

void LiveSource::Activate(const Options& options) {
  pcap_t* capture = capture_.get();
  pcap_set_snaplen(capture, static_cast<int>(options.snaplen));
  pcap_set_promisc(capture, options.promiscuous ? 1 : 0);
  pcap_set_timeout(capture, kBlockMilliseconds);
  pcap_set_immediate_mode(capture, 0);  // one wake-up per packet would cost 30 times as much
  pcap_set_buffer_size(capture, static_cast<int>(options.ring_mb << 20));
  format_.nanoseconds = pcap_set_tstamp_precision(capture, PCAP_TSTAMP_PRECISION_NANO) == 0;
  const int outcome = pcap_activate(capture);
  if (outcome < 0) throw SensorError(ExitCode::kCapture, WhyNotActive(outcome, interface_, pcap_geterr(capture)));
  if (outcome > 0) Say(Event("warning").Text("source", Name()).Text("what", WhyNotActive(outcome, interface_, pcap_geterr(capture))));
  format_.link_type = LinkTypeOfDlt(pcap_datalink(capture));
  char error[PCAP_ERRBUF_SIZE];
  // A blocking read on a silent interface never returns, and this sensor must rotate and stop.
  if (pcap_setnonblock(capture, 1, error) != 0) throw SensorError(ExitCode::kCapture, interface_ + ": " + error);
}

// Packets that came before the filter was set are let go, and so is the kernel's count of them:
// from here on, each packet the kernel counts is one that this sensor has to account for.
void LiveSource::Settle() {
  RejectAll();
  const Clock::time_point deadline = Clock::now() + milliseconds(kSettleMilliseconds);
  do {
    Dispatch([](u_char* count, const pcap_pkthdr*, const u_char*) { ++*reinterpret_cast<std::uint64_t*>(count); }, &read_);
    AskKernel();
    if (Waiting() > 0) poll(nullptr, 0, kBlockMilliseconds / 4);
  } while (Waiting() > 0 && Clock::now() < deadline);
  kernel_ = {};
  read_ = 0;
}

void LiveSource::SetFilter(const std::string& text) {
  pcap_t* capture = capture_.get();
  if (text.empty()) {
    const int unused = 0;
    setsockopt(pcap_fileno(capture), SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused);
    return;
  }
  bpf_program program;
  if (pcap_compile(capture, &program, text.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
    throw SensorError(ExitCode::kSettings, FilterMistake(text, interface_, pcap_geterr(capture)));
  }
  const int outcome = pcap_setfilter(capture, &program);
  pcap_freecode(&program);
  if (outcome != 0) throw SensorError(ExitCode::kSettings, FilterMistake(text, interface_, pcap_geterr(capture)));
  // libpcap silently filters in user space where the kernel refuses; the counts would not add up then.
  socklen_t instructions = 0;
  if (getsockopt(pcap_fileno(capture), SOL_SOCKET, SO_GET_FILTER, nullptr, &instructions) != 0 || instructions == 0) {
    throw SensorError(ExitCode::kSettings, FilterMistake(text, interface_, "the kernel takes 4096 instructions at most; make it shorter"));
  }
}

void LiveSource::RejectAll() {
  sock_filter reject = {BPF_RET | BPF_K, 0, 0, 0};
  const sock_fprog program = {1, &reject};
  if (setsockopt(pcap_fileno(capture_.get()), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
    throw SensorError(ExitCode::kCapture, interface_ + ": the kernel takes no socket filter");
  }
}

void LiveSource::OnPacket(u_char* self, const pcap_pkthdr* packet, const u_char* data) {
  auto* source = reinterpret_cast<LiveSource*>(self);
  if (source->feeder_->done()) return;
  ++source->read_;
  source->feeder_->Take(source->format_,
                        {static_cast<std::uint32_t>(packet->ts.tv_sec), static_cast<std::uint32_t>(packet->ts.tv_usec),
                         packet->caplen, packet->len},
                        data);
  if (source->feeder_->done()) pcap_breakloop(source->capture_.get());
}

int LiveSource::Dispatch(pcap_handler handler, void* argument) {
  const int packets = pcap_dispatch(capture_.get(), kPacketsPerRun, handler, static_cast<u_char*>(argument));
  if (packets == PCAP_ERROR) {
    throw SensorError(ExitCode::kCapture, interface_ + ": " + pcap_geterr(capture_.get()) + "; what was captured before was sealed");
  }
  return packets;
}

void LiveSource::AskKernel() {
  pcap_stat now = {};
  if (pcap_stats(capture_.get(), &now) != 0) return;
  // Unsigned differences stay right when a field wraps.
  kernel_.received += now.ps_recv - last_stat_.ps_recv;
  kernel_.dropped += now.ps_drop - last_stat_.ps_drop;
  kernel_.interface_dropped += now.ps_ifdrop - last_stat_.ps_ifdrop;
  last_stat_ = now;
}

void LiveSource::CountDrops(Feeder* feeder) {
  AskKernel();
  feeder->SetDrops(kernel_.dropped, kernel_.interface_dropped);
}

void LiveSource::Wait(const StopSignal& signal) const {
  std::array<pollfd, 2> events = {{{pcap_get_selectable_fd(capture_.get()), POLLIN, 0}, {signal.descriptor(), POLLIN, 0}}};
  poll(events.data(), events.size(), kBlockMilliseconds);
}

void LiveSource::Run(Feeder* feeder, StopSignal* signal) {
  feeder_ = feeder;
  std::exception_ptr trouble;
  try {
    Capture(feeder, signal);
  } catch (const SensorError&) {
    trouble = std::current_exception();  // the ring outlives the interface, and what it holds was received
  }
  RejectAll();
  if (!feeder->done()) Drain(feeder);
  CountDrops(feeder);
  feeder->SetUnread(Waiting());
  if (trouble) std::rethrow_exception(trouble);
}

void LiveSource::Capture(Feeder* feeder, StopSignal* signal) {
  Clock::time_point next_hand_over = Clock::now() + milliseconds(kHandOverMilliseconds);
  while (!feeder->done()) {
    const int packets = Dispatch(&OnPacket, this);
    const Wish wish = signal->Take();
    if (wish == Wish::kStop) return;
    if (Clock::now() >= next_hand_over || wish == Wish::kSeal) {
      CountDrops(feeder);
      wish == Wish::kSeal ? feeder->Seal() : feeder->HandOver();
      next_hand_over = Clock::now() + milliseconds(kHandOverMilliseconds);
    }
    if (packets == 0) Wait(*signal);
  }
}

// The kernel accepts no more, so what it has counted and nobody has read becomes less and less.
void LiveSource::Drain(Feeder* feeder) {
  const Clock::time_point deadline = Clock::now() + milliseconds(kDrainMilliseconds);
  for (AskKernel(); Waiting() > 0 && Clock::now() < deadline && !feeder->done(); AskKernel()) {
    // An error says the interface is gone; the kernel still hands over its last block.
    const int packets = pcap_dispatch(capture_.get(), kPacketsPerRun, &OnPacket, reinterpret_cast<u_char*>(this));
    if (packets <= 0) poll(nullptr, 0, kBlockMilliseconds / 4);
  }
}

}  // namespace

std::unique_ptr<CaptureSource> OpenLiveSource(const Options& options) { return std::make_unique<LiveSource>(options); }

}  // namespace weir::sensor
