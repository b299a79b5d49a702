#include "stream.h"

#include <exception>
#include <thread>
#include <utility>

#include "batch_queue.h"
#include "capture/file_source.h"
#include "capture/live_source.h"
#include "store/names.h"
#include "store/salvage.h"

namespace weir::sensor {
namespace {

std::unique_ptr<Privacy> MakePrivacy(const Options& options) {
  if (!options.key_file.empty()) return std::make_unique<Privacy>(CryptoPan(ReadKey(options.key_file)));
  return options.cut_payload ? std::make_unique<Privacy>(std::nullopt) : nullptr;
}

}  // namespace

Stream::Stream(Options options)
    : options_(std::move(options)), boot_id_(NewBootId()),
      source_(options_.file.empty() ? OpenLiveSource(options_) : OpenFileSource(options_)), privacy_(MakePrivacy(options_)),
      identities_(LoadIdentities(options_.flows, options_.sensor)) {}

void Stream::OpenTargets(const Resolvers& resolvers, StopSignal* signal) {
  if (!options_.spool.empty()) {
    spool_ = std::make_unique<Spool>(options_.spool, options_.sensor, options_.spool_mb << 20);
    Salvage(options_, *spool_);
  }
  // Live, segments do not wait for the reader of a pipe.
  const Patience patience = spool_ && !options_.interface.empty() ? Patience::kShort : Patience::kUntilStop;
  if (!options_.plain_file.empty()) plain_ = std::make_unique<PlainCapture>(options_.plain_file, options_.snaplen, PipeWriter(signal, patience));
  if (!options_.flows.destinations.empty()) flows_ = std::make_unique<FlowStage>(options_, std::move(identities_), resolvers, signal);
}

void Stream::Begin() {
  if (spool_) {
    const std::string name = CheckpointName(options_.sensor, boot_id_);
    const Origin origin = {source_->Name(), ToldFilter(options_), std::string(PrivacyName(options_))};
    if (const std::error_code error = checkpoint_.MakeFile(spool_->folder(), name, origin)) {
      Say(Event("warning").Text("file", spool_->path() + "/" + name).Text("why", error.message())
              .Text("what", "should this sensor be killed, the counts since its last segment are lost"));
    }
  }
  recorder_ = std::make_unique<Recorder>(options_, source_->Name(), spool_.get(), plain_.get(), boot_id_, &checkpoint_, privacy_.get(), flows_.get());
  Say(Event("capturing").Text("source", source_->Name()).Text("sensor", options_.sensor).Text("boot_id", boot_id_));
}

// Runs the source in a thread of its own; what it throws waits until everything read is sealed.
void Stream::Record(StopSignal* signal) {
  BatchQueue queue(kQueuedBatches);
  std::exception_ptr trouble;
  std::thread capture([&] {
    Feeder feeder(&queue, &checkpoint_, options_.count);
    try {
      source_->Run(&feeder, signal);
    } catch (...) {
      trouble = std::current_exception();
    }
    feeder.HandOver();
    queue.NoMoreBatches();
  });
  std::exception_ptr writing_trouble;
  try {
    recorder_->Run(&queue);
  } catch (...) {
    writing_trouble = std::current_exception();
  }
  queue.NoMoreReading();
  capture.join();
  if (trouble) std::rethrow_exception(trouble);
  if (writing_trouble) std::rethrow_exception(writing_trouble);
}

ExitCode Stream::End() {
  if (spool_ && recorder_->is_settled()) spool_->RemoveFile(CheckpointName(options_.sensor, boot_id_));
  if (recorder_->is_stopped()) {
    throw SensorError(ExitCode::kSpool, "spool " + spool_->path() + " is at its limit of " + std::to_string(options_.spool_mb) +
                                            " MB and --when-full is stop; collect what is there, or raise --spool-mb");
  }
  const bool has_all_flows = !flows_ || flows_->is_whole();
  const bool has_all_packets = recorder_->totals().drop_disk == 0 && recorder_->plain_lost() == 0;
  return has_all_packets && has_all_flows ? ExitCode::kDone : ExitCode::kSpool;
}

ExitCode Stream::Run(StopSignal* signal) {
  Begin();
  if (flows_) flows_->Start();
  Record(signal);
  if (flows_) flows_->Finish();
  return End();
}

}  // namespace weir::sensor
