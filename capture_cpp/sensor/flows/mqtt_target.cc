#include "flows/mqtt_target.h"

#include <algorithm>

#include "events.h"

namespace weir::sensor {
namespace {

using std::chrono::milliseconds;

// AWS IoT Core takes messages of 128 KiB; each has its topic beside it.
constexpr std::size_t kMostPayloadBytes = 120'000;
constexpr std::size_t kFirstRowsPerMessage = 32;
constexpr std::size_t kMostUnconfirmed = 20;
constexpr milliseconds kStep(50);
// How long a live sensor that stops waits for its broker; with systemd, all of it stays below 15 s.
constexpr milliseconds kClosePatience(3'000);
// How long a file waits where nothing at all gets through.
constexpr milliseconds kFilePatience(15'000);
// Attempts follow one another at least this fast while a sensor is about to end.
constexpr milliseconds kLastPause(500);

}  // namespace

MqttTarget::MqttTarget(const FlowDestination& destination, const Options& options, Identity* identity, Resolver* resolver,
                       std::unique_ptr<Encoder> encoder)
    : name_(destination.text), encoder_(std::move(encoder)), is_patient_(options.interface.empty()),
      most_bytes_(static_cast<std::size_t>(options.flows.queue_mb) << 20), rows_per_message_(kFirstRowsPerMessage),
      connection_(destination, options.flows, options.sensor, identity, resolver) {
  connection_.SetOnConfirmed([this](int id, const std::string& refusal) { OnConfirmed(id, refusal); });
}

MqttTarget::~MqttTarget() { MqttTarget::Close(); }

void MqttTarget::Start() {
  progress_ = Clock::now();
  thread_ = std::thread([this] { Run(); });
}

void MqttTarget::Take(const Rows& rows, std::int64_t) {
  for (std::size_t from = 0; from < rows.size();) {
    Message message = Encode(rows, from);
    from += message.rows;
    Enqueue(std::move(message));
  }
}

// As many rows as fit, by what rows have taken so far.
MqttTarget::Message MqttTarget::Encode(const Rows& rows, std::size_t from) {
  std::size_t count = std::min(rows.size() - from, rows_per_message_);
  for (;;) {
    std::string payload;
    encoder_->Begin(&payload);
    encoder_->Encode(rows, from, count, &payload);
    encoder_->End(&payload);
    if (payload.size() <= kMostPayloadBytes || count == 1) {
      rows_per_message_ = std::max<std::size_t>(1, count * kMostPayloadBytes / payload.size());
      const std::size_t bytes = payload.size();
      return {std::move(payload), count, bytes};
    }
    count /= 2;
  }
}

void MqttTarget::Enqueue(Message message) {
  std::unique_lock lock(mutex_);
  counts_.taken += message.rows;
  const bool has_room = WaitForRoom(message.bytes, &lock);
  NoteDrop(message.rows, !has_room);
  if (!has_room) {
    counts_.drop_queue += message.rows;
    return;
  }
  queued_bytes_ += message.bytes;
  waiting_.push_back(std::move(message));
}

bool MqttTarget::WaitForRoom(std::size_t bytes, std::unique_lock<std::mutex>* lock) {
  const auto has_room = [&] { return queued_bytes_ + bytes <= most_bytes_; };
  while (is_patient_ && !has_room()) {
    if (changed_.wait_until(*lock, progress_ + kFilePatience) == std::cv_status::timeout && Clock::now() >= progress_ + kFilePatience) break;
  }
  return has_room();
}

void MqttTarget::NoteDrop(std::uint64_t rows, bool is_dropped) {
  if (is_dropped && dropping_ == 0) {
    Say(Event("flows_dropped").Text("flows", name_).Text("why", "the queue of " + std::to_string(most_bytes_ >> 20) + " MiB is full")
            .Text("what", "new rows are counted as drop_queue until the broker takes what waits; --queue-mb makes room for more"));
  } else if (!is_dropped && dropping_ > 0) {
    Say(Event("flows_go_on").Text("flows", name_).Count("drop_queue", dropping_));
  }
  dropping_ = is_dropped ? dropping_ + rows : 0;
}

TargetCounts MqttTarget::counts() const {
  const std::scoped_lock lock(mutex_);
  return counts_;
}

void MqttTarget::Close() {
  {
    const std::scoped_lock lock(mutex_);
    if (!is_closing_) progress_ = Clock::now();
    is_closing_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  for (const Message& message : waiting_) counts_.drop_stopped += message.rows;
  for (const auto& [id, message] : unconfirmed_) counts_.drop_stopped += message.rows;
  waiting_.clear();
  unconfirmed_.clear();
}

bool MqttTarget::IsOver() const {
  const std::scoped_lock lock(mutex_);
  if (!is_closing_) return false;
  const bool is_hopeful = is_patient_ && !connection_.is_refused();
  return (waiting_.empty() && unconfirmed_.empty()) || Clock::now() - progress_ >= (is_hopeful ? kFilePatience : kClosePatience);
}

void MqttTarget::Run() {
  while (!IsOver()) {
    if (connection_.Open()) Converse();
    if (!IsOver()) Pause(connection_.AfterFailure());
  }
  connection_.Close();
}

// Until the connection is lost or no longer needed.
void MqttTarget::Converse() {
  while (!IsOver()) {
    if (connection_.is_connected()) PublishWaiting();
    if (!connection_.Step(kStep)) return;
  }
}

void MqttTarget::PublishWaiting() {
  const std::scoped_lock lock(mutex_);
  while (!waiting_.empty() && unconfirmed_.size() < kMostUnconfirmed) {
    const std::optional<int> id = connection_.Publish(waiting_.front().payload);
    if (!id) return;
    unconfirmed_.emplace_back(*id, std::move(waiting_.front()));
    unconfirmed_.back().second.payload = {};  // the library has its own, and sends it again if need be
    waiting_.pop_front();
  }
}

void MqttTarget::OnConfirmed(int message_id, const std::string& refusal) {
  std::unique_lock lock(mutex_);
  const auto found = std::ranges::find_if(unconfirmed_, [&](const auto& entry) { return entry.first == message_id; });
  if (found == unconfirmed_.end()) return;
  const bool is_first_refusal = !refusal.empty() && counts_.drop_refused == 0;
  (refusal.empty() ? counts_.delivered : counts_.drop_refused) += found->second.rows;
  queued_bytes_ -= found->second.bytes;
  unconfirmed_.erase(found);
  if (!is_closing_ || is_patient_) progress_ = Clock::now();
  lock.unlock();
  changed_.notify_all();
  if (is_first_refusal) {
    Say(Event("flows_refused").Text("flows", name_).Text("why", refusal)
            .Text("what", "rows are counted as drop_refused; may this sensor publish under its topic?"));
  }
}

void MqttTarget::Pause(milliseconds time) {
  std::unique_lock lock(mutex_);
  if (changed_.wait_for(lock, time, [this] { return is_closing_; })) {
    lock.unlock();
    std::this_thread::sleep_for(std::min(time, kLastPause));
  }
}

}  // namespace weir::sensor
