#include "fragments.h"

#include "options.h"

namespace weir {

void Fragments::Remember(const FragmentKey& key, FragmentPorts ports, std::int64_t time_us) {
  ports_[key] = {ports, time_us, ++turn_};
  order_.push_back({key, turn_});
  while (order_.size() > kMostFragmented) {
    const auto oldest = ports_.find(order_.front().key);
    if (oldest != ports_.end() && oldest->second.turn == order_.front().turn) {
      ports_.erase(oldest);
    }
    order_.pop_front();
  }
}

const FragmentPorts* Fragments::Find(const FragmentKey& key, std::int64_t time_us) {
  const auto found = ports_.find(key);
  if (found == ports_.end() || time_us - found->second.time_us > kFragmentLifeUs) {
    return nullptr;
  }
  return &found->second.ports;
}

}  // namespace weir
