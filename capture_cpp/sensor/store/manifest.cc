#include "store/manifest.h"

#include <algorithm>
#include <charconv>
#include <ctime>

#include "json.h"

namespace weir::sensor {
namespace {

std::string FrameToJson(const Frame& frame) {
  return JsonObject()
      .Count("offset", frame.offset)
      .Count("length", frame.length)
      .Count("raw_offset", frame.raw_offset)
      .Count("packets", frame.packets)
      .Number("first_us", frame.first_us)
      .Number("last_us", frame.last_us)
      .Text("hosts", frame.hosts)
      .Finish();
}

std::string FramesToJson(const std::vector<Frame>& frames) {
  std::string text = "[";
  for (const Frame& frame : frames) {
    text += text.size() > 1 ? ",\n  " : "\n  ";
    text += FrameToJson(frame);
  }
  return text + "]";
}

std::string GapsToJson(const std::vector<Gap>& gaps) {
  std::string text = "[";
  for (const Gap& gap : gaps) {
    text += text.size() > 1 ? ", " : "";
    text += GapToJson(gap);
  }
  return text + "]";
}

void AddTimes(const std::vector<Frame>& frames, JsonObject* json) {
  if (frames.empty()) {
    json->Null("first_us").Null("last_us");
    return;
  }
  const auto earlier = [](const Frame& a, const Frame& b) { return a.first_us < b.first_us; };
  const auto later = [](const Frame& a, const Frame& b) { return a.last_us < b.last_us; };
  json->Number("first_us", std::ranges::min_element(frames, earlier)->first_us)
      .Number("last_us", std::ranges::max_element(frames, later)->last_us);
}

}  // namespace

std::string GapToJson(const Gap& gap) {
  JsonObject json;
  json.Text("interface", gap.interface).Text("reason", gap.reason).Number("start_wall_us", gap.start.wall_us).Number("start_mono_us", gap.start.mono_us);
  if (gap.lasts()) return json.Null("end_wall_us").Null("end_mono_us").Finish();
  return json.Number("end_wall_us", gap.end.wall_us).Number("end_mono_us", gap.end.mono_us).Finish();
}

std::string CountersToJson(const Counters& counters) {
  JsonObject json;
  for (const CounterName& counter : kCounterNames) json.Count(counter.name, counters.*counter.field);
  return json.Finish();
}

bool CountersFromJson(const std::string& manifest, Counters* out) {
  const std::size_t start = manifest.find("\"counters\": {");
  if (start == std::string::npos) return false;
  return std::ranges::all_of(kCounterNames, [&](const CounterName& counter) {
    const std::string key = "\"" + std::string(counter.name) + "\": ";
    const std::size_t found = manifest.find(key, start);
    if (found == std::string::npos) return false;
    const char* digits = manifest.data() + found + key.size();
    const char* end = manifest.data() + manifest.size();
    return std::from_chars(digits, end, out->*counter.field).ec == std::errc();
  });
}

std::string Sha256FromJson(const std::string& text) {
  constexpr std::string_view kKey = R"("sha256")";
  constexpr std::size_t kDigits = 64;
  const std::size_t key = text.find(kKey);
  if (key == std::string::npos) return "";
  const std::size_t value = text.find_first_not_of(" \t\r\n:", key + kKey.size());
  if (value == std::string::npos || text[value] != '"') return "";
  const std::string digest = text.substr(value + 1, kDigits);
  const bool is_whole = digest.size() == kDigits && digest.find_first_not_of("0123456789abcdef") == std::string::npos;
  return is_whole && text.compare(value + 1 + kDigits, 1, "\"") == 0 ? digest : "";
}

std::string HourName(std::int64_t time_us) {
  const std::time_t seconds = time_us / kMicrosecondsPerSecond;
  std::tm parts = {};
  gmtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H", &parts)};
}

std::string Manifest::ToJson() const {
  std::uint64_t packets = 0;
  std::uint64_t packet_bytes = 0;
  for (const Frame& frame : frames) {
    packets += frame.packets;
    packet_bytes += frame.packet_bytes;
  }
  JsonObject json;
  json.Number("format", kManifestFormat)
      .Text("sensor_id", sensor_id)
      .Text("boot_id", boot_id)
      .Count("seq", seq)
      .Text("file", file)
      .Text("sha256", sha256)
      .Text("previous_sha256", previous_sha256)
      .Count("link_type", format.link_type)
      .Count("snaplen", snaplen)
      .Text("filter", filter)
      .Text("privacy", privacy)
      .Count("packets", packets)
      .Count("packet_bytes", packet_bytes)
      .Count("file_bytes", file_bytes);
  AddTimes(frames, &json);
  json.Text("hour", hour)
      .Number("sealed_wall_us", sealed_wall_us)
      .Number("sealed_mono_us", sealed_mono_us)
      .Text("source", source)
      .Raw("counters", CountersToJson(counters))
      .Raw("gaps", GapsToJson(gaps))
      .Raw("frames", FramesToJson(frames));
  return json.Finish() + "\n";
}

}  // namespace weir::sensor
