#include "counters.h"

#include <algorithm>

namespace weir::sensor {

const std::array<CounterName, 10> kCounterNames = {{
    {"received", &Counters::received},
    {"read", &Counters::read},
    {"kernel_dropped", &Counters::kernel_dropped},
    {"interface_dropped", &Counters::interface_dropped},
    {"unread", &Counters::unread},
    {"filtered", &Counters::filtered},
    {"written", &Counters::written},
    {"drop_disk", &Counters::drop_disk},
    {"drop_spool", &Counters::drop_spool},
    {"truncated", &Counters::truncated},
}};

Counters& Counters::operator+=(const Counters& other) {
  for (const CounterName& counter : kCounterNames) {
    this->*counter.field += other.*counter.field;
  }
  return *this;
}

Counters& Counters::operator-=(const Counters& other) {
  for (const CounterName& counter : kCounterNames) {
    this->*counter.field -= other.*counter.field;
  }
  return *this;
}

bool Counters::Balanced() const {
  return received == kernel_dropped + read + unread && read == filtered + written + drop_disk + drop_spool;
}

bool Counters::AllZero() const {
  return std::ranges::all_of(kCounterNames, [this](const CounterName& counter) { return this->*counter.field == 0; });
}

}  // namespace weir::sensor
