#include "stop_signal.h"

#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <system_error>

namespace weir::sensor {

StopSignal::StopSignal() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  descriptor_ = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
}

StopSignal::~StopSignal() { ::close(descriptor_); }

Wish StopSignal::Take(std::uint64_t* seals_seen) {
  signalfd_siginfo signal = {};
  while (::read(descriptor_, &signal, sizeof signal) == sizeof signal) {
    if (signal.ssi_signo == SIGHUP) {
      ++seals_;
    } else {
      stopping_ = true;
    }
  }
  if (stopping_) return Wish::kStop;
  const std::uint64_t seals = seals_;
  if (*seals_seen == seals) return Wish::kNone;
  *seals_seen = seals;
  return Wish::kSeal;
}

bool StopSignal::is_stopping() {
  std::uint64_t seals = seals_;  // leaves seals to those who wait for them
  return Take(&seals) == Wish::kStop;
}

}  // namespace weir::sensor
