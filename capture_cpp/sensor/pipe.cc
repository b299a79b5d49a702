#include "pipe.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <thread>

#include "events.h"

namespace weir::sensor {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// How late a stop is heard.
constexpr milliseconds kLook(50);
// A wait that is none: the reader keeps up.
constexpr milliseconds kAtOnce(1);
constexpr seconds kReaderPatience(10);
constexpr seconds kShortPatience(1);
constexpr seconds kStopPatience(3);

}  // namespace

bool IsFifo(const std::string& path) {
  struct stat found = {};
  return ::stat(path.c_str(), &found) == 0 && S_ISFIFO(found.st_mode);
}

// To open one for nobody would wait for ever, deaf to signals.
Descriptor OpenFifo(const std::string& path, StopSignal* signal) {
  const auto deadline = std::chrono::steady_clock::now() + kReaderPatience;
  for (;;) {
    Descriptor fifo(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    if (fifo.open()) return fifo;
    if (errno != ENXIO) throw SensorError(ExitCode::kSpool, path + ": " + std::strerror(errno) + "; give a FIFO this user may write");
    if (signal->is_stopping()) throw SensorError(ExitCode::kSpool, path + ": nobody read this FIFO before the sensor was told to stop");
    if (std::chrono::steady_clock::now() >= deadline) throw SensorError(ExitCode::kSpool, path + ": nobody reads this FIFO; start its reader first");
    std::this_thread::sleep_for(kLook);
  }
}

// A pipe that poll() calls writable takes PIPE_BUF bytes at once. So no write waits, and the pipe need not be
// made non-blocking, which it would become for whoever else holds it too (stdout).
std::error_code PipeWriter::Write(int descriptor, std::span<const std::byte> bytes, std::size_t* written) {
  if (patience_ == Patience::kShort) waited_ = {};
  for (*written = 0; *written < bytes.size();) {
    pollfd room = {descriptor, POLLOUT, 0};
    const Clock::time_point before = Clock::now();
    const int ready = ::poll(&room, 1, static_cast<int>(kLook.count()));
    const Clock::duration waited = Clock::now() - before;
    waited_ += waited;
    if (waited >= kAtOnce && !MayWaitLonger()) return std::make_error_code(std::errc::timed_out);
    if (ready <= 0) continue;
    const std::span<const std::byte> piece = bytes.subspan(*written, std::min<std::size_t>(bytes.size() - *written, PIPE_BUF));
    const ssize_t count = ::write(descriptor, piece.data(), piece.size());
    if (count < 0 && errno != EINTR && errno != EAGAIN) return LastError();
    if (count > 0) *written += static_cast<std::size_t>(count);
  }
  return {};
}

bool PipeWriter::MayWaitLonger() {
  if (patience_ == Patience::kShort) return waited_ < kShortPatience;
  if (!signal_->is_stopping()) waited_ = {};
  return waited_ < kStopPatience;
}

std::string ReasonOf(const std::error_code& error) { return error == std::errc::timed_out ? "its reader takes nothing" : error.message(); }

}  // namespace weir::sensor
