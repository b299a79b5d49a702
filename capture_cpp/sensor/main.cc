// weir-capture: one thread reads packets, this one writes segments.
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <thread>

#include "batch_queue.h"
#include "capture_error.h"
#include "checkpoint.h"
#include "events.h"
#include "file_source.h"
#include "live_source.h"
#include "names.h"
#include "privacy.h"
#include "capture_options.h"
#include "recorder.h"
#include "salvage.h"
#include "sandbox.h"
#include "sha256.h"
#include "stop_signal.h"

namespace weir::sensor {
namespace {

// Runs the source in a thread of its own; what it throws waits until everything read is sealed.
void Record(const Options& options, CaptureSource* source, StopSignal* signal, Recorder* recorder, Checkpoint* checkpoint) {
  BatchQueue queue(kQueuedBatches);
  std::exception_ptr trouble;
  std::thread capture([&] {
    Feeder feeder(&queue, checkpoint, options.count);
    try {
      source->Run(&feeder, signal);
    } catch (...) {
      trouble = std::current_exception();
    }
    feeder.HandOver();
    queue.NoMoreBatches();
  });
  try {
    recorder->Run(&queue);
  } catch (...) {
    if (!trouble) trouble = std::current_exception();
  }
  queue.NoMoreReading();
  capture.join();
  if (trouble) std::rethrow_exception(trouble);
}

void BeginCheckpoint(const Options& options, const Spool& spool, const std::string& boot_id, const std::string& source,
                     Checkpoint* checkpoint) {
  const std::string name = CheckpointName(options.sensor, boot_id);
  if (const std::error_code error = checkpoint->MakeFile(spool.folder(), name, {source, options.filter, PrivacyName(options)})) {
    Say(Event("warning").Text("file", spool.path() + "/" + name).Text("why", error.message())
            .Text("what", "should this sensor be killed, the counts since its last segment are lost"));
  }
}

ExitCode Capture(int argc, char** argv) {
  const Options options = ParseOptions(argc, argv);
  StopSignal signal;
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error code of the write
  std::signal(SIGXFSZ, SIG_IGN);  // and so is a file size limit
  std::unique_ptr<CaptureSource> source;
  if (!options.check_sandbox) source = options.file.empty() ? OpenLiveSource(options) : OpenFileSource(options);
  std::unique_ptr<Privacy> privacy;
  if (!options.key_file.empty()) {
    privacy = std::make_unique<Privacy>(CryptoPan(ReadKey(options.key_file)));
  } else if (options.cut_payload) {
    privacy = std::make_unique<Privacy>(std::nullopt);
  }
  BecomeUser(options.user);
  std::unique_ptr<Spool> spool;
  if (!options.spool.empty()) {
    spool = std::make_unique<Spool>(options.spool, options.sensor, options.spool_mb << 20);
    Salvage(options, *spool);
  }
  std::unique_ptr<PlainCapture> plain;
  if (!options.plain_file.empty()) plain = std::make_unique<PlainCapture>(options.plain_file, options.snaplen);
  const Sha256 loads_libcrypto;  // while its files can still be read
  const int writable = spool ? spool->folder() : -1;
  if (options.check_sandbox) return CheckSandbox(writable) ? ExitCode::kDone : ExitCode::kMistake;
  if (options.sandboxed) EnterSandbox(writable);
  const std::string boot_id = NewBootId();
  Checkpoint checkpoint;
  if (spool) BeginCheckpoint(options, *spool, boot_id, source->Name(), &checkpoint);
  Recorder recorder(options, source->Name(), spool.get(), plain.get(), boot_id, &checkpoint, privacy.get());
  Say(Event("capturing").Text("source", source->Name()).Text("sensor", options.sensor).Text("boot_id", boot_id));
  Record(options, source.get(), &signal, &recorder, &checkpoint);
  if (spool && recorder.is_settled()) spool->RemoveFile(CheckpointName(options.sensor, boot_id));
  if (recorder.is_stopped()) {
    throw SensorError(ExitCode::kSpool, "spool " + spool->path() + " is at its limit of " + std::to_string(options.spool_mb) +
                                            " MB and --when-full is stop; collect what is there, or raise --spool-mb");
  }
  return recorder.totals().drop_disk == 0 ? ExitCode::kDone : ExitCode::kSpool;
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
