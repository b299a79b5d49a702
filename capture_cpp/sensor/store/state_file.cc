#include "store/state_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <span>
#include <utility>

#include "disk.h"
#include "json.h"
#include "store/manifest.h"
#include "store/names.h"

namespace weir::sensor {
namespace {

constexpr std::chrono::seconds kEvery(10);

std::error_code Replace(int folder, const std::string& name, const std::string& text) {
  constexpr mode_t kOwnerWritesGroupReads = 0640;
  const std::string fresh = name + ".new";
  const Descriptor file(::openat(folder, fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, kOwnerWritesGroupReads));
  if (!file.open()) return LastError();
  if (const std::error_code error = WriteAll(file.get(), std::as_bytes(std::span(text)))) return error;
  return ::renameat(folder, fresh.c_str(), folder, name.c_str()) == 0 ? std::error_code() : LastError();
}

}  // namespace

StateFile::StateFile(std::string sensor, std::string boot_id) : sensor_(std::move(sensor)), boot_id_(std::move(boot_id)) {}

void StateFile::Write(int folder, const std::string& source, const Counters& totals, const std::optional<Gap>& gap) {
  const auto now = std::chrono::steady_clock::now();
  const std::int64_t gap_start_us = gap ? gap->start.mono_us : 0;
  if (now < next_ && gap_start_us == gap_start_us_) return;
  next_ = now + kEvery;
  gap_start_us_ = gap_start_us;
  const Moment moment = Moment::Now();
  JsonObject json;
  json.Text("sensor_id", sensor_).Text("boot_id", boot_id_).Text("source", source).Number("pid", ::getpid())
      .Number("wall_us", moment.wall_us).Number("mono_us", moment.mono_us);
  gap ? json.Raw("gap", GapToJson(*gap)) : json.Null("gap");
  json.Raw("counters", CountersToJson(totals));
  static_cast<void>(Replace(folder, StateName(sensor_, boot_id_), json.Finish() + "\n"));
}

void StateFile::Remove(int folder) const {
  const std::string name = StateName(sensor_, boot_id_);
  ::unlinkat(folder, (name + ".new").c_str(), 0);
  ::unlinkat(folder, name.c_str(), 0);
}

}  // namespace weir::sensor
