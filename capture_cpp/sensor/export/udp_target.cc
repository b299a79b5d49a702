#include "export/udp_target.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <thread>

#include "events.h"

namespace weir::sensor {
namespace {

using Clock = std::chrono::steady_clock;

// A collector's socket buffer holds about 90 messages by default (net.core.rmem_default), and a
// busy machine may let it wait for 10 ms; this is 100,000 records a second.
constexpr std::chrono::microseconds kBetweenMessages(200);
constexpr std::chrono::microseconds kBurst(4000);

Descriptor Connect(const FlowDestination& to) {
  addrinfo wanted = {};
  wanted.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int outcome = ::getaddrinfo(to.host.c_str(), std::to_string(to.port).c_str(), &wanted, &found);
  if (outcome != 0) throw SensorError(ExitCode::kSettings, "--flows " + to.text + ": " + to.host + ": " + ::gai_strerror(outcome));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    Descriptor socket(::socket(address->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (socket.open() && ::connect(socket.get(), address->ai_addr, address->ai_addrlen) == 0) return socket;
  }
  throw SensorError(ExitCode::kSettings, "--flows " + to.text + ": " + std::strerror(errno));
}

}  // namespace

UdpTarget::UdpTarget(const FlowDestination& destination, std::uint32_t domain)
    : name_(destination.text), socket_(Connect(destination)),
      writer_(destination.format == FlowFormat::kIpfix ? ExportFormat::kIpfix : ExportFormat::kNetflow9, domain,
              [this](const std::string& message, std::uint64_t records) { Send(message, records); }) {}

void UdpTarget::Take(const Rows& rows, std::int64_t now_us) {
  const ExportReader reader(rows);
  const Clock::time_point now = Clock::now();
  for (std::size_t row = 0; row < rows.size(); ++row) {
    writer_.Add(reader.Forward(row), now_us, now);
    if (reader.IsAnswered(row)) writer_.Add(reader.Backward(row), now_us, now);
  }
  writer_.Flush();
}

void UdpTarget::Pace() {
  const Clock::time_point now = Clock::now();
  next_ = std::max(next_, now - kBurst) + kBetweenMessages;
  if (next_ > now) std::this_thread::sleep_until(next_);
}

// Where nobody listens, the host of the collector says so (ICMP), and the next write fails in place of
// the message that was refused.
void UdpTarget::Send(const std::string& message, std::uint64_t records) {
  Pace();
  counts_.taken += records;
  std::error_code error = Write(message);
  if (error == std::errc::connection_refused) {
    Say(error);
    writer_.RepeatTemplates();
    counts_.delivered -= last_records_;
    counts_.drop_refused += last_records_;
    error = Write(message);
  } else if (!error) {
    is_failing_ = false;
  }
  last_records_ = error ? 0 : records;
  (error ? counts_.drop_failed : counts_.delivered) += records;
  if (error) Say(error);
}

std::error_code UdpTarget::Write(const std::string& message) {
  return ::write(socket_.get(), message.data(), message.size()) < 0 ? LastError() : std::error_code();
}

void UdpTarget::Say(const std::error_code& error) {
  if (is_failing_) return;
  is_failing_ = true;
  sensor::Say(Event("flows_failed").Text("flows", name_).Text("why", error.message())
                  .Text("what", "records are counted as lost until the collector takes them; is it running?"));
}

void UdpTarget::Close() { socket_ = Descriptor(); }

}  // namespace weir::sensor
