// weir-capture: for each interface one thread reads packets and one writes segments.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

#include "capture_options.h"
#include "events.h"
#include "flows/resolver.h"
#include "reader/capture_error.h"
#include "sandbox.h"
#include "stop_signal.h"
#include "store/sha256.h"
#include "store/spool.h"
#include "stream.h"

namespace weir::sensor {
namespace {

ExitCode CheckSandboxes(const Options& options) {
  const bool look_ups_good = CheckResolvers(options);
  BecomeUser(options.user);
  const Spool spool(options.spool, options.sensor, 0);
  const bool sensor_good = CheckSandbox(spool.folder(), BrokerPorts(options.flows));
  return look_ups_good && sensor_good ? ExitCode::kDone : ExitCode::kMistake;
}

// What is opened later would else get the number of a closed stdin, stdout or stderr, and all that is meant for it.
// They are opened the wrong way round, so that using one still fails.
void FillStandardStreams() {
  for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(number, F_GETFD) >= 0) continue;
    if (::open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY) != number) std::exit(static_cast<int>(ExitCode::kMistake));
  }
}

// How one stream went.
struct Outcome {
  ExitCode code = ExitCode::kDone;
  std::exception_ptr trouble;
};

// Where one stream cannot go on, all end in order, so that whoever starts sensors starts all of them again.
void RunOne(Stream* stream, StopSignal* signal, Outcome* outcome) {
  try {
    outcome->code = stream->Run(signal);
  } catch (...) {
    outcome->trouble = std::current_exception();
    signal->Stop();
  }
}

ExitCode RunAll(const std::vector<std::unique_ptr<Stream>>& streams, StopSignal* signal) {
  std::vector<Outcome> outcomes(streams.size());
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < streams.size(); ++i) others.emplace_back(RunOne, streams[i].get(), signal, &outcomes[i]);
  RunOne(streams[0].get(), signal, outcomes.data());
  for (std::thread& other : others) other.join();
  for (const Outcome& outcome : outcomes) {
    if (outcome.trouble) std::rethrow_exception(outcome.trouble);
  }
  return std::ranges::max_element(outcomes, [](const Outcome& a, const Outcome& b) { return a.code < b.code; })->code;
}

ExitCode Capture(int argc, char** argv) {
  FillStandardStreams();
  const Options options = ParseOptions(argc, argv);
  if (options.check_sandbox) return CheckSandboxes(options);
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error code of the write
  std::signal(SIGXFSZ, SIG_IGN);  // and so is a file size limit
  std::signal(SIGCHLD, SIG_IGN);  // a process that ends leaves nothing behind
  const Resolvers resolvers = StartResolvers(options);  // their processes hold what the sensor holds now: no packet, no key
  StopSignal signal;
  std::vector<std::unique_ptr<Stream>> streams;
  for (const Options& one : PerInterface(options)) streams.push_back(std::make_unique<Stream>(one));
  BecomeUser(options.user);
  for (const auto& stream : streams) stream->OpenTargets(resolvers, &signal);
  const Sha256 loads_libcrypto;  // while its files can still be read
  if (options.sandboxed) EnterSandbox(streams[0]->folder(), BrokerPorts(options.flows));
  return RunAll(streams, &signal);
}

}  // namespace
}  // namespace weir::sensor

int main(int argc, char** argv) {
  using weir::sensor::ExitCode;
  try {
    return static_cast<int>(weir::sensor::Capture(argc, argv));
  } catch (const weir::sensor::SensorError& error) {
    std::fprintf(stderr, "weir-capture: %s\n", error.what());
    return static_cast<int>(error.code());
  } catch (const weir::CaptureError& error) {
    std::fprintf(stderr, "weir-capture: %s\n", error.what());
    return static_cast<int>(ExitCode::kCapture);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "weir-capture: %s; this is a mistake of the program, please report it\n", error.what());
    return static_cast<int>(ExitCode::kMistake);
  }
}
