// One source and the segments made of it: an interface of a sensor, or its file.
#pragma once

#include <memory>
#include <string>

#include "capture/capture_source.h"
#include "capture_options.h"
#include "checkpoint.h"
#include "events.h"
#include "flows/flow_stage.h"
#include "flows/identity.h"
#include "flows/resolver.h"
#include "privacy/privacy.h"
#include "recorder.h"
#include "stop_signal.h"
#include "store/plain_capture.h"
#include "store/spool.h"

namespace weir::sensor {

class Stream {
 public:
  // Opens the interface or file and reads the keys, which may need rights that are given up afterwards. Throws SensorError.
  explicit Stream(Options options);

  // Opens what is written to, with the rights that stay.
  // `resolvers` and `signal` outlive this object.
  void OpenTargets(const Resolvers& resolvers, StopSignal* signal);
  // The spool's folder; -1 where there is none.
  int folder() const { return spool_ ? spool_->folder() : -1; }
  // Captures until the source ends or `signal` says stop, and seals. What it throws comes after that.
  ExitCode Run(StopSignal* signal);

 private:
  void Begin();
  void Record(StopSignal* signal);
  ExitCode End();

  const Options options_;
  const std::string boot_id_;
  std::unique_ptr<CaptureSource> source_;
  std::unique_ptr<Privacy> privacy_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<PlainCapture> plain_;
  Identities identities_;
  std::unique_ptr<FlowStage> flows_;  // null where no flows are wanted
  Checkpoint checkpoint_;
  std::unique_ptr<Recorder> recorder_;
};

}  // namespace weir::sensor
