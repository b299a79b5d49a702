#include "store/names.h"

#include <sys/random.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "clock.h"
#include "segment_format.h"

namespace weir::sensor {
namespace {

constexpr std::size_t kBootDigits = 16;
constexpr std::size_t kLeastSeqDigits = 6;

bool IsBoot(std::string_view text) {
  return text.size() == kBootDigits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Takes `part` off the front of `text`; false where it is not there.
bool TakeFront(std::string_view* text, std::string_view part) {
  if (!text->starts_with(part)) return false;
  text->remove_prefix(part.size());
  return true;
}

}  // namespace

std::string Stem::Text(const std::string& sensor) const {
  std::string number = std::to_string(seq);
  number.insert(0, kLeastSeqDigits - std::min(kLeastSeqDigits, number.size()), '0');
  return sensor + "-" + boot + "-" + number;
}

std::optional<Stem> ParseStem(const std::string& sensor, std::string_view name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return std::nullopt;
  name.remove_suffix(suffix.size());
  if (!TakeFront(&name, sensor) || !TakeFront(&name, "-")) return std::nullopt;
  Stem stem;
  stem.boot = name.substr(0, kBootDigits);
  name.remove_prefix(stem.boot.size());
  if (!IsBoot(stem.boot) || !TakeFront(&name, "-") || name.size() < kLeastSeqDigits) return std::nullopt;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), stem.seq);
  return error == std::errc() && end == name.data() + name.size() ? std::optional(stem) : std::nullopt;
}

bool IsCopyOfPart(const std::string& sensor, std::string_view name) {
  const std::string twice = std::string(kPartSuffix) + std::string(kPartSuffix);
  if (!TakeFront(&name, "..") || !name.ends_with(twice)) return false;
  name.remove_suffix(twice.size());
  return ParseStem(sensor, name, kSegmentSuffix).has_value();
}

bool IsManifestPart(const std::string& sensor, std::string_view name) {
  return TakeFront(&name, ".") && ParseStem(sensor, name, std::string(kManifestSuffix) + std::string(kPartSuffix)).has_value();
}

std::string LockName(const std::string& sensor) { return "." + sensor + ".lock"; }

std::string CheckpointName(const std::string& sensor, const std::string& boot) { return "." + sensor + "-" + boot + ".checkpoint"; }

std::string StateName(const std::string& sensor, const std::string& boot) { return "." + sensor + "-" + boot + ".state"; }

bool IsStateName(const std::string& sensor, std::string_view name) {
  if (!TakeFront(&name, "." + sensor + "-")) return false;
  const std::string_view rest = name.size() > kBootDigits ? name.substr(kBootDigits) : "";
  return IsBoot(name.substr(0, kBootDigits)) && (rest == ".state" || rest == ".state.new");
}

std::optional<std::string> BootOfCheckpoint(const std::string& sensor, std::string_view name) {
  if (!TakeFront(&name, "." + sensor + "-") || !name.ends_with(".checkpoint")) return std::nullopt;
  const std::string_view boot = name.substr(0, kBootDigits);
  return IsBoot(boot) && name.substr(boot.size()) == ".checkpoint" ? std::optional(std::string(boot)) : std::nullopt;
}

std::string NewBootId() {
  std::uint16_t random = 0;
  // Not waited for: early after a boot of the machine the time alone has to do.
  if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random) random = 0;
  char text[kBootDigits + 1];
  const auto milliseconds = static_cast<unsigned long long>(NowMicroseconds(CLOCK_REALTIME) / 1000) & 0xffff'ffff'ffffULL;
  std::snprintf(text, sizeof text, "%012llx%04x", milliseconds, random);
  return text;
}

}  // namespace weir::sensor
