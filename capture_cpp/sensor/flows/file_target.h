// Rows into a file, a named pipe or stdout.
#pragma once

#include <memory>
#include <string>

#include "disk.h"
#include "flows/encoder.h"
#include "flows/flow_options.h"
#include "flows/flow_target.h"
#include "pipe.h"

namespace weir::sensor {

class FileTarget : public FlowTarget {
 public:
  // JSON lines are added to a file that is there; an Arrow stream has a beginning, so its file must be
  // new. Throws SensorError where it cannot be opened. `signal` outlives this object.
  FileTarget(const FlowDestination& destination, std::unique_ptr<Encoder> encoder, StopSignal* signal);

  void Take(const Rows& rows, std::int64_t now_us) override;
  void Close() override;
  TargetCounts counts() const override { return counts_; }
  bool is_open() const override { return !is_broken_; }
  const std::string& name() const override { return name_; }

 private:
  bool Write(const std::string& bytes);
  std::error_code WriteOnce(const std::string& bytes);
  void Failed(const std::error_code& error);

  std::string name_;
  std::unique_ptr<Encoder> encoder_;
  Descriptor file_;
  PipeWriter pipe_;
  bool is_regular_ = false;
  bool has_begun_ = false;
  bool is_broken_ = false;   // a pipe whose reader is gone
  bool is_late_ = false;     // or did not take all before the sensor stopped
  bool is_failing_ = false;  // and that was said
  TargetCounts counts_;
};

}  // namespace weir::sensor
