// Flow records to a collector, as NetFlow v9 or IPFIX over UDP.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "disk.h"
#include "export/message.h"
#include "flows/flow_options.h"
#include "flows/flow_target.h"

namespace weir::sensor {

class UdpTarget : public FlowTarget {
 public:
  // The host is looked up and a socket connected to each of its addresses here, before the sandbox forbids both.
  // Throws SensorError.
  UdpTarget(const FlowDestination& destination, std::uint32_t domain);

  // A flow that was answered becomes two records, one for each direction.
  void Take(const Rows& rows, std::int64_t now_us) override;
  void Close() override;
  TargetCounts counts() const override { return counts_; }
  const std::string& name() const override { return name_; }

 private:
  using Clock = std::chrono::steady_clock;

  void Send(const MessageWriter::Message& message);
  std::error_code Try(const std::string& bytes);
  std::error_code Write(const std::string& bytes);
  std::error_code TakeError();
  std::uint64_t& DroppedBy(const std::error_code& error);
  void HearOfLast();
  void GoOn();
  void Pace();
  void Say(const std::error_code& error);

  std::string name_;
  std::vector<Descriptor> sockets_;  // one for each address
  std::size_t at_ = 0;               // the one in use
  MessageWriter writer_;
  Clock::time_point next_;
  std::uint64_t last_records_ = 0;  // in the message before, whose refusal may still come
  std::optional<Clock::time_point> failed_;  // last
  TargetCounts counts_;  // here of records, not of rows
};

}  // namespace weir::sensor
