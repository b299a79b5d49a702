// What a sensor that was killed left in the spool becomes sealed segments, and what of it is lost
// becomes counts.
#pragma once

#include "capture_options.h"
#include "store/spool.h"

namespace weir::sensor {

// Seals, under the name of the dead sensor's start, the sound frames of each unfinished segment.
// Where the disk has no room for that, the leftovers stay for the next start.
void Salvage(const Options& options, const Spool& spool);

}  // namespace weir::sensor
