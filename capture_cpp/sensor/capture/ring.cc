#include "capture/ring.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <chrono>
#include <limits>
#include <vector>

#include "capture/filter.h"
#include "events.h"
#include "link_type.h"

namespace weir::sensor {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Signals and counters are looked at between runs of this many packets.
constexpr int kPacketsPerRun = 8192;
// Before the first packet counts, those that came while the ring was set up are let go.
constexpr int kSettleMilliseconds = 1000;
// The name under which libpcap captures all interfaces at once.
constexpr char kAnyInterface[] = "any";

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

bool IsLoopback(int socket, const std::string& interface) {
  ifreq request = {};
  interface.copy(request.ifr_name, sizeof request.ifr_name - 1);
  return ::ioctl(socket, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_LOOPBACK) != 0;
}

// The filter a socket has; one that takes every packet where it has none.
std::vector<sock_filter> FilterOf(int socket) {
  socklen_t instructions = 0;
  // NOLINTNEXTLINE(clang-analyzer-unix.StdCLibraryFunctions): without room for them it tells how many there are
  ::getsockopt(socket, SOL_SOCKET, SO_GET_FILTER, nullptr, &instructions);
  if (instructions == 0) return {BPF_STMT(BPF_RET | BPF_K, std::numeric_limits<std::uint32_t>::max())};
  std::vector<sock_filter> program(instructions);
  ::getsockopt(socket, SOL_SOCKET, SO_GET_FILTER, program.data(), &instructions);
  return program;
}

}  // namespace

void KernelTotals::Add(const pcap_stat& now) {
  received_ += now.ps_recv - last_.ps_recv;
  dropped_ += now.ps_drop - last_.ps_drop;
  last_ = now;
}

Ring::Ring(const Options& options)
    : interface_(options.interface), promiscuous_(options.promiscuous), capture_(Create(options.interface), &pcap_close) {
  Activate(options);
  IgnoreLoopbackOutput();
  Settle();
  SetFilter(options.filter);
  if (interface_ == kAnyInterface) IgnoreLoopbackOutputOfAll();
}

void Ring::Activate(const Options& options) {
  pcap_t* capture = capture_.get();
  pcap_set_snaplen(capture, static_cast<int>(options.snaplen));
  pcap_set_promisc(capture, options.promiscuous ? 1 : 0);
  pcap_set_timeout(capture, kBlockMilliseconds);
  pcap_set_immediate_mode(capture, 0);  // one wake-up per packet would cost 30 times as much
  pcap_set_buffer_size(capture, static_cast<int>(options.ring_mb << 20));
  format_.nanoseconds = pcap_set_tstamp_precision(capture, PCAP_TSTAMP_PRECISION_NANO) == 0;
  const int outcome = pcap_activate(capture);
  if (outcome < 0) throw SensorError(ExitCode::kCapture, WhyNotActive(outcome, interface_, pcap_geterr(capture)));
  if (outcome > 0) Say(Event("warning").Text("source", "live:" + interface_).Text("what", WhyNotActive(outcome, interface_, pcap_geterr(capture))));
  format_.link_type = LinkTypeOfDlt(pcap_datalink(capture));
  char error[PCAP_ERRBUF_SIZE];
  // A blocking read on a silent interface never returns, and this sensor must rotate and stop.
  if (pcap_setnonblock(capture, 1, error) != 0) throw SensorError(ExitCode::kCapture, interface_ + ": " + error);
}

// Packets that came before the filter was set are let go, and so is the kernel's count of them:
// from here on, each packet the kernel counts is one that this sensor has to account for.
void Ring::Settle() {
  RejectAll();
  const Clock::time_point deadline = Clock::now() + milliseconds(kSettleMilliseconds);
  do {
    Dispatch([](u_char* count, const pcap_pkthdr*, const u_char*) { ++*reinterpret_cast<std::uint64_t*>(count); }, &read_);
    AskKernel();
    if (Waiting() > 0) poll(nullptr, 0, kBlockMilliseconds / 4);
  } while (Waiting() > 0 && Clock::now() < deadline);
  kernel_.Forget();
  read_ = 0;
}

void Ring::SetFilter(const std::string& text) {
  pcap_t* capture = capture_.get();
  if (text.empty()) {
    const int unused = 0;
    setsockopt(pcap_fileno(capture), SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused);
    return;
  }
  bpf_program program = {};
  if (pcap_compile(capture, &program, text.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
    throw SensorError(ExitCode::kSettings, FilterMistake(text, interface_, pcap_geterr(capture)));
  }
  // Cooked frames have a header that only libpcap knows, so it has to rewrite the program for the kernel. Otherwise it is
  // not asked: for a while it would filter in user space as well, where "inbound" matches nothing, and count nothing.
  const bool is_cooked = format_.link_type == kLinkLinuxSll || format_.link_type == kLinkLinuxSll2;
  static_assert(sizeof(bpf_insn) == sizeof(sock_filter));
  const sock_fprog kernel_program = {static_cast<unsigned short>(program.bf_len), reinterpret_cast<sock_filter*>(program.bf_insns)};
  const int socket = pcap_fileno(capture);
  const bool is_set = is_cooked ? pcap_setfilter(capture, &program) == 0
                                : program.bf_len <= BPF_MAXINSNS && ::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &kernel_program, sizeof kernel_program) == 0;
  pcap_freecode(&program);
  // Where the kernel refuses, libpcap silently filters in user space; the counts would not add up then.
  socklen_t instructions = 0;
  // NOLINTNEXTLINE(clang-analyzer-unix.StdCLibraryFunctions): without room for them it tells how many there are
  if (!is_set || ::getsockopt(socket, SOL_SOCKET, SO_GET_FILTER, nullptr, &instructions) != 0 || instructions == 0) {
    throw SensorError(ExitCode::kSettings, FilterMistake(text, interface_, "the kernel takes 4096 instructions at most; make it shorter"));
  }
}

// A packet over the loopback is seen twice, on its way out and in. libpcap passes on the second, after the
// kernel has counted both; so the kernel is told to leave out the first.
void Ring::IgnoreLoopbackOutput() {
  const int socket = pcap_fileno(capture_.get());
  const int yes = 1;
  if (IsLoopback(socket, interface_)) ::setsockopt(socket, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes);
}

// Where all interfaces are captured, what the others send is wanted.
void Ring::IgnoreLoopbackOutputOfAll() {
  const int socket = pcap_fileno(capture_.get());
  std::vector<sock_filter> program = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_IFINDEX)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, if_nametoindex("lo"), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  const std::vector<sock_filter> wanted = FilterOf(socket);
  program.insert(program.end(), wanted.begin(), wanted.end());
  const sock_fprog both = {static_cast<unsigned short>(program.size()), program.data()};
  if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &both, sizeof both) != 0) {
    throw SensorError(ExitCode::kCapture, interface_ + ": the kernel takes no socket filter");
  }
}

void Ring::RejectAll() {
  sock_filter reject = {BPF_RET | BPF_K, 0, 0, 0};
  const sock_fprog program = {1, &reject};
  if (setsockopt(pcap_fileno(capture_.get()), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
    throw SensorError(ExitCode::kCapture, interface_ + ": the kernel takes no socket filter");
  }
}

int Ring::Dispatch(pcap_handler handler, void* argument) {
  const int packets = pcap_dispatch(capture_.get(), kPacketsPerRun, handler, static_cast<u_char*>(argument));
  return packets == PCAP_ERROR_BREAK ? 0 : packets;
}

const KernelTotals& Ring::AskKernel() {
  pcap_stat now = {};
  if (pcap_stats(capture_.get(), &now) == 0) kernel_.Add(now);
  return kernel_;
}

bool Ring::Attach(int index) {
  sockaddr_ll where = {};
  where.sll_family = AF_PACKET;
  where.sll_protocol = htons(ETH_P_ALL);
  where.sll_ifindex = index;
  const int socket = pcap_fileno(capture_.get());
  if (::bind(socket, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0) return false;
  packet_mreq membership = {};
  membership.mr_ifindex = index;
  membership.mr_type = PACKET_MR_PROMISC;
  if (promiscuous_) ::setsockopt(socket, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof membership);
  return true;
}

}  // namespace weir::sensor
