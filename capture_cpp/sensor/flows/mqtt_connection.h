// One connection to a broker, made again whenever it is lost. Used by one thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "flows/flow_options.h"
#include "flows/identity.h"
#include "flows/resolver.h"

struct mosquitto;

namespace weir::sensor {

class MqttConnection {
 public:
  // Throws SensorError.
  MqttConnection(const FlowDestination& destination, const FlowOptions& options, const std::string& sensor, Identity* identity,
                 Resolver* resolver);
  ~MqttConnection();

  // `refusal` is empty where the broker took the message.
  using OnConfirmed = std::function<void(int message_id, const std::string& refusal)>;
  void SetOnConfirmed(OnConfirmed on_confirmed) { on_confirmed_ = std::move(on_confirmed); }

  // Begins to connect. False where no address is known or none can be reached now.
  bool Open();
  // Sends and receives what there is, waiting `patience` at most. False once the connection is lost.
  bool Step(std::chrono::milliseconds patience);
  bool is_connected() const { return is_connected_; }
  // Whether the latest attempt failed because one side did not want the other, which time does not mend.
  bool is_refused() const { return is_refused_; }
  // The id of the message, or nothing where the library cannot take it.
  std::optional<int> Publish(const std::string& payload);
  void Close();
  // Says why there is no connection, where that is new, and how long to wait before the next attempt.
  std::chrono::milliseconds AfterFailure();

 private:
  static void OnConnect(mosquitto* client, void* self, int code);
  static void OnDisconnect(mosquitto* client, void* self, int code);
  static void OnLog(mosquitto* client, void* self, int level, const char* text);
  std::string Reason(int outcome);
  bool IsTurnedAway() const;
  void Confirmed(int message_id, int code);
  void Succeeded();
  bool Lose(std::string why);

  const FlowDestination& destination_;
  std::string topic_;
  Resolver* resolver_;
  Identity* identity_;  // null without encryption
  std::unique_ptr<mosquitto, void (*)(mosquitto*)> client_;
  OnConfirmed on_confirmed_;
  bool is_connected_ = false;
  bool is_told_ = false;  // that it is connected, since the last word that it is not
  std::chrono::steady_clock::time_point opened_;
  std::optional<std::chrono::steady_clock::time_point> connected_;  // since when, until it is lost
  std::size_t attempts_ = 0;  // since the last success
  std::string logged_;        // the library's last complaint
  std::string why_;           // of the latest failure
  std::set<std::string> said_;  // reasons that were said since the last success
  bool is_refused_ = false;
};

}  // namespace weir::sensor
