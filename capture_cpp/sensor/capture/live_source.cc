#include "capture/live_source.h"

#include <poll.h>

#include <array>
#include <chrono>
#include <exception>

#include "capture/clock_watch.h"
#include "capture/gap_watch.h"
#include "capture/link_watch.h"
#include "capture/ring.h"
#include "clock.h"
#include "events.h"

namespace weir::sensor {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// While the ring says it is in trouble but the interface is there, this often before it is believed.
constexpr int kMostTroubles = 100;

class LiveSource : public CaptureSource {
 public:
  explicit LiveSource(const Options& options)
      : interface_(options.interface), ring_(options), links_(options.interface),
        gaps_(options.interface, static_cast<std::int64_t>(options.silence_seconds) * kMicrosecondsPerSecond, Moment::Now()) {
    links_.Ask();
  }

  std::string Name() const override { return "live:" + interface_; }
  void Run(Feeder* feeder, StopSignal* signal) override;

 private:
  void Capture(Feeder* feeder, StopSignal* signal);
  // Once a second: counters, clocks, links, and packets that wait in an unfilled batch.
  void Tick(Feeder* feeder);
  // Reads the ring; looks after the interface where that fails. How many packets came.
  int Read(Feeder* feeder);
  void Drain(Feeder* feeder);
  void Wait(const StopSignal& signal) const;
  void HearOfLinks(Feeder* feeder);
  void Hear(const LinkNews& news, Feeder* feeder);
  void Removed(Feeder* feeder);
  void CountInterfaceDrops(std::uint64_t now);
  void CountDrops(Feeder* feeder);
  static void OnPacket(u_char* self, const pcap_pkthdr* packet, const u_char* data);

  std::string interface_;
  Ring ring_;
  LinkWatch links_;
  GapWatch gaps_;
  ClockWatch clocks_;
  std::string last_name_;
  std::optional<std::uint64_t> last_interface_drops_;
  std::uint64_t interface_drops_ = 0;
  int troubles_ = 0;
  Feeder* feeder_ = nullptr;
};

void LiveSource::OnPacket(u_char* self, const pcap_pkthdr* packet, const u_char* data) {
  auto* source = reinterpret_cast<LiveSource*>(self);
  if (source->feeder_->done()) return;
  source->ring_.CountRead();
  source->feeder_->Take(source->ring_.format(),
                        {static_cast<std::uint32_t>(packet->ts.tv_sec), static_cast<std::uint32_t>(packet->ts.tv_usec),
                         packet->caplen, packet->len},
                        data);
  if (source->feeder_->done()) source->ring_.BreakLoop();
}

void LiveSource::Run(Feeder* feeder, StopSignal* signal) {
  feeder_ = feeder;
  feeder->Expect(ring_.format());
  std::exception_ptr trouble;
  try {
    Capture(feeder, signal);
  } catch (const SensorError&) {
    trouble = std::current_exception();  // what the ring holds was received all the same
  }
  ring_.RejectAll();
  if (!feeder->done()) Drain(feeder);
  feeder->AddGaps(gaps_.Take());
  CountDrops(feeder);
  feeder->SetUnread(ring_.Waiting());
  if (trouble) std::rethrow_exception(trouble);
}

void LiveSource::Capture(Feeder* feeder, StopSignal* signal) {
  Clock::time_point next_tick = Clock::now() + milliseconds(kHandOverMilliseconds);
  std::uint64_t seals = signal->seals();
  while (!feeder->done()) {
    HearOfLinks(feeder);
    const int packets = gaps_.link() == Link::kRemoved ? 0 : Read(feeder);
    const Wish wish = signal->Take(&seals);
    if (wish == Wish::kStop) return;
    if (Clock::now() >= next_tick || wish == Wish::kSeal) {
      Tick(feeder);
      if (packets == 0) feeder->SetQuiet(NowMicroseconds(CLOCK_REALTIME) - kQuietMarginUs);
      const bool alarm = gaps_.TakeAlarm();
      wish == Wish::kSeal || alarm ? feeder->Seal() : feeder->HandOver();
      next_tick = Clock::now() + milliseconds(kHandOverMilliseconds);
    }
    if (packets == 0) Wait(*signal);
  }
}

void LiveSource::Tick(Feeder* feeder) {
  const Moment now = Moment::Now();
  clocks_.Look(interface_, now);
  links_.Ask();
  HearOfLinks(feeder);
  gaps_.Look(ring_.read(), now);
  feeder->AddGaps(gaps_.Take());
  CountDrops(feeder);
}

int LiveSource::Read(Feeder* feeder) {
  const int packets = ring_.Dispatch(&OnPacket, this);
  if (packets > 0) troubles_ = 0;
  if (packets >= 0) return packets;
  links_.Ask();
  HearOfLinks(feeder);
  if (gaps_.link() == Link::kUp && (!links_.is_working() || ++troubles_ > kMostTroubles)) {
    throw SensorError(ExitCode::kCapture, interface_ + ": " + ring_.Trouble() + "; what was captured before was sealed");
  }
  return 0;
}

void LiveSource::HearOfLinks(Feeder* feeder) {
  for (const LinkNews& news : links_.Take()) Hear(news, feeder);
}

void LiveSource::Hear(const LinkNews& news, Feeder* feeder) {
  if (!news.exists) return Removed(feeder);
  if (gaps_.link() == Link::kRemoved) {
    if (!ring_.Attach(news.index)) return;
    links_.Follow(news);
    last_interface_drops_ = news.dropped;
    Say(Event("interface_is_back").Text("interface", interface_));
  }
  if (!last_name_.empty() && news.name != last_name_) {
    Say(Event("interface_renamed").Text("interface", last_name_).Text("now", news.name)
            .Text("what", "capture goes on, under the name it was started with"));
  }
  last_name_ = news.name;
  if (news.dropped) CountInterfaceDrops(*news.dropped);
  gaps_.SetLink(news.is_up ? Link::kUp : Link::kDown, Moment::Now());
}

// The kernel has let go of the interface, but not of what lies in the ring.
void LiveSource::Removed(Feeder* feeder) {
  if (gaps_.link() == Link::kRemoved) return;
  Drain(feeder);
  gaps_.SetLink(Link::kRemoved, Moment::Now());
}

// A driver that was loaded anew counts from 0.
void LiveSource::CountInterfaceDrops(std::uint64_t now) {
  const std::uint64_t before = last_interface_drops_.value_or(now);
  interface_drops_ += now >= before ? now - before : now;
  last_interface_drops_ = now;
}

void LiveSource::CountDrops(Feeder* feeder) { feeder->SetDrops(ring_.AskKernel().dropped(), interface_drops_); }

// The kernel accepts no more, so what it has counted and nobody has read becomes less and less.
void LiveSource::Drain(Feeder* feeder) {
  const Clock::time_point deadline = Clock::now() + milliseconds(kDrainMilliseconds);
  for (ring_.AskKernel(); ring_.Waiting() > 0 && Clock::now() < deadline && !feeder->done(); ring_.AskKernel()) {
    // An error says the interface is gone; the kernel still hands over its last block.
    if (ring_.Dispatch(&OnPacket, this) <= 0) poll(nullptr, 0, kBlockMilliseconds / 4);
  }
}

void LiveSource::Wait(const StopSignal& signal) const {
  const bool is_there = gaps_.link() != Link::kRemoved;
  std::array<pollfd, 3> events = {{{is_there ? ring_.descriptor() : -1, POLLIN, 0}, {signal.descriptor(), POLLIN, 0}, {links_.descriptor(), POLLIN, 0}}};
  poll(events.data(), events.size(), kBlockMilliseconds);
}

}  // namespace

std::unique_ptr<CaptureSource> OpenLiveSource(const Options& options) { return std::make_unique<LiveSource>(options); }

}  // namespace weir::sensor
