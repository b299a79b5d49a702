// Notices when an interface goes down, vanishes or falls silent, and when that is over.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gap.h"

namespace weir::sensor {

enum class Link : std::uint8_t { kUp, kDown, kRemoved };

class GapWatch {
 public:
  // Silence is told after `silence_us` without a packet; 0 never.
  GapWatch(std::string interface, std::int64_t silence_us, Moment start);

  void SetLink(Link link, Moment now);
  // Looks whether packets came, of which there were `packets` in all so far. To be called about once a second.
  void Look(std::uint64_t packets, Moment now);
  // What began or ended since the last call; a gap comes when it begins and again when it ends.
  std::vector<Gap> Take();
  // True once after a silence was told: whoever collects should hear of it now.
  bool TakeAlarm();
  Link link() const { return link_; }

 private:
  void Begin(const std::string& reason, Moment start);
  void End(Moment now);

  std::string interface_;
  std::int64_t silence_us_;
  Link link_ = Link::kUp;
  std::uint64_t packets_ = 0;
  Moment last_packet_;  // or where the silence began to count
  std::optional<Gap> gap_;
  bool is_told_ = false;  // the silence
  bool alarm_ = false;
  std::vector<Gap> news_;
};

}  // namespace weir::sensor
