#include "flows/flow_stage.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "columns/arrow.h"
#include "events.h"
#include "export/udp_target.h"
#include "flows/encoder.h"
#include "flows/file_target.h"
#include "flows/mqtt_target.h"

namespace weir::sensor {
namespace {

constexpr std::chrono::milliseconds kLook(100);

FlowSettings SettingsOf(const FlowOptions& options) {
  return {static_cast<std::int64_t>(options.idle_seconds) * kMicrosecondsPerSecond,
          static_cast<std::int64_t>(options.active_seconds) * kMicrosecondsPerSecond, static_cast<std::size_t>(options.memory_mb) << 20};
}

FlowBuilder MakeBuilder(const FlowOptions& options, FlowSink sink) {
  try {
    return FlowBuilder(SettingsOf(options), RandomSeed(), std::move(sink));
  } catch (const std::bad_alloc&) {
    throw SensorError(ExitCode::kSettings, "--flows-memory-mb " + std::to_string(options.memory_mb) +
                                               ": this machine, or a limit of this process (ulimit -v), does not allow so much "
                                               "memory; give less");
  }
}

std::unique_ptr<Encoder> MakeEncoder(FlowFormat format) {
  if (format == FlowFormat::kJson) return MakeJsonEncoder();
  ArrowSchema schema = {};
  ExportSchema(&schema);
  std::unique_ptr<Encoder> encoder = MakeArrowEncoder(schema);
  schema.release(&schema);
  return encoder;
}

std::unique_ptr<FlowTarget> OpenMqttTarget(const FlowDestination& to, const Options& options, const Identities& identities,
                                           const Resolvers& resolvers) {
  Identity* identity = to.encrypted ? identities.at(to.host).get() : nullptr;
  return std::make_unique<MqttTarget>(to, options, identity, resolvers.at(to.host).get(), MakeEncoder(to.format));
}

std::unique_ptr<FlowTarget> OpenTarget(const FlowDestination& to, const Options& options, const Identities& identities,
                                       const Resolvers& resolvers, StopSignal* signal) {
  switch (to.transport) {
    case FlowTransport::kUdp: return std::make_unique<UdpTarget>(to, static_cast<std::uint32_t>(options.flows.domain));
    case FlowTransport::kMqtt: return OpenMqttTarget(to, options, identities, resolvers);
    case FlowTransport::kFile: break;
  }
  return std::make_unique<FileTarget>(to, MakeEncoder(to.format), signal);
}

std::string CountsJson(const TargetCounts& counts, const std::string& name) {
  return JsonObject().Text("flows", name).Count("taken", counts.taken).Count("delivered", counts.delivered)
      .Count("drop_queue", counts.drop_queue).Count("drop_refused", counts.drop_refused).Count("drop_failed", counts.drop_failed)
      .Count("drop_stopped", counts.drop_stopped).Finish();
}

}  // namespace

FlowStage::FlowStage(const Options& options, Identities identities, const Resolvers& resolvers, StopSignal* signal)
    : options_(options), is_live_(!options.interface.empty()), identities_(std::move(identities)),
      builder_(MakeBuilder(options.flows, [this](const auto& batch) { HandOut(batch); })), queue_(kFlowBatches) {
  for (const FlowDestination& to : options.flows.destinations) {
    targets_.push_back(OpenTarget(to, options, identities_, resolvers, signal));
  }
}

FlowStage::~FlowStage() {
  queue_.NoMoreBatches();
  if (thread_.joinable()) thread_.join();
}

void FlowStage::Start() {
  for (const auto& target : targets_) target->Start();
  thread_ = std::thread([this] {
    try {
      Run();
    } catch (...) {
      trouble_ = std::current_exception();
      is_wanted_ = false;
      queue_.NoMoreReading();
    }
  });
}

void FlowStage::Offer(std::unique_ptr<Batch>* batch) {
  Batch& full = **batch;
  if (full.empty() && full.quiet_until_us == 0) return;
  full.offset = live_offset_;
  live_offset_ += full.records().size();
  std::unique_ptr<Batch> empty = is_live_ ? queue_.TakeEmptyNow() : queue_.TakeEmpty();
  NoteDrop(empty == nullptr ? full.packets() : 0);
  if (empty == nullptr) return;
  queue_.HandOver(std::move(*batch));
  *batch = std::move(empty);
}

void FlowStage::NoteDrop(std::uint64_t packets) {
  drop_flows_ += packets;
  if (packets > 0 && !is_dropping_ && is_wanted_) {
    Say(Event("flows_behind").Text("what", "packets are skipped for flows and counted as drop_flows; their segments stay whole"));
  }
  is_dropping_ = packets > 0;
}

void FlowStage::Run() {
  Clock::time_point next_hand_out = Clock::now() + std::chrono::milliseconds(kFlowWaitMilliseconds);
  Clock::time_point next_report = Clock::now() + std::chrono::seconds(options_.rotate_seconds);
  while (!queue_.ended()) {
    if (std::unique_ptr<Batch> batch = queue_.TakeFull(kLook)) {
      Add(*batch);
      queue_.GiveBack(std::move(batch));
    }
    if (Clock::now() >= next_hand_out) {
      builder_.HandOver();
      next_hand_out = Clock::now() + std::chrono::milliseconds(kFlowWaitMilliseconds);
    }
    if (is_live_ && Clock::now() >= next_report) {
      Report("flows");
      next_report = Clock::now() + std::chrono::seconds(options_.rotate_seconds);
    }
  }
  builder_.Finish();
}

void FlowStage::Add(const Batch& batch) {
  const std::span<const std::byte> records = batch.records();
  std::size_t at = 0;
  for (std::size_t i = 0; at < records.size(); ++i) {
    RecordHeader header = {};
    std::memcpy(&header, records.data() + at, sizeof header);
    Record record = {};
    record.bytes = PacketOf(records.subspan(at), header);
    record.wire_bytes = std::max(header.length, header.captured);
    record.link_type = batch.format.link_type;
    record.time_us = header.Microseconds(batch.format.nanoseconds);
    record.rest_ns = batch.format.nanoseconds ? header.fraction % 1000 : 0;
    record.offset = i < batch.offsets.size() ? batch.offsets[i] : batch.offset + at;
    builder_.AddLasting(record);
    now_us_ = record.time_us;
    at += sizeof header + header.captured;
  }
  builder_.Settle();
  if (batch.quiet_until_us > 0) builder_.AdvanceTo(batch.quiet_until_us);
}

void FlowStage::HandOut(const std::shared_ptr<const FlowBatch>& batch) {
  if (batch->rows == 0) return;
  ArrowSchema schema = {};
  ArrowArray array = {};
  ExportSchema(&schema);
  ExportArray(batch, &array);
  const Rows rows(schema, array);
  for (const auto& target : targets_) target->Take(rows, now_us_);
  schema.release(&schema);
  array.release(&array);
  rows_ += rows.size();
  is_wanted_ = std::ranges::any_of(targets_, [](const auto& target) { return target->is_open(); });
}

void FlowStage::Finish() {
  queue_.NoMoreBatches();
  if (thread_.joinable()) thread_.join();
  for (const auto& target : targets_) target->Close();
  Report("flows_done");
  if (trouble_) std::rethrow_exception(trouble_);
}

bool FlowStage::is_whole() const {
  return drop_flows_ == 0 && std::ranges::all_of(targets_, [](const auto& target) { return target->counts().Dropped() == 0; });
}

void FlowStage::Report(const char* event) const {
  std::string targets;
  for (const auto& target : targets_) targets += (targets.empty() ? "" : ", ") + CountsJson(target->counts(), target->name());
  JsonObject packets;
  for (const auto& [name, number] : builder_.counts().Named()) packets.Count(name, number);
  Say(Event(event).Count("rows", rows_).Count("drop_flows", drop_flows_).Raw("packets", packets.Finish()).Raw("targets", "[" + targets + "]"));
}

}  // namespace weir::sensor
