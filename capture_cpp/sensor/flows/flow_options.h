// What the command line says of flows: where finished rows go, and as what.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::sensor {

enum class FlowFormat : std::uint8_t { kJson, kArrow, kIpfix, kNetflow9 };
enum class FlowTransport : std::uint8_t { kFile, kMqtt, kUdp };

// One --flows FORMAT:TARGET.
struct FlowDestination {
  std::string text;  // as it was given, for messages
  FlowFormat format;
  FlowTransport transport;
  std::string path;    // of a file; "-" is stdout
  std::string host;    // of the others
  std::uint16_t port = 0;
  bool encrypted = false;
};

struct FlowOptions {
  std::vector<FlowDestination> destinations;  // empty: no flows are built
  std::uint64_t idle_seconds = 120;           // the defaults are those of params.yaml
  std::uint64_t active_seconds = 1800;
  std::uint64_t memory_mb = 256;   // MiB for live flows; at the limit the one silent the longest ends
  std::uint64_t queue_mb = 64;     // MiB of encoded rows that may wait for a broker
  std::string topic;               // empty: weir/<sensor>/flows
  std::string ca_file;             // who vouches for the broker; empty: whom this machine trusts
  std::string certificate_file;    // who this sensor is
  std::string key_file;
  bool plain_mqtt = false;         // unencrypted beyond this machine is what the operator wants
  std::uint64_t domain = 1;        // observation domain of IPFIX, source id of NetFlow v9
};

// Rows handed out together at most, and how long a finished row may wait for others.
inline constexpr std::size_t kRowsPerHandOver = 4096;
inline constexpr int kFlowWaitMilliseconds = 1000;
// Batches of 1 MiB that may wait for the flow thread.
inline constexpr std::size_t kFlowBatches = 16;
// On a silent wire flows end by the wall clock, this much late: the ring keeps packets for up to 100 ms.
inline constexpr std::int64_t kQuietMarginUs = 2'000'000;

// FORMAT:TARGET, one of
//   json:FILE  arrow:FILE  ("-" is stdout)
//   json:mqtts://HOST[:8883]  arrow:mqtts://HOST  json:mqtt://localhost[:1883]
//   ipfix:udp://HOST[:4739]  netflow9:udp://HOST[:2055]
// Throws SensorError for anything else.
FlowDestination ParseFlowDestination(std::string_view text);

// Whether two names of the command line, "-" for stdout among them, are of one file, pipe or terminal, or will be
// where there is none yet.
bool LeadToOneFile(const std::string& one, const std::string& other);

// Refuses combinations that have no meaning, and files that MQTT wants and are not named.
void CheckFlowOptions(const FlowOptions& options, const std::string& sensor);

// The topic rows are published under; a level of it is the sensor's name.
std::string TopicOf(const FlowOptions& options, const std::string& sensor);

// Where connections to brokers go to.
std::vector<std::uint16_t> BrokerPorts(const FlowOptions& options);

}  // namespace weir::sensor
