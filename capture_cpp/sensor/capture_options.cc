#include "capture_options.h"

#include <fcntl.h>
#include <getopt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <set>
#include <string_view>

#include "events.h"
#include "options.h"
#include "segment_format.h"

namespace weir::sensor {
namespace {

constexpr char kHelp[] =
    R"(weir-capture: packets from an interface or a capture file into sealed segments

  weir-capture -i eth0 --sensor lab --spool /var/spool/weir
  weir-capture -r trace.pcap --sensor lab --spool spool
  tshark -i eth0 -w - | weir-capture -r - --spool spool
  weir-capture -i lo -c 100 -w hundred.pcap
  weir-capture -r trace.pcap --flows json:- | head -n 1

from
  -i, --interface NAME     capture live; needs the capability CAP_NET_RAW. Given several times, each interface
                           has its own ring, segments and counts, under the name SENSOR-INTERFACE
  -r, --read FILE          read a pcap or pcapng file; - is stdin
  -f, --filter TEXT        take only what this BPF filter matches, such as "tcp port 443"
  -s, --snaplen BYTES      keep at most this much of each packet (262144)
  -c, --count N            stop after N packets
      --cut-payload        keep headers only, through tunnels down to the innermost
      --anonymise KEYFILE  replace IP addresses, keeping their prefixes (Crypto-PAn), and cut payloads;
                           KEYFILE holds 32 bytes, or 64 hexadecimal digits
      --ring-mb MB         kernel ring buffer (64)
      --silence SECONDS    tell too_little_traffic after this long without a packet (600); 0 never
      --no-promisc         leave the interface out of promiscuous mode
to
      --sensor NAME        who this sensor is, in every file name (sensor)
      --spool DIR          where segments and manifests appear
      --rotate-bytes N     seal a segment after this much pcap (67108864); at least 1024
      --rotate-seconds N   seal a segment after this time (300); with -r, packet time
      --spool-mb MB        limit of the spool (0: until the disk is full)
      --when-full WHAT     drop-newest, drop-oldest or stop, when the limit is reached (drop-newest);
                           leftovers of acknowledged segments go first in any case
      --level N            zstd level, -100 to 19 (1); 0 only stores, below it is quick and packs little
  -w, --write FILE         write an uncompressed capture file too, or instead, in pieces of 1 MiB;
                           - is stdout
flows
      --flows FORMAT:TARGET    hand out finished flows, beside packets or instead; may be given several times:
                               json:FILE arrow:FILE           one row a line, or an Arrow IPC stream; - is stdout
                               json:mqtts://HOST[:8883]       batches of rows to a broker; arrow: as well
                               ipfix:udp://HOST[:4739]        to a collector
                               netflow9:udp://HOST[:2055]     to a collector
      --flows-idle SECONDS     a flow ends after so long a silence, at most 3600 (120)
      --flows-active SECONDS   a longer flow goes on in a new row; at most 3600 (1800)
      --flows-memory-mb MB     what live flows may take (256)
      --tls-cert FILE          this sensor's certificate, whose common name is the sensor's, and
      --tls-key FILE           its private key, both in PEM
      --tls-ca FILE            who vouches for the broker (whom this machine trusts)
      --mqtt-topic TOPIC       what rows are published under (weir/SENSOR/flows)
      --queue-mb MB            rows that may wait for the broker; later ones are dropped and counted (64)
      --plain-mqtt             allow mqtt://, without encryption, to other machines
      --domain N               observation domain (IPFIX) or source id (NetFlow v9) of this sensor (1)
other
      --user NAME          become this user once the interface or file is open
      --no-sandbox         keep all rights; for debuggers
      --check-sandbox      try what the sandbox forbids, say how it went, and end
  -h, --help               this text
  -V, --version            the version

A segment ends at each capture hour (packet time, UTC) as well. One line of JSON per segment goes to
stderr. SIGTERM and SIGINT drain the ring and seal; SIGHUP seals at once and goes on.
Exit code: 0 done, 2 wrong argument, 4 spool or disk (also when packets
were lost to the disk; those given up at --spool-mb were given up by choice), 6 capture.

Example, in a folder with trace.pcap:
  $ weir-capture -r trace.pcap --sensor lab --spool spool 2>/dev/null; ls spool
  lab-0195f0c2a1b4e7d3-000000.json  lab-0195f0c2a1b4e7d3-000000.pcap.zst
  $ weir packets spool -o all.pcap
)";

[[noreturn]] void Refuse(const std::string& what) {
  throw SensorError(ExitCode::kSettings, what + "; weir-capture --help lists the options");
}

std::uint64_t Number(std::string_view option, std::string_view text, std::uint64_t low, std::uint64_t high) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < low || value > high) {
    Refuse("--" + std::string(option) + " wants a whole number from " + std::to_string(low) + " to " +
           std::to_string(high) + ", not \"" + std::string(text) + "\"");
  }
  return value;
}

int Level(std::string_view text) {
  constexpr int kQuickest = -100;
  constexpr int kSmallest = 19;
  int level = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), level);
  if (error != std::errc() || end != text.data() + text.size() || level < kQuickest || level > kSmallest) {
    Refuse("--level wants a whole number from -100 to 19, not \"" + std::string(text) + "\"");
  }
  return level;
}

std::string SensorName(const std::string& text) {
  constexpr std::string_view kLettersAndDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  constexpr std::size_t kLongestName = 63;
  const std::string allowed = std::string(kLettersAndDigits) + "_.-";
  const bool begins_well = !text.empty() && kLettersAndDigits.find(text[0]) != std::string_view::npos;
  if (!begins_well || text.size() > kLongestName || text.find_first_not_of(allowed) != std::string::npos) {
    Refuse("--sensor wants 1 to 63 letters, digits, '_', '.' or '-', the first a letter or digit, not \"" + text + "\"");
  }
  return text;
}

// An interface's name as part of a sensor's.
std::string NameOf(std::string interface) {
  for (char& letter : interface) {
    const bool is_plain = std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '.' || letter == '-';
    if (!is_plain) letter = '_';
  }
  return interface;
}

WhenFull Policy(std::string_view text) {
  if (text == "drop-newest") return WhenFull::kDropNewest;
  if (text == "drop-oldest") return WhenFull::kDropOldest;
  if (text == "stop") return WhenFull::kStop;
  Refuse("--when-full wants drop-newest, drop-oldest or stop, not \"" + std::string(text) + "\"");
}

enum LongOnly : std::uint16_t {
  kSensor = 256, kSpool, kRotateBytes, kRotateSeconds, kRingMb, kSpoolMb, kWhenFull, kSilence, kNoPromisc, kLevel, kUser, kCutPayload,
  kAnonymise, kNoSandbox, kCheckSandbox, kFlows, kFlowsIdle, kFlowsActive, kFlowsMemoryMb, kTlsCa, kTlsCert, kTlsKey, kMqttTopic, kQueueMb,
  kPlainMqtt, kDomain,
};

constexpr option kOptions[] = {
    {"interface", required_argument, nullptr, 'i'},
    {"read", required_argument, nullptr, 'r'},
    {"filter", required_argument, nullptr, 'f'},
    {"snaplen", required_argument, nullptr, 's'},
    {"count", required_argument, nullptr, 'c'},
    {"write", required_argument, nullptr, 'w'},
    {"help", no_argument, nullptr, 'h'},
    {"version", no_argument, nullptr, 'V'},
    {"sensor", required_argument, nullptr, kSensor},
    {"spool", required_argument, nullptr, kSpool},
    {"rotate-bytes", required_argument, nullptr, kRotateBytes},
    {"rotate-seconds", required_argument, nullptr, kRotateSeconds},
    {"ring-mb", required_argument, nullptr, kRingMb},
    {"spool-mb", required_argument, nullptr, kSpoolMb},
    {"when-full", required_argument, nullptr, kWhenFull},
    {"silence", required_argument, nullptr, kSilence},
    {"no-promisc", no_argument, nullptr, kNoPromisc},
    {"level", required_argument, nullptr, kLevel},
    {"cut-payload", no_argument, nullptr, kCutPayload},
    {"anonymise", required_argument, nullptr, kAnonymise},
    {"flows", required_argument, nullptr, kFlows},
    {"flows-idle", required_argument, nullptr, kFlowsIdle},
    {"flows-active", required_argument, nullptr, kFlowsActive},
    {"flows-memory-mb", required_argument, nullptr, kFlowsMemoryMb},
    {"tls-ca", required_argument, nullptr, kTlsCa},
    {"tls-cert", required_argument, nullptr, kTlsCert},
    {"tls-key", required_argument, nullptr, kTlsKey},
    {"mqtt-topic", required_argument, nullptr, kMqttTopic},
    {"queue-mb", required_argument, nullptr, kQueueMb},
    {"plain-mqtt", no_argument, nullptr, kPlainMqtt},
    {"domain", required_argument, nullptr, kDomain},
    {"user", required_argument, nullptr, kUser},
    {"no-sandbox", no_argument, nullptr, kNoSandbox},
    {"check-sandbox", no_argument, nullptr, kCheckSandbox},
    {nullptr, 0, nullptr, 0},
};

[[noreturn]] void PrintAndExit(const char* text) {
  std::fputs(text, stdout);
  std::exit(std::fflush(stdout) == 0 ? 0 : static_cast<int>(ExitCode::kSpool));
}

// Options that somebody may take for lists; of all others the later value counts, so that a service's defaults can be changed.
void CheckRepeated(int letter) {
  constexpr std::array<int, 4> kOnceOnly = {'r', 'f', 'w', kSpool};
  if (std::ranges::find(kOnceOnly, letter) == kOnceOnly.end()) return;
  Refuse("--" + std::string(std::ranges::find(kOptions, letter, &option::val)->name) + " is given twice");
}

// A file that a shell opened; a pipe, a terminal or a connection may be both stdin and stdout.
bool IsStdinAFile() {
  struct stat facts = {};
  return ::fstat(STDIN_FILENO, &facts) == 0 && S_ISREG(facts.st_mode);
}

// What is read is never written over.
void CheckNotWrittenOver(const Options& options) {
  if (options.file.empty() || (options.file == "-" && !IsStdinAFile())) return;
  const std::string source = options.file == "-" ? "/dev/stdin" : options.file;
  const auto check = [&source](const std::string& option, const std::string& path) {
    if (LeadToOneFile(source, path)) Refuse(option + " names " + (source == "/dev/stdin" ? path : source) + ", which is to be read; name another file");
  };
  check("-w", options.plain_file);
  for (const FlowDestination& to : options.flows.destinations) {
    if (to.transport == FlowTransport::kFile) check("--flows", to.path);
  }
}

// Two sensors of one name cannot share a spool, and here the second would be told of the first as of a stranger.
void CheckInterfaceNames(const Options& options) {
  const std::vector<std::string>& names = options.interfaces;
  for (auto one = names.begin(); one != names.end(); ++one) {
    const auto same = std::find_if(one + 1, names.end(), [one](const std::string& name) { return NameOf(name) == NameOf(*one); });
    if (same == names.end()) continue;
    if (*same == *one) Refuse("the interface " + *one + " is given twice");
    Refuse("-i " + *one + " and -i " + *same + " would both be sensor " + options.sensor + "-" + NameOf(*one) +
           "; start a sensor for each, under names of their own (--sensor)");
  }
}

// Whether a path leads to the stream with this number; "-" is `dash`.
bool LeadsTo(const std::string& path, int number, int dash) {
  constexpr std::array<std::string_view, 3> kNames = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
  const std::string text = std::to_string(number);
  return (path == "-" && number == dash) || path == kNames.at(static_cast<std::size_t>(number)) || path == "/dev/fd/" + text || path == "/proc/self/fd/" + text;
}

// A closed one was opened for the other direction, before anything else was.
void CheckStandardStreams(const Options& options) {
  const auto lacks = [](int number, int mode) { return (::fcntl(number, F_GETFL) & O_ACCMODE) == mode; };
  if (lacks(STDIN_FILENO, O_WRONLY) && LeadsTo(options.file, STDIN_FILENO, STDIN_FILENO)) {
    Refuse("-r " + options.file + ": stdin is closed, or cannot be read; open it, or name a file");
  }
  if (LeadsTo(options.plain_file, STDOUT_FILENO, STDOUT_FILENO) && ::isatty(STDOUT_FILENO) == 1) {
    Refuse("-w " + options.plain_file + ": a capture is nothing for a terminal; redirect stdout, or name a file");
  }
  for (const int number : {STDOUT_FILENO, STDERR_FILENO}) {
    if (!lacks(number, O_RDONLY)) continue;
    const std::string why = std::string(": ") + (number == STDOUT_FILENO ? "stdout" : "stderr") + " is closed, or cannot be written; open it, or name a file";
    if (LeadsTo(options.plain_file, number, STDOUT_FILENO)) Refuse("-w " + options.plain_file + why);
    for (const FlowDestination& to : options.flows.destinations) {
      if (to.transport == FlowTransport::kFile && LeadsTo(to.path, number, STDOUT_FILENO)) Refuse("--flows to " + to.path + why);
    }
  }
}

void Check(const Options& options) {
  CheckFlowOptions(options.flows, options.sensor);
  if (options.check_sandbox) {
    if (options.spool.empty()) Refuse("--check-sandbox wants --spool, the one folder that stays writable");
    return;
  }
  if (options.interfaces.empty() == options.file.empty()) Refuse("give either an interface (-i) or a file (-r)");
  CheckInterfaceNames(options);
  if (options.interfaces.size() > 1 && !options.plain_file.empty()) Refuse("-w takes one interface, as a pcap file does not say from which a packet is; use --spool");
  if (options.interfaces.size() > 1 && !options.flows.destinations.empty()) {
    Refuse("--flows takes one interface, as a packet seen on two would be counted twice; start a sensor for each");
  }
  if (options.spool.empty() && options.plain_file.empty() && options.flows.destinations.empty()) {
    Refuse("give a spool (--spool), a file to write (-w) or somewhere for flows to go (--flows)");
  }
  const auto is_plain_file = [&options](const FlowDestination& to) { return LeadToOneFile(options.plain_file, to.path); };
  if (std::ranges::any_of(options.flows.destinations, is_plain_file)) {
    Refuse("-w and --flows both to " + (options.plain_file == "-" ? "stdout" : options.plain_file) + " would be mixed up");
  }
  CheckNotWrittenOver(options);
  CheckStandardStreams(options);
}

}  // namespace

std::vector<Options> PerInterface(const Options& options) {
  if (options.interfaces.empty()) return {options};
  std::vector<Options> streams;
  for (const std::string& interface : options.interfaces) {
    Options stream = options;
    stream.interface = interface;
    if (options.interfaces.size() > 1) stream.sensor = SensorName(options.sensor + "-" + NameOf(interface));
    streams.push_back(std::move(stream));
  }
  return streams;
}

std::string_view PrivacyName(const Options& options) {
  if (!options.key_file.empty()) return "anonymised";
  return options.cut_payload ? "cut-payload" : "";
}

std::string ToldFilter(const Options& options) { return options.filter.empty() || options.key_file.empty() ? options.filter : "hidden"; }

Options ParseOptions(int argc, char** argv) {
  constexpr std::uint64_t kAny = std::numeric_limits<std::int64_t>::max();
  constexpr std::uint64_t kLongestFlow = kLongestTimeoutUs / kMicrosecondsPerSecond;
  constexpr std::uint64_t kLeastSegment = 1024;
  constexpr std::uint64_t kMostRingMb = 2047;  // libpcap takes the size as an int of bytes
  constexpr std::uint64_t kMostFlowsMemoryMb = 1 << 20;  // a TB, as in params.yaml; whoever writes more has erred in the unit
  Options options;
  std::set<int> seen;
  opterr = 0;
  for (int letter = 0; (letter = getopt_long(argc, argv, ":i:r:f:s:c:w:hV", kOptions, nullptr)) != -1;) {
    if (!seen.insert(letter).second) CheckRepeated(letter);
    switch (letter) {
      case 'i': options.interfaces.emplace_back(optarg); break;
      case 'r': options.file = optarg; break;
      case 'f': options.filter = optarg; break;
      case 's': options.snaplen = static_cast<std::uint32_t>(Number("snaplen", optarg, 1, kLargestPacket)); break;
      case 'c': options.count = Number("count", optarg, 1, kAny); break;
      case 'w': options.plain_file = optarg; break;
      case kSensor: options.sensor = SensorName(optarg); break;
      case kSpool: options.spool = optarg; break;
      case kRotateBytes: options.rotate_bytes = Number("rotate-bytes", optarg, kLeastSegment, kAny); break;
      case kRotateSeconds: options.rotate_seconds = Number("rotate-seconds", optarg, 1, kAny / 1'000'000); break;
      case kRingMb: options.ring_mb = Number("ring-mb", optarg, 1, kMostRingMb); break;
      case kSpoolMb: options.spool_mb = Number("spool-mb", optarg, 0, kAny >> 20); break;
      case kWhenFull: options.when_full = Policy(optarg); break;
      case kSilence: options.silence_seconds = Number("silence", optarg, 0, kAny / 1'000'000); break;
      case kNoPromisc: options.promiscuous = false; break;
      case kLevel: options.level = Level(optarg); break;
      case kFlows: options.flows.destinations.push_back(ParseFlowDestination(optarg)); break;
      case kFlowsIdle: options.flows.idle_seconds = Number("flows-idle", optarg, 1, kLongestFlow); break;
      case kFlowsActive: options.flows.active_seconds = Number("flows-active", optarg, 1, kLongestFlow); break;
      case kFlowsMemoryMb: options.flows.memory_mb = Number("flows-memory-mb", optarg, 1, kMostFlowsMemoryMb); break;
      case kTlsCa: options.flows.ca_file = optarg; break;
      case kTlsCert: options.flows.certificate_file = optarg; break;
      case kTlsKey: options.flows.key_file = optarg; break;
      case kMqttTopic: options.flows.topic = optarg; break;
      case kQueueMb: options.flows.queue_mb = Number("queue-mb", optarg, 1, kAny >> 20); break;
      case kPlainMqtt: options.flows.plain_mqtt = true; break;
      case kDomain: options.flows.domain = Number("domain", optarg, 0, std::numeric_limits<std::uint32_t>::max()); break;
      case kUser: options.user = optarg; break;
      case kCutPayload: options.cut_payload = true; break;
      case kAnonymise: options.key_file = optarg; break;
      case kNoSandbox: options.sandboxed = false; break;
      case kCheckSandbox: options.check_sandbox = true; break;
      case 'h': PrintAndExit(kHelp);
      case 'V': PrintAndExit("weir-capture " WEIR_VERSION "\n");
      case ':': Refuse("the option " + std::string(argv[optind - 1]) + " wants a value");
      default: Refuse("unknown option " + std::string(argv[optind - 1]));
    }
  }
  if (optind < argc) Refuse("unexpected argument \"" + std::string(argv[optind]) + "\" (a filter goes behind -f)");
  Check(options);
  return options;
}

}  // namespace weir::sensor
