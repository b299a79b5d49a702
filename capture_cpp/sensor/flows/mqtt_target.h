// Rows to an MQTT broker: batches of them at QoS 1, kept until the broker has confirmed them.
//
// What is published may arrive twice after a lost connection, as QoS 1 says; flow_id tells.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "capture_options.h"
#include "flows/encoder.h"
#include "flows/flow_target.h"
#include "flows/mqtt_connection.h"

namespace weir::sensor {

class MqttTarget : public FlowTarget {
 public:
  // `identity` is null for a connection without encryption; it and `resolver` outlive this object.
  MqttTarget(const FlowDestination& destination, const Options& options, Identity* identity, Resolver* resolver,
             std::unique_ptr<Encoder> encoder);
  ~MqttTarget() override;

  void Start() override;
  void Take(const Rows& rows, std::int64_t now_us) override;
  void Close() override;
  TargetCounts counts() const override;
  const std::string& name() const override { return name_; }

 private:
  using Clock = std::chrono::steady_clock;
  // Rows encoded as a document of their own.
  struct Message {
    std::string payload;
    std::uint64_t rows;
    std::size_t bytes;  // of the payload, also once the library has taken it
  };

  Message Encode(const Rows& rows, std::size_t from);
  void Enqueue(Message message);
  bool WaitForRoom(std::size_t bytes, std::unique_lock<std::mutex>* lock);
  void NoteDrop(std::uint64_t rows, bool is_dropped);

  void Run();
  void Converse();
  void PublishWaiting();
  void OnConfirmed(int message_id, const std::string& refusal);
  bool IsOver() const;
  void Pause(std::chrono::milliseconds time);

  std::string name_;
  std::unique_ptr<Encoder> encoder_;
  bool is_patient_;  // rows of a file wait for room in the queue instead of being dropped
  std::size_t most_bytes_;
  std::size_t rows_per_message_;
  MqttConnection connection_;
  std::thread thread_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Message> waiting_;
  std::deque<std::pair<int, Message>> unconfirmed_;  // by the library's message id
  std::size_t queued_bytes_ = 0;                     // of both
  TargetCounts counts_;
  std::uint64_t dropping_ = 0;  // rows of the present time of need
  bool is_closing_ = false;
  Clock::time_point progress_;  // when something was confirmed last, or Close() was called
};

}  // namespace weir::sensor
