// The flow thread: batches that were recorded in, rows to every target out.
//
// Capture never waits for it. Where it cannot follow a live wire, packets are skipped and counted as
// drop_flows; they are in their segments all the same. A file waits instead.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

#include "batch_queue.h"
#include "capture_options.h"
#include "flow_builder.h"
#include "flows/flow_target.h"
#include "flows/identity.h"
#include "flows/resolver.h"
#include "stop_signal.h"

namespace weir::sensor {

class FlowStage {
 public:
  // Opens the targets: what needs files, names or sockets happens here. Throws SensorError.
  // `resolvers` and `signal` outlive this object.
  FlowStage(const Options& options, Identities identities, const Resolvers& resolvers, StopSignal* signal);
  ~FlowStage();

  // Starts the threads; the sandbox is closed by then.
  void Start();
  // Takes the batch and leaves an empty one in its place, or leaves it as it is and counts its packets.
  void Offer(std::unique_ptr<Batch>* batch);
  // False once no target can take anything any more.
  bool is_wanted() const { return is_wanted_; }
  // Ends all flows, hands out the last rows, and says what became of them. Throws what the thread threw.
  void Finish();
  // True where every packet was looked at and every row delivered.
  bool is_whole() const;

 private:
  using Clock = std::chrono::steady_clock;

  void Run();
  void Add(const Batch& batch);
  void HandOut(const std::shared_ptr<const FlowBatch>& batch);
  void NoteDrop(std::uint64_t packets);
  void Report(const char* event) const;

  const Options& options_;
  bool is_live_;
  Identities identities_;
  std::vector<std::unique_ptr<FlowTarget>> targets_;
  FlowBuilder builder_;
  BatchQueue queue_;
  std::thread thread_;
  std::exception_ptr trouble_;
  std::atomic<bool> is_wanted_ = true;
  std::atomic<std::uint64_t> drop_flows_ = 0;
  bool is_dropping_ = false;        // said by the writing thread
  std::uint64_t live_offset_ = kPcapHeaderBytes;  // where the next packet would begin if all lay in one pcap file
  std::int64_t now_us_ = 0;         // packet time
  std::uint64_t rows_ = 0;
};

}  // namespace weir::sensor
