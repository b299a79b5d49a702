#include "export/udp_target.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>

#include "events.h"

namespace weir::sensor {
namespace {

// A collector's socket buffer holds about 90 messages by default (net.core.rmem_default), and a
// busy machine may let it wait for 10 ms; this is 100,000 records a second.
constexpr std::chrono::microseconds kBetweenMessages(200);
constexpr std::chrono::microseconds kBurst(4000);

// More than any collector has; each takes a descriptor.
constexpr std::size_t kMostAddresses = 16;
// A failure is said again where the last one was so long ago.
constexpr std::chrono::seconds kForgotten(30);

// To each address of the host, in the order of the resolver, which puts the likeliest first.
std::vector<Descriptor> Connect(const FlowDestination& to) {
  addrinfo wanted = {};
  wanted.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int outcome = ::getaddrinfo(to.host.c_str(), std::to_string(to.port).c_str(), &wanted, &found);
  if (outcome != 0) throw SensorError(ExitCode::kSettings, "--flows " + to.text + ": " + to.host + ": " + ::gai_strerror(outcome));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  std::vector<Descriptor> sockets;
  for (const addrinfo* address = found; address != nullptr && sockets.size() < kMostAddresses; address = address->ai_next) {
    Descriptor socket(::socket(address->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const bool leads_there = socket.open() && ::connect(socket.get(), address->ai_addr, address->ai_addrlen) == 0;
    if (leads_there) sockets.push_back(std::move(socket));
  }
  if (sockets.empty()) throw SensorError(ExitCode::kSettings, "--flows " + to.text + ": " + std::strerror(errno));
  return sockets;
}

bool IsNoWayThere(const std::error_code& error) {
  return error == std::errc::connection_refused || error == std::errc::host_unreachable ||
         error == std::errc::network_unreachable;
}

}  // namespace

UdpTarget::UdpTarget(const FlowDestination& destination, std::uint32_t domain)
    : name_(destination.text), sockets_(Connect(destination)),
      writer_(destination.format == FlowFormat::kIpfix ? ExportFormat::kIpfix : ExportFormat::kNetflow9, domain,
              [this](const MessageWriter::Message& message) { Send(message); }) {}

void UdpTarget::Take(const Rows& rows, std::int64_t now_us) {
  HearOfLast();
  const ExportReader reader(rows);
  const Clock::time_point now = Clock::now();
  for (std::size_t row = 0; row < rows.size(); ++row) {
    writer_.Add(reader.Forward(row), now_us, now);
    if (reader.IsAnswered(row)) writer_.Add(reader.Backward(row), now_us, now);
  }
  writer_.Flush();
}

// A message that tells the templates is tried at the other addresses at once; any other could not be read there.
void UdpTarget::Send(const MessageWriter::Message& message) {
  std::error_code error = Try(message.bytes);
  for (std::size_t others = message.has_templates ? sockets_.size() - 1 : 0; IsNoWayThere(error) && others > 0; --others) {
    error = Try(message.bytes);
  }
  counts_.taken += message.records;
  last_records_ = error ? 0 : message.records;
  (error ? DroppedBy(error) : counts_.delivered) += message.records;
  if (error) Say(error);
}

// Where nobody listens, the host of the collector says so (ICMP): this machine at once, others a little later.
std::error_code UdpTarget::Try(const std::string& bytes) {
  std::error_code error = Write(bytes);
  Pace();
  if (!error) error = TakeError();
  if (IsNoWayThere(error)) GoOn();
  return error;
}

std::error_code UdpTarget::Write(const std::string& bytes) {
  return ::write(sockets_[at_].get(), bytes.data(), bytes.size()) < 0 ? LastError() : std::error_code();
}

std::error_code UdpTarget::TakeError() {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(sockets_[at_].get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return LastError();
  return {error, std::generic_category()};
}

std::uint64_t& UdpTarget::DroppedBy(const std::error_code& error) {
  return error == std::errc::connection_refused ? counts_.drop_refused : counts_.drop_failed;
}

// What was said of the last message since.
void UdpTarget::HearOfLast() {
  const std::error_code error = TakeError();
  if (!IsNoWayThere(error)) return;
  counts_.delivered -= last_records_;
  DroppedBy(error) += last_records_;
  last_records_ = 0;
  GoOn();
  Say(error);
}

// To the next address, round and round; who listens there may know no template.
void UdpTarget::GoOn() {
  writer_.RepeatTemplates();
  if (sockets_.size() == 1) return;
  at_ = (at_ + 1) % sockets_.size();
  static_cast<void>(TakeError());  // of a message that went there long ago
}

void UdpTarget::Pace() {
  const Clock::time_point now = Clock::now();
  next_ = std::max(next_, now - kBurst) + kBetweenMessages;
  if (next_ > now) std::this_thread::sleep_until(next_);
}

void UdpTarget::Say(const std::error_code& error) {
  const Clock::time_point now = Clock::now();
  const bool is_told = failed_ && now - *failed_ < kForgotten;
  failed_ = now;
  if (is_told) return;
  sensor::Say(Event("flows_failed").Text("flows", name_).Text("why", error.message())
                  .Text("what", "records are counted as lost until the collector takes them; is it running?"));
}

void UdpTarget::Close() {
  HearOfLast();
  sockets_.clear();
}

}  // namespace weir::sensor
