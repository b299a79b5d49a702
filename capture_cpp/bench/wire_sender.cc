// weir-wire-sender: sends the packets of a capture file, or made ones, over an interface at a steady rate.
//
//   weir-wire-sender wire0 --capture mix.pcap --kpps 200
//   weir-wire-sender wire0 --bytes 64 --packets 12000000 --kpps 200 --threads 1
//
// Prints one line of JSON: packets and bytes sent, seconds, kpps. A rate of 0 is as fast as it goes. Needs CAP_NET_RAW.
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kBurst = 64;  // packets per system call
constexpr std::size_t kPcapHeaderBytes = 24;
constexpr std::size_t kRecordHeaderBytes = 16;
constexpr std::size_t kCapturedAt = 8;
constexpr std::size_t kFlows = 4096;  // of made packets
constexpr std::size_t kFewestBytes = 42;  // Ethernet, IPv4, UDP

struct Plan {
  std::string interface;
  std::string capture;
  std::uint64_t bytes = 64;
  std::uint64_t packets = 0;  // 0 = each of the capture once
  std::uint64_t kpps = 0;
  std::uint64_t threads = 1;
};

struct Sent {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
};

double Now() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::vector<std::uint8_t> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error(path + " cannot be read");
  return {std::istreambuf_iterator<char>(in), {}};
}

// The packets of a pcap in this machine's byte order, as spans of `whole`.
std::vector<std::span<std::uint8_t>> PacketsOf(std::span<std::uint8_t> whole) {
  std::vector<std::span<std::uint8_t>> packets;
  for (std::size_t at = kPcapHeaderBytes; at + kRecordHeaderBytes <= whole.size();) {
    std::uint32_t captured = 0;
    std::memcpy(&captured, whole.data() + at + kCapturedAt, sizeof captured);
    at += kRecordHeaderBytes;
    if (captured > whole.size() - at) break;
    packets.push_back(whole.subspan(at, captured));
    at += captured;
  }
  return packets;
}

// UDP packets of this size between kFlows pairs of hosts, each 2 bytes of port and address apart.
std::vector<std::uint8_t> MakePackets(std::size_t bytes) {
  std::vector<std::uint8_t> whole(kFlows * bytes, '.');
  const auto length = static_cast<std::uint16_t>(bytes - 14);
  for (std::size_t i = 0; i < kFlows; ++i) {
    const auto high = static_cast<std::uint8_t>(i >> 8);
    const auto low = static_cast<std::uint8_t>(i);
    const auto udp = static_cast<std::uint16_t>(length - 20);
    const std::array<std::uint8_t, kFewestBytes> head = {
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0,
        0x45, 0, static_cast<std::uint8_t>(length >> 8), static_cast<std::uint8_t>(length), 0, 0, 0, 0, 64, 17, 0, 0,
        10, 0, high, low, 10, 1, low, high,
        0x30, low, 0, 53, static_cast<std::uint8_t>(udp >> 8), static_cast<std::uint8_t>(udp), 0, 0};
    std::memcpy(whole.data() + i * bytes, head.data(), head.size());
  }
  return whole;
}

int OpenWire(const std::string& interface) {
  const int wire = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  sockaddr_ll where = {};
  where.sll_family = AF_PACKET;
  where.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  if (wire < 0 || where.sll_ifindex == 0 || ::bind(wire, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0) {
    throw std::runtime_error(interface + ": " + std::strerror(errno) + "; sending needs CAP_NET_RAW and an interface that is up");
  }
  const int yes = 1;
  ::setsockopt(wire, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof yes);
  return wire;
}

void SleepUntil(double time) {
  constexpr double kShortestSleep = 0.0001;  // below it the clock is watched instead
  const double left = time - Now();
  if (left > kShortestSleep) {
    const timespec nap = {0, static_cast<long>(std::min(left, 0.5) * 1e9)};
    nanosleep(&nap, nullptr);
  }
  while (Now() < time) continue;
}

// Sends `count` packets, going round in `packets`.
Sent Send(const Plan& plan, const std::vector<std::span<std::uint8_t>>& packets, std::uint64_t count, double packets_per_s) {
  const int wire = OpenWire(plan.interface);
  std::vector<iovec> vectors(packets.size());
  std::vector<mmsghdr> messages(packets.size());
  for (std::size_t i = 0; i < packets.size(); ++i) {
    vectors[i] = {packets[i].data(), packets[i].size()};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  Sent sent;
  const double start = Now();
  for (std::size_t at = 0; sent.packets < count;) {
    const std::size_t burst = std::min({kBurst, packets.size() - at, static_cast<std::size_t>(count - sent.packets)});
    const int done = ::sendmmsg(wire, messages.data() + at, static_cast<unsigned>(burst), 0);
    if (done < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR) throw std::runtime_error(plan.interface + ": " + std::strerror(errno));
    for (int i = 0; i < done; ++i) sent.bytes += packets[at++].size();
    sent.packets += static_cast<std::uint64_t>(std::max(done, 0));
    if (at == packets.size()) at = 0;
    if (packets_per_s > 0) SleepUntil(start + static_cast<double>(sent.packets) / packets_per_s);
  }
  ::close(wire);
  return sent;
}

std::uint64_t Number(std::string_view option, const char* text) {
  std::uint64_t value = 0;
  const char* end = text + std::strlen(text);
  if (std::from_chars(text, end, value).ptr != end) throw std::runtime_error(std::string(option) + " wants a whole number, not " + text);
  return value;
}

Plan ReadPlan(std::span<char*> arguments) {
  Plan plan;
  if (arguments.size() < 2 || arguments.size() % 2 != 0) throw std::runtime_error("usage: weir-wire-sender INTERFACE [--capture FILE | --bytes N] [--packets N] [--kpps N] [--threads N]");
  plan.interface = arguments[1];
  for (std::size_t i = 2; i < arguments.size(); i += 2) {
    const std::string_view option = arguments[i];
    const char* value = arguments[i + 1];
    if (option == "--capture") plan.capture = value;
    else if (option == "--bytes") plan.bytes = std::clamp<std::uint64_t>(Number(option, value), kFewestBytes, 9000);
    else if (option == "--packets") plan.packets = Number(option, value);
    else if (option == "--kpps") plan.kpps = Number(option, value);
    else if (option == "--threads") plan.threads = std::max<std::uint64_t>(Number(option, value), 1);
    else throw std::runtime_error("unknown option " + std::string(option));
  }
  return plan;
}

void Run(const Plan& plan) {
  std::vector<std::uint8_t> whole = plan.capture.empty() ? MakePackets(plan.bytes) : ReadFile(plan.capture);
  std::vector<std::span<std::uint8_t>> packets;
  if (plan.capture.empty()) {
    for (std::size_t i = 0; i < kFlows; ++i) packets.push_back(std::span(whole).subspan(i * plan.bytes, plan.bytes));
  } else {
    packets = PacketsOf(whole);
  }
  if (packets.empty()) throw std::runtime_error(plan.capture + " holds no packet");
  const std::uint64_t count = plan.packets != 0 ? plan.packets : packets.size();
  std::vector<Sent> sent(plan.threads);
  std::vector<std::thread> senders;
  const double start = Now();
  for (std::uint64_t i = 0; i < plan.threads; ++i) {
    const std::uint64_t share = count / plan.threads + (i < count % plan.threads ? 1 : 0);
    senders.emplace_back([&, i, share] { sent[i] = Send(plan, packets, share, static_cast<double>(plan.kpps) * 1000 / static_cast<double>(plan.threads)); });
  }
  for (std::thread& sender : senders) sender.join();
  const double seconds = Now() - start;
  Sent all;
  for (const Sent& part : sent) {
    all.packets += part.packets;
    all.bytes += part.bytes;
  }
  std::printf("{\"packets\": %llu, \"bytes\": %llu, \"seconds\": %.3f, \"kpps\": %.1f}\n", static_cast<unsigned long long>(all.packets),
              static_cast<unsigned long long>(all.bytes), seconds, static_cast<double>(all.packets) / seconds / 1000);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Run(ReadPlan(std::span(argv, static_cast<std::size_t>(argc))));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "weir-wire-sender: %s\n", error.what());
    return 1;
  }
}
