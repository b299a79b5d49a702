// Flow records to a collector, as NetFlow v9 or IPFIX over UDP.
#pragma once

#include <chrono>
#include <string>
#include <system_error>

#include "disk.h"
#include "export/message.h"
#include "flows/flow_options.h"
#include "flows/flow_target.h"

namespace weir::sensor {

class UdpTarget : public FlowTarget {
 public:
  // The host is looked up and the socket connected here, before the sandbox forbids both. Throws
  // SensorError.
  UdpTarget(const FlowDestination& destination, std::uint32_t domain);

  // A flow that was answered becomes two records, one for each direction.
  void Take(const Rows& rows, std::int64_t now_us) override;
  void Close() override;
  TargetCounts counts() const override { return counts_; }
  const std::string& name() const override { return name_; }

 private:
  void Send(const std::string& message, std::uint64_t records);
  void Pace();
  std::error_code Write(const std::string& message);
  void Say(const std::error_code& error);

  std::string name_;
  Descriptor socket_;
  MessageWriter writer_;
  std::chrono::steady_clock::time_point next_;
  std::uint64_t last_records_ = 0;  // in the message before, whose refusal may still come
  bool is_failing_ = false;  // and that was said
  TargetCounts counts_;  // here of records, not of rows
};

}  // namespace weir::sensor
