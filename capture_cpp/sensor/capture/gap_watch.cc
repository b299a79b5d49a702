#include "capture/gap_watch.h"

#include <utility>

#include "events.h"

namespace weir::sensor {
namespace {

std::int64_t SecondsBetween(Moment start, Moment end) { return (end.mono_us - start.mono_us) / kMicrosecondsPerSecond; }

const char* Name(Link link) {
  switch (link) {
    case Link::kUp:
      return "up";
    case Link::kDown:
      return "link_down";
    case Link::kRemoved:
      return "removed";
  }
  return "";
}

}  // namespace

GapWatch::GapWatch(std::string interface, std::int64_t silence_us, Moment start)
    : interface_(std::move(interface)), silence_us_(silence_us), last_packet_(start) {}

void GapWatch::Begin(const std::string& reason, Moment start) {
  gap_ = Gap{interface_, reason, start, {}};
  news_.push_back(*gap_);
}

void GapWatch::End(Moment now) {
  if (!gap_) return;
  gap_->end = now;
  news_.push_back(*gap_);
  gap_.reset();
}

void GapWatch::SetLink(Link link, Moment now) {
  if (link == link_) return;
  const std::int64_t seconds = gap_ ? SecondsBetween(gap_->start, now) : 0;
  End(now);
  link_ = link;
  if (link == Link::kUp) {
    Say(Event("link_up").Text("interface", interface_).Number("after_seconds", seconds));
    return;
  }
  Begin(Name(link), now);
  Say(Event(link == Link::kDown ? "link_down" : "interface_removed").Text("interface", interface_)
          .Text("what", link == Link::kDown ? "nothing can be captured until the link is up again; look at the cable, the mirror port or `ip link`"
                                            : "capture goes on when an interface of this name and kind is there again"));
}

void GapWatch::Look(std::uint64_t packets, Moment now) {
  if (packets != packets_) {
    packets_ = packets;
    if (gap_ && gap_->reason == "silent") End(now);
    if (is_told_) Say(Event("traffic_again").Text("interface", interface_).Number("after_seconds", SecondsBetween(last_packet_, now)));
    is_told_ = false;
    last_packet_ = now;
    return;
  }
  if (silence_us_ == 0 || is_told_ || now.mono_us - last_packet_.mono_us < silence_us_) return;
  is_told_ = true;
  alarm_ = true;
  if (!gap_) Begin("silent", last_packet_);
  Say(Event("too_little_traffic").Text("interface", interface_).Text("link", Name(link_)).Number("seconds", SecondsBetween(last_packet_, now))
          .Text("what", "no packet came; a dead tap looks like this, so look at the mirror port and at the filter"));
}

std::vector<Gap> GapWatch::Take() { return std::exchange(news_, {}); }

bool GapWatch::TakeAlarm() { return std::exchange(alarm_, false); }

}  // namespace weir::sensor
