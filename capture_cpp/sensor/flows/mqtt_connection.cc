#include "flows/mqtt_connection.h"

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <openssl/err.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "events.h"

namespace weir::sensor {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kAtLeastOnce = 1;
constexpr int kKeepAliveSeconds = 30;
// Messages on their way at once; Mosquitto takes 20 from a client, AWS IoT Core 100.
constexpr int kMostUnconfirmed = 20;
constexpr milliseconds kConnectPatience(10'000);
constexpr milliseconds kLookUpPatience(5'000);
constexpr milliseconds kFirstPause(500);
constexpr milliseconds kLongestPause(30'000);
constexpr int kDoublings = 6;
// Reasons worth saying before a connection succeeds; others repeat themselves.
constexpr std::size_t kMostReasons = 8;

// `--flows` was checked to be MQTT's by the caller.
void CheckPlain(const FlowDestination& to, const FlowOptions& options, const std::vector<std::string>& addresses) {
  if (to.encrypted || options.plain_mqtt) return;
  if (addresses.empty()) {
    throw SensorError(ExitCode::kSettings, "--flows " + to.text + ": no address of " + to.host + " is known, and unencrypted only this machine is taken; check the name");
  }
  if (std::ranges::all_of(addresses, IsLoopback)) return;
  throw SensorError(ExitCode::kSettings, "--flows " + to.text + ": would cross the network unencrypted and under no name; use mqtts:// "
                                             "with --tls-cert and --tls-key, or say --plain-mqtt");
}

}  // namespace

MqttConnection::MqttConnection(const FlowDestination& destination, const FlowOptions& options, const std::string& sensor,
                               Identity* identity, Resolver* resolver)
    : destination_(destination), topic_(TopicOf(options, sensor)), resolver_(resolver), identity_(identity),
      client_(nullptr, &mosquitto_destroy) {
  if (mosquitto_pub_topic_check(topic_.c_str()) != MOSQ_ERR_SUCCESS) throw SensorError(ExitCode::kSettings, "--mqtt-topic " + topic_ + ": is no topic");
  if (!destination.encrypted) CheckPlain(destination, options, resolver_->Ask(kLookUpPatience));
  mosquitto_lib_init();
  client_.reset(mosquitto_new(sensor.c_str(), true, this));
  if (client_ == nullptr) throw SensorError(ExitCode::kMistake, std::string("mosquitto_new: ") + std::strerror(errno));
  mosquitto* client = client_.get();
  mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);  // whose confirmations can refuse
  mosquitto_int_option(client, MOSQ_OPT_SEND_MAXIMUM, kMostUnconfirmed);
  if (identity_) {
    mosquitto_int_option(client, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0);
    mosquitto_void_option(client, MOSQ_OPT_SSL_CTX, identity_->context());
  }
  mosquitto_connect_callback_set(client, &OnConnect);
  mosquitto_disconnect_callback_set(client, &OnDisconnect);
  mosquitto_log_callback_set(client, &OnLog);
  mosquitto_publish_v5_callback_set(client, [](mosquitto*, void* self, int message_id, int code, const mosquitto_property*) {
    static_cast<MqttConnection*>(self)->Confirmed(message_id, code);
  });
}

MqttConnection::~MqttConnection() = default;

void MqttConnection::OnConnect(mosquitto*, void* self, int code) {
  auto* connection = static_cast<MqttConnection*>(self);
  if (code != 0) {
    connection->logged_ = std::string("the broker refused: ") + mosquitto_reason_string(code);
    connection->is_refused_ = true;
    return;
  }
  connection->is_connected_ = true;
  connection->connected_ = Clock::now();
  if (std::exchange(connection->is_told_, true)) return;
  Say(Event("broker_connected").Text("flows", connection->destination_.text).Text("topic", connection->topic_));
}

void MqttConnection::Confirmed(int message_id, int code) {
  const bool is_refused = code >= 0x80;
  if (!is_refused) Succeeded();
  on_confirmed_(message_id, is_refused ? mosquitto_reason_string(code) : "");
}

// A broker may take a sensor in and close on each of its messages, so that being connected alone is no success.
void MqttConnection::Succeeded() {
  attempts_ = 0;
  said_.clear();
}

void MqttConnection::OnDisconnect(mosquitto*, void* self, int code) {
  auto* connection = static_cast<MqttConnection*>(self);
  connection->is_connected_ = false;
  if (code >= 0x80 && connection->logged_.empty()) connection->logged_ = mosquitto_reason_string(code);
}

void MqttConnection::OnLog(mosquitto*, void* self, int level, const char* text) {
  if (level == MOSQ_LOG_ERR) static_cast<MqttConnection*>(self)->logged_ = text;
}

bool MqttConnection::Open() {
  logged_.clear();
  is_refused_ = false;
  ERR_clear_error();  // what an earlier connection left behind would be taken for an error of this one
  if (identity_) identity_->TakeRefusal();
  const std::vector<std::string> addresses = resolver_->Ask(kLookUpPatience);
  if (addresses.empty()) return Lose("no address of " + destination_.host + " is known");
  const std::string& address = addresses[attempts_ % addresses.size()];
  opened_ = Clock::now();
  const int outcome = mosquitto_connect_async(client_.get(), address.c_str(), destination_.port, kKeepAliveSeconds);
  return outcome == MOSQ_ERR_SUCCESS || Lose(Reason(outcome));
}

// Whether a connection that is being made was turned away: where TLS was to begin, the library goes on asking.
bool MqttConnection::IsTurnedAway() const {
  pollfd events = {mosquitto_socket(client_.get()), 0, 0};
  return !is_connected_ && events.fd >= 0 && ::poll(&events, 1, 0) == 1 && (events.revents & POLLHUP) != 0;
}

bool MqttConnection::Step(milliseconds patience) {
  resolver_->Watch();
  const int outcome = mosquitto_loop(client_.get(), static_cast<int>(patience.count()), 1);
  if (outcome != MOSQ_ERR_SUCCESS) return Lose(Reason(outcome));
  if (IsTurnedAway()) {
    mosquitto_disconnect(client_.get());
    return Lose("Connection refused");
  }
  if (!is_connected_ && Clock::now() - opened_ > kConnectPatience) {
    mosquitto_disconnect(client_.get());
    return Lose("no answer within " + std::to_string(kConnectPatience.count() / 1000) + " s");
  }
  return true;
}

std::string MqttConnection::Reason(int outcome) {
  const int number = errno;
  std::string refusal = identity_ ? identity_->TakeRefusal() : "";
  if (!refusal.empty()) {
    is_refused_ = true;
    return refusal;
  }
  if (const std::size_t alert = logged_.rfind(" alert "); alert != std::string::npos) {
    is_refused_ = true;
    return "the broker refused this sensor's certificate: " + logged_.substr(alert + 1);
  }
  if (!logged_.empty()) return std::exchange(logged_, {});
  return outcome == MOSQ_ERR_ERRNO ? std::strerror(number) : mosquitto_strerror(outcome);
}

bool MqttConnection::Lose(std::string why) {
  is_connected_ = false;
  if (connected_ && Clock::now() - *connected_ >= kLongestPause) Succeeded();
  connected_.reset();
  why_ = std::move(why);
  return false;
}

milliseconds MqttConnection::AfterFailure() {
  if (said_.size() < kMostReasons && said_.insert(why_).second) {
    is_told_ = false;
    Say(Event("broker_unreachable").Text("flows", destination_.text).Text("why", why_)
            .Text("what", "rows wait in the queue; tried again until it answers"));
  }
  const auto doublings = static_cast<int>(std::min<std::size_t>(attempts_++, kDoublings));
  return std::min(kFirstPause * (1 << doublings), kLongestPause);
}

std::optional<int> MqttConnection::Publish(const std::string& payload) {
  int id = 0;
  const int outcome = mosquitto_publish_v5(client_.get(), &id, topic_.c_str(), static_cast<int>(payload.size()), payload.data(), kAtLeastOnce,
                                           false, nullptr);
  return outcome == MOSQ_ERR_SUCCESS ? std::optional(id) : std::nullopt;
}

void MqttConnection::Close() {
  if (!is_connected_) return;
  mosquitto_disconnect(client_.get());
  mosquitto_loop(client_.get(), 0, 1);
}

}  // namespace weir::sensor
