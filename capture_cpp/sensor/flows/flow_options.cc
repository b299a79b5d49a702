#include "flows/flow_options.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <system_error>

#include "events.h"

namespace weir::sensor {
namespace {

constexpr std::uint16_t kMqttPort = 1883;
constexpr std::uint16_t kMqttTlsPort = 8883;
constexpr std::uint16_t kIpfixPort = 4739;
constexpr std::uint16_t kNetflowPort = 2055;

[[noreturn]] void Refuse(const std::string& what) {
  throw SensorError(ExitCode::kSettings, what + "; weir-capture --help lists what --flows takes");
}

FlowFormat FormatNamed(std::string_view name, std::string_view text) {
  if (name == "json") return FlowFormat::kJson;
  if (name == "arrow") return FlowFormat::kArrow;
  if (name == "ipfix") return FlowFormat::kIpfix;
  if (name == "netflow9") return FlowFormat::kNetflow9;
  Refuse("--flows " + std::string(text) + ": the format is json, arrow, ipfix or netflow9, then a colon and where to");
}

bool TakePrefix(std::string_view prefix, std::string_view* text) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

// HOST, HOST:PORT, [IPV6] or [IPV6]:PORT.
void ParseHost(std::string_view text, std::uint16_t port, FlowDestination* out) {
  const bool is_bracketed = text.starts_with('[');
  const std::size_t end = is_bracketed ? text.find(']') : text.rfind(':');
  out->host = is_bracketed ? text.substr(1, end == std::string_view::npos ? 0 : end - 1) : text.substr(0, end);
  out->port = port;
  std::string_view rest = end == std::string_view::npos ? std::string_view() : text.substr(end + (is_bracketed ? 1 : 0));
  if (TakePrefix(":", &rest)) {
    const auto [last, error] = std::from_chars(rest.data(), rest.data() + rest.size(), out->port);
    if (error != std::errc() || last != rest.data() + rest.size()) out->port = 0;
  } else if (!rest.empty()) {
    out->port = 0;
  }
  const bool is_plain_name = is_bracketed || out->host.find_first_of(":/@[] ") == std::string::npos;
  if (out->host.empty() || out->port == 0 || !is_plain_name) {
    Refuse("--flows " + out->text + ": behind // comes a host and, where it is not the usual one, a port from 1 to 65535, as in broker.example:8883");
  }
}

// What is there under a name; stdout is what the shell made it.
std::optional<struct stat> FileOf(const std::string& name) {
  struct stat found = {};
  const int outcome = name == "-" ? ::fstat(STDOUT_FILENO, &found) : ::stat(name.c_str(), &found);
  return outcome == 0 ? std::optional(found) : std::nullopt;
}

// /dev/null and the like, which keep nothing that could be mixed up.
bool IsMemory(const struct stat& file) {
  constexpr unsigned int kMemoryDevices = 1;  // "Linux allocated devices", admin-guide/devices.txt
  return S_ISCHR(file.st_mode) && major(file.st_rdev) == kMemoryDevices;
}

// Where a file that is not there yet will be made: the last part of its name may be a link that leads to nothing yet.
std::filesystem::path PlaceOf(const std::string& name, std::error_code* error) {
  constexpr int kMostLinks = 40;  // as in path_resolution(7)
  std::filesystem::path place = std::filesystem::absolute(name, *error);
  for (int links = 0; links < kMostLinks && std::filesystem::is_symlink(place, *error); ++links) {
    place = place.parent_path() / std::filesystem::read_symlink(place, *error);
  }
  error->clear();  // of looking for a link where there is nothing
  return std::filesystem::weakly_canonical(place, *error);
}

void CheckPair(const FlowDestination& one, const FlowDestination& other) {
  if (one.transport != other.transport) return;
  if (one.transport == FlowTransport::kFile) {
    const bool is_one_file = one.path == other.path || LeadToOneFile(one.path, other.path);
    if (is_one_file) Refuse("two --flows to " + (one.path == "-" ? "stdout" : one.path) + " would be mixed up");
    return;
  }
  if (one.host != other.host || one.port != other.port) return;
  const std::string both = "--flows " + one.text + " and --flows " + other.text;
  if (one.transport == FlowTransport::kUdp) {
    Refuse(both + " go to one collector, which would count every flow twice; keep one of them");
  }
  Refuse(both + " go to one broker, which keeps one connection of a sensor and breaks off the other; keep one of them, or start "
                "a sensor of another name (--sensor) for the second");
}

}  // namespace

FlowDestination ParseFlowDestination(std::string_view text) {
  const std::size_t colon = text.find(':');
  FlowDestination out = {};
  out.text = text;
  out.format = FormatNamed(text.substr(0, colon), text);
  std::string_view target = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  const bool is_export = out.format == FlowFormat::kIpfix || out.format == FlowFormat::kNetflow9;
  if (is_export) {
    if (!TakePrefix("udp://", &target)) Refuse("--flows " + out.text + ": ipfix and netflow9 go to udp://HOST:PORT");
    out.transport = FlowTransport::kUdp;
    ParseHost(target, out.format == FlowFormat::kIpfix ? kIpfixPort : kNetflowPort, &out);
  } else if (TakePrefix("mqtts://", &target)) {
    out.transport = FlowTransport::kMqtt;
    out.encrypted = true;
    ParseHost(target, kMqttTlsPort, &out);
  } else if (TakePrefix("mqtt://", &target)) {
    out.transport = FlowTransport::kMqtt;
    ParseHost(target, kMqttPort, &out);
  } else {
    out.transport = FlowTransport::kFile;
    out.path = target;
    if (out.path.empty()) Refuse("--flows " + out.text + ": name a file behind the colon, or - for stdout");
    if (out.path.find("://") != std::string::npos) Refuse("--flows " + out.text + ": json and arrow go to a file, - or mqtts://HOST");
  }
  return out;
}

std::string TopicOf(const FlowOptions& options, const std::string& sensor) {
  return options.topic.empty() ? "weir/" + sensor + "/flows" : options.topic;
}

std::vector<std::uint16_t> BrokerPorts(const FlowOptions& options) {
  std::vector<std::uint16_t> ports;
  for (const FlowDestination& to : options.destinations) {
    if (to.transport == FlowTransport::kMqtt) ports.push_back(to.port);
  }
  return ports;
}

bool LeadToOneFile(const std::string& one, const std::string& other) {
  if (one.empty() || other.empty()) return false;
  if (one == "-" && other == "-") return true;
  const std::optional<struct stat> first = FileOf(one);
  const std::optional<struct stat> second = FileOf(other);
  if (first && second) return !IsMemory(*first) && first->st_dev == second->st_dev && first->st_ino == second->st_ino;
  std::error_code error;  // a folder that cannot be searched is told where the file is opened
  return !first && !second && one != "-" && other != "-" && PlaceOf(one, &error) == PlaceOf(other, &error) && !error;
}

void CheckFlowOptions(const FlowOptions& options, const std::string& sensor) {
  const auto uses = [&](auto has) { return std::any_of(options.destinations.begin(), options.destinations.end(), has); };
  const bool uses_tls = uses([](const FlowDestination& to) { return to.encrypted; });
  const bool names_identity = !options.certificate_file.empty() || !options.key_file.empty() || !options.ca_file.empty();
  if (uses_tls && (options.certificate_file.empty() || options.key_file.empty())) {
    Refuse("mqtts wants --tls-cert and --tls-key, the X.509 identity of sensor " + sensor);
  }
  if (!uses_tls && names_identity) Refuse("--tls-ca, --tls-cert and --tls-key say who talks to a broker; no --flows goes to mqtts://");
  const std::string topic = "/" + TopicOf(options, sensor) + "/";
  if (topic.find_first_of("#+") != std::string::npos || topic.find("/" + sensor + "/") == std::string::npos) {
    Refuse("--mqtt-topic " + options.topic + ": one of its levels is the sensor's name, " + sensor +
           ", and none a wildcard, so that a broker can hold each sensor to its own");
  }
  for (std::size_t i = 0; i < options.destinations.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) CheckPair(options.destinations[j], options.destinations[i]);
  }
}

}  // namespace weir::sensor
